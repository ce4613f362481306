import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type Batch,
  DeviceError,
  leaves,
  type Program,
  type ResidentSource,
  type Step,
  type Tensor,
  tf,
} from "@stride/stride/core";
import { cpu, webgpu as gpu } from "@stride/stride/devices";
import { planPhase, planStep } from "../../plugins/compiler/compile.ts";
import { webGpuExecutor } from "../../plugins/executors/webgpu/executor.ts";
import { webgpu, webGpuCounts } from "../../plugins/executors/webgpu/mod.ts";
import { Pipelines } from "../../plugins/executors/webgpu/pipelines.ts";
import { type ComputeShader, printKernel } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { addingStep, batchOf, listed, scalingStep, stepOf, table } from "./webgpu_steps.ts";

const device = gpu();

async function load(step: Step): Promise<Program> {
  await device.open();
  device.activate();
  return await webgpu().load(step, { device, slots: 4 });
}

async function read(program: Program, batches: readonly Batch[]): Promise<number[][]> {
  const { outputs } = await program.run(batches, table(batches.length), 0);
  return (await outputs.read()).map((output) => [...leaves(output)[0]!.values]);
}

/** A step that reports the sum and the largest element of x. */
function reportingStep(): Step {
  return stepOf(
    [],
    (x) => ({ sums: tf.concat1d([tf.sum(x).as1D(), tf.max(x).as1D()]) }),
    { kind: "test", sums: [{ size: 1, combine: "sum" }, { size: 1, combine: "max" }] },
  );
}

/** A data set of two parts: bytes with a scale, and integers. */
function source(rows: number): ResidentSource {
  return {
    rows,
    arrays: {
      x: {
        image: {
          shape: [rows, 3],
          dtype: "uint8",
          values: Uint8Array.from({ length: rows * 3 }, (_, i) => i % 251),
          scale: 1 / 255,
        },
        number: { shape: [rows], dtype: "int32", values: Int32Array.from({ length: rows }, (_, i) => i * 10) },
      },
    },
  };
}

function rowsOf(of: ResidentSource, ...indices: number[]): Batch {
  return { rows: indices.length, globalRows: indices.length, source: of, indices: Int32Array.from(indices) };
}

/** Returns 255 · image + number, by row. */
function joiningStep(): Step {
  const step = stepOf([], () => ({}), { kind: "predict" });
  return {
    ...step,
    phases: [{
      name: "predict",
      variables: [],
      compute: ({ x }) => {
        const { image, number } = x as unknown as Record<string, Tensor>;
        return { outputs: tf.add(tf.mul(image!, 255), tf.expandDims(tf.cast(number!, "float32"), 1)) };
      },
    }],
  };
}

function joined(...rows: number[]): number[] {
  return rows.flatMap((row) => [0, 1, 2].map((i) => (row * 3 + i) % 251 + row * 10));
}

webgpuTest("load() refuses a device that is not WebGPU, and says which to take", async () => {
  const load = () => webgpu().load(reportingStep(), { device: cpu(), slots: 1 });
  await assertRejects(load, TypeError, 'oneDevice({ device: "webgpu" })');
});

webgpuTest("run() makes one upload and one submission of alike batches, and sums() one map of all slots", async () => {
  await using program = await load(reportingStep());
  const run = (slot: number) => program.run([batchOf([1, 2]), batchOf([3, 5]), batchOf([-4, 0])], table(3), slot);
  // The first ones are measured.
  for (let i = 0; i < 4; i++) await run(0);
  await program.sums([0]);
  const before = webGpuCounts(device);
  for (let slot = 0; slot < 4; slot++) await run(slot);
  const queued = webGpuCounts(device);
  assertEquals(queued.uploads - before.uploads, 4);
  assertEquals(queued.submissions - before.submissions, 4);
  assertEquals(queued.maps, before.maps);
  const sums = await program.sums([3, 1, 0, 2]);
  assertEquals(sums.map((values) => [...Array.from(values)]), Array.from({ length: 4 }, () => [7, 5]));
  const read = webGpuCounts(device);
  assertEquals([read.maps - queued.maps, read.submissions - queued.submissions], [1, 1]);
  await assertRejects(() => program.sums([3]), RangeError, "slot 3");
});

