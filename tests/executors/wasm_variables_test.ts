import { assert, assertEquals, assertNotStrictEquals, assertRejects } from "@std/assert";
import { type Program, tf } from "../../core/mod.ts";
import { cpu } from "../../plugins/devices/mod.ts";
import { wasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { batchOf, counter, load, table } from "./wasm_counter.ts";

async function run(program: Program, steps: number = 1, rate: number = 1): Promise<void> {
  const batches = Array.from({ length: steps }, () => batchOf([1]));
  await program.run(batches, table(batches.map(() => rate)), 0);
}

/** Enough steps that they are still running when `run` returns. */
const MANY = 4000;

Deno.test("a variable has its current value for data(), dataSync() and kernels", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program, MANY);
  assertEquals([...await weight.data()], [4000, 8010, 12020, 16030]);
  await run(program, MANY);
  assertEquals([...weight.dataSync()], [8000, 16010, 24020, 32030]);
  await run(program, MANY);
  assertEquals(tf.tidy(() => tf.add(weight, 1).arraySync()), [12001, 24011, 36021, 48031]);
});

Deno.test("arrays that were read stay as they were", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program);
  const before = await weight.data();
  await run(program);
  assertEquals([...before], [1, 12, 23, 34]);
  const after = await weight.data();
  assertEquals([...after], [2, 14, 26, 38]);
  assertEquals(after instanceof Float32Array && !(after.buffer instanceof SharedArrayBuffer), true);
  // Nothing ran in between: it is copied once.
  assertEquals(await weight.data() === after, true);
});

Deno.test("await data() leaves the event loop free while steps run", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program, MANY);
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  // Waiting in turn with the timer: without the wait there would be no turn at all.
  for (let i = 0; i < 50 && turns === 0; i++) {
    await run(program, MANY);
    await weight.data();
  }
  clearInterval(timer);
  assert(turns > 0);
});

Deno.test("the next steps go on from a value that was assigned, also while steps run", async () => {
  const { step, weight, increment } = counter();
  await using program = await load(step);
  await run(program, MANY);
  weight.assign(tf.tensor1d([100, 200, 300, 400]));
  await run(program);
  assertEquals([...await weight.data()], [101, 202, 303, 404]);
  increment.assign(tf.tensor1d([0, 0, 0, 5]));
  await run(program, 2);
  assertEquals([...await weight.data()], [101, 202, 303, 414]);
});

Deno.test("clones keep the value that they were taken of", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  const first = weight.clone();
  await run(program, MANY);
  const second = weight.clone();
  const third = weight.reshape([2, 2]);
  await run(program, MANY);
  assertEquals([...await first.data()], [0, 10, 20, 30]);
  assertEquals([...await second.data()], [4000, 8010, 12020, 16030]);
  assertEquals([...third.dataSync()], [4000, 8010, 12020, 16030]);
  assertEquals((await weight.data())[0], 8000);
  tf.dispose([first, second, third]);
});

Deno.test("a swap of two values through a clone, as averaged weights do, holds", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program, 3);
  const own = weight.clone();
  weight.assign(tf.tensor1d([7, 7, 7, 7]));
  assertEquals((await weight.data())[0], 7);
  weight.assign(own);
  own.dispose();
  await run(program);
  assertEquals([...await weight.data()], [4, 18, 32, 46]);
});

Deno.test("assigning a variable its own clone, or another variable, changes only that one", async () => {
  const { step, weight, increment } = counter();
  await using program = await load(step);
  await run(program);
  weight.assign(weight.clone());
  await run(program);
  assertEquals([...await weight.data()], [2, 14, 26, 38]);
  increment.assign(weight);
  await run(program);
  assertEquals([...await weight.data()], [4, 28, 52, 76]);
  assertEquals([...await increment.data()], [2, 14, 26, 38]);
});

