/**
 * Random stacks of layers: each gives the shape of a sample, and makers of layers that are the same at every call.
 *
 * In front of a batch normalization there is no bias, and no other normalization: its gradient would be 0 but for rounding
 * noise, which optimizers scale up.
 */
import { tf } from "@stride/stride";
import type { Choices } from "./random_numbers.ts";

/** Layers before the head. */
export interface Stack {
  /** A sample's shape. */
  readonly inputShape: readonly number[];
  /** How many different integers an input holds; absent where inputs are any numbers. */
  readonly vocabulary?: number;
  readonly makers: readonly LayerMaker[];
}

/** Makes a layer. @param options `inputShape` for the first one. */
export type LayerMaker = (options: object) => tf.layers.Layer;

/** How large: a tenth of a MFLOP a step, or up to some MFLOP, which threads and single dispatches decide by. */
export type Size = "small" | "large";

/** The kinds of stacks. */
export const STACKS = { dense, image, sequence, tokens } as const;

const ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "softplus", "linear", "softsign", "swish"] as const;

/** Weights that do not depend on the process. */
export function initializer(choices: Choices): never {
  return tf.initializers.randomUniform({ minval: -0.4, maxval: 0.4, seed: choices.int(1, 100_000) }) as never;
}

function dense(choices: Choices, size: Size): Stack {
  const makers: LayerMaker[] = [];
  const [least, most] = size === "small" ? [2, 9] : [40, 90];
  const normalized = choices.chance(0.4);
  for (let depth = choices.int(1, 3); depth > 0; depth--) {
    const last = depth === 1;
    const units = choices.int(least, most);
    const activation = choices.pick(ACTIVATIONS) as "relu";
    const kernelInitializer = initializer(choices);
    const kernelRegularizer = choices.pick([undefined, undefined, "l1l2"] as const);
    makers.push((options) =>
      tf.layers.dense(
        { units, activation, kernelInitializer, kernelRegularizer, useBias: !normalized, ...options } as never,
      )
    );
    if (normalized && last) makers.push((options) => tf.layers.batchNormalization(options));
    else if (choices.chance(0.3)) makers.push((options) => tf.layers.layerNormalization(options));
    if (choices.chance(0.3)) makers.push((options) => tf.layers.dropout({ rate: 0.3, ...options }));
    if (choices.chance(0.2)) makers.push((options) => tf.layers.gaussianNoise({ stddev: 0.1, ...options }));
  }
  return { inputShape: [size === "small" ? choices.int(1, 9) : choices.int(50, 90)], makers };
}

function image(choices: Choices, size: Size): Stack {
  const side = () => size === "small" ? choices.int(6, 9) : choices.int(9, 14);
  const inputShape = [side(), side(), choices.int(1, 3)];
  const makers: LayerMaker[] = [];
  const normalized = choices.chance(0.4);
  for (let depth = 0, body = choices.int(1, 2); depth <= body; depth++) {
    const last = depth === body;
    const convolution = {
      filters: size === "small" ? choices.int(2, 6) : choices.int(7, 17),
      kernelSize: choices.pick([1, 2, 3, 3, [3, 2]]),
      padding: depth === 0 ? choices.pick(["same", "valid"] as const) : "same" as const,
      strides: choices.pick([1, 1, 2]),
      activation: choices.pick(ACTIVATIONS) as "relu",
      kernelInitializer: initializer(choices),
      useBias: !normalized,
    };
    const kind = choices.pick(["conv2d", "conv2d", "separable", "depthwise", "transpose"] as const);
    const dilationRate = convolution.strides === 1 ? choices.pick([1, 1, 2]) : 1;
    const { kernelInitializer: seeded, ...withoutKernel } = convolution;
    makers.push((options) => {
      switch (kind) {
        case "conv2d":
          return tf.layers.conv2d({ ...convolution, dilationRate, ...options } as never);
        case "separable":
          return tf.layers.separableConv2d(
            { ...withoutKernel, depthwiseInitializer: seeded, pointwiseInitializer: seeded, ...options } as never,
          );
        case "depthwise":
          return tf.layers.depthwiseConv2d(
            { ...withoutKernel, depthMultiplier: 2, depthwiseInitializer: seeded, ...options } as never,
          );
        case "transpose":
          return tf.layers.conv2dTranspose({ ...convolution, ...options } as never);
      }
    });
    const pooling = choices.pick([tf.layers.maxPooling2d, tf.layers.averagePooling2d]);
    if (choices.chance(0.4)) {
      makers.push((options) => pooling({ poolSize: 2, strides: 2, padding: "same", ...options }));
    }
    if (normalized && last) makers.push((options) => tf.layers.batchNormalization(options));
    if (choices.chance(0.1)) {
      makers.push((options) => tf.layers.zeroPadding2d({ padding: [[1, 0], [0, 2]], ...options }));
    }
    if (choices.chance(0.1)) makers.push((options) => tf.layers.upSampling2d({ size: [2, 1], ...options }));
  }
  const end = choices.pick(
    [
      () => tf.layers.flatten(),
      () => tf.layers.globalAveragePooling2d({}),
      () => tf.layers.globalMaxPooling2d({}),
    ] as const,
  );
  return { inputShape, makers: [...makers, end] };
}

