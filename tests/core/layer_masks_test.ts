/**
 * Masks: who makes them, who hands them on, what they do.
 *
 * @module
 */
import { assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import { applyLayer } from "../../core/layers/mod.ts";
import { type Tensor, tf } from "../../core/tf.ts";

const CALL = { training: false, addLoss: () => {} };

async function mask(layer: tf.layers.Layer, inputs: Tensor[], masks: (Tensor | null)[]): Promise<number[] | null> {
  const [result] = applyLayer(layer, inputs, { ...CALL, masks }).masks;
  return result ? [...await result.data()] : null;
}

function bool(rows: number[][]): Tensor {
  return tf.tensor2d(rows).cast("bool");
}

const SEQUENCE = tf.ones([1, 3, 2]);
const MASK = bool([[1, 0, 1]]);

Deno.test("applyLayer() hands the mask on when Keras's class supports masking", async () => {
  const layers = [
    tf.layers.dense({ units: 2 }),
    tf.layers.dropout({ rate: 0.1 }),
    tf.layers.activation({ activation: "relu" }),
    tf.layers.elu(),
    tf.layers.leakyReLU(),
    tf.layers.prelu(),
    tf.layers.reLU(),
    tf.layers.layerNormalization(),
    tf.layers.batchNormalization(),
    tf.layers.rescaling({ scale: 2 }),
    tf.layers.lstm({ units: 2, returnSequences: true }),
    tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 1 }) }),
    tf.layers.bidirectional({
      layer: tf.layers.gru({ units: 1, returnSequences: true }) as tf.RNN,
      mergeMode: "concat",
    }),
  ];
  for (const layer of layers) assertEquals(await mask(layer, [SEQUENCE], [MASK]), [1, 0, 1], layer.name);
});

Deno.test("applyLayer() drops the mask when Keras's class does not support masking, or uses it up", async () => {
  const layers = [
    tf.layers.flatten(),
    tf.layers.reshape({ targetShape: [6] }),
    tf.layers.permute({ dims: [2, 1] }),
    tf.layers.conv1d({ filters: 1, kernelSize: 1 }),
    tf.layers.maxPooling1d({ poolSize: 1 }),
    tf.layers.globalAveragePooling1d(),
    tf.layers.lstm({ units: 2 }),
    tf.layers.embedding({ inputDim: 3, outputDim: 2 }),
  ];
  for (const layer of layers) assertEquals(await mask(layer, [SEQUENCE], [MASK]), null, layer.name);
});

Deno.test("applyLayer() makes a mask when the layer is Masking or Embedding with maskZero", async () => {
  const x = tf.tensor3d([[[7, 7], [7, 0], [1, 2]]]);
  assertEquals(await mask(tf.layers.masking({ maskValue: 7 }), [x], [null]), [0, 1, 1]);
  const ids = tf.tensor2d([[2, 0, 1]], [1, 3], "int32");
  assertEquals(await mask(tf.layers.embedding({ inputDim: 3, outputDim: 1, maskZero: true }), [ids], [null]), [
    1,
    0,
    1,
  ]);
});

Deno.test("applyLayer() joins masks with or when inputs are merged, and any feature counts when concatenated", async () => {
  const other = bool([[0, 0, 1]]);
  const pair = [SEQUENCE, SEQUENCE];
  assertEquals(await mask(tf.layers.add(), pair, [MASK, other]), [1, 0, 1]);
  assertEquals(await mask(tf.layers.multiply(), pair, [MASK, null]), null);
  assertEquals(await mask(tf.layers.concatenate(), pair, [other, bool([[1, 0, 0]])]), [1, 0, 1]);
  assertEquals(await mask(tf.layers.concatenate({ axis: 1 }), pair, [MASK, null]), [1, 0, 1, 1, 1, 1]);
  assertEquals(await mask(tf.layers.concatenate(), pair, [null, null]), null);
});

