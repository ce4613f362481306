/**
 * Says what Stride finds on this machine, and what it would choose: `deno run -A jsr:@stride/stride/doctor`.
 *
 * @module
 */
import { DeviceError, type DeviceProbe, type Registry } from "./core/mod.ts";
import { builtins } from "./mod.ts";
import { type WasmFeatures, wasmFeatures } from "./plugins/executors/wasm/features.ts";
import { chooseDevice } from "./strategies/choose_device.ts";

export type { WasmFeatures };

/** What was found. */
export interface Diagnosis {
  /** The runtime: `Deno 2.9.6 (V8 15.0), linux x86_64`. */
  readonly runtime: string;
  /** Every device by name, in the order in which `"auto"` tries them. */
  readonly devices: readonly (DeviceProbe & {
    /** The name it is registered under. */
    readonly name: string;
  })[];
  /** What WebAssembly can do here. */
  readonly wasm: WasmFeatures;
  /** The names of the executors. */
  readonly executors: readonly string[];
  /** What `"auto"` chooses, and why; the error, where that device does not work. */
  readonly choice: {
    /** The device's name. */
    readonly device: string;
    /** What it is, or what is wrong with those before it. */
    readonly why: string;
    /** The name of the executor that runs steps on it. */
    readonly executor: string;
    /** Why the device cannot be used. */
    readonly problem?: string;
  };
}

/**
 * Looks at this machine. The device that would be chosen is opened, which tests that it computes rightly.
 *
 * ```ts
 * import { diagnose, formatDiagnosis } from "@stride/stride/doctor";
 *
 * console.log(formatDiagnosis(await diagnose()));
 * ```
 *
 * @param registry Where devices and executors are looked up. @default the built-in ones
 */
export async function diagnose(registry: Registry = builtins): Promise<Diagnosis> {
  const devices = [];
  for (const name of registry.devices.names()) {
    devices.push({ name, ...await registry.devices.create(name).probe() });
  }
  const { device, why } = await chooseDevice(registry.devices);
  const executor = registry.create("executors", "auto");
  let problem: string | undefined;
  try {
    await device.open();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    problem = error.message;
  }
  const { deno, v8 } = Deno.version;
  return {
    runtime: `Deno ${deno} (V8 ${v8}), ${Deno.build.os} ${Deno.build.arch}`,
    devices,
    wasm: wasmFeatures(),
    executors: registry.names("executors"),
    choice: {
      device: device.name,
      why,
      executor: (executor.on?.(device) ?? executor).name,
      ...(problem === undefined ? {} : { problem }),
    },
  };
}

/** What executors do, in a few words. */
const EXECUTORS: Readonly<Record<string, (wasm: WasmFeatures) => string>> = {
  wasm: ({ threads }) =>
    `steps compiled to WebAssembly, on ${threads === 1 ? "one thread" : `up to ${threads} threads`}`,
  webgpu: () => "steps compiled to compute shaders",
  eager: () => "steps run by tfjs, one operation after the other",
};

/** A diagnosis as text. */
export function formatDiagnosis({ runtime, devices, wasm, executors, choice }: Diagnosis): string {
  const width = Math.max(...devices.map(({ name }) => name.length), "executor".length);
  const line = (name: string, text: string): string => `  ${name.padEnd(width)}  ${text}`;
  const yesNo = (there: boolean): string => there ? "yes" : "no";
  const does = EXECUTORS[choice.executor]?.(wasm);
  return [
    runtime,
    "",
    "Devices",
    ...devices.map((device) => line(device.name, describe(device))),
    "",
    "WebAssembly",
    line("threads", String(wasm.threads)),
    line("SIMD", `${yesNo(wasm.simd)}, relaxed: ${yesNo(wasm.relaxedSimd)}`),
    line("memory", wasm.sharedMemory ? "shared between threads" : "not shared between threads"),
    "",
    'Chosen by default ("auto")',
    line("device", `${choice.device}: ${choice.why}`),
    line("executor", `${choice.executor}${does === undefined ? "" : `: ${does}`}`),
    "",
    "To choose yourself",
    line("device", "oneDevice({ device: NAME }).scope(() => new Net())"),
    line("executor", `compile({ executor: NAME }), with one of ${executors.join(", ")}`),
    ...(choice.problem === undefined ? [] : ["", `The device does not work: ${choice.problem}`]),
  ].join("\n");
}

function describe({ available, software, description }: DeviceProbe): string {
  if (!available) return `not there: ${description}`;
  return `${description}${software ? " (software)" : " (hardware)"}`;
}

if (import.meta.main) console.log(formatDiagnosis(await diagnose()));