webgpuTest("sums() adds in float64 what float32 cannot hold", async () => {
  await using program = await load(reportingStep());
  const steps = 300;
  for (let i = 0; i < 3; i++) {
    const batches = Array.from({ length: steps }, () => batchOf([2 ** 24, 1]));
    await program.run(batches.map((_, step) => batchOf(step === 0 ? [2 ** 24, 0] : [1, 0])), table(steps), i);
  }
  const sums = await program.sums([0, 1, 2]);
  for (const [sum] of sums.map((values) => Array.from(values))) assertEquals(sum, 2 ** 24 + steps - 1);
});

webgpuTest("sums() has everything when more was run than is kept on the device", async () => {
  // 64 KiB a step: some 256 steps are kept.
  const size = 1 << 14;
  const step = stepOf([], (x) => ({ sums: tf.add(tf.mul(tf.range(0, size), 0), tf.sum(x)) as tf.Tensor1D }), {
    kind: "test",
    sums: [{ size, combine: "sum" }],
  });
  await using program = await load(step);
  for (let slot = 0; slot < 4; slot++) {
    await program.run(Array.from({ length: 100 }, (_, i) => batchOf([i, slot])), table(100), slot);
  }
  const late = program.sums([1]);
  await program.run(Array.from({ length: 200 }, () => batchOf([1])), table(200), 4);
  const [second] = await late;
  const rest = await program.sums([0, 2, 3, 4]);
  const expected = [4950, 4950 + 200, 4950 + 300, 200];
  rest.forEach((values, index) => assertEquals([values[0], values[size - 1]], [expected[index], expected[index]]));
  assertEquals([second![0], second![size - 1]], [5050, 5050]);
});

webgpuTest("run() uploads a data set once, in its own types, and then row numbers only", async () => {
  const data = source(1000);
  const held = webGpuCounts(device).residentBytes;
  await using program = await load(joiningStep());
  assertEquals(await read(program, [rowsOf(data, 7, 3), rowsOf(data, 999, 0)]), [joined(7, 3), joined(999, 0)]);
  const before = webGpuCounts(device);
  assertEquals(before.residentBytes - held, 3008 + 4000);
  assertEquals(await read(program, [rowsOf(data, 1, 2), rowsOf(data, 5, 5)]), [joined(1, 2), joined(5, 5)]);
  const after = webGpuCounts(device);
  assertEquals(after.residentBytes, before.residentBytes);
  assert(after.uploadedBytes - before.uploadedBytes <= 2048, `${after.uploadedBytes - before.uploadedBytes} bytes`);
  // A second program finds them there.
  await using other = await load(joiningStep());
  assertEquals(await read(other, [rowsOf(data, 4)]), [joined(4)]);
  assertEquals(webGpuCounts(device).residentBytes, before.residentBytes);
});

webgpuTest("data sets leave the device with the last program that uses them", async () => {
  const held = webGpuCounts(device).residentBytes;
  const data = source(100);
  {
    await using first = await load(joiningStep());
    {
      await using second = await load(joiningStep());
      await read(second, [rowsOf(data, 1)]);
      await read(first, [rowsOf(data, 1)]);
    }
    assert(webGpuCounts(device).residentBytes > held);
    assertEquals(await read(first, [rowsOf(data, 2)]), [joined(2)]);
  }
  assertEquals(webGpuCounts(device).residentBytes, held);
});

webgpuTest("run() takes batches of two sources, of values and ragged ones in one execution", async () => {
  const [one, two] = [source(20), source(40)];
  await using program = await load(joiningStep());
  const values = source(2).arrays;
  const batches: Batch[] = [
    rowsOf(one, 3, 4),
    rowsOf(two, 30, 31),
    { rows: 2, globalRows: 2, arrays: values },
    rowsOf(two, 39),
    rowsOf(one, 0, 19),
  ];
  const expected = [joined(3, 4), joined(30, 31), joined(0, 1), joined(39), joined(0, 19)];
  assertEquals(await read(program, batches), expected);
});

