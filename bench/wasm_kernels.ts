/**
 * Where does a step's time go in WebAssembly, kernel by kernel?
 *
 * ```sh
 * deno run -A bench/wasm_kernels.ts [WORKLOAD] [--threads 2] [--seconds 0.2] [--least 1]
 * ```
 *
 * Each kernel of the workload's step runs by itself, many times in one call, on data that are there once; then the whole step
 * in the same way, without `fit` around it. Prints microseconds a step, GFLOP/s and GB/s as `explain` counts them; kernels
 * of less than `--least` percent of the sum are left out. A kernel by itself has its operands in the cache, which in a step it may
 * not have.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { Model } from "@stride/stride";
import type { Plan } from "@stride/stride/compiler";
import { wasm } from "@stride/stride/executors";
import { sparseCategoricalCrossentropy } from "@stride/stride/losses";
import { oneDevice } from "@stride/stride/strategies";
import { Transformer } from "../examples/transformer_model.ts";
import { bytesOf, hasPartPerStep, rootOf } from "../plugins/compiler/ir/buffers.ts";
import { axisGroups } from "../plugins/compiler/ir/format.ts";
import { measureKernel, measureKernels } from "../plugins/compiler/ir/measure.ts";
import { reads, writes } from "../plugins/compiler/ir/shape.ts";
import type { Buffer } from "../plugins/compiler/ir/types.ts";
import { allocate } from "../plugins/compiler/passes/allocate.ts";
import { controlBytes, generateModule } from "../plugins/executors/wasm/codegen/mod.ts";
import { SharedMemory } from "../plugins/executors/wasm/memory.ts";
import { WorkerPool } from "../plugins/executors/wasm/pool.ts";
import { batchSizeOf, gpt, trainingData, workloads } from "./workloads.ts";

const args = parseArgs(Deno.args, { string: ["threads", "seconds", "least"] });
const name = String(args._[0] ?? "mlp");
const threads = Number(args.threads ?? navigator.hardwareConcurrency);
const seconds = Number(args.seconds ?? 0.2);
const least = Number(args.least ?? 1) / 100;
/** Steps whose rows lie in memory, one after the other. */
const RING = 16;

async function planOf(): Promise<Plan> {
  let found: Plan | undefined;
  const executor = wasm({ threads: 1, onPlan: (plan) => found ??= plan });
  const strategy = oneDevice({ device: "cpu" });
  const model = strategy.scope(() =>
    name === gpt.name ? new Transformer(gpt.transformer) : Model.from(workloads[name]!.layers())
  );
  const { optimizer, loss } = name === gpt.name
    ? { optimizer: "adam", loss: sparseCategoricalCrossentropy({ fromLogits: true }) }
    : workloads[name]!;
  model.compile({ optimizer, loss, executor });
  const batchSize = batchSizeOf(name);
  await model.fit(trainingData(name, batchSize), { batchSize, verbose: 0 });
  return found!;
}

/** Places for all buffers of a plan, and small numbers in them. */
function place(plan: Plan, memory: SharedMemory): (buffer: Buffer) => number {
  const addresses = new Map<Buffer, number>();
  const { offsets, size } = allocate(plan, { alignment: 64 });
  const scratch = memory.allocate(size, "scratch").address;
  for (const [buffer, offset] of offsets) addresses.set(buffer, scratch + offset);
  const rows = batchSizeOf(name);
  for (const buffer of plan.kernels.flatMap((kernel) => [...reads(kernel), ...writes(kernel)])) {
    const root = rootOf(buffer);
    if (addresses.has(root)) continue;
    const parts = root.role.kind === "input" ? rows * RING : hasPartPerStep(root) ? RING : 1;
    const bytes = bytesOf(root) * parts;
    const { address } = memory.allocate(bytes, "buffers");
    addresses.set(root, address);
    const view = memory.view(root.type, address, root.size * parts);
    if (root.role.kind === "constant") view.set(root.role.values);
    else if (root.role.kind === "rows") view.forEach((_, i) => view[i] = (i * 7919) % (rows * RING));
    else view.forEach((_, i) => view[i] = root.type === "f32" ? 0.01 + (i % 17) / 100 : i % 8);
  }
  const addressOf = (buffer: Buffer): number =>
    addresses.get(buffer) ??
      addressOf(buffer.within!.buffer) + buffer.within!.offset * (buffer.type === "u8" ? 1 : 4);
  return addressOf;
}

const plan = await planOf();
const memory = new SharedMemory();
memory.allocate(64, "a margin");
const address = place(plan, memory);
const table = memory.allocate(RING * plan.columns.length * 4 + 64, "the step table").address;
memory.f32.fill(0.01, table / 4, table / 4 + RING * plan.columns.length);
const keys = memory.allocate(RING * plan.streams * 8 + 64, "keys").address;
const pool = new WorkerPool(memory);

/** Microseconds of a step of these kernels, the best round. */
async function time(kernels: Plan["kernels"]): Promise<number> {
  const barriers = memory.allocate(controlBytes(threads), "barriers");
  memory.view("i32", barriers.address, barriers.bytes / 4).fill(0);
  const memoryPages = { initial: memory.pages, maximum: memory.pages };
  const layout = { address, table, keys, control: barriers.address, memoryPages };
  const bytes = generateModule({ ...plan, kernels }, layout, { relaxed: true, threads });
  const module = await pool.load(bytes as Uint8Array<ArrayBuffer>, { threads, barriers });
  const run = async (steps: number): Promise<number> => {
    const started = performance.now();
    let job = 0;
    for (let done = 0; done < steps; done += RING) job = module.run(0, Math.min(RING, steps - done));
    await pool.wait(job);
    return (performance.now() - started) * 1000;
  };
  await run(64);
  const steps = Math.max(RING, Math.round(1e4 / (await run(RING) / RING) / RING) * RING);
  let best = Infinity;
  for (const until = performance.now() + 1000 * seconds; performance.now() < until;) {
    best = Math.min(best, await run(steps) / steps);
  }
  module.drop();
  await pool.idle();
  return best;
}

const times: number[] = [];
for (const kernel of plan.kernels) times.push(await time([kernel]));
const sum = times.reduce((total, each) => total + each, 0);
const whole = await time(plan.kernels);
const { flops } = measureKernels(plan.kernels);
console.log(
  `${name}, ${threads} threads: ${plan.kernels.length} kernels take ${sum.toFixed(1)} µs one by one; ` +
    `the step ${whole.toFixed(1)} µs, ${(flops / whole / 1000).toFixed(1)} GFLOP/s`,
);
console.log("     µs  GFLOP/s    GB/s  kernel");
plan.kernels.forEach((kernel, at) => {
  if (times[at]! < least * sum) return;
  const { flops, bytesRead, bytesWritten } = measureKernel(kernel);
  const loops = axisGroups(kernel).map(([, axes]) => axes.map(({ size }) => size).join("x") || "1").join(" | ");
  const rate = (amount: number) => (amount / times[at]! / 1000).toFixed(1).padStart(8);
  console.log(
    `${times[at]!.toFixed(1).padStart(7)} ${rate(flops)}${rate(bytesRead + bytesWritten)}  ` +
      `${at} ${kernel.kind} ${loops}: ${(kernel.from ?? []).join(" + ").slice(0, 100)}`,
  );
});
Deno.exit(0);
