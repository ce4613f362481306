/**
 * What adoption changes in single layers: dropout, noise, normalization, activity losses, custom layers.
 *
 * @module
 */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { adopt, applyLayer, isContainer, layerPath } from "../../core/layers/mod.ts";
import { hostRandomSource, withRandomSource } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";

const TRAIN = { training: true, addLoss: () => {} };
const TEST = { training: false, addLoss: () => {} };

async function values(tensor: Tensor): Promise<number[]> {
  return [...await tensor.data()];
}

/** What a layer gives for one input. */
function output(layer: tf.layers.Layer, x: Tensor, call: typeof TRAIN = TRAIN): Tensor {
  return tf.tidy(() => applyLayer(layer, [x], call).outputs[0]!);
}

function assertClose(found: readonly number[], expected: readonly number[], tolerance = 1e-5): void {
  assertEquals(found.length, expected.length);
  found.forEach((value, index) => assertAlmostEquals(value, expected[index]!, tolerance, `element ${index}`));
}

function moments(sample: readonly number[]): { mean: number; deviation: number } {
  const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
  const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sample.length;
  return { mean, deviation: Math.sqrt(variance) };
}

Deno.test("dropout() keeps the mean by scaling when it trains", async () => {
  const kept = await values(output(tf.layers.dropout({ rate: 0.25 }), tf.ones([100, 100])));
  assertEquals([...new Set(kept)].sort(), [0, Math.fround(1 / 0.75)]);
  assertAlmostEquals(moments(kept).mean, 1, 0.03);
});

Deno.test("dropout() with a seed draws a new mask in each call when it trains, another than with another seed", async () => {
  const [x, layer, other] = [
    tf.ones([8, 8]),
    tf.layers.dropout({ rate: 0.5, seed: 1 }),
    tf.layers.dropout({ rate: 0.5, seed: 2 }),
  ];
  assertNotEquals(await values(output(layer, x)), await values(output(layer, x)));
  const same = (layer: tf.layers.Layer) => withRandomSource(hostRandomSource([1, 2]), () => output(layer, x));
  assertEquals(await values(same(layer)), await values(same(layer)));
  assertNotEquals(await values(same(layer)), await values(same(other)));
});

Deno.test("dropout() drops along the axes of noiseShape when one is given", async () => {
  const rows = await output(
    tf.layers.dropout({ rate: 0.5, noiseShape: [null as unknown as number, 1] }),
    tf.ones([64, 4]),
  )
    .array() as number[][];
  assert(rows.every((row) => new Set(row).size === 1));
  assertEquals(new Set(rows.map((row) => row[0])).size, 2);
  const map = await output(tf.layers.spatialDropout1d({ rate: 0.5 }), tf.ones([8, 5, 16])).array() as number[][][];
  assert(map.every((sample) => sample.every((step) => step.join() === sample[0]!.join())));
});

Deno.test("dropout() gives zeros when the rate is 1, and its input when it does not train", async () => {
  assertEquals(await values(output(tf.layers.dropout({ rate: 1 }), tf.ones([2, 2]))), [0, 0, 0, 0]);
  assertEquals(await values(output(tf.layers.dropout({ rate: 0.9 }), tf.ones([2, 2]), TEST)), [1, 1, 1, 1]);
});

Deno.test("gaussianNoise() and gaussianDropout() add and multiply normal noise when they train", async () => {
  const noise = moments(await values(output(tf.layers.gaussianNoise({ stddev: 0.5 }), tf.fill([100, 100], 3))));
  assertAlmostEquals(noise.mean, 3, 0.03);
  assertAlmostEquals(noise.deviation, 0.5, 0.02);
  const factor = moments(await values(output(tf.layers.gaussianDropout({ rate: 0.2 }), tf.fill([100, 100], 3))));
  assertAlmostEquals(factor.mean, 3, 0.08);
  assertAlmostEquals(factor.deviation, 3 * Math.sqrt(0.2 / 0.8), 0.06);
});

