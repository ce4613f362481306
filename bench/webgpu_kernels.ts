/**
 * Which kernels of a compiled step take how long, alone, on this machine's WebGPU adapter?
 *
 * ```sh
 * deno run -A --no-lock bench/webgpu_kernels.ts WORKLOAD [--ms 300] [--only 3,4] [--processor] [--print]
 * ```
 *
 * Each kernel of the training step of a workload of `workloads.ts` runs many times in submissions of its own, on memory of
 * noise. Columns: the time until the first dispatch was done, which has compilation in it (`MESA_SHADER_CACHE_DISABLE=true`
 * shows it on Mesa); the best time of a dispatch; what that makes of the flops and bytes that `explain()` counts. Kernels
 * that are several shaders have a line for each below. `--only` takes kernels by number; `--print` shows their shaders;
 * `--processor` measures the time of all threads in place of the clock, which other work on the machine disturbs less where
 * the adapter is software.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";
import { webgpu } from "@stride/stride/devices";
import type { Plan } from "@stride/stride/compiler";
import { planPhase, planStep } from "../plugins/compiler/compile.ts";
import { elementBytes, placeOf, rootOf } from "../plugins/compiler/ir/buffers.ts";
import { measureKernel } from "../plugins/compiler/ir/measure.ts";
import type { Buffer } from "../plugins/compiler/ir/types.ts";
import { webGpuExecutor } from "../plugins/executors/webgpu/executor.ts";
import { Pipelines } from "../plugins/executors/webgpu/pipelines.ts";
import { chooseTextures, withTextures } from "../plugins/executors/webgpu/plan_textures.ts";
import { runtimeOf } from "../plugins/executors/webgpu/runtime.ts";
import { webGpuBackendOf } from "../plugins/executors/webgpu/tfjs_backend.ts";
import { type ComputeShader, isTexture, printKernel, STEP_BYTES } from "../plugins/executors/webgpu/wgsl/mod.ts";
import { TEXTURE_FORMAT, textureShape } from "../plugins/executors/webgpu/wgsl/texture_shape.ts";
import { strideModel } from "./stride_model.ts";
import { batchSizeOf, trainingData } from "./workloads.ts";

const args = parseArgs(Deno.args, { string: ["ms", "only"], boolean: ["print", "processor"], default: { ms: "300" } });
const name = String(args._[0] ?? "mlp");
const only = args.only?.split(",").map(Number);
const plan = await planOf(name);
const device = webgpu();
await device.open();
const runtime = runtimeOf(webGpuBackendOf(device));
const gpu = runtime.device;
const tuning = runtime.tuning();
const pipelines = new Pipelines(gpu);
const buffers = new Map<Buffer, GPUBuffer>();
const views = new Map<Buffer, GPUTextureView>();
const { STORAGE, UNIFORM, COPY_DST } = GPUBufferUsage;

/** The plan of a workload's training step; nothing is run. */
async function planOf(workload: string): Promise<Plan> {
  class Planned extends Error {
    constructor(readonly plan: Plan) {
      super("Planned.");
    }
  }
  const executor = webGpuExecutor({
    planPhase,
    print: printKernel,
    plan: (...given) => {
      throw new Planned(planStep(...given));
    },
  });
  const model = strideModel(workload, { executor, device: "webgpu", stepsPerExecution: 1 });
  const batchSize = batchSizeOf(workload);
  try {
    await model.fit(trainingData(workload, batchSize), { batchSize, verbose: 0 });
  } catch (error) {
    if (error instanceof Planned) return error.plan;
    throw error;
  }
  throw new Error("The step was not planned.");
}

/** Memory of a buffer: noise for numbers, valid rows for row numbers, zeros for what may be an index. */
function memoryOf(buffer: Buffer): GPUBuffer {
  const root = rootOf(buffer);
  let memory = buffers.get(root);
  if (memory !== undefined) return memory;
  const elements = root.role.kind === "input" ? root.size * batchSizeOf(name) : root.size;
  const bytes = Math.ceil(elements * elementBytes(root) / 16) * 16;
  memory = gpu.createBuffer({ size: bytes, usage: STORAGE | UNIFORM | COPY_DST });
  if (root.role.kind === "rows") gpu.queue.writeBuffer(memory, 0, Int32Array.from({ length: elements }, (_, i) => i));
  else if (root.type === "f32") {
    const noise = Float32Array.from({ length: bytes / 4 }, (_, i) => 0.5 + 0.25 * Math.sin(i * 0.7));
    gpu.queue.writeBuffer(memory, 0, noise);
  }
  buffers.set(root, memory);
  return memory;
}

