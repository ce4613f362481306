import { assertEquals } from "@std/assert";
import { type Batch, type Step, type StepTable, type Tensor, tf } from "../../core/mod.ts";
import { planPhase, planStep } from "../../plugins/compiler/compile.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { Buffer, Kernel } from "../../plugins/compiler/ir/types.ts";
import { axesIn } from "../../plugins/compiler/lower/lowering.ts";
import { cpu } from "../../plugins/devices/mod.ts";
import { controlBytes, generateModule, prepare } from "../../plugins/executors/wasm/codegen/mod.ts";
import { SharedMemory } from "../../plugins/executors/wasm/memory.ts";
import { WorkerPool } from "../../plugins/executors/wasm/pool.ts";
import { type ProgramOptions, WasmProgram } from "../../plugins/executors/wasm/program.ts";
import { WasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { ThreadCount } from "../../plugins/executors/wasm/thread_count.ts";
import { planOf } from "./wasm_codegen_run.ts";
import { addSteps, moduleOf } from "./wasm_scalar_module.ts";

/** A kernel of so many operations, which nothing runs. */
function work(flops: number): Kernel {
  const ir = new Expressions();
  const i = ir.axis(flops);
  const buffer = ir.buffer("f32", flops, { kind: "scratch" });
  const stores = [{ buffer, index: i, value: ir.mul(ir.load(buffer, i), 3) }];
  return { kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores };
}

Deno.test("ThreadCount.next() asks for one more thread when its start would have paid", () => {
  // The second thread pays after 1.3 GFLOP, the third after 3.9.
  const count = new ThreadCount([work(1e9)], { threads: 3 });
  assertEquals([count.most, count.next(1, 0), count.next(1, 1), count.next(1, 2), count.next(1, 2)], [3, 1, 2, 2, 3]);
  assertEquals(new ThreadCount([work(1e9)], { threads: 3 }).next(100, 0), 3);
});

Deno.test("ThreadCount.next() uses threads that are there, and no more than steps are worth", () => {
  assertEquals(new ThreadCount([work(1e9)], { threads: 3 }).next(1, 2), 2);
  assertEquals(new ThreadCount([work(1e9)], { threads: 3 }).next(1, 8), 3);
  const small = new ThreadCount([work(400_000)], { threads: 8 });
  assertEquals([small.most, small.next(1_000_000, 8)], [2, 2]);
  assertEquals(new ThreadCount([], { threads: 8 }).next(1_000_000, 8), 1);
});

Deno.test("ThreadCount.next() asks for all threads at once where it was told to", () => {
  assertEquals(new ThreadCount([work(1e9)], { threads: 3, allAtOnce: true }).next(1, 0), 3);
});

Deno.test("LoadedModule.widen() starts threads, and leaves jobs that were queued before as they were", async () => {
  const memory = new SharedMemory();
  const pool = new WorkerPool(memory);
  const word = memory.allocate(64, "a test").address;
  memory.i32[word / 4] = 0;
  const barriers = memory.allocate(controlBytes(3), "barriers");
  const module = await pool.load(moduleOf(addSteps(word), memory.pages, [0x7f]), { threads: 1, barriers });
  assertEquals([pool.threads, module.threads], [1, 1]);
  for (let i = 0; i < 50; i++) module.run(0, 10);
  await module.widen(3);
  assertEquals([pool.threads, module.threads], [3, 3]);
  await module.widen(2);
  assertEquals(module.threads, 3);
  for (let i = 0; i < 50; i++) module.run(0, 10);
  await pool.idle();
  assertEquals(memory.i32[word / 4], (50 + 50 * 3) * 10);
  await pool.dispose();
});

Deno.test("barriers hold when a module goes on with more threads than it began with", async () => {
  const memory = new SharedMemory();
  const pool = new WorkerPool(memory);
  const ir = new Expressions();
  const size = 4096;
  const [a, b] = [0, 1].map(() => ir.buffer("f32", size, { kind: "scratch" })) as [Buffer, Buffer];
  const turned = (from: Buffer, to: Buffer): Kernel => {
    const i = ir.axis(size);
    const near = ir.unary("tanh", ir.add(ir.load(from, ir.sub(ir.int(size - 1), i)), 0.25));
    const value = ir.add(ir.mul(near, 0.5), ir.mul(ir.load(from, i), 0.375));
    return { kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores: [{ buffer: to, index: i, value }] };
  };
  const plan = prepare(planOf(ir, [turned(a, b), turned(b, a)]));
  const addresses = new Map([a, b].map((buffer) => [buffer, memory.allocate(4 * size + 128, "a test").address + 64]));
  const values = memory.view("f32", addresses.get(a)!, size);
  const results: Float32Array[] = [];
  for (const widths of [[1], [1, 2, 3]]) {
    for (let i = 0; i < size; i++) values[i] = Math.sin(i);
    const barriers = memory.allocate(controlBytes(3), "barriers");
    const memoryPages = { initial: memory.pages, maximum: memory.pages };
    const layout = {
      address: (buffer: Buffer) => addresses.get(buffer)!,
      table: 64,
      keys: 64,
      control: barriers.address,
      memoryPages,
    };
    const bytes = generateModule(plan, layout, { relaxed: true, threads: 3 });
    const module = await pool.load(bytes, { threads: 1, barriers });
    for (const threads of widths) {
      await module.widen(threads);
      module.run(0, 240 / widths.length);
    }
    await pool.idle();
    results.push(Float32Array.from(values));
  }
  assertEquals(results[1], results[0]);
  await pool.dispose();
});

Deno.test("a program starts its second thread when there has been work for it, and computes the same", async () => {
  const device = cpu();
  await device.open();
  device.activate();
  const runtime = new WasmRuntime();
  const weight = tf.variable(tf.randomUniform([512, 2048], -1, 1, "float32", 1));
  const step: Step = {
    kind: "predict",
    variables: [{ path: "weight", variable: weight, role: "weight", acrossReplicas: "mirrored" }],
    phases: [{
      name: "predict",
      variables: [],
      compute: ({ x }) => ({ outputs: tf.sum(tf.matMul(x as Tensor, weight), 1) }),
    }],
    sums: [],
    table: (): StepTable => ({ columns: [], rows: [], first: 0, key: [0, 0] }),
    advance: () => {},
    decode: () => ({}),
  };
  const options: Omit<ProgramOptions, "threads"> = {
    plan: (...given) => prepare(planStep(...given)),
    planPhase,
    generate: generateModule,
    runtime,
    relaxed: false,
    replica: 0,
    activate: () => device.activate(),
  };
  const values = Float32Array.from({ length: 64 * 512 }, (_, i) => Math.sin(i));
  const batch: Batch = { rows: 64, globalRows: 64, arrays: { x: { shape: [64, 512], dtype: "float32", values } } };
  const program = new WasmProgram(step, { ...options, threads: 2 });
  const outputs: unknown[] = [];
  const threads: number[] = [];
  // 0.13 GFLOP a step.
  for (let i = 0; i < 12; i++) {
    const run = await program.run([batch], { ...step.table(1), rows: [[]] }, 0);
    outputs.push(await run.outputs.read());
    threads.push(runtime.pool.threads);
  }
  assertEquals(threads.slice(0, 3), [1, 1, 1]);
  assertEquals(threads.at(-1), 2);
  for (const output of outputs) assertEquals(output, outputs[0]);
  await program[Symbol.asyncDispose]();
  await runtime.pool.dispose();
  weight.dispose();
});