Deno.test("two variables made from one tensor are two", async () => {
  const tensor = tf.tensor1d([1, 1, 1, 1]);
  const both = counter(tf.variable(tensor), tf.variable(tensor));
  {
    await using program = await load(both.step);
    await run(program, 3);
    assertEquals([...await both.weight.data()], [4, 4, 4, 4]);
    assertEquals([...await both.increment.data()], [1, 1, 1, 1]);
  }
  assertEquals([...await tensor.data()], [1, 1, 1, 1]);
  const memory = tf.memory().numDataBuffers;
  tensor.dispose();
  both.weight.dispose();
  both.increment.dispose();
  assertEquals(memory - tf.memory().numDataBuffers, 2);
});

Deno.test("two programs see what the other one wrote, at once", async () => {
  const { step, weight } = counter();
  await using first = await load(step);
  await using second = await load(step);
  for (let i = 0; i < 5; i++) {
    await run(first, MANY);
    await run(second, 3);
  }
  assertEquals((await weight.data())[0], 5 * (MANY + 3));
});

Deno.test("two programs whose kernels want the variables in different places share them still", async () => {
  const { step, weight, increment } = counter();
  const { memory } = wasmRuntime();
  const before = memory.taken;
  {
    await using alone = await load(step);
    await using grouped = await load(step, { grouped: true });
    for (let i = 1; i <= 3; i++) {
      await run(alone, 2);
      await run(grouped, 2);
      assertEquals((await weight.data())[0], 4 * i);
    }
    increment.assign(tf.tensor1d([10, 0, 0, 0]));
    await run(grouped);
    assertEquals([...await weight.data()], [22, 34, 56, 78]);
  }
  assertEquals([...await weight.data()], [22, 34, 56, 78]);
  assertEquals(memory.taken, before);
});

Deno.test("values are back in their tensors when the last program is disposed", async () => {
  const { step, weight } = counter();
  const first = await load(step);
  const second = await load(step);
  await run(first, 2);
  await run(second, 2);
  await first[Symbol.asyncDispose]();
  const clone = weight.clone();
  await run(second, 2);
  await second[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
  assertEquals(wasmRuntime().variables.size, 0);
  assertEquals([...await weight.data()], [6, 22, 38, 54]);
  assertEquals([...await clone.data()], [4, 18, 32, 46]);
  // Another user of the same memory changes nothing.
  const other = counter();
  await using program = await load(other.step);
  await run(program, 5);
  assertEquals([...await weight.data()], [6, 22, 38, 54]);
  assertEquals([...await clone.data()], [4, 18, 32, 46]);
});

Deno.test("a variable may be disposed after its program, or before it", async () => {
  const { numTensors, numDataBuffers } = tf.memory();
  for (const before of [true, false]) {
    const { step, weight, increment } = counter();
    const program = await load(step);
    await run(program, MANY);
    if (before) tf.dispose([weight, increment]);
    await program[Symbol.asyncDispose]();
    if (!before) tf.dispose([weight, increment]);
  }
  // What the counter makes its variables of is the test's own.
  assertEquals([tf.memory().numTensors - numTensors, tf.memory().numDataBuffers - numDataBuffers], [4, 4]);
});

Deno.test("a variable that another backend took comes back", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program, 2);
  // A second CPU backend stands for another device: its kernels take the data over.
  const { constructor } = tf.findBackend("cpu") as unknown as { constructor: new () => tf.KernelBackend };
  tf.registerBackend("other-cpu", () => Object.assign(new constructor(), { firstUse: false }));
  tf.copyRegisteredKernels("cpu", "other-cpu");
  await tf.setBackend("other-cpu");
  assertEquals(tf.tidy(() => tf.mul(weight, 10).arraySync()), [20, 140, 260, 380]);
  const device = cpu();
  device.activate();
  await run(program, 2);
  assertEquals([...await weight.data()], [4, 18, 32, 46]);
  assertNotStrictEquals(tf.findBackend("other-cpu"), tf.findBackend("cpu"));
  tf.removeBackend("other-cpu");
});

Deno.test("a run that is refused leaves variables as they were", async () => {
  const { step, weight } = counter();
  await using program = await load(step);
  await run(program, 2);
  await assertRejects(() => program.run([batchOf([1])], { ...table([1]), columns: [] }, 0));
  assertEquals((await weight.data())[0], 2);
});
