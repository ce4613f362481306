/** Models of tfjs layers and ops whose steps the tests trace. */
import { randomUniform } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import type { BatchSignature } from "../../plugins/compiler/mod.ts";
import { makeStep, signature, type TestStep } from "./steps.ts";

/** A step to trace, and what batches it takes. */
export interface TestModel {
  readonly step: TestStep;
  readonly signature: BatchSignature;
}

let seed = 1;

/** A weight with values that are the same each time. */
export function weight(...shape: number[]): tf.Variable {
  return tf.tidy(() => tf.variable(tf.randomUniform(shape, -0.5, 0.5, "float32", seed++)));
}

/** Builds layers on a sample input; their weights and moving statistics belong to the step. */
function layered(
  layers: tf.layers.Layer[],
  sample: readonly number[],
  loss: (apply: (x: Tensor) => Tensor, x: Tensor, y: Tensor) => Tensor,
  batch: BatchSignature,
): TestModel {
  const apply = (x: Tensor): Tensor =>
    layers.reduce((value, layer) => layer.apply(value, { training: true }) as Tensor, x);
  tf.tidy(() => void apply(tf.zeros([...sample])));
  const variables = (list: (layer: tf.layers.Layer) => { read(): Tensor }[]) =>
    layers.flatMap((layer) => list(layer).map((each) => each.read() as tf.Variable));
  const step = makeStep({
    weights: variables((layer) => layer.trainableWeights),
    states: variables((layer) => layer.nonTrainableWeights),
    loss: ({ x, y }) => loss(apply, x as Tensor, y as Tensor),
  });
  return { step, signature: batch };
}

const squared = (apply: (x: Tensor) => Tensor, x: Tensor, y: Tensor) => tf.mean(tf.squaredDifference(apply(x), y));

/** Models by name; each call makes new variables. */
export const MODELS: Readonly<Record<string, () => TestModel>> = {
  dense() {
    const weights = [weight(6, 8), weight(8), weight(8, 3), weight(3)];
    const step = makeStep({
      weights,
      loss: ({ x, y }) => {
        const hidden = tf.relu(tf.add(tf.matMul(x as Tensor, weights[0]!), weights[1]!));
        const logits = tf.add(tf.matMul(hidden, weights[2]!), weights[3]!);
        return tf.losses.softmaxCrossEntropy(y as Tensor, logits);
      },
    });
    return { step, signature: signature(4, [6], [3]) };
  },
  "dropout of Stride's own": () => {
    const kernel = weight(6, 8);
    const step = makeStep({
      weights: [kernel],
      loss: ({ x }) => {
        const hidden = tf.matMul(x as Tensor, kernel);
        const kept = tf.cast(tf.less(randomUniform(hidden.shape), 0.5), "float32");
        return tf.mean(tf.square(tf.mul(hidden, kept)));
      },
    });
    return { step, signature: signature(4, [6]) };
  },
  "convolution with batch normalization and pooling": () =>
    layered(
      [
        tf.layers.conv2d({ filters: 4, kernelSize: 3, padding: "same", activation: "relu" }),
        tf.layers.batchNormalization(),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.separableConv2d({ filters: 3, kernelSize: 3, padding: "same" }),
        tf.layers.conv2dTranspose({ filters: 2, kernelSize: 3, strides: 2, padding: "same" }),
        tf.layers.globalAveragePooling2d({}),
        tf.layers.dense({ units: 3 }),
      ],
      [2, 8, 8, 1],
      squared,
      signature(2, [8, 8, 1], [3]),
    ),
  "embedding and LSTM": () =>
    layered(
      [
        tf.layers.embedding({ inputDim: 5, outputDim: 4, inputLength: 7 }),
        tf.layers.lstm({ units: 3 }),
        tf.layers.dense({ units: 3, activation: "softmax" }),
      ],
      [2, 7],
      (apply, x, y) => tf.mean(tf.metrics.categoricalCrossentropy(tf.softmax(y), apply(x))),
      signature(2, [7], [3], "int32"),
    ),
};
