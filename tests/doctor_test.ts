import { assert, assertEquals, assertMatch } from "@std/assert";
import { diagnose, formatDiagnosis } from "../doctor.ts";
import { type Device, DeviceError, type DeviceProbe, Registry } from "../core/mod.ts";
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
    "  gpu        llvmpipe (software)",
    "  npu        not there: no driver",
    "  cpu        tfjs's CPU backend (software)",
  ]);
  assert(text.includes(`  threads    ${navigator.hardwareConcurrency}`), text.join("\n"));
  assertEquals(text.slice(-4), [
    "Chosen by default",
    '  device     Device "cpu"; "gpu" is emulated (llvmpipe); "npu" is not there: no driver.',
    "  executor   eager",
    "  executors  there are auto, eager",
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

Deno.test("the doctor runs as a program", async () => {
  const path = new URL("../doctor.ts", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--no-lock", path],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  for (const heading of ["Deno 2", "Devices\n", "WebAssembly\n", "Chosen by default\n"]) {
    assert(text.includes(heading), text);
  }
});
