import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { cpu, webgpu } from "@stride/stride/devices";
import { eager, trace } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import type { Optimizer } from "../../core/optimizer.ts";
import type { StepVariable } from "../../core/step.ts";
import { adam, dynamicLossScale, rmsprop, sgd } from "../../plugins/optimizers/mod.ts";
import { takeStep, testOptimizerContract, testWeight } from "../contracts/optimizer_contract.ts";
import { twoReplicas } from "../contracts/two_replicas.ts";
import { webgpuTest } from "../webgpu.ts";
import keras from "./loss_scale_keras.json" with { type: "json" };

await tf.ready();

const contracts: Readonly<Record<string, () => Optimizer>> = {
  "dynamicLossScale(sgd())": () => dynamicLossScale(sgd(), { initialScale: 1 }),
  "dynamicLossScale(adam({ shared options }))": () =>
    dynamicLossScale(
      adam({ weightDecay: 0.01, globalClipnorm: 2, useEma: true, emaMomentum: 0.5 }),
      { initialScale: 1, dynamicGrowthSteps: 3 },
    ),
};
for (const [name, create] of Object.entries(contracts)) testOptimizerContract(name, create);

// Keras's numbers.

const cases: Readonly<Record<"skipped" | "overflow" | "adam", () => Optimizer>> = {
  skipped: () =>
    dynamicLossScale(
      sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.05, useEma: true, emaMomentum: 0.5, globalClipnorm: 0.8 }),
      { initialScale: 8, dynamicGrowthSteps: 2 },
    ),
  overflow: () =>
    dynamicLossScale(sgd({ learningRate: 0.002, momentum: 0.9 }), { initialScale: 2 ** 127, dynamicGrowthSteps: 3 }),
  adam: () => dynamicLossScale(adam({ learningRate: 0.05 }), { initialScale: 1024, dynamicGrowthSteps: 2 }),
};
type Case = keyof typeof cases;

const BATCHES = 7;

/** Rows of all batches: the fourth's targets are infinite when squared, or all targets are large. */
function rowsOf(name: Case): { x: number[][]; y: number[][] } {
  const x = Array.from({ length: 2 * BATCHES }, (_, row) => keras.x.slice(3 * row, 3 * row + 3));
  const y = keras.y.map((value, row) => {
    if (name === "skipped" && Math.floor(row / 2) === 3) return [1e38];
    return [name === "overflow" ? 8 * value : value];
  });
  return { x, y };
}