webgpuTest("run() gathers rows on the host where a data set does not fit into a binding", async () => {
  await device.open();
  const { device: gpuDevice } = tf.findBackend(device.backend) as unknown as { device: GPUDevice };
  // What one array of this data set takes is more than may be bound; a batch of it is not.
  const rows = Math.floor(gpuDevice.limits.maxStorageBufferBindingSize / (1 << 20)) + 1;
  if (rows > 300) return;
  const values = new Uint8Array(rows << 20);
  for (let row = 0; row < rows; row++) values[row << 20] = row + 1;
  const data: ResidentSource = { rows, arrays: { x: { shape: [rows, 1 << 20], dtype: "uint8", values } } };
  const step = stepOf([], (x) => ({ outputs: tf.sum(tf.cast(x, "float32"), 1) }), { kind: "predict" });
  await using program = await load(step);
  const held = webGpuCounts(device).residentBytes;
  assertEquals(await read(program, [rowsOf(data, 5, rows - 1), rowsOf(data, 0, 7)]), [[6, rows], [1, 8]]);
  assertEquals(webGpuCounts(device).residentBytes, held);
});

webgpuTest("run() cuts what it uploads into parts, and keeps the order", async () => {
  const v = tf.variable(tf.tensor1d([1]));
  // 16 MB a batch: four of them are an upload.
  const rows = 1 << 22;
  const step = stepOf([listed("v", v)], (x) => {
    v.assign(tf.add(tf.mul(v, 2), tf.max(x)) as tf.Tensor1D);
    return {};
  });
  await device.open();
  device.activate();
  await using program = await load(step);
  const values = Array.from({ length: 6 }, () => new Float32Array(rows));
  values.forEach((each, index) => each[rows - 1] = index + 1);
  const batches = values.map((each): Batch => ({
    rows,
    globalRows: rows,
    arrays: { x: { shape: [rows, 1], dtype: "float32", values: each } },
  }));
  await program.run(batches, table(6), 0);
  const expected = [1, 2, 3, 4, 5, 6].reduce((value, x) => value * 2 + x, 1);
  assertEquals((await v.data())[0], expected);
  v.dispose();
});

webgpuTest("random numbers do not depend on how steps are shared out over executions", async () => {
  const step = (): Step =>
    stepOf([], (x) => ({ outputs: tf.add(tf.mul(x, 0), tf.randomUniform([2, 1])) }), { kind: "predict" });
  const batches = Array.from({ length: 6 }, () => batchOf([0, 0]));
  await using program = await load(step());
  const whole = await read(program, batches);
  const parts: number[][] = [];
  for (const [from, to] of [[0, 1], [1, 4], [4, 6]] as const) {
    const { outputs } = await program.run(batches.slice(from, to), table(to - from, from), 0);
    parts.push(...(await outputs.read()).map((output) => [...leaves(output)[0]!.values]));
  }
  assertEquals(parts, whole);
  assertEquals(new Set(whole.flat()).size, 12);
});

webgpuTest("shaders are compiled once for all programs of a device", async () => {
  const v = tf.variable(tf.tensor1d([1, 2, 3]));
  {
    await using program = await load(scalingStep(v));
    await read(program, [batchOf([1, 2])]);
  }
  const { pipelines } = webGpuCounts(device);
  await using program = await load(scalingStep(v));
  assertEquals(await read(program, [batchOf([1, 2])]), [[6, 12]]);
  assertEquals(webGpuCounts(device).pipelines, pipelines);
  v.dispose();
});

webgpuTest("a shader that the driver refuses is an error that names the kernel and the reason", async () => {
  await device.open();
  const backend = tf.findBackend(device.backend) as unknown as { device: GPUDevice };
  const pipelines = new Pipelines(backend.device);
  const shader: ComputeShader = {
    label: "the sum",
    code: "@compute @workgroup_size(1) fn main() { let sum: u32 = 1.5f; }",
    operands: [],
    workgroups: [1, 1, 1],
    loopIterations: 0,
    usesStep: false,
    usesTable: false,
    usesKeys: false,
    scratch: [],
  };
  const compile = (code: string) => pipelines.compile([{ ...shader, code }], () => Promise.resolve());
  const error = await assertRejects(() => compile(shader.code), DeviceError);
  assert(error.message.includes('"the sum"') && error.message.includes("u32"), error.message);
  assertEquals(pipelines.size, 0);
  await compile("@compute @workgroup_size(1) fn main() {}");
  // The device is as good as before.
  device.check();
});

