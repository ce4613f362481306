import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DeviceError, leaves, type Program, type Step, tf } from "@stride/stride/core";
import { cpu, webgpu as gpu } from "@stride/stride/devices";
import { webgpu, webGpuCounts } from "../../plugins/executors/webgpu/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { addingStep, batchOf, scalingStep, table } from "./webgpu_steps.ts";

const device = gpu();

async function load(step: Step): Promise<Program> {
  await device.open();
  device.activate();
  return await webgpu().load(step, { device, slots: 4 });
}

/** Runs steps that each add 1. */
async function add(program: Program, steps: number): Promise<void> {
  await program.run(Array.from({ length: steps }, () => batchOf([0, 2])), table(steps), 0);
}

async function values(tensor: tf.Tensor): Promise<number[]> {
  return [...await tensor.data()];
}

async function opened(): Promise<void> {
  await device.open();
  device.activate();
}

webgpuTest("run() leaves a variable's data() current, also where it was read before", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using program = await load(addingStep([v]));
  await add(program, 1);
  assertEquals(await values(v), [2, 3]);
  await add(program, 2);
  assertEquals(await values(v), [4, 5]);
  assertEquals(await values(v), [4, 5]);
  await add(program, 1);
  // A read that is asked for before an execution has the value of then.
  const before = values(v);
  await add(program, 1);
  assertEquals(await before, [5, 6]);
  assertEquals(await values(v), [6, 7]);
  v.dispose();
});

webgpuTest("run() copies nothing in or out while nobody looks", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using program = await load(addingStep([v]));
  await add(program, 1);
  await add(program, 1);
  const before = webGpuCounts(device);
  for (let i = 0; i < 10; i++) await add(program, 1);
  const after = webGpuCounts(device);
  // One upload and one submission each.
  assertEquals(after.uploads - before.uploads, 10);
  assertEquals(after.submissions - before.submissions, 10);
  assertEquals(after.maps, before.maps);
  assertEquals(await values(v), [13, 14]);
  v.dispose();
});

webgpuTest("clones and tensors taken before run() keep their values", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using program = await load(addingStep([v]));
  const untouched = v.clone();
  await add(program, 1);
  // Its value is in the arena only: nobody has read it.
  const stale = v.clone();
  await add(program, 1);
  const computed = tf.tidy(() => tf.mul(v, 10));
  await add(program, 1);
  assertEquals(await values(untouched), [1, 2]);
  assertEquals(await values(stale), [2, 3]);
  assertEquals(await values(computed), [30, 40]);
  assertEquals(await values(v), [4, 5]);
  tf.dispose([untouched, stale, computed, v]);
});

webgpuTest("run() sees what was assigned: values, results of kernels, clones of other variables", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  const other = tf.variable(tf.tensor1d([5, 6]));
  await using program = await load(addingStep([v, other]));
  await add(program, 1);
  tf.tidy(() => v.assign(tf.tensor1d([10, 20])));
  await add(program, 1);
  assertEquals(await values(v), [11, 21]);
  // Not submitted yet when the program runs.
  tf.tidy(() => v.assign(tf.mul(tf.add(v, 1), 2) as tf.Tensor1D));
  await add(program, 1);
  assertEquals(await values(v), [25, 45]);
  await add(program, 1);
  const [kept, average] = [v.clone(), other.clone()];
  // Averages stand in for weights, and weights come back: no kernel, no copy in tfjs.
  tf.tidy(() => v.assign(average.clone() as tf.Tensor1D));
  await add(program, 1);
  assertEquals(await values(v), [10, 11]);
  assertEquals(await values(other), [10, 11]);
  assertEquals(await values(average), [9, 10]);
  tf.tidy(() => v.assign(kept.clone() as tf.Tensor1D));
  await add(program, 1);
  assertEquals(await values(v), [27, 47]);
  assertEquals(await values(kept), [26, 46]);
  tf.dispose([v, other, kept, average]);
});

webgpuTest("two variables can exchange their values", async () => {
  await opened();
  const a = tf.variable(tf.tensor1d([1, 2]));
  const b = tf.variable(tf.tensor1d([5, 6]));
  await using program = await load(addingStep([a, b]));
  await add(program, 1);
  tf.tidy(() => {
    const kept = a.clone();
    a.assign(b.clone() as tf.Tensor1D);
    b.assign(kept as tf.Tensor1D);
  });
  await add(program, 1);
  assertEquals([await values(a), await values(b)], [[7, 8], [3, 4]]);
  tf.dispose([a, b]);
});

