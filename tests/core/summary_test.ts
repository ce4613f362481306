/**
 * What `model.summary` tells: shapes, parameters, bytes and operations against closed forms, and the table.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { formatSummary, type LayerSummary, Model, type Tensor, tf } from "@stride/stride";
import { gru, multiHeadAttention } from "../../plugins/layers/mod.ts";

await tf.setBackend("cpu");

const QUIET = { print: () => {} };
const brief = ({ name, type, outputShapes, parameters, flops }: LayerSummary) => [
  name,
  type,
  outputShapes.map((shape) => shape.map(String).join()).join("; "),
  parameters,
  flops,
];

function convolutional(): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: "relu", inputShape: [8, 8, 3] }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dropout({ rate: 0.5 }),
      tf.layers.dense({ units: 10, useBias: false }),
    ],
  });
}

Deno.test("summary() counts shapes, parameters and operations when the model is sequential", () => {
  const summary = Model.from(convolutional()).summary(QUIET);
  const conv = 6 * 6 * 4;
  assertEquals(summary.layers.map(brief), [
    // Products and sums, the bias, relu.
    ["conv2d", "Conv2D", "null,6,6,4", 3 * 3 * 3 * 4 + 4, conv * 2 * 27 + conv + conv],
    ["max_pooling2d", "MaxPooling2D", "null,3,3,4", 0, 36 * 4],
    // Minus mean, times scale, plus shift, for each element; the scale of each of 4 channels.
    ["batch_normalization", "BatchNormalization", "null,3,3,4", 16, 36 * 3 + 3 * 4],
    ["flatten", "Flatten", "null,36", 0, 0],
    ["dropout", "Dropout", "null,36", 0, 0],
    ["dense", "Dense", "null,10", 360, 2 * 36 * 10],
  ]);
  assertEquals(
    [summary.parameters, summary.trainable, summary.nonTrainable, summary.bytes],
    [112 + 16 + 360, 112 + 8 + 360, 8, 4 * 488],
  );
  assertEquals(summary.flops, summary.layers.reduce((total, { flops }) => total + flops, 0));
});

Deno.test("summary() gives operations for one sample when the model was built on a batch", () => {
  const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [5] })] }));
  tf.tidy(() => model.build(tf.ones([32, 5])));
  const { layers, flops } = model.summary(QUIET);
  assertEquals(brief(layers[0]!), ["dense", "Dense", "null,3", 18, 2 * 5 * 3 + 3]);
  assertEquals(flops, 33);
});

class Custom extends Model {
  readonly shared: tf.layers.Layer = tf.layers.dense({ units: 4, useBias: false, name: "shared" });
  readonly #attention = multiHeadAttention({ numHeads: 2, keyDim: 3 });
  readonly #recurrent = gru({ units: 2, returnState: true });
  readonly #scale = tf.variable(tf.scalar(2));
  override call(x: Tensor): Tensor {
    const twice = this.apply(this.shared, this.apply(this.shared, x));
    const [last, state] = this.applyAll(this.#recurrent, this.apply(this.#attention, twice));
    return tf.mul(tf.add(last!, state!), this.#scale);
  }
}

Deno.test("summary() counts layers that are used twice, several outputs and free variables when the model is a class", () => {
  const model = new Custom("net");
  assertThrows(() => model.summary(QUIET), Error, 'Cannot tell what model "net" is made of: it is not built');
  tf.tidy(() => model.build(tf.ones([2, 5, 4])));
  const { layers, parameters, flops } = model.summary(QUIET);
  assertEquals(layers.map(brief).map((row) => row.slice(0, 4)), [
    ["shared", "Dense", "null,5,4", 16],
    ["multi_head_attention", "MultiHeadAttention", "null,5,4", 4 * 4 * 6 + 3 * 6 + 4],
    ["reset_after_gru", "ResetAfterGRU", "null,2; null,2", 4 * 6 + 2 * 6 + 2 * 6],
  ]);
  assertEquals(layers[0]!.flops, 2 * (5 * 2 * 4 * 4));
  assertEquals(parameters, 16 + 118 + 48 + 1);
  // The sum and the product outside of layers, of 2 elements each.
  assertEquals(flops, layers.reduce((total, layer) => total + layer.flops, 0) + 4);
});

Deno.test("summary() tells what is frozen, and what the optimizer keeps, after fit", async () => {
  const layers = convolutional();
  layers.layers[0]!.trainable = false;
  const model = Model.from(layers);
  model.compile({ optimizer: "adam", loss: "mse" });
  assertEquals(model.summary(QUIET).optimizerParameters, 0);
  const x = { shape: [4, 8, 8, 3], dtype: "float32" as const, values: new Float32Array(768).fill(1) };
  const y = { shape: [4, 10], dtype: "float32" as const, values: new Float32Array(40) };
  await model.fit({ x, y }, { verbose: 0 });
  const summary = model.summary(QUIET);
  assertEquals([summary.trainable, summary.nonTrainable], [8 + 360, 112 + 8]);
  assertEquals(summary.optimizerParameters, 2 * summary.trainable);
});

Deno.test("summary() lists nested models, expanded on request, as wide as asked", () => {
  const inner = tf.sequential({ name: "encoder", layers: [tf.layers.dense({ units: 6, inputShape: [4] })] });
  const input = tf.input({ shape: [4], name: "features" });
  const output = tf.layers.dense({ units: 2, name: "head" }).apply(inner.apply(input)) as tf.SymbolicTensor;
  const model = Model.from(tf.model({ inputs: input, outputs: output, name: "outer" }));
  let printed = "";
  const summary = model.summary({ width: 60, expandNested: true, print: (text) => printed = text });
  assertEquals(summary.layers.map(({ name, layers }) => [name, layers.map((layer) => layer.name)]), [
    ["features", []],
    ["encoder", ["dense"]],
    ["head", []],
  ]);
  assertEquals(summary.layers[1]!.flops, 2 * 4 * 6 + 6);
  const lines = printed.split("\n");
  assert(lines.slice(1, -4).every((line) => line.length === 60), printed);
  assertStringIncludes(printed, "│   dense (Dense)");
  assertStringIncludes(printed, " Total params: 44 (176 B)");
  assertStringIncludes(printed, " FLOPs per sample, forward: 80");
  assertEquals(formatSummary(summary, { width: 60 }).includes("dense (Dense)"), false);
  assertThrows(() => formatSummary(summary, { width: 10 }), RangeError, "at least 40");
});

Deno.test("formatSummary() shortens names when the line is too short for them", () => {
  const name = "a_layer_with_a_name_that_is_much_too_long_for_forty_characters";
  const layers = tf.sequential({ layers: [tf.layers.dense({ units: 1000, inputShape: [1000], name })] });
  const text = formatSummary(Model.from(layers).summary(QUIET), { width: 40 });
  const row = text.split("\n")[4]!;
  assertEquals(row.length, 40);
  assertStringIncludes(row, "…");
  assertStringIncludes(row, "1,001,000");
  assertStringIncludes(row, "2.00 M");
});

Deno.test("summary() prints on the console, and leaves layers and tensors as they were", () => {
  const layers = convolutional();
  const model = Model.from(layers);
  const log = console.log;
  const printed: unknown[] = [];
  console.log = (...parts) => void printed.push(...parts);
  try {
    const before = tf.memory().numTensors;
    model.summary();
    const calls = layers.layers.map((layer) => layer.call);
    model.summary();
    assertEquals(layers.layers.map((layer) => layer.call), calls);
    assertEquals(tf.memory().numTensors, before);
  } finally {
    console.log = log;
  }
  assertEquals(printed.length, 2);
  assertStringIncludes(String(printed[0]), `Model: "${layers.name}"`);
});

Deno.test("summary() needs a batch when the model's inputs have open sizes", () => {
  const layers = tf.sequential({ layers: [tf.layers.lstm({ units: 3, inputShape: [null, 2] })] });
  const model = Model.from(layers);
  assertThrows(() => model.summary(QUIET), Error, "[null, null, 2]. Call build(x) with a batch");
  tf.tidy(() => model.build(tf.ones([1, 5, 2])));
  const [lstm] = model.summary(QUIET).layers;
  assertEquals(lstm!.outputShapes, [[null, 3]]);
  // Five steps of both products.
  assert(lstm!.flops > 5 * 2 * (2 + 3) * 12 && lstm!.flops < 5 * 2 * (2 + 3) * 12 * 2);
});
