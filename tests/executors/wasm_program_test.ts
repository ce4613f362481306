import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Batch, leaves, type Program, tf } from "../../core/mod.ts";
import { cpu, webgpu } from "../../plugins/devices/mod.ts";
import { wasmExecutor } from "../../plugins/executors/wasm/executor.ts";
import type { Compiler } from "../../plugins/executors/wasm/program.ts";
import { wasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { batchOf, counter, counterCompiler, load, rowsOf, samples, SIZE, table } from "./wasm_counter.ts";
import { count, moduleOf, scalarModule } from "./wasm_scalar_module.ts";

const ONES = (steps: number): number[] => Array.from({ length: steps }, () => 1);

async function outputsOf(program: Program, batches: readonly Batch[], rates: readonly number[]): Promise<number[][]> {
  const { outputs } = await program.run(batches, table(rates), 0);
  return (await outputs.read()).map((output) => [...leaves(output)[0]!.values]);
}

Deno.test("WasmProgram.run() gives each step its rows, its line of the table, its sums and its output", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  // Full and ragged batches, mixed.
  const batches = [[1, 2], [3, 4], [5], [6, 7]].map(batchOf);
  assertEquals(
    await outputsOf(program, batches, [1, 0.5, 0, 2]),
    [
      [70, 140],
      [225, 300],
      [375],
      [570, 665],
    ].map((output) => output.map((value) => value)),
  );
  assertEquals(await program.sums([0]), [Float64Array.of(SIZE * 28, 44)]);
  assertEquals([...await weight.data()], [3.5, 17, 30.5, 44]);
});

Deno.test("WasmProgram.run() reads rows of a resident source, uint8 as they are, and frees them in the end", async () => {
  const { memory } = wasmRuntime();
  const before = memory.taken;
  const source = { rows: 4, arrays: { x: samples([1, 20, 200, 255], "uint8") } };
  {
    const { step, weight } = counter();
    await using program = await load(step);
    weight.assign(tf.tensor1d([1, 1, 1, 1]));
    const batches = [rowsOf(source, [3, 0]), rowsOf(source, [2, 2]), rowsOf(source, [1])];
    assertEquals(await outputsOf(program, batches, [0, 0, 0]), [[1020, 4], [800, 800], [80]]);
    assertEquals(await program.sums([0]), [Float64Array.of(SIZE * (256 + 400 + 20), 1)]);
    assert(memory.taken > before);
  }
  assertEquals(memory.taken, before);
});

Deno.test("WasmProgram.run() cuts executions that are longer than there is room for", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  const batch = batchOf([1, 1]);
  const steps = 10_000;
  const { outputs } = await program.run(Array.from({ length: steps }, () => batch), table(ONES(steps)), 0);
  assertEquals((await program.sums([0]))[0], Float64Array.of(steps * 2 * SIZE, 30 + 4 * steps));
  assertEquals([...await weight.data()], [0, 10, 20, 30].map((value, index) => value + (index + 1) * steps));
  const read = await outputs.read();
  assertEquals(read.length, steps);
  assertEquals([...leaves(read[steps - 1]!)[0]!.values], [60 + 10 * steps, 60 + 10 * steps]);
});

Deno.test("WasmProgram.sums() reads several slots, in whatever order they were run, and clears them", async () => {
  const { step } = counter();
  await using program = await load(step);
  for (let slot = 0; slot < 4; slot++) await program.run([batchOf([slot])], table([1]), slot);
  await program.run([batchOf([7]), batchOf([1])], table([1, 1]), 2);
  const read = await program.sums([2, 0]);
  assertEquals(read, [Float64Array.of(SIZE * 8, 54), Float64Array.of(0, 34)]);
  await assertRejects(() => program.sums([2]), RangeError, "Cannot read sums slot 2");
  assertEquals(await program.sums([1, 3]), [Float64Array.of(SIZE, 38), Float64Array.of(SIZE * 3, 46)]);
});