Deno.test("alphaDropout() keeps mean and deviation of standard normal values when it trains", async () => {
  const { mean, deviation } = moments(
    await values(output(tf.layers.alphaDropout({ rate: 0.3 }), tf.randomNormal([200, 100], 0, 1, "float32", 7))),
  );
  assertAlmostEquals(mean, 0, 0.03);
  assertAlmostEquals(deviation, 1, 0.03);
});

Deno.test("batchNormalization() uses the batch and moves its statistics when it trains", async () => {
  const layer = tf.layers.batchNormalization({ momentum: 0.9, epsilon: 0 });
  const x = tf.tensor2d([[1, 10], [3, 30]]);
  assertClose(await values(output(layer, x)), [-1, -1, 1, 1]);
  const [, , mean, variance] = layer.getWeights();
  assertClose(await values(mean!), [0.2, 2]);
  assertClose(await values(variance!), [0.9 + 0.1, 0.9 + 10], 1e-5);
  assertClose(await values(output(layer, x, TEST)), [0.8, 8 / Math.sqrt(10.9), 2.8, 28 / Math.sqrt(10.9)], 1e-4);
});

Deno.test("batchNormalization() runs in inference mode when it is frozen", async () => {
  const layer = tf.layers.batchNormalization({ trainable: false, epsilon: 0 });
  assertEquals(await values(output(layer, tf.tensor2d([[1], [3]]))), [1, 3]);
  assertEquals(await values(layer.getWeights().at(-1)!), [1]);
});

Deno.test("batchNormalization() keeps small variances beside large means when it trains", async () => {
  const x = tf.tensor2d([[4096], [4096.25], [4096.5], [4096.75]]);
  const deviation = Math.sqrt(0.078125);
  const expected = [-0.375, -0.125, 0.125, 0.375].map((value) => value / deviation);
  assertClose(await values(output(tf.layers.batchNormalization({ epsilon: 0 }), x)), expected, 1e-4);
});

Deno.test("batchNormalization() counts unmasked positions only when it has a mask", async () => {
  const layer = tf.layers.batchNormalization({ epsilon: 0, momentum: 0 });
  const x = tf.tensor3d([[[1], [3], [100]]]);
  const mask = tf.tensor2d([[1, 1, 0]]).cast("bool");
  const { outputs, masks } = applyLayer(layer, [x], { ...TRAIN, masks: [mask] });
  assertClose((await values(outputs[0]!)).slice(0, 2), [-1, 1], 1e-4);
  assertStrictEquals(masks[0], mask);
  assertClose((await Promise.all(layer.getWeights().slice(2).map(values))).flat(), [2, 1], 1e-4);
  assertThrows(() => applyLayer(layer, [x], { ...TRAIN, masks: [mask.as1D()] }), TypeError, "mask of shape [3]");
});

Deno.test("adopt() lets an activity regularizer into a model when it comes first", async () => {
  const hidden = tf.layers.dense({
    units: 2,
    inputShape: [2],
    useBias: false,
    kernelInitializer: "ones",
    activityRegularizer: tf.regularizers.l2({ l2: 0.5 }),
  });
  adopt(hidden);
  const model = tf.sequential({ layers: [hidden, tf.layers.dense({ units: 1 })] });
  const losses: Tensor[] = [];
  applyLayer(model, [tf.tensor2d([[1, 2], [3, 4]])], { training: true, addLoss: (loss) => losses.push(loss) });
  // Rows of 3 and 7 in two columns: 0.5 · (2 · 9 + 2 · 49) over a batch of 2.
  assertEquals(await Promise.all(losses.map(values)), [[29]]);
  const saved = JSON.parse(JSON.stringify(hidden.getConfig()));
  assertEquals(saved.activityRegularizer.config, { l1: 0, l2: 0.5 });
  assertEquals((model.predict(tf.ones([1, 2])) as Tensor).shape, [1, 1]);
});