function network(): Model {
  const given = (values: readonly number[], shape: [number, number]): tf.Tensor2D => tf.tensor2d([...values], shape);
  const net = tf.sequential({
    layers: [
      tf.layers.dense({
        units: 2,
        inputShape: [3],
        activation: "tanh",
        kernelConstraint: tf.constraints.maxNorm({ maxValue: 0.7, axis: 0 }),
      }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  const [first, second] = keras.kernels;
  const weights = [given(first!, [3, 2]), tf.zeros([2]), given(second!, [2, 1]), tf.zeros([1])];
  net.setWeights(weights);
  tf.dispose(weights);
  return Model.from(net);
}

async function weightsOf(model: Model): Promise<number[][]> {
  const weights = model.getWeights();
  const values = await Promise.all(weights.map(async (weight) => [...await weight.data()]));
  tf.dispose(weights);
  return values;
}

async function scaleOf({ lossScale }: Optimizer): Promise<number> {
  assert(typeof lossScale === "object");
  return (await lossScale.variable.data())[0]!;
}

function assertClose(found: number[][], expected: number[][], what: string): void {
  assertEquals(found.length, expected.length, what);
  found.forEach((values, i) =>
    values.forEach((value, j) => assertAlmostEquals(value, expected[i]![j]!, 1e-5, `${what}, weight ${i}[${j}]`))
  );
}

for (const name of Object.keys(cases) as Case[]) {
  Deno.test(`dynamicLossScale() gives Keras's losses, scales and weights after every step: ${name}`, async () => {
    const model = network();
    const optimizer = cases[name]();
    model.compile({ optimizer, loss: "mse" });
    const { x, y } = rowsOf(name);
    const held: number[] = [];
    for (const [step, expected] of keras[name].entries()) {
      const rows = [2 * step, 2 * step + 2] as const;
      const { loss } = await model.trainOnBatch({ x: x.slice(...rows), y: y.slice(...rows) });
      const what = `${name}, step ${step}`;
      if (expected.loss === null) assertEquals(loss, Infinity, what);
      else assertAlmostEquals(loss!, expected.loss, 1e-5 * (1 + expected.loss), what);
      assertAlmostEquals(await scaleOf(optimizer) / expected.scale, 1, 1e-6, what);
      assertClose(await weightsOf(model), expected.weights, what);
      held.push(tf.memory().numTensors);
    }
    assertEquals(held, held.map(() => held[0]!), "tensors after each step");
    model.dispose();
  });

  for (
    const [how, strategy, executor] of [
      ["executor trace", () => oneDevice({ device: "cpu" }), trace({ inner: eager() })],
      ["two replicas", () => twoReplicas(cpu()), eager()],
      ["two replicas, executor trace", () => twoReplicas(cpu()), trace({ inner: eager() })],
    ] as const
  ) {
    Deno.test(`dynamicLossScale() gives Keras's weights with ${how}: ${name}`, async () => {
      const model = strategy().scope(network);
      const optimizer = cases[name]();
      model.compile({ optimizer, loss: "mse", executor, stepsPerExecution: 3 });
      await model.fit(rowsOf(name), { batchSize: 2, shuffle: false, verbose: 0 });
      const last = keras[name].at(-1)!;
      assertAlmostEquals(await scaleOf(optimizer) / last.scale, 1, 1e-6);
      assertClose(await weightsOf(model), last.averages.length > 0 ? last.averages : last.weights, name);
      model.dispose();
    });
  }
}

webgpuTest("dynamicLossScale() skips what Keras skips on webgpu", async () => {
  const model = oneDevice({ device: webgpu() }).scope(network);
  const optimizer = cases.skipped();
  model.compile({ optimizer, loss: "mse", executor: eager() });
  await model.fit(rowsOf("skipped"), { batchSize: 2, shuffle: false, verbose: 0 });
  const last = keras.skipped.at(-1)!;
  assertEquals(await scaleOf(optimizer), last.scale);
  const found = await weightsOf(model);
  found.flat().forEach((value, i) => assertAlmostEquals(value, last.averages.flat()[i]!, 1e-3));
  model.dispose();
  await tf.setBackend("cpu");
});

// Single steps.

function read({ variable }: StepVariable): number[] {
  return [...variable.dataSync<"float32">()];
}

interface SetUp extends Disposable {
  readonly weights: readonly StepVariable[];
  readonly slots: readonly StepVariable[];
  step(...gradients: readonly (readonly number[] | null)[]): void;
}

function setUp(optimizer: Optimizer): SetUp {
  const weights = [testWeight("a", [1, -2], [2]), testWeight("b", [0.5], [1])];
  const slots = optimizer.build(weights);
  return {
    weights,
    slots,
    step: (...gradients) => tf.tidy(() => takeStep(optimizer, gradients.map((g) => g && tf.tensor1d([...g])), weights)),
    [Symbol.dispose]() {
      optimizer.dispose();
      for (const { variable } of weights) variable.dispose();
    },
  };
}

for (const bad of [NaN, Infinity, -Infinity]) {
  Deno.test(`dynamicLossScale() changes nothing but the scale and its counter when one element is ${bad}`, () => {
    const inner = adam({ weightDecay: 0.1, amsgrad: true, useEma: true, emaOverwriteFrequency: 2, clipvalue: 1 });
    const optimizer = dynamicLossScale(inner, { initialScale: 4 });
    using it = setUp(optimizer);
    it.step([1, 2], [3]);
    const watched = [...it.weights, ...it.slots.slice(0, -2)];
    const before = watched.map(read);
    const { numTensors, numDataBuffers } = tf.memory();
    it.step([1, 2], [bad]);
    assertEquals(watched.map(read), before);
    assertEquals(it.slots.slice(-2).map((slot) => [slot.path, read(slot)]), [
      ["adam/loss_scale", [2]],
      ["adam/finite_steps", [0]],
    ]);
    it.step([bad, 2], null);
    assertEquals(watched.map(read), before);
    it.step([1, 2], [3]);
    assert(read(it.weights[0]!)[0]! !== before[0]![0]);
    assertEquals(it.slots.slice(-2).map(read), [[1], [1]]);
    assertEquals([tf.memory().numTensors, tf.memory().numDataBuffers], [numTensors, numDataBuffers]);
  });
}

Deno.test("dynamicLossScale() takes the largest finite number for finite", () => {
  const optimizer = dynamicLossScale(sgd({ learningRate: 1 }), { initialScale: 2 ** 127 });
  using it = setUp(optimizer);
  it.step([(2 - 2 ** -23) * 2 ** 127, 0], [0]);
  assertAlmostEquals(read(it.weights[0]!)[0]!, 1 - (2 - 2 ** -23), 1e-6);
});

Deno.test("dynamicLossScale() keeps the scale between 1 and 2 ** 127, or starts below", () => {
  const grown = dynamicLossScale(sgd(), { initialScale: 2 ** 126, dynamicGrowthSteps: 1 });
  const shrunk = dynamicLossScale(sgd(), { initialScale: 3 });
  const small = dynamicLossScale(sgd(), { initialScale: 0.25 });
  for (const [optimizer, gradient, expected] of [[grown, 0, 2 ** 127], [shrunk, NaN, 1], [small, NaN, 0.25]] as const) {
    using it = setUp(optimizer);
    for (let i = 0; i < 4; i++) it.step([0, gradient], [0]);
    assertEquals(read(it.slots.at(-2)!), [expected]);
  }
});

Deno.test("dynamicLossScale() counts skipped steps for bias corrections", () => {
  const optimizer = dynamicLossScale(adam({ learningRate: 0.1 }), { initialScale: 2 });
  const plain = adam({ learningRate: 0.1 });
  using scaled = setUp(optimizer);
  using expected = setUp(plain);
  scaled.step([2, 4], [6]);
  scaled.step([NaN, 4], [6]);
  scaled.step([1, 2], [-3]);
  expected.step([1, 2], [3]);
  plain.iterations = 2;
  expected.step([1, 2], [-3]);
  assertEquals(scaled.weights.map(read), expected.weights.map(read));
  assertEquals(optimizer.iterations, 3);
});

Deno.test("dynamicLossScale() passes on the learning rate, averages and finalize of its inner optimizer", () => {
  const inner = rmsprop({ useEma: true, emaMomentum: 0.5 });
  const optimizer = dynamicLossScale(inner);
  using it = setUp(optimizer);
  optimizer.learningRate = 0.25;
  optimizer.iterations = 3;
  assertEquals([inner.learningRate, inner.iterations, optimizer.row(3)], [0.25, 3, inner.row(3)]);
  it.step([1, 2], [3]);
  const averages = optimizer.averages!.map((average) => read(average!));
  optimizer.finalize!(it.weights);
  assertEquals(it.weights.map(read), averages);
});

Deno.test("dynamicLossScale() keeps its scale when it is built again", () => {
  const optimizer = dynamicLossScale(sgd({ momentum: 0.9 }), { initialScale: 64 });
  using it = setUp(optimizer);
  it.step([Infinity, 0], [0]);
  const again = optimizer.build(it.weights.slice(0, 1));
  assertEquals(again.map(({ path }) => path), ["sgd/a/momentum", "sgd/loss_scale", "sgd/finite_steps"]);
  assertEquals(read(again[1]!), [32]);
});

Deno.test("dynamicLossScale() refuses options and inner optimizers that it cannot serve", () => {
  const plain = sgd();
  assertThrows(() => dynamicLossScale(plain, { initialScale: 0 }), RangeError, "initialScale is 0; expected");
  assertThrows(() => dynamicLossScale(plain, { initialScale: 1e39 }), RangeError, "at most 2 ** 127");
  assertThrows(() => dynamicLossScale(plain, { dynamicGrowthSteps: 0 }), RangeError, "dynamicGrowthSteps");
  assertThrows(() => dynamicLossScale(plain, { growth: 2 } as object), TypeError, "unknown option growth");
  assertThrows(() => dynamicLossScale(sgd({ lossScaleFactor: 2 })), RangeError, "by 2 already");
  assertThrows(() => dynamicLossScale(dynamicLossScale(plain)), RangeError, "expected a loss scale of 1");
  assertThrows(() => dynamicLossScale(sgd({ gradientAccumulationSteps: 2 })), RangeError, "gradientAccumulationSteps");
  const unbuilt = dynamicLossScale(plain);
  assertThrows(() => unbuilt.apply([], [], {}), Error, "expected that build was called");
});
