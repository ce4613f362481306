import { assert, assertEquals, assertFalse } from "@std/assert";
import { Model, tf } from "@stride/stride";
import type { Batch, Executor, HostArray } from "@stride/stride/core";
import { webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { planPhase, planStep } from "../../plugins/compiler/compile.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Axis, Buffer, Expression, Kernel, Nest } from "../../plugins/compiler/ir/types.ts";
import { webGpuExecutor } from "../../plugins/executors/webgpu/executor.ts";
import { chooseTextures, shareTextures, withTextures } from "../../plugins/executors/webgpu/plan_textures.ts";
import { type ComputeShader, printKernel, type Tuning, TUNINGS } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { listed, stepOf, table } from "./webgpu_steps.ts";

const { software } = TUNINGS;
const LIMITS = { maxStorageTexturesPerShaderStage: 8, maxTextureDimension2D: 8192 };

/** A plan of kernels on vectors of `size` numbers. */
class Vectors {
  readonly pool = new Expressions();
  readonly scratch: Buffer[] = [];
  readonly variables = new Map<string, Buffer>();
  readonly kernels: Kernel[] = [];
  readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  buffer(size = this.size): Buffer {
    const buffer = this.pool.buffer("f32", size, { kind: "scratch" });
    this.scratch.push(buffer);
    return buffer;
  }

  variable(path: string): Buffer {
    const buffer = this.pool.buffer("f32", this.size, { kind: "variable", path });
    this.variables.set(path, buffer);
    return buffer;
  }

  /** Stores what `value` gives for each place. @param stride How far apart. */
  map(target: Buffer, value: (place: Expression) => Expression, stride = 1): void {
    const axis: Axis = { id: -1 - this.kernels.length, size: this.size / stride };
    const place = this.pool.mul(this.pool.axisExpression(axis), stride);
    const nest: Nest = {
      kind: "nest",
      outer: [axis],
      inner: [],
      reductions: [],
      stores: [{ buffer: target, index: place, value: value(place) }],
    };
    this.kernels.push(nest);
  }

  load(buffer: Buffer, place: Expression): Expression {
    return this.pool.load(buffer, place);
  }

  get plan(): Plan {
    const { pool: expressions, scratch, variables, kernels } = this;
    return {
      expressions,
      kernels,
      variables,
      inputs: [],
      columns: [],
      streams: 0,
      outputs: [],
      scratch,
      constants: [],
    };
  }

  printed(tuning: Tuning = software): readonly (readonly ComputeShader[])[] {
    const { pool: expressions } = this;
    return this.kernels.map((kernel) => printKernel(kernel, { expressions, columns: [], streams: 0, tuning }));
  }

  /** Variables that have copies. */
  get copied(): ReadonlySet<Buffer> {
    return new Set([...this.chosen()].filter(({ role }) => role.kind === "variable"));
  }

  chosen(tuning: Tuning = software, limits = LIMITS): ReadonlySet<Buffer> {
    return chooseTextures(this.plan, this.printed(tuning), tuning, limits);
  }
}

Deno.test("chooseTextures() takes what is written as whole vectors and not in place, on software adapters only", () => {
  const v = new Vectors(4096);
  const [often, once, inParts, inPlace, end] = Array.from({ length: 5 }, () => v.buffer()) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  for (const buffer of [often, once, inPlace]) v.map(buffer, () => v.pool.float(1));
  v.map(inParts, () => v.pool.float(1), 2);
  v.map(inPlace, (place) => v.pool.add(v.load(inPlace, place), v.load(often, place)));
  const sum = (place: Expression) =>
    [often, once, inParts, inPlace].map((buffer) => v.load(buffer, place)).reduce((a, b) => v.pool.add(a, b));
  v.map(end, sum);
  v.map(end, (place) => v.pool.add(v.load(often, place), v.load(inParts, place)));
  v.map(end, (place) => v.pool.add(v.load(often, place), v.load(inPlace, place)));
  assertEquals(v.chosen(), new Set([often, once, end]));
  assertEquals(v.chosen(TUNINGS.discrete), new Set());
  assertEquals(v.chosen(software, { ...LIMITS, maxTextureDimension2D: 8 }), new Set());
  assertEquals(v.chosen(software, { ...LIMITS, maxStorageTexturesPerShaderStage: 0 }), new Set());
});

Deno.test("chooseTextures() copies variables that take little memory, unless another buffer is stored where they are", () => {
  const v = new Vectors(4096);
  const [small, state] = [v.variable("a"), v.pool.buffer("f32", 8192, { kind: "state" })];
  const part = v.variable("b");
  part.within = { buffer: state, offset: 4096 };
  const large = v.buffer(4096 * 64);
  for (let i = 0; i < 3; i++) v.map(large, (place) => v.pool.mul(v.load(small, place), v.load(part, place)));
  v.map(small, (place) => v.pool.add(v.load(small, place), v.load(small, place)));
  assertEquals(v.copied, new Set([small, part]));
  const shaders = v.printed().flat().map((shader) => withTextures(shader, v.chosen()));
  const accessOf = (shader: ComputeShader, of: Buffer) =>
    shader.operands.filter(({ buffer }) => buffer === of).map(({ access }) => access);
  assertEquals(accessOf(shaders[0]!, small), ["texture_read"]);
  // What is stored stays where it is, and so does what the same shader reads of it.
  assertEquals(accessOf(shaders[3]!, small), ["read_write", "texture_write"]);
  const beside = v.variable("c");
  beside.within = { buffer: state, offset: 0 };
  v.map(beside, () => v.pool.float(0));
  assertEquals(v.copied, new Set([small, part]));
  v.map(state, () => v.pool.float(0));
  assertEquals(v.copied, new Set([small]));
  const alone = new Vectors(4096);
  const weights = alone.variable("w");
  const target = alone.buffer();
  for (let i = 0; i < 3; i++) alone.map(target, (place) => alone.load(weights, place));
  assertFalse(alone.chosen().has(weights), "a copy would take half of the memory more");
});

Deno.test("shareTextures() lets buffers share a texture one after the other only", () => {
  const v = new Vectors(4096);
  const buffers = Array.from({ length: 6 }, () => v.buffer());
  v.map(buffers[0]!, () => v.pool.float(1));
  buffers.slice(1).forEach((buffer, i) => v.map(buffer, (place) => v.load(buffers[i]!, place)));
  const { slots, slotOf, copied } = shareTextures(v.plan, new Set(buffers));
  assertEquals([slots.length, slotOf.size, copied.length], [2, 6, 0]);
  buffers.slice(1).forEach((buffer, i) => assert(slotOf.get(buffer) !== slotOf.get(buffers[i]!)));
});

Deno.test("chooseTextures() keeps memory near what a step cannot do without", () => {
  // Of each buffer the next one is made, but every other one is stored in parts: textures and storage take turns at their most.
  const v = new Vectors(65536);
  let last = v.buffer();
  v.map(last, () => v.pool.float(1));
  for (let i = 0; i < 8; i++) {
    const next = v.buffer();
    const from = last;
    v.map(next, (place) => [0, 1, 2].map((n) => v.load(from, v.pool.add(place, n))).reduce((a, b) => v.pool.add(a, b)));
    last = next;
  }
  const { slots } = shareTextures(v.plan, v.chosen());
  const bytes = slots.reduce((sum, { width, height }) => sum + 16 * width * height, 0);
  assert(bytes <= 2 * 65536 * 4, `${bytes} bytes of textures`);
});

/** A network whose products and convolutions read what others made, and weights. */
function network(executor: Executor): Model {
  const layers = [
    tf.layers.conv2d({ filters: 8, kernelSize: 3, activation: "relu", inputShape: [14, 14, 1] }),
    tf.layers.maxPooling2d({ poolSize: 2 }),
    tf.layers.conv2d({ filters: 12, kernelSize: 3, activation: "tanh" }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 64, activation: "relu" }),
    tf.layers.dense({ units: 10, activation: "softmax" }),
  ];
  const model = oneDevice({ device: "webgpu" }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({
    optimizer: "adam",
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
    executor,
    stepsPerExecution: 3,
  });
  return model;
}

const rows = 96;
const images = (worst = 0) => ({
  shape: [rows, 14, 14, 1],
  dtype: "float32" as const,
  values: Float32Array.from(
    { length: rows * 196 },
    (_, i) => i === 5 * 196 && worst !== 0 ? worst : Math.sin(i * 0.37) * Math.cos(i * 0.011),
  ),
});
const labels = { shape: [rows], dtype: "int32" as const, values: Int32Array.from({ length: rows }, (_, i) => i % 10) };

webgpuTest("fit() and predict() give the same bits with textures and without", async () => {
  const seen: ComputeShader[] = [];
  const executors = [software, { ...software, textures: false }].map((tuning) =>
    webGpuExecutor({
      plan: planStep,
      planPhase,
      tuning,
      print: (...given) => {
        const shaders = printKernel(...given);
        if (tuning.textures) seen.push(...shaders);
        return shaders;
      },
    })
  );
  const results: Float32Array[][] = [];
  const initial = network(executors[0]!);
  const weights = initial.getWeights();
  for (const executor of executors) {
    const model = network(executor);
    model.setWeights(weights);
    const fit = (x = images()) => model.fit({ x, y: labels }, { batchSize: 16, shuffle: false, verbose: 0 });
    await fit();
    const trained = await values(model);
    const halved = model.getWeights().map((weight) => tf.tidy(() => tf.mul(weight, 0.5)));
    // What somebody else writes between executions is in the copies of the next one.
    model.setWeights(halved);
    await fit();
    const again = await values(model);
    const { shape, values: pixels } = images();
    const predicted = await model.predict(tf.tensor(pixels, shape), { batchSize: 32 }) as tf.Tensor;
    const predictions = await predicted.data() as Float32Array;
    await fit(images(NaN));
    results.push([...trained, ...again, predictions, ...await values(model)]);
    model.dispose();
  }
  assert(seen.some(({ inTextures }) => inTextures !== undefined));
  assertEquals(results[0], results[1]);
  assert(results[0]!.at(-1)!.some(Number.isNaN));
});

async function values(model: Model): Promise<Float32Array[]> {
  return await Promise.all(model.getWeights().map(async (weight) => (await weight.data()).slice() as Float32Array));
}

webgpuTest("run() copies variables to textures again where they are assigned while it runs", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  const { copyBufferToTexture } = GPUCommandEncoder.prototype;
  const [rows, size] = [512, 32];
  const values = new Float32Array(rows * size).fill(1);
  const batch: Batch = { rows, globalRows: rows, arrays: { x: { shape: [rows, size], dtype: "float32", values } } };
  const weight = tf.variable(tf.ones([size, size]));
  // So many numbers have no copy.
  const offset = tf.variable(tf.zeros([1]));
  const step = stepOf(
    [listed("weight", weight), listed("offset", offset)],
    (x) => {
      let y = x;
      for (let i = 0; i < 12; i++) y = tf.div(tf.matMul(y, weight), size);
      return { outputs: tf.add(tf.mean(y, 1), offset) };
    },
    { kind: "predict" },
  );
  const executor = webGpuExecutor({ plan: planStep, planPhase, tuning: software, print: printKernel });
  await using program = await executor.load(step, { device, slots: 1 });
  let copies = 0;
  GPUCommandEncoder.prototype.copyBufferToTexture = function (...given) {
    copyBufferToTexture.apply(this, given);
    const [, , extent] = given;
    // A copy of one texel only has the texture filled with zeros.
    if ((Symbol.iterator in extent ? [...extent][0] : extent.width) === 1) return;
    copies++;
    if (copies > 1) return;
    // After the first of many submissions: each new shader has one of its own.
    queueMicrotask(() =>
      tf.tidy(() => {
        weight.assign(tf.zeros([size, size]));
        offset.assign(tf.ones([1]));
      })
    );
  };
  try {
    const { outputs } = await program.run([batch, batch, batch], table(3), 0);
    const read = await outputs.read() as readonly HostArray[];
    assertEquals([read[2]!.values[0], copies], [1, 2]);
  } finally {
    GPUCommandEncoder.prototype.copyBufferToTexture = copyBufferToTexture;
    tf.dispose([weight, offset]);
  }
});

webgpuTest("run() works on variables without elements", async () => {
  const device = webgpu();
  await device.open();
  device.activate();
  const [rows, size] = [64, 32];
  const values = Float32Array.from({ length: rows * size }, (_, i) => Math.sin(i));
  const batch: Batch = { rows, globalRows: rows, arrays: { x: { shape: [rows, size], dtype: "float32", values } } };
  const none = tf.variable(tf.tensor2d([], [0, size]));
  const step = stepOf([listed("none", none)], (x) => {
    none.assign(tf.add(none, 1));
    const joined = tf.concat([none, x, none], 0);
    const product = tf.matMul(x, tf.matMul(none, none, true, false));
    return { outputs: tf.add(tf.add(joined, product), tf.sum(none)) };
  });
  for (const singleStepWork of [0, Infinity]) {
    const tuning = { ...software, singleStepWork };
    const executor = webGpuExecutor({ plan: planStep, planPhase, tuning, print: printKernel });
    await using program = await executor.load(step, { device, slots: 1 });
    const { outputs } = await program.run([batch], table(1), 0);
    const [output] = await outputs.read() as readonly HostArray[];
    assertEquals(output!.values, values);
    assertEquals((await none.data()).length, 0);
  }
  none.dispose();
});