function sequence(choices: Choices, size: Size): Stack {
  const inputShape = [choices.int(3, 6), size === "small" ? choices.int(2, 5) : choices.int(16, 40)];
  return { inputShape, makers: overTime(choices, size) };
}

function tokens(choices: Choices, size: Size): Stack {
  const vocabulary = size === "small" ? choices.int(4, 9) : choices.int(100, 200);
  const outputDim = size === "small" ? choices.int(2, 6) : choices.int(20, 40);
  const embeddingsInitializer = initializer(choices);
  const maskZero = choices.chance(0.4);
  const embedding: LayerMaker = (options) =>
    tf.layers.embedding({ inputDim: vocabulary, outputDim, embeddingsInitializer, maskZero, ...options } as never);
  // Masks end at convolutions, as in Keras.
  const rest = overTime(choices, size, maskZero ? RECURRENT : undefined);
  return { inputShape: [choices.int(3, 6)], vocabulary, makers: [embedding, ...rest] };
}

const RECURRENT = ["lstm", "gru", "simpleRNN"] as const;

/** Layers over time steps, ending with one vector a sample. */
function overTime(
  choices: Choices,
  size: Size,
  kinds: readonly ("conv1d" | "timeDistributed" | "bidirectional" | typeof RECURRENT[number])[] = [
    ...RECURRENT,
    "bidirectional",
    "conv1d",
    "timeDistributed",
  ],
): LayerMaker[] {
  const makers: LayerMaker[] = [];
  for (let depth = choices.int(0, 1); depth >= 0; depth--) {
    const kind = choices.pick(kinds);
    const units = size === "small" ? choices.int(2, 6) : choices.int(16, 30);
    const activation = choices.pick(ACTIVATIONS) as "relu";
    const seeded = initializer(choices);
    const recurrent = {
      units,
      kernelInitializer: seeded,
      recurrentInitializer: seeded,
      returnSequences: true,
    } as const;
    makers.push((options) => {
      switch (kind) {
        case "conv1d":
          return tf.layers.conv1d(
            { filters: units, kernelSize: 2, padding: "same", activation, kernelInitializer: seeded, ...options },
          );
        case "timeDistributed":
          return tf.layers.timeDistributed(
            { layer: tf.layers.dense({ units, activation, kernelInitializer: seeded }), ...options },
          );
        case "bidirectional":
          return tf.layers.bidirectional(
            { layer: tf.layers.lstm(recurrent) as never, mergeMode: "concat", ...options },
          );
        default:
          return tf.layers[kind]({ ...recurrent, ...options } as never);
      }
    });
    if (choices.chance(0.3)) makers.push((options) => tf.layers.layerNormalization(options));
  }
  const units = choices.int(2, 5);
  const seeded = initializer(choices);
  const last = choices.pick(
    [
      () => tf.layers.flatten(),
      () => tf.layers.globalMaxPooling1d({}),
      () => tf.layers.globalAveragePooling1d({}),
      () => tf.layers.simpleRNN({ units, kernelInitializer: seeded, recurrentInitializer: seeded } as never),
    ] as const,
  );
  return [...makers, last];
}