webgpuTest("two variables made from one tensor are two", async () => {
  await opened();
  const shared = tf.tensor1d([1, 2]);
  const a = tf.variable(shared);
  const b = tf.variable(shared);
  {
    await using program = await load(addingStep([a]));
    await add(program, 2);
  }
  assertEquals([await values(a), await values(b), await values(shared)], [[3, 4], [1, 2], [1, 2]]);
  await using program = await load(addingStep([a, b]));
  await add(program, 1);
  assertEquals([await values(a), await values(b), await values(shared)], [[4, 5], [2, 3], [1, 2]]);
  tf.dispose([a, b, shared]);
});

webgpuTest("a synchronous read of a variable on the device is an error that says what to do", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using program = await load(addingStep([v]));
  await add(program, 1);
  assertThrows(() => v.dataSync(), DeviceError, "await tensor.data()");
  await v.data();
  assertEquals([...v.dataSync()], [2, 3]);
  v.dispose();
});

webgpuTest("a variable of another device is brought here, and can be used there again", async () => {
  await opened();
  cpu().activate();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using program = await load(addingStep([v]));
  await add(program, 1);
  await v.data();
  cpu().activate();
  assertEquals([...tf.tidy(() => tf.mul(v, 2)).dataSync()], [4, 6]);
  await add(program, 1);
  assertEquals(await values(v), [3, 4]);
  v.dispose();
});

webgpuTest("programs share variables: none is copied between them, and each sees the other's values", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  await using train = await load(addingStep([v]));
  await add(train, 1);
  await using predict = await load(scalingStep(v));
  const ask = async (): Promise<number[]> => {
    const { outputs } = await predict.run([batchOf([1, 10])], table(1), 0);
    return [...leaves((await outputs.read())[0]!)[0]!.values];
  };
  assertEquals(await ask(), [5, 50]);
  const { stateBytes } = webGpuCounts(device);
  for (let i = 0; i < 3; i++) {
    await add(train, 1);
    assertEquals(await ask(), [7 + 2 * i, 70 + 20 * i]);
  }
  assertEquals(webGpuCounts(device).stateBytes, stateBytes);
  v.dispose();
});

webgpuTest("a variable outlives the program, and one that loads later finds its value", async () => {
  await opened();
  const v = tf.variable(tf.tensor1d([1, 2]));
  const held = webGpuCounts(device).stateBytes;
  for (let i = 0; i < 3; i++) {
    await using program = await load(addingStep([v]));
    await add(program, 1);
    assert(webGpuCounts(device).stateBytes > held);
  }
  assertEquals(webGpuCounts(device).stateBytes, held);
  assertEquals(await values(v), [4, 5]);
  v.dispose();
});

webgpuTest("int32 and bool variables keep their types", async () => {
  await opened();
  const count = tf.variable(tf.scalar(3, "int32"));
  const flag = tf.variable(tf.tensor1d([true, false], "bool"));
  const { stepOf, listed } = await import("./webgpu_steps.ts");
  const step = stepOf([listed("count", count), listed("flag", flag)], () => {
    count.assign(tf.add(count, tf.scalar(2, "int32")));
    flag.assign(tf.logicalNot(flag));
    return {};
  });
  await using program = await load(step);
  await add(program, 3);
  assertEquals(await count.data(), Int32Array.of(9));
  assertEquals(await flag.data(), Uint8Array.of(0, 1));
  tf.dispose([count, flag]);
});

webgpuTest("run() names a variable that was disposed between two programs of a step", async () => {
  await opened();
  const v = tf.variable(tf.ones([2]));
  const step = addingStep([v]);
  const executor = webgpu();
  {
    await using program = await executor.load(step, { device, slots: 1 });
    await program.run([batchOf([0, 2])], table(1), 0);
  }
  v.dispose();
  await using program = await executor.load(step, { device, slots: 1 });
  await assertRejects(() => program.run([batchOf([0, 2])], table(1), 0), Error, "was disposed. Make the model anew.");
});