Deno.test("applyLayer() carries masks through nested models when an Embedding makes one", async () => {
  const inner = tf.sequential({
    layers: [tf.layers.dense({ units: 3, inputShape: [4, 2] }), tf.layers.dropout({ rate: 0.1 })],
  });
  const model = tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: 5, outputDim: 2, maskZero: true, inputLength: 4 }),
      inner,
      tf.layers.lstm({ units: 3, returnSequences: true }),
      tf.layers.lstm({ units: 2 }),
    ],
  });
  const run = (ids: number[]) => applyLayer(model, [tf.tensor2d([ids], [1, 4], "int32")], CALL).outputs[0]!;
  // Padding at the end changes nothing; padding before and between neither.
  const [first, second] = [await run([3, 4, 0, 0]).data(), await run([0, 3, 0, 4]).data()];
  first.forEach((value, index) => assertAlmostEquals(value, second[index]!, 1e-6));
});

Deno.test("lstm() repeats outputs and keeps states when positions are masked", async () => {
  const layer = tf.layers.lstm({ units: 2, returnSequences: true, returnState: true });
  const x = tf.randomNormal([1, 3, 2], 0, 1, "float32", 3);
  const { outputs, masks } = applyLayer(layer, [x], { ...CALL, masks: [bool([[0, 1, 0]])] });
  const [sequence, h, c] = await Promise.all(outputs.map((output) => output.data()));
  const short = applyLayer(layer, [x.slice([0, 1, 0], [1, 1, 2])], CALL).outputs;
  assertEquals([...sequence!.slice(0, 2)], [0, 0]);
  assertEquals(sequence!.slice(2, 4), sequence!.slice(4, 6));
  assertEquals(h, await short[1]!.data());
  assertEquals(c, await short[2]!.data());
  assertEquals(masks.slice(1), [null, null]);
});

Deno.test("bidirectional() masks both directions when it has a mask", async () => {
  const layer = tf.layers.bidirectional({ layer: tf.layers.lstm({ units: 2 }) as tf.RNN, mergeMode: "concat" });
  const x = tf.randomNormal([1, 4, 2], 0, 1, "float32", 5);
  const padded = await applyLayer(layer, [x], { ...CALL, masks: [bool([[1, 1, 0, 0]])] }).outputs[0]!.data();
  const short = await applyLayer(layer, [x.slice([0, 0, 0], [1, 2, 2])], CALL).outputs[0]!.data();
  assertEquals(padded, short);
});

Deno.test("globalAveragePooling1d() and softmax() leave masked positions out when they have a mask", async () => {
  const x = tf.tensor3d([[[1], [100], [3]]]);
  const mean = applyLayer(tf.layers.globalAveragePooling1d(), [x], { ...CALL, masks: [MASK] }).outputs[0]!;
  assertEquals([...await mean.data()], [2]);
  const scores = tf.tensor2d([[1, 100, 1], [5, 5, 5]]);
  const rows = bool([[1, 0, 1], [0, 0, 0]]);
  const shares = applyLayer(tf.layers.softmax({ axis: -1 }), [scores], { ...CALL, masks: [rows] }).outputs[0]!;
  assertEquals([...await shares.data()], [0.5, 0, 0.5, 0, 0, 0]);
});

class PassesOn extends tf.layers.Layer {
  static className = "PassesOn";
  readonly first = tf.layers.embedding({ inputDim: 4, outputDim: 2, maskZero: true });
  readonly second = tf.layers.dense({ units: 2 });
  override call(inputs: Tensor | Tensor[]): Tensor {
    return this.second.apply(this.first.apply(Array.isArray(inputs) ? inputs[0]! : inputs)) as Tensor;
  }
}

Deno.test("applyLayer() finds the mask that a layer inside made when the user's own layer returns its output", async () => {
  const ids = tf.tensor2d([[1, 0]], [1, 2], "int32");
  assertEquals(await mask(new PassesOn(), [ids], [null]), [1, 0]);
});

class Shifts extends tf.layers.Layer {
  static className = "Shifts";
  override call(inputs: Tensor | Tensor[]): Tensor {
    return tf.add(Array.isArray(inputs) ? inputs[0]! : inputs, 1);
  }
}

Deno.test("applyLayer() asks the user's own layer about masks by supportsMasking when it has no computeMask", () => {
  const layer = new Shifts();
  assertEquals(applyLayer(layer, [SEQUENCE], { ...CALL, masks: [MASK] }).masks, [null]);
  layer.supportsMasking = true;
  assertStrictEquals(applyLayer(layer, [SEQUENCE], { ...CALL, masks: [MASK] }).masks[0], MASK);
});