webgpuTest("a variable that is too large is an error that names it and its size", async () => {
  await device.open();
  device.activate();
  const backend = tf.findBackend(device.backend) as unknown as { device: GPUDevice };
  const limit = backend.device.limits.maxStorageBufferBindingSize;
  const v = tf.variable(tf.tensor1d([1, 2]));
  const executor = webGpuExecutor({
    plan: (...args) => {
      const plan = planStep(...args);
      const buffer = { ...plan.variables.get("v0")!, size: limit / 4 + 64 };
      return { ...plan, variables: new Map([["v0", buffer]]) };
    },
    planPhase,
    print: printKernel,
  });
  await using program = await executor.load(scalingStep(v), { device, slots: 1 });
  const error = await assertRejects(() => program.run([batchOf([1])], table(1), 0), DeviceError);
  assert(error.message.includes('"v0"') && error.message.includes(`${limit}`), error.message);
  device.check();
  v.dispose();
});

webgpuTest("a value that no kernel can reach is an error that says its size, the limit and what to do", async () => {
  await device.open();
  device.activate();
  const backend = tf.findBackend(device.backend) as unknown as { device: GPUDevice };
  const limit = backend.device.limits.maxStorageBufferBindingSize;
  // What a program of its own reports is computed from all of it, twice, so that it is kept.
  const size = limit / 4 + 64;
  const step = stepOf([], (x) => {
    const kept = tf.cumsum(tf.add(tf.zeros([size]), tf.sum(x)));
    return { sums: tf.add(tf.max(kept), tf.min(kept)).as1D() };
  }, { kind: "test", sums: [{ size: 1, combine: "sum" }] });
  await using program = await load(step);
  const error = await assertRejects(() => program.run([batchOf([1])], table(1), 0), DeviceError);
  assert(error.message.includes(`${limit + 256} bytes`) && error.message.includes(`${limit} in one`), error.message);
  assert(error.message.includes("smaller batches"), error.message);
  // The device is as good as before.
  device.check();
  await using other = await load(reportingStep());
  await other.run([batchOf([1, 2])], table(1), 0);
  assertEquals([...Array.from((await other.sums([0]))[0]!)], [3, 2]);
});

webgpuTest("memory stays flat over 10,000 steps, and nothing is left on the device in the end", async () => {
  await device.open();
  device.activate();
  const v = tf.variable(tf.zeros([100]));
  const start = webGpuCounts(device);
  {
    await using program = await load(addingStep([v]));
    const run = async (steps: number): Promise<void> => {
      await program.run(Array.from({ length: steps }, () => batchOf([1, 1])), table(steps), 0);
      await program.sums([0]);
    };
    for (let i = 0; i < 3; i++) await run(500);
    const [before, tensors] = [webGpuCounts(device), tf.memory()];
    for (let i = 0; i < 20; i++) await run(500);
    const [after, left] = [webGpuCounts(device), tf.memory()];
    for (const key of ["stateBytes", "residentBytes", "sharedBytes", "pipelines", "programs"] as const) {
      assertEquals(after[key], before[key], key);
    }
    assertEquals([left.numTensors, left.numBytes, left.numDataBuffers], [
      tensors.numTensors,
      tensors.numBytes,
      tensors.numDataBuffers,
    ]);
  }
  const end = webGpuCounts(device);
  assertEquals([end.stateBytes, end.residentBytes, end.sharedBytes, end.programs], [
    start.stateBytes,
    start.residentBytes,
    start.sharedBytes,
    start.programs,
  ]);
  const [value] = await v.data();
  assertAlmostEquals(value!, 11_500, 1e-3);
  v.dispose();
});

webgpuTest("timers run while long executions are on their way", async () => {
  // Some ms a step.
  const w = tf.variable(tf.randomNormal([256, 256]));
  const step = stepOf([listed("w", w)], (x) => {
    w.assign(tf.tanh(tf.add(tf.matMul(w, w), tf.mean(x))) as tf.Tensor2D);
    return {};
  });
  await using program = await load(step);
  const batches = Array.from({ length: 50 }, () => batchOf([0]));
  for (let i = 0; i < 3; i++) await program.run(batches, table(50), 0);
  await program.settle();
  const gaps: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }, 1);
  for (let i = 0; i < 6; i++) await program.run(batches, table(50), 0);
  await program.settle();
  clearInterval(timer);
  // Other processes share this machine, and an emulated device its processor: now and then a timer is late.
  const late = gaps.filter((gap) => gap > 50);
  assert(late.length <= gaps.length / 20, `${late} of ${gaps.length}`);
  w.dispose();
});