Deno.test("WasmProgram.run() returns before the steps have run; two executions may be in flight", async () => {
  const { step } = counter();
  const device = cpu();
  await device.open();
  // Each step takes some 50 ms.
  const generate: Compiler["generate"] = (plan, layout) =>
    moduleOf(count(layout.address(plan.scratch[0]!), 50), layout.memoryPages.initial, [0x7f]);
  await using program = await wasmExecutor({ ...counterCompiler(), generate }).load(step, { device, slots: 4 });
  await program.run([batchOf([1])], table([1]), 0);
  await program.settle();
  const { pool } = wasmRuntime();
  const before = pool.last;
  await program.run([batchOf([1])], table([1]), 1);
  assertEquals([pool.last - before, pool.done(pool.last)], [1, false]);
  await program.run([batchOf([1])], table([1]), 2);
  assertEquals([pool.last - before, pool.done(pool.last - 1)], [2, false]);
  await program.run([batchOf([1])], table([1]), 3);
  assertEquals([pool.done(pool.last - 2), pool.done(pool.last)], [true, false]);
  await program.settle();
  assert(pool.done(pool.last));
});

Deno.test("WasmProgram.run() goes on from what was queued before", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  const batches = Array.from({ length: 4000 }, () => batchOf([1]));
  for (let slot = 0; slot < 8; slot++) await program.run(batches, table(ONES(4000)), slot % 4);
  assertEquals((await weight.data())[0], 32_000);
});

Deno.test("WasmProgram keeps memory and tensors flat over 10,000 steps, and leaves nothing behind", async () => {
  const { memory, variables } = wasmRuntime();
  const { step } = counter();
  const before = [memory.taken, variables.size, tf.memory().numTensors, tf.memory().numBytes];
  {
    await using program = await load(step);
    await program.run([batchOf([1, 2])], table([1]), 0);
    const running = [memory.taken, tf.memory().numTensors, tf.memory().numBytes];
    for (let i = 0; i < 10_000; i++) {
      await program.run([batchOf([1, 2])], table([1]), i % 4);
      if (i % 1000 === 0) await program.sums([i % 4]);
    }
    assertEquals([memory.taken, tf.memory().numTensors, tf.memory().numBytes], running);
  }
  assertEquals([memory.taken, variables.size, tf.memory().numTensors, tf.memory().numBytes], before);
});

Deno.test("wasmExecutor() refuses threads that make no sense, and devices with memory of their own", async () => {
  const compiler = counterCompiler();
  for (const threads of [0, 1.5, 1000]) {
    assertThrows(() => wasmExecutor(compiler, { threads }), RangeError, `with ${threads} threads`);
  }
  const { step } = counter();
  await assertRejects(
    () => wasmExecutor(compiler).load(step, { device: webgpu(), slots: 1 }),
    Error,
    'Cannot run executor "wasm" on device "webgpu"',
  );
});

Deno.test("WasmProgram says what is wrong: a disposed variable, a missing column, a disposed program", async () => {
  const { step, increment } = counter();
  const program = await load(step);
  await assertRejects(
    () => program.run([batchOf([1])], { ...table([1]), columns: ["other", "beta"] }, 0),
    RangeError,
    'no column "rate", only other, beta',
  );
  increment.dispose();
  await assertRejects(() => program.run([batchOf([1])], table([1]), 0), Error, '"increment" was disposed');
  await program[Symbol.asyncDispose]();
  await assertRejects(() => program.run([batchOf([1])], table([1]), 0), Error, "was disposed");
});

Deno.test("a trap ends the program with an error, and new programs run on new threads", async () => {
  const { step, weight } = counter();
  const device = cpu();
  await device.open();
  let broken = false;
  const compiler = {
    ...counterCompiler(),
    generate: (...given: Parameters<typeof scalarModule>) =>
      broken ? moduleOf([0x00], given[1].memoryPages.initial) : scalarModule(...given),
  };
  {
    await using program = await wasmExecutor(compiler).load(step, { device, slots: 4 });
    await program.run([batchOf([1])], table([1]), 0);
    await program.settle();
    assertEquals((await weight.data())[0], 1);
  }
  broken = true;
  const program = await wasmExecutor(compiler).load(step, { device, slots: 4 });
  await assertRejects(
    async () => {
      await program.run([batchOf([1])], table([1]), 0);
      await program.settle();
    },
    Error,
    "A thread of the WebAssembly executor failed",
  );
  await assertRejects(() => program.run([batchOf([1])], table([1]), 0), Error, "failed");
  await program[Symbol.asyncDispose]();
  broken = false;
  await using again = await wasmExecutor(compiler).load(step, { device, slots: 4 });
  await again.run([batchOf([1])], table([1]), 0);
  assertEquals((await again.sums([0]))[0]![0], SIZE);
});
