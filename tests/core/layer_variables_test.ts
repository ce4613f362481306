/**
 * A layer's variables and losses.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { adopt, applyLayer, layerLosses, layerVariables } from "../../core/layers/mod.ts";
import { type Tensor, tf } from "../../core/tf.ts";

const CALL = { training: false, addLoss: () => {} };

function described(layer: tf.layers.Layer, path = ""): string[] {
  return layerVariables(layer, path).map(({ path, trainable, role, acrossReplicas }) =>
    [path, ...(trainable ? ["trainable"] : []), role, acrossReplicas].join(" ")
  );
}

Deno.test("layerVariables() lists what is not trained right after what is, layer by layer, when models are nested", () => {
  const block = tf.sequential({
    name: "block",
    layers: [tf.layers.dense({ units: 2, inputShape: [2], useBias: false }), tf.layers.batchNormalization()],
  });
  const model = tf.sequential({ layers: [block, tf.layers.dense({ units: 1 })] });
  adopt(model);
  assertEquals(described(model), [
    "block/dense/kernel trainable weight mirrored",
    "block/batch_normalization/gamma trainable weight mirrored",
    "block/batch_normalization/beta trainable weight mirrored",
    "block/batch_normalization/moving_mean state mean",
    "block/batch_normalization/moving_variance state mean",
    "dense/kernel trainable weight mirrored",
    "dense/bias trainable weight mirrored",
  ]);
});

Deno.test("layerVariables() finds the weights inside wrappers, cells and stacks when layers wrap others", () => {
  const layers = [
    tf.layers.bidirectional({ layer: tf.layers.simpleRNN({ units: 1, useBias: false }) as tf.RNN, mergeMode: "sum" }),
    tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 1 }) }),
    tf.layers.rnn(
      {
        cell: [tf.layers.simpleRNNCell({ units: 1, useBias: false }), tf.layers.gruCell({ units: 1, useBias: false })],
      } as unknown as Parameters<typeof tf.layers.rnn>[0],
    ),
  ];
  for (const layer of layers) applyLayer(layer, [tf.ones([1, 2, 3])], CALL);
  assertEquals(layers.map((layer) => layerVariables(layer, "l").map(({ path }) => path)), [
    ["l/forward/kernel", "l/forward/recurrent_kernel", "l/backward/kernel", "l/backward/recurrent_kernel"],
    ["l/kernel", "l/bias"],
    ["l/cell_0/kernel", "l/cell_0/recurrent_kernel", "l/cell_1/kernel", "l/cell_1/recurrent_kernel"],
  ]);
});

Deno.test("layerVariables() lists a layer once when it is shared", () => {
  const input = tf.input({ shape: [2] });
  const shared = tf.layers.dense({ units: 2, name: "shared" });
  const outputs = shared.apply(shared.apply(input)) as tf.SymbolicTensor;
  assertEquals(described(tf.model({ inputs: input, outputs })).length, 2);
});

Deno.test("layerVariables() shows what is frozen when a model around it is, and thaws with it", () => {
  const inner = tf.sequential({
    layers: [tf.layers.dense({ units: 2, inputShape: [2] }), tf.layers.batchNormalization()],
  });
  const model = tf.sequential({ layers: [inner, tf.layers.dense({ units: 1 })] });
  const trainable = () => layerVariables(model, "").filter((info) => info.trainable).length;
  inner.trainable = false;
  adopt(model);
  assertEquals(trainable(), 2);
  assertEquals(inner.layers.map((layer) => layer.trainable), [false, false]);
  inner.trainable = true;
  assertEquals(trainable(), 6);
  model.trainable = false;
  assertEquals(trainable(), 0);
  assert(described(model).every((line) => !line.includes("dense") || line.endsWith("weight mirrored")));
});

Deno.test("layerVariables() hands out constraints when weights have them", async () => {
  const layer = tf.layers.dense({ units: 1, kernelConstraint: "nonNeg" });
  applyLayer(layer, [tf.ones([1, 2])], CALL);
  const [kernel, bias] = layerVariables(layer, "dense");
  assertEquals([...await kernel!.constraint!(tf.tensor2d([[-1], [2]])).data()], [0, 2]);
  assertEquals(bias!.constraint, undefined);
});

Deno.test("layerLosses() sums regularizers once for each layer, and leaves frozen ones out", async () => {
  const options = { units: 1, kernelInitializer: "ones" as const, kernelRegularizer: tf.regularizers.l2({ l2: 0.5 }) };
  const input = tf.input({ shape: [1] });
  const shared = tf.layers.dense(options);
  const frozen = tf.layers.dense({ ...options, trainable: false });
  const outputs = frozen.apply(shared.apply(shared.apply(input))) as tf.SymbolicTensor;
  const model = tf.model({ inputs: input, outputs });
  const sum = async () => {
    const losses = await Promise.all(layerLosses(model).map((loss) => loss().data()));
    return losses.map(([value]) => value);
  };
  assertEquals(await sum(), [0.5]);
  frozen.trainable = true;
  assertEquals(await sum(), [0.5, 0.5]);
});

Deno.test("layerLosses() have a gradient in the weights when they are computed in a step", async () => {
  const layer = tf.layers.dense({
    units: 1,
    kernelInitializer: "ones",
    kernelRegularizer: tf.regularizers.l1l2({ l1: 1, l2: 2 }),
  });
  applyLayer(layer, [tf.ones([1, 1])], CALL);
  const [kernel] = layerVariables(layer, "");
  const { grads } = tf.variableGrads(() => layerLosses(layer)[0]!() as tf.Scalar, [kernel!.variable]);
  assertAlmostEquals((await grads[kernel!.variable.name]!.data())[0]!, 5);
});

class Block extends tf.layers.Layer {
  static className = "Block";
  readonly dense = tf.layers.dense({ units: 2, useBias: false });
  readonly rest = [tf.layers.batchNormalization({ scale: false, center: false })];

  override build(shape: tf.Shape): void {
    this.addWeight("scale", [shape.at(-1)!], "float32", tf.initializers.ones());
    super.build(shape);
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return this.rest[0]!.apply(this.dense.apply(x)) as Tensor;
  }
}

Deno.test("layerVariables() finds the layers in properties when the user's own layer holds them", () => {
  const block = new Block();
  applyLayer(block, [tf.ones([2, 3])], CALL);
  assertEquals(described(block, "block"), [
    "block/scale trainable weight mirrored",
    "block/dense/kernel trainable weight mirrored",
    "block/rest_0/moving_mean state mean",
    "block/rest_0/moving_variance state mean",
  ]);
  block.trainable = false;
  assert(!block.rest[0]!.trainable);
  assert(described(block).every((line) => !line.includes("trainable")));
});
