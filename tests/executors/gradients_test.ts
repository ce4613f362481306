/** Gradients of compiled steps against central differences of the same steps' losses, by layer. */
import { assertAlmostEquals, assertGreater } from "@std/assert";
import { type HostArray, Model, setRandomSeed, tf } from "@stride/stride";
import type { Device } from "@stride/stride/core";
import { cpu, webgpu } from "@stride/stride/devices";
import { lstm, multiHeadAttention } from "@stride/stride/layers";
import { sgd } from "@stride/stride/optimizers";
import { oneDevice } from "@stride/stride/strategies";
import { webgpuTest } from "../webgpu.ts";

const ROWS = 4;
/** How far weights are moved: losses near 1 then differ enough for float32, and third derivatives do not count yet. */
const MOVE = 2e-2;
/** Of the largest derivative of a model. Measured: 8e-4 for layer normalization, whose third derivatives are large; 3e-4 elsewhere. */
const TOLERANCE = 3e-3;
/** Directions that each variable is moved in. */
const DIRECTIONS = 2;

interface Case {
  readonly inputShape: readonly number[];
  /** How many different integers the input holds; absent where it is any numbers. */
  readonly vocabulary?: number;
  readonly layers: (input: tf.SymbolicTensor) => tf.SymbolicTensor;
}

function stack(...layers: (() => tf.layers.Layer)[]): Case["layers"] {
  return (input) => layers.reduce((x, layer) => layer().apply(x) as tf.SymbolicTensor, input);
}

const flatten = () => tf.layers.flatten();
const dense = (units: number, options: object = {}) => () => tf.layers.dense({ units, ...options });

/** All functions in them are smooth, so that differences have a meaning. */
const CASES: Readonly<Record<string, Case>> = {
  dense: { inputShape: [5], layers: stack(dense(6, { activation: "tanh" }), dense(3)) },
  conv2d: {
    inputShape: [6, 5, 2],
    layers: stack(
      () => tf.layers.conv2d({ filters: 3, kernelSize: 3, padding: "same", strides: 2, activation: "tanh" }),
      () => tf.layers.conv2d({ filters: 2, kernelSize: 2 }),
      flatten,
      dense(3),
    ),
  },
  depthwise: {
    inputShape: [6, 5, 2],
    layers: stack(
      dense(2),
      () => tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, activation: "tanh" }),
      flatten,
      dense(3),
    ),
  },
  batchNorm: {
    inputShape: [5],
    layers: stack(dense(6, { useBias: false }), () => tf.layers.batchNormalization(), dense(3, { activation: "tanh" })),
  },
  layerNorm: { inputShape: [5], layers: stack(dense(6), () => tf.layers.layerNormalization(), dense(3)) },
  lstm: { inputShape: [4, 3], layers: stack(() => lstm({ units: 3 }), dense(3)) },
  embedding: {
    inputShape: [4],
    vocabulary: 7,
    layers: stack(() => tf.layers.embedding({ inputDim: 7, outputDim: 3 }), flatten, dense(3, { activation: "tanh" })),
  },
  attention: {
    inputShape: [4, 3],
    layers: (input) => {
      const attended = multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply([input, input]) as tf.SymbolicTensor;
      return stack(flatten, dense(3))(attended);
    },
  },
};

/** Numbers in [-1, 1) that have no pattern. */
function noise(size: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: size },
    (_, i) => (Math.imul(i * 7919 + seed * 104729 + 1, 2654435761) | 0) / 2 ** 31,
  );
}

function dataOf({ inputShape, vocabulary }: Case): { x: HostArray; y: HostArray } {
  const shape = [ROWS, ...inputShape];
  const values = noise(shape.reduce((size, dimension) => size * dimension), 1);
  const x: HostArray = vocabulary === undefined ? { shape, dtype: "float32", values } : {
    shape,
    dtype: "int32",
    values: Int32Array.from(values, (value) => Math.floor((value + 1) / 2 * vocabulary)),
  };
  return { x, y: { shape: [ROWS, 3], dtype: "float32", values: noise(ROWS * 3, 2) } };
}

async function check(each: Case, device: Device, executor: "wasm" | "webgpu"): Promise<void> {
  const strategy = oneDevice({ device });
  setRandomSeed(3);
  const model = strategy.scope(() => {
    const input = tf.input({ shape: [...each.inputShape], dtype: each.vocabulary === undefined ? "float32" : "int32" });
    return Model.from(tf.model({ inputs: input, outputs: each.layers(input) }));
  });
  setRandomSeed(null);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", executor });
  const data = dataOf(each);
  const lossOf = async (learningRate: number): Promise<number> => {
    model.optimizer!.learningRate = learningRate;
    return (await model.trainOnBatch(data)).loss!;
  };
  await lossOf(0);
  const trained = model.variables.filter(({ trainable }) => trainable);
  const start = await Promise.all(trained.map(async ({ variable }) => Float32Array.from(await variable.data())));
  const assign = (index: number, values: Float32Array) =>
    strategy.scope(() =>
      tf.tidy(() => trained[index]!.variable.assign(tf.tensor(values, trained[index]!.variable.shape)))
    );
  // A step at a rate of 1 leaves the gradient as what the weights lost.
  await lossOf(1);
  const after = await Promise.all(trained.map(({ variable }) => variable.data()));
  const gradients = start.map((values, index) => values.map((value, i) => value - after[index]![i]!));
  const pairs: { path: string; found: number; expected: number }[] = [];
  start.forEach((values, index) => assign(index, values));
  for (const [index, { path }] of trained.entries()) {
    const values = start[index]!;
    for (let direction = 0; direction < DIRECTIONS; direction++) {
      const steps = noise(values.length, 10 + direction).map((value) => Math.sign(value) / Math.sqrt(values.length));
      const moved = async (by: number): Promise<number> => {
        assign(index, Float32Array.from(values, (value, i) => value + by * steps[i]!));
        return await lossOf(0);
      };
      const expected = (await moved(MOVE) - await moved(-MOVE)) / (2 * MOVE);
      pairs.push({ path, found: gradients[index]!.reduce((sum, value, i) => sum + value * steps[i]!, 0), expected });
    }
    assign(index, values);
  }
  model.dispose();
  const largest = Math.max(...pairs.map(({ expected }) => Math.abs(expected)));
  assertGreater(largest, 1e-2);
  for (const { path, found, expected } of pairs) assertAlmostEquals(found, expected, TOLERANCE * largest, path);
}

for (const [name, each] of Object.entries(CASES)) {
  Deno.test(`executor wasm: gradients of ${name} are those of its loss`, () => check(each, cpu(), "wasm"));
  webgpuTest(`executor webgpu: gradients of ${name} are those of its loss`, async () => {
    await check(each, webgpu(), "webgpu");
    cpu().activate();
  });
}