Deno.test("applyLayer() reports activity losses of layers inside models and wrappers when they are nested", async () => {
  const regularized = (units: number) => {
    const layer = tf.layers.dense({
      units,
      kernelInitializer: "ones",
      activityRegularizer: tf.regularizers.l1({ l1: 1 }),
    });
    adopt(layer);
    return layer;
  };
  const input = tf.input({ shape: [2] });
  const inner = tf.model({ inputs: input, outputs: regularized(1).apply(input) as tf.SymbolicTensor });
  const outer = tf.model({ inputs: input, outputs: inner.apply(input) as tf.SymbolicTensor });
  const losses: Tensor[] = [];
  applyLayer(outer, [tf.ones([4, 2])], { training: false, addLoss: (loss) => losses.push(loss) });
  assertEquals(await Promise.all(losses.map(values)), [[2]]);
});

class Doubled extends tf.layers.Layer {
  static className = "Doubled";
  readonly inner = tf.layers.dropout({ rate: 0.5 });
  seen: unknown[] = [];

  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }

  override call(inputs: Tensor | Tensor[], args: Record<string, unknown>): Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    this.seen.push([args.training, args.mask]);
    this.addLoss(() => tf.sum(x) as tf.Scalar);
    return this.inner.apply(tf.mul(x, 2)) as Tensor;
  }
}

Deno.test("applyLayer() tells a layer of the user's own, and layers inside it, whether it trains", async () => {
  const layer = new Doubled();
  const losses: Tensor[] = [];
  const mask = tf.ones([64, 4]).cast("bool");
  const call = { training: true, addLoss: (loss: Tensor) => losses.push(loss) };
  const [trained] = applyLayer(layer, [tf.ones([64, 4])], { ...call, masks: [mask] }).outputs;
  assertEquals([...new Set(await values(trained!))].sort(), [0, 4]);
  assertEquals(await values(output(layer, tf.ones([1, 4]), TEST)), [2, 2, 2, 2]);
  assertEquals(layer.seen, [[true, mask], [false, undefined]]);
  // `addLoss` in a call counts for that call alone.
  assertEquals(await Promise.all(losses.map(values)), [[256]]);
  assertEquals(layer.losses.length, 0);
});

Deno.test("applyLayer() converts dtype and rank as Keras does when a model declares others", () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [1] })] });
  const call = () => applyLayer(model, [tf.tensor1d([1, 2, 3], "int32")], TEST).outputs[0]!;
  assertEquals(call().shape, [3, 2]);
  assertThrows(() => applyLayer(model, [tf.ones([3, 4])], TEST), TypeError, "[3, 4]");
  assertThrows(() => applyLayer(model, [], TEST), TypeError, "0 inputs");
});