/** An executor whose plans have variables one after the other, at multiples of so many elements, in this order. */
function packing(order: readonly string[], multiple: number) {
  return webGpuExecutor({
    plan: (...args) => {
      const plan = planStep(...args);
      const parts = order.map((path) => plan.variables.get(path)!);
      const offsets = parts.map((_, index) => index * multiple);
      const whole = plan.expressions.buffer("f32", order.length * multiple, { kind: "state" });
      parts.forEach((part, index) => part.within = { buffer: whole, offset: offsets[index]! });
      return plan;
    },
    planPhase,
    print: printKernel,
  });
}

webgpuTest("variables lie as plans pack them, and move between programs that pack them differently", async () => {
  await device.open();
  device.activate();
  const a = tf.variable(tf.tensor1d([1, 2]));
  const b = tf.variable(tf.tensor1d([10, 20]));
  await using plain = await load(addingStep([a, b]));
  await using ordered = await packing(["v0", "v1"], 64).load(addingStep([a, b]), { device, slots: 1 });
  await using reversed = await packing(["v1", "v0"], 128).load(addingStep([a, b]), { device, slots: 1 });
  const programs = [plain, ordered, plain, reversed, ordered, reversed, plain, ordered];
  for (const program of programs) await program.run([batchOf([1, 1])], table(1), 0);
  assertEquals([[...await a.data()], [...await b.data()]], [[9, 10], [18, 28]]);
  assertEquals(webGpuCounts(device).stateBytes, 512);
  // Where one finds its packing, it finds its variables too.
  const { stateBytes } = webGpuCounts(device);
  for (let i = 0; i < 3; i++) await ordered.run([batchOf([1, 1])], table(1), 0);
  for (let i = 0; i < 3; i++) await plain.run([batchOf([1, 1])], table(1), 0);
  assertEquals(webGpuCounts(device).stateBytes, stateBytes);
  assertEquals([[...await a.data()], [...await b.data()]], [[15, 16], [24, 34]]);
  tf.dispose([a, b]);
});

/** Trains in a process of its own, loses the device in the third epoch, and reads the weights. */
const LOSE_DEVICE = `
import { Model, tf } from "@stride/stride";
import { webgpu as webgpuDevice } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { webgpu } from "${new URL("../../plugins/executors/webgpu/mod.ts", import.meta.url)}";
let device;
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (options) {
  return device = await request.call(this, options);
};
const layers = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [4] })] });
const model = oneDevice({ device: webgpuDevice() }).scope(() => Model.from(layers));
const executor = webgpu({ snapshotSeconds: Number(Deno.args[0]) });
model.compile({ optimizer: "sgd", loss: "mse", executor, stepsPerExecution: 8 });
let epochs = 0;
const seen = [];
const destroy = {
  name: "destroy",
  async onTrainBatchEnd({ batch }) {
    if (epochs === 1) seen.push([...await model.getWeights()[0].data()].join());
    if (epochs === 2 && batch >= 20) device.destroy();
  },
  onEpochEnd: () => void epochs++,
};
const x = Array.from({ length: 400 }, (_, i) => [1, 2, 3, 4].map((j) => Math.sin(i * j)));
try {
  await model.fit({ x, y: x.map(([a]) => [a]) }, { batchSize: 4, epochs: 100, verbose: 0, callbacks: [destroy] });
} catch (error) {
  console.log(error.name + ": " + error.message);
}
try {
  const weights = await model.getWeights()[0].data();
  console.log(weights.every(Number.isFinite) && weights.some((value) => value !== 0) ? "read" : "wrong " + weights);
} catch (error) {
  console.log(error.name);
}
`;

for (const [seconds, expected] of [[0, "read"], [Infinity, "DeviceError"]] as const) {
  webgpuTest(`a lost device ends fit(), snapshots every ${seconds} seconds`, async () => {
    const root = new URL("../../", import.meta.url);
    const script = await Deno.makeTempFile({ suffix: ".js" });
    try {
      await Deno.writeTextFile(script, LOSE_DEVICE);
      const config = new URL("deno.json", root).pathname;
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-lock", "--config", config, script, `${seconds}`],
        // It must end by itself.
        signal: AbortSignal.timeout(60_000),
      }).output();
      const [fit = "", weights] = new TextDecoder().decode(stdout).trim().split("\n");
      const seen = `${fit}\n${weights}\n${new TextDecoder().decode(stderr)}`;
      assert(fit.startsWith("DeviceError: Lost the WebGPU device"), seen);
      assertEquals(weights, expected, seen);
    } finally {
      await Deno.remove(script);
    }
  });
}
