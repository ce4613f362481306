/**
 * Is training right and fast on this machine's GPU?
 *
 * ```sh
 * deno run -A --no-lock bench/gpu.ts [--part checks,products,training] [--kernels discrete,integrated,software]
 *   [--sizes 512,1024,2048,4096] [--peak 67] [--workload dense1,mlp,cnn,gpt] [--seconds 2]
 * ../shared/gpu/pack.sh bench/gpu.ts OUT_DIR    # for a machine without Deno and network: there, OUT_DIR/run.sh [options]
 * ```
 *
 * Everything runs in one process, so that it can be packed as one file; compare with other libraries by `steps.ts`. Prints a
 * JSON object a line:
 *
 * - `adapter`: names, limits, and the kind that kernels are made for unless `--kernels` names others.
 * - `check`: some steps of a workload, on kernels for each kind of adapter, beside WebAssembly on the CPU. `worst` is the
 *   largest difference of a loss, in parts of the first loss; `sameAgain` and `sameMeasured` say whether a second run, and one
 *   with the tuner, gave the same bits. The exit code is 1 if `ok` is false anywhere.
 * - `product`: square matrices, by the device's own clock, in all ways that the tuner would measure: milliseconds by name
 *   (`chosen` is what sizes speak for), `gflops` of the chosen, and its `share` of `--peak`, in TFLOP/s of float32 as the
 *   maker says. On zeros: with data that switch more transistors, GPUs may clock lower.
 * - `training`: steps through `fit` on data in memory: `msPerStep` is the median epoch, `best` the fastest, `firstStepMs` from
 *   calling `fit` to the first step's end. `submissions` and `maps` of the last epoch.
 * - `skipped`: what could not be run, and why.
 *
 * Nobody has run it on a GPU yet: bench/LOG.md.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { webgpu } from "@stride/stride/devices";
import type { AdapterKind } from "@stride/stride/executors";
import { type Runtime, runtimeOf } from "../plugins/executors/webgpu/runtime.ts";
import { webGpuBackendOf } from "../plugins/executors/webgpu/tfjs_backend.ts";
import { check } from "./gpu/checks.ts";
import { timeProduct } from "./gpu/products.ts";
import { timeTraining } from "./gpu/training.ts";
import { gpt, workloads } from "./workloads.ts";

const KINDS: readonly AdapterKind[] = ["discrete", "integrated", "software"];
const PARTS = ["checks", "products", "training"];
const WORKLOADS = [...Object.keys(workloads), gpt.name];

const args = parseArgs(Deno.args, {
  string: ["part", "kernels", "sizes", "peak", "workload", "seconds"],
  default: { sizes: "512,1024,2048,4096", seconds: "2" },
  unknown: (option) => refuse(`Unknown option ${option}. The first lines of bench/gpu.ts name them all.`),
});

function refuse(message: string): never {
  console.error(message);
  Deno.exit(2);
}

function chosen<T extends string>(option: string, text: string | undefined, known: readonly T[]): readonly T[] {
  const names = text?.split(",").filter(Boolean) ?? known;
  const unknown = names.filter((name) => !known.includes(name as T));
  if (unknown.length > 0) refuse(`Unknown --${option} ${unknown.join(", ")}. Known: ${known.join(", ")}.`);
  return names as readonly T[];
}

function positive(option: string, text: string): number {
  const value = Number(text);
  return value > 0 ? value : refuse(`--${option} is ${text}; expected a number above 0.`);
}

const parts = chosen("part", args.part, PARTS);
const names = chosen("workload", args.workload, WORKLOADS);
const sizes = args.sizes.split(",").map((size: string) => Math.round(positive("sizes", size)));
const seconds = positive("seconds", args.seconds);
const peak = args.peak === undefined ? undefined : positive("peak", args.peak);

/** Prints what was found, or why nothing was. @returns Whether it went well. */
async function report<T extends object>(what: object, find: () => Promise<T>): Promise<T | undefined> {
  try {
    const found = await find();
    console.log(JSON.stringify({ ...what, ...found }, rounded));
    return found;
  } catch (error) {
    console.log(JSON.stringify({ ...what, skipped: (error as Error).message }));
    return undefined;
  }
}

function rounded(_: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
] as const;

function adapter(runtime: Runtime): object {
  const { device: { adapterInfo: { vendor, architecture, description }, limits, features }, software } = runtime;
  return {
    vendor,
    architecture,
    description,
    software,
    kind: runtime.tuning().name,
    limits: Object.fromEntries(LIMITS.map((limit) => [limit, limits[limit]])),
    timestamps: features.has("timestamp-query"),
    deno: Deno.version.deno,
  };
}

const device = webgpu();
await device.open();
const runtime = runtimeOf(webGpuBackendOf(device));
console.log(JSON.stringify({ about: "adapter", ...adapter(runtime) }));
const kinds = chosen("kernels", args.kernels ?? runtime.tuning().name, KINDS);
let allOk = true;
if (parts.includes("checks")) {
  for (const workload of names) {
    for (const kernelsFor of kinds) {
      const found = await report({ about: "check", workload, kernelsFor }, () => check(workload, kernelsFor, runtime));
      allOk &&= found?.ok === true;
    }
  }
}
if (parts.includes("products")) {
  for (const size of sizes) {
    for (const kernelsFor of kinds) {
      await report({ about: "product", size, kernelsFor }, async () => {
        device.activate();
        const { gflops, ...rest } = await timeProduct(runtime, size, kernelsFor);
        return { gflops, ...(peak === undefined ? {} : { share: gflops / peak / 1000 }), ...rest };
      });
    }
  }
}
if (parts.includes("training")) {
  for (const workload of names) {
    for (const kernelsFor of kinds) {
      for (const tuner of workload === "dense1" ? [false] : [false, true]) {
        const what = { about: "training", workload, executor: "webgpu", kernelsFor, tuner };
        await report(what, () => timeTraining(workload, { kernelsFor, tuner, seconds }));
      }
    }
  }
}
// tfjs's WebGPU backend keeps the process alive.
Deno.exit(allOk ? 0 : 1);