for (
  const [make, shape] of [
    [() => tf.layers.conv1d({ filters: 2, kernelSize: 2 }), [2, 4, 3]],
    [() => tf.layers.conv2d({ filters: 2, kernelSize: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.conv2d({ filters: 2, kernelSize: 2, dilationRate: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.conv2dTranspose({ filters: 2, kernelSize: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.conv3d({ filters: 2, kernelSize: 2 }), [2, 3, 3, 3, 2]],
    [() => tf.layers.depthwiseConv2d({ kernelSize: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.separableConv2d({ filters: 2, kernelSize: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.convLstm2d({ filters: 2, kernelSize: 2 }), [2, 2, 4, 4, 1]],
    [() => tf.layers.averagePooling1d({ poolSize: 2 }), [2, 4, 3]],
    [() => tf.layers.averagePooling2d({ poolSize: 2 }), [2, 4, 4, 3]],
    [() => tf.layers.averagePooling3d({ poolSize: 2 }), [2, 4, 4, 4, 1]],
    [() => tf.layers.timeDistributed({ layer: tf.layers.conv2d({ filters: 2, kernelSize: 2 }) }), [2, 2, 4, 4, 1]],
    [() => tf.layers.elu(), [2, 4]],
    [() => tf.layers.activation({ activation: "softplus" }), [2, 4]],
    [() => tf.layers.activation({ activation: "tanh" }), [2, 4]],
    [() => tf.layers.dense({ units: 2 }), [2, 4]],
  ] as [() => tf.layers.Layer, number[]][]
) {
  const layer = make();
  const { activation } = layer.getConfig();
  const name = `${layer.getClassName()}${typeof activation === "string" ? ` ${activation}` : ""} on [${shape}]`;
  Deno.test(`applyLayer() computes in float32 when integers or booleans go into ${name}`, async () => {
    for (const x of [tf.randomUniform(shape, -9, 9, "int32"), tf.ones(shape, "bool")]) {
      const found = output(layer, x, TEST);
      assertEquals(found.dtype, "float32");
      assertClose(await values(found), await values(output(layer, x.cast("float32"), TEST)));
    }
  });
}

Deno.test("applyLayer() leaves integers alone when a layer moves them about or only compares them", () => {
  const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1], "int32");
  const { layers } = tf;
  for (
    const layer of [layers.maxPooling2d({ poolSize: 2 }), layers.flatten(), layers.activation({ activation: "relu" })]
  ) {
    assertEquals(output(layer, x, TEST).dtype, "int32");
  }
});

Deno.test("applyLayer() gives a Sequential its new layers when some are added between calls", () => {
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [1] })] });
  assertEquals(applyLayer(model, [tf.ones([1, 1])], TEST).outputs[0]!.shape, [1, 2]);
  model.add(tf.layers.dense({ units: 5 }));
  assertEquals(applyLayer(model, [tf.ones([1, 1])], TEST).outputs[0]!.shape, [1, 5]);
});

Deno.test("categoryEncoding() counts without reading back when rows hold several categories", async () => {
  const x = tf.tensor2d([[0, 2, 2], [1, 1, 9]], [2, 3], "int32");
  const encode = (outputMode: "multiHot" | "count") =>
    values(output(tf.layers.categoryEncoding({ numTokens: 3, outputMode }), x, TEST));
  assertEquals(await encode("multiHot"), [1, 0, 1, 0, 1, 0]);
  assertEquals(await encode("count"), [1, 0, 2, 0, 2, 0]);
});

Deno.test("upSampling2d() interpolates between centres of pixels when it is bilinear", async () => {
  const layer = tf.layers.upSampling2d({ size: [1, 2], interpolation: "bilinear" });
  const x = tf.tensor4d([0, 4, 8], [1, 1, 3, 1]);
  assertClose(await values(output(layer, x, TEST)), [0, 1, 3, 5, 7, 8]);
});

Deno.test("registerGradients() divides by what a padded window holds when an average is padded", async () => {
  adopt(tf.layers.dense({ units: 1 }));
  const x = tf.tensor3d([1, 2, 3], [3, 1, 1]);
  const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.avgPool(x as tf.Tensor3D, [3, 1], 1, "same")))(x);
  assertClose(await values(gradient), [1 / 2 + 1 / 3, 1 / 2 + 1 / 3 + 1 / 2, 1 / 3 + 1 / 2]);
});

Deno.test("registerGradients() lets gradients past comparisons when a condition depends on the input", async () => {
  adopt(tf.layers.dense({ units: 1 }));
  const huber = (x: tf.Tensor) => tf.where(tf.less(tf.abs(x), 1), tf.mul(tf.square(x), 0.5), tf.sub(tf.abs(x), 0.5));
  assertClose(await values(tf.grad(huber)(tf.tensor1d([-3, 0.5, 2]))), [-1, 0.5, 1]);
});

Deno.test("layerPath() tells the user's names from made-up ones when it names layers", () => {
  const taken = new Set<string>();
  const paths = [
    tf.layers.maxPooling2d({}),
    tf.layers.convLstm2d({ filters: 1, kernelSize: 1 }),
    tf.layers.dense({ units: 1, name: "dense_2" }),
    tf.layers.dense({ units: 1, name: "flatten1" }),
    tf.layers.dense({ units: 1 }),
    tf.layers.dense({ units: 1 }),
    tf.sequential(),
    tf.sequential({ name: "encoder" }),
  ].map((layer) => layerPath(layer, taken));
  assertEquals(paths, [
    "max_pooling2d",
    "conv_lstm2d",
    "dense_2",
    "flatten1",
    "dense",
    "dense_1",
    "sequential",
    "encoder",
  ]);
});

Deno.test("isContainer() holds for models of layers when they are built or not", () => {
  assert(isContainer(tf.sequential()));
  assert(!isContainer(tf.layers.dense({ units: 1 })));
});