/** A texture as large as a buffer, full of zeros. */
function viewOf(buffer: Buffer): GPUTextureView {
  let view = views.get(buffer);
  if (view === undefined) {
    const usage = GPUTextureUsage.STORAGE_BINDING;
    view = gpu.createTexture({ size: textureShape(buffer), format: TEXTURE_FORMAT, usage }).createView();
    views.set(buffer, view);
  }
  return view;
}

/** Now, in ms: of the clock, or of all threads' work. */
function now(): number {
  if (!args.processor) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const info = gpu.createBuffer({ size: STEP_BYTES, usage: UNIFORM | COPY_DST });
gpu.queue.writeBuffer(info, 0, Uint32Array.of(0, 1, 0, 0));
const table = gpu.createBuffer({ size: 4096, usage: STORAGE | COPY_DST });
gpu.queue.writeBuffer(table, 0, new Float32Array(1024).fill(0.001));
const keys = gpu.createBuffer({ size: 4096, usage: STORAGE });

/** How long a shader takes, in ms. */
async function measure(shader: ComputeShader): Promise<{ first: number; each: number }> {
  const operands = shader.operands.map(({ buffer, access }, binding) => {
    if (isTexture(access)) return { binding, resource: viewOf(buffer) };
    const memory = memoryOf(buffer);
    const place = { buffer: memory, offset: placeOf(buffer).offset * 4 };
    const part = buffer.within ? { ...place, size: Math.ceil(buffer.size / 4) * 16 } : place;
    return { binding, resource: part };
  });
  const begun = now();
  const [pipeline] = await pipelines.compile([shader], () => Promise.resolve());
  const zero = gpu.createBindGroup({ layout: pipeline!.operands, entries: operands });
  const { usesStep, usesTable, usesKeys } = shader;
  const entries = [
    ...usesStep ? [{ binding: 0, resource: { buffer: info, size: STEP_BYTES } }] : [],
    ...usesTable ? [{ binding: 1, resource: { buffer: table } }] : [],
    ...usesKeys ? [{ binding: 2, resource: { buffer: keys } }] : [],
  ];
  const one = pipeline!.step && gpu.createBindGroup({ layout: pipeline!.step, entries });
  const run = async (times: number): Promise<number> => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline!.pipeline);
    pass.setBindGroup(0, zero);
    if (one) pass.setBindGroup(1, one, usesStep ? [0] : []);
    for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...shader.workgroups);
    pass.end();
    const started = now();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
    return now() - started;
  };
  await run(1);
  const first = now() - begun;
  // Waiting ends at a tick of some 10 ms: a round must be much longer than that.
  const round = Number(args.ms) / 3;
  const once = await run(1);
  let times = 1;
  let took = once;
  while (took < round && times < 4096) {
    times = Math.min(4096, Math.ceil(times * Math.max(2, Math.min(8, round / took))));
    took = await run(times);
  }
  let best = took / times;
  for (let more = 0; more < 2; more++) best = Math.min(best, await run(times) / times);
  return { first: first - once, each: best };
}

const rows: string[][] = [["#", "kernel", "from", "first ms", "ms", "GFLOP/s", "GB/s"]];
let [total, compiling] = [0, 0];
const { expressions, columns, streams } = plan;
const printed = plan.kernels.map((kernel) => printKernel(kernel, { expressions, columns, streams, tuning }));
const textures = chooseTextures(plan, printed, tuning, gpu.limits);
for (const [index, kernel] of plan.kernels.entries()) {
  if (only !== undefined && !only.includes(index)) continue;
  const shaders = printed[index]!.map((shader) => withTextures(shader, textures));
  const parts: { label: string; first: number; each: number }[] = [];
  for (const shader of shaders) {
    if (args.print) console.log(shader.code);
    parts.push({ label: `${shader.label}, ${shader.workgroups[0]} groups`, ...await measure(shader) });
  }
  const { flops, bytesRead, bytesWritten } = measureKernel(kernel);
  const each = parts.reduce((sum, part) => sum + part.each, 0);
  const first = parts.reduce((sum, part) => sum + part.first, 0);
  total += each;
  compiling += first;
  const rate = (amount: number): string => (amount / each / 1e6).toPrecision(3);
  const label = shaders.length === 1 ? parts[0]!.label : `${kernel.kind}, ${shaders.length} shaders`;
  rows.push([
    String(index),
    label,
    (kernel.from ?? []).slice(0, 4).join(" "),
    first.toFixed(0),
    each.toFixed(3),
    rate(flops),
    rate(bytesRead + bytesWritten),
  ]);
  if (shaders.length === 1) continue;
  for (const { label, first, each } of parts) {
    rows.push(["", `  ${label}`, "", first.toFixed(0), each.toFixed(3), "", ""]);
  }
}
rows.push(["", "total", "", compiling.toFixed(0), total.toFixed(3), "", ""]);
const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
for (const row of rows) {
  console.log(row.map((cell, i) => i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  "));
}
Deno.exit(0);
