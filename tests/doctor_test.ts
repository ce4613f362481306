import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { diagnose, formatDiagnosis } from "../doctor.ts";
import { type Device, DeviceError, type DeviceProbe, Registry } from "../core/mod.ts";
import { webgpu } from "../plugins/devices/mod.ts";
import { eager } from "../plugins/executors/mod.ts";

function device(name: string, probe: DeviceProbe, open: () => Promise<void> = () => Promise.resolve()): Device {
  return { name, backend: "cpu", probe: () => Promise.resolve(probe), open, activate: () => {}, check: () => {} };
}

const CPU: DeviceProbe = { available: true, software: true, description: "tfjs's CPU backend" };

Deno.test("diagnose() says what there is and what would be chosen", async () => {
  const registry = Registry.empty.use({
    name: "test",
    devices: {
      gpu: () => device("gpu", { available: true, software: true, description: "llvmpipe" }),
      npu: () => device("npu", { available: false, software: false, description: "no driver" }),
      cpu: () => device("cpu", CPU),
    },
    executors: { auto: eager, eager },
  });
  const diagnosis = await diagnose(registry);
  assertEquals(diagnosis.devices.map(({ name, available }) => [name, available]), [
    ["gpu", true],
    ["npu", false],
    ["cpu", true],
  ]);
  const text = formatDiagnosis({ ...diagnosis, runtime: "Deno" }).split("\n");
  assertEquals(text.slice(0, 6), [
    "Deno",
    "",
    "Devices",
    "  gpu       llvmpipe (software)",
    "  npu       not there: no driver",
    "  cpu       tfjs's CPU backend (software)",
  ]);
  assert(text.includes(`  threads   ${navigator.hardwareConcurrency}`), text.join("\n"));
  assertEquals(text.slice(-7), [
    'Chosen by default ("auto")',
    '  device    cpu: device "gpu" is emulated in software, by llvmpipe; device "npu" is not there, no driver',
    "  executor  eager: steps run by tfjs, one operation after the other",
    "",
    "To choose yourself",
    "  device    oneDevice({ device: NAME }).scope(() => new Net())",
    "  executor  compile({ executor: NAME }), with one of auto, eager",
  ]);
});

Deno.test("diagnose() says why the device that would be chosen does not work", async () => {
  const registry = Registry.empty.use({
    name: "test",
    devices: {
      gpu: () =>
        device(
          "gpu",
          { available: true, software: false, description: "a GPU" },
          () => Promise.reject(new DeviceError("2 + 2 gave 5.")),
        ),
    },
    executors: { auto: eager },
  });
  const text = formatDiagnosis(await diagnose(registry));
  assertMatch(text, /gpu +a GPU \(hardware\)/);
  assertMatch(text, /The device does not work: 2 \+ 2 gave 5\.$/);
});

/** What the doctor prints in a process of its own. */
async function printed(env: Record<string, string> = {}): Promise<string> {
  const path = new URL("../doctor.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--no-lock", path],
    env,
    stdout: "piped",
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("the doctor says what there is on this machine, and which executor auto stands for", async () => {
  const text = await printed();
  for (const heading of ["Deno 2", "Devices\n", "WebAssembly\n", "Chosen by default", "To choose yourself\n"]) {
    assert(text.includes(heading), text);
  }
  const { available, software, description } = await webgpu().probe();
  assertMatch(
    text,
    available && !software ? /executor {2}webgpu: / : /executor {2}wasm: steps compiled to WebAssembly, on /,
  );
  if (available) assertStringIncludes(text, `webgpu    ${description} (${software ? "software" : "hardware"})`);
});

Deno.test("the doctor says that there is no adapter, and chooses wasm, where there is no driver", async () => {
  const text = await printed({ DENO_WEBGPU_BACKEND: "vulkan", VK_DRIVER_FILES: "/nonexistent" });
  assertStringIncludes(text, "webgpu    not there: no WebGPU adapter");
  assertStringIncludes(text, 'device    cpu: device "webgpu" is not there, no WebGPU adapter');
  assertMatch(text, /executor {2}wasm: /);
});
