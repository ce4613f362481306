/**
 * Keras's layer classes as layers of tfjs and of Stride, with Keras 3's defaults.
 *
 * @module
 */
import * as strideLayers from "@stride/stride/layers";
import { tf } from "../../core/tf.ts";
import { kerasActivation, strideActivation } from "./keras_activations.ts";
import {
  camelCase,
  type Config,
  isConfig,
  kerasConstraint,
  kerasInitializer,
  kerasRegularizer,
} from "./keras_values.ts";
import type { Value } from "./keras_values.ts";

type Arguments = Record<string, unknown>;

/** How a Keras class becomes a layer. */
interface Rule {
  /** The factory, tfjs's or Stride's. */
  readonly make: (args: never) => unknown;
  /** The Keras arguments that it takes. */
  readonly args: readonly string[];
  /** Names that tfjs spells otherwise than in camelCase. */
  readonly rename?: Readonly<Record<string, string>>;
  /** Keras's defaults where tfjs's differ, by Keras's names. */
  readonly defaults?: Config;
  /** Arguments that tfjs does not have, with the only value that they may have. */
  readonly only?: Config;
  /** Whether the factory takes activations by Stride's names: it is Stride's. */
  readonly strideActivations?: boolean;
}

const kernel = (name = "kernel") => [`${name}_initializer`, `${name}_regularizer`, `${name}_constraint`];
const BIAS = ["use_bias", ...kernel("bias")];
const CONV = ["filters", "kernel_size", "strides", "padding", "data_format", "activation", ...BIAS, ...kernel()];
const DILATED = [...CONV, "dilation_rate"];
const GLOROT: Config = { kernel_initializer: "glorot_uniform" };
const CELL = ["units", "activation", ...BIAS, ...kernel(), ...kernel("recurrent"), "dropout", "recurrent_dropout"];
const GATED = [...CELL, "recurrent_activation"];
const SEQUENCE = ["return_sequences", "return_state", "go_backwards", "stateful", "unroll"];
const RNN_ONLY: Config = { zero_output_for_mask: false, use_cudnn: "auto", seed: null };
const SIGMOID: Config = { ...GLOROT, recurrent_activation: "sigmoid" };
const POOL = ["pool_size", "strides", "padding"];
const NORM = ["axis", "epsilon", "center", "scale", ...["beta", "gamma"].flatMap((name) => kernel(name))];

const l = tf.layers;

const conv = (make: Rule["make"], args = DILATED, only: Config = {}): Rule => ({
  make,
  args,
  defaults: GLOROT,
  only: { groups: 1, ...only },
});
const pool = (make: Rule["make"], args: readonly string[] = [...POOL, "data_format"], only?: Config): Rule => ({
  make,
  args,
  only,
});
const CHANNELS_LAST: Config = { data_format: "channels_last" };
const NOT_KEPT: Config = { keepdims: false };
/** tfjs's cell resets before the product only, and Stride's after it only. */
const gruCell = ({ resetAfter = true, ...options }: strideLayers.GruCellOptions & { readonly resetAfter?: boolean }) =>
  resetAfter ? strideLayers.gruCell(options) : l.gruCell(
    {
      kernelInitializer: "glorotUniform",
      ...options,
      activation: strideLayers.activationIdentifier(options.activation ?? "tanh"),
      recurrentActivation: strideLayers.activationIdentifier(options.recurrentActivation ?? "sigmoid"),
    } as Parameters<typeof l.gruCell>[0],
  );
const merge = (make: Rule["make"]): Rule => ({ make, args: [] });

const RULES: Readonly<Record<string, Rule>> = {
  Activation: { make: l.activation, args: ["activation"] },
  Add: merge(l.add),
  AlphaDropout: { make: l.alphaDropout, args: ["rate", "noise_shape"], only: { seed: null } },
  Average: merge(l.average),
  AveragePooling1D: pool(l.averagePooling1d, POOL, CHANNELS_LAST),
  AveragePooling2D: pool(l.averagePooling2d),
  AveragePooling3D: pool(l.averagePooling3d),
  BatchNormalization: {
    make: l.batchNormalization,
    args: [...NORM, "momentum", "moving_mean_initializer", "moving_variance_initializer"],
    only: { synchronized: false, renorm: false, renorm_clipping: null, renorm_momentum: 0.99 },
  },
  CategoryEncoding: { make: l.categoryEncoding, args: ["num_tokens", "output_mode"], only: { sparse: false } },
  CenterCrop: { make: l.centerCrop, args: ["height", "width"], only: CHANNELS_LAST },
  Concatenate: { make: l.concatenate, args: ["axis"] },
  Conv1D: conv(l.conv1d),
  Conv2D: conv(l.conv2d),
  Conv2DTranspose: conv(l.conv2dTranspose, CONV, { output_padding: null, dilation_rate: 1 }),
  Conv3D: conv(l.conv3d),
  Conv3DTranspose: conv(l.conv3dTranspose, CONV, { output_padding: null, dilation_rate: 1 }),
  ConvLSTM2D: {
    make: l.convLstm2d,
    args: [...GATED.filter((name) => name !== "units"), ...DILATED, ...SEQUENCE, "unit_forget_bias"],
    defaults: SIGMOID,
    only: RNN_ONLY,
  },
  Cropping2D: { make: l.cropping2D, args: ["cropping", "data_format"], defaults: { cropping: 0 } },
  Dense: {
    make: l.dense,
    args: ["units", "activation", ...BIAS, ...kernel()],
    defaults: GLOROT,
    only: { lora_rank: null, lora_alpha: null },
  },
  DepthwiseConv2D: {
    make: l.depthwiseConv2d,
    args: [...DILATED.filter((name) => name !== "filters"), "depth_multiplier", ...kernel("depthwise")],
    defaults: { depthwise_initializer: "glorot_uniform" },
  },
  Dot: { make: l.dot, args: ["axes", "normalize"] },
  Dropout: { make: l.dropout, args: ["rate", "noise_shape", "seed"] },
  ELU: { make: l.elu, args: ["alpha"] },
  Embedding: {
    make: l.embedding,
    args: ["input_dim", "output_dim", "mask_zero", ...kernel("embeddings")],
    only: { weights: null, lora_rank: null, lora_alpha: null },
  },
  Flatten: { make: l.flatten, args: ["data_format"] },
  GRU: {
    make: strideLayers.gru,
    args: [...GATED, ...SEQUENCE, "reset_after"],
    only: RNN_ONLY,
    strideActivations: true,
  },
  GRUCell: { make: gruCell, args: [...GATED, "reset_after"], only: { seed: null }, strideActivations: true },
  GaussianDropout: { make: l.gaussianDropout, args: ["rate"], only: { seed: null } },
  GaussianNoise: { make: l.gaussianNoise, args: ["stddev"], only: { seed: null } },
  GlobalAveragePooling1D: pool(l.globalAveragePooling1d, [], { ...CHANNELS_LAST, ...NOT_KEPT }),
  GlobalAveragePooling2D: pool(l.globalAveragePooling2d, ["data_format"], NOT_KEPT),
  GlobalMaxPooling1D: pool(l.globalMaxPooling1d, [], { ...CHANNELS_LAST, ...NOT_KEPT }),
  GlobalMaxPooling2D: pool(l.globalMaxPooling2d, ["data_format"], NOT_KEPT),
  GroupNormalization: { make: strideLayers.groupNormalization, args: ["groups", ...NORM] },
  Identity: { make: () => l.activation({ activation: "linear" }), args: [] },
  LSTM: { make: l.lstm, args: [...GATED, ...SEQUENCE, "unit_forget_bias"], defaults: SIGMOID, only: RNN_ONLY },
  LSTMCell: { make: l.lstmCell, args: [...GATED, "unit_forget_bias"], defaults: SIGMOID, only: { seed: null } },
  LayerNormalization: { make: l.layerNormalization, args: NORM, only: { rms_scaling: false } },
  LeakyReLU: { make: l.leakyReLU, args: ["negative_slope"], rename: { negative_slope: "alpha" } },
  Masking: { make: l.masking, args: ["mask_value"] },
  MaxPooling1D: pool(l.maxPooling1d, POOL, CHANNELS_LAST),
  MaxPooling2D: pool(l.maxPooling2d),
  MaxPooling3D: pool(l.maxPooling3d),
  Maximum: merge(l.maximum),
  Minimum: merge(l.minimum),
  MultiHeadAttention: {
    make: strideLayers.multiHeadAttention,
    args: [
      ...["num_heads", "key_dim", "value_dim", "dropout", "use_bias", "output_shape", "attention_axes", "seed"],
      ...kernel(),
      ...kernel("bias"),
      // Of the call in Keras.
      "use_causal_mask",
    ],
    only: { flash_attention: null },
  },
  Multiply: merge(l.multiply),
  PReLU: { make: l.prelu, args: [...kernel("alpha"), "shared_axes"] },
  Permute: { make: l.permute, args: ["dims"] },
  ReLU: { make: l.reLU, args: ["max_value"], only: { negative_slope: 0, threshold: 0 } },
  RMSNormalization: { make: strideLayers.rmsNormalization, args: ["axis", "epsilon"] },
  RepeatVector: { make: l.repeatVector, args: ["n"] },
  Rescaling: { make: l.rescaling, args: ["scale", "offset"] },
  Reshape: { make: l.reshape, args: ["target_shape"] },
  Resizing: {
    make: l.resizing,
    args: ["height", "width", "interpolation"],
    only: { ...CHANNELS_LAST, crop_to_aspect_ratio: false, pad_to_aspect_ratio: false, antialias: false },
  },
  SeparableConv2D: {
    make: l.separableConv2d,
    args: [
      ...DILATED.filter((name) => !name.startsWith("kernel_") || name === "kernel_size"),
      "depth_multiplier",
      ...kernel("depthwise"),
      ...kernel("pointwise"),
    ],
  },
  SimpleRNN: { make: l.simpleRNN, args: [...CELL, ...SEQUENCE], defaults: GLOROT, only: RNN_ONLY },
  SimpleRNNCell: { make: l.simpleRNNCell, args: CELL, defaults: GLOROT, only: { seed: null } },
  Softmax: { make: l.softmax, args: ["axis"], defaults: { axis: -1 } },
  SpatialDropout1D: { make: l.spatialDropout1d, args: ["rate", "seed"] },
  UpSampling2D: { make: l.upSampling2d, args: ["size", "data_format", "interpolation"] },
  ZeroPadding2D: { make: l.zeroPadding2d, args: ["padding", "data_format"] },
};

const ALIASES: Readonly<Record<string, string>> = {
  AvgPool1D: "AveragePooling1D",
  AvgPool2D: "AveragePooling2D",
  AvgPool3D: "AveragePooling3D",
  Convolution1D: "Conv1D",
  Convolution2D: "Conv2D",
  Convolution2DTranspose: "Conv2DTranspose",
  Convolution3D: "Conv3D",
  Convolution3DTranspose: "Conv3DTranspose",
  GlobalAvgPool1D: "GlobalAveragePooling1D",
  GlobalAvgPool2D: "GlobalAveragePooling2D",
  GlobalMaxPool1D: "GlobalMaxPooling1D",
  GlobalMaxPool2D: "GlobalMaxPooling2D",
  MaxPool1D: "MaxPooling1D",
  MaxPool2D: "MaxPooling2D",
  MaxPool3D: "MaxPooling3D",
  SeparableConvolution2D: "SeparableConv2D",
};

/** Classes with layers inside. */
const COMPOSITE: readonly string[] = [
  "ActivityRegularization",
  "Bidirectional",
  "RNN",
  "StackedRNNCells",
  "TimeDistributed",
];

/**
 * Makes the layer for a layer of a golden.
 *
 * @param config `type` is Keras's class name; the rest are its arguments, in snake case.
 * @throws {RangeError} If neither tfjs nor Stride has such a layer or argument.
 */
export function kerasLayer(config: Config): tf.layers.Layer {
  const { type, name, trainable, dtype, from: _from, activity_regularizer: activity, ...args } = config;
  if (typeof type !== "string") {
    throw new TypeError(`Cannot make a layer from ${JSON.stringify(config)}: expected a \`type\`, Keras's class name.`);
  }
  if (dtype !== undefined && dtype !== "float32") {
    throw new RangeError(
      `Cannot make the layer ${type}: its dtype is ${JSON.stringify(dtype)}; tfjs has float32 only.`,
    );
  }
  const layer = composite(type, args, name) ?? simple(ALIASES[type] ?? type, args, name);
  if (activity !== undefined && activity !== null) {
    // tfjs's recurrent layers take the argument and forget it.
    (layer as { activityRegularizer: unknown }).activityRegularizer = kerasRegularizer(activity, `${type}.activity`);
  }
  if (trainable === false) layer.trainable = false;
  return layer;
}

function named(name: Value | undefined): { name?: string } {
  return typeof name === "string" ? { name } : {};
}

function simple(type: string, args: Config, name: Value | undefined): tf.layers.Layer {
  const rule = RULES[type];
  if (rule === undefined) {
    throw new RangeError(
      `Unknown layer "${type}". There are: ${[...Object.keys(RULES), ...COMPOSITE].sort().join(", ")}.`,
    );
  }
  const only = rule.only ?? {};
  const converted: Arguments = named(name);
  for (const [key, value] of Object.entries({ ...rule.defaults, ...args })) {
    if (rule.args.includes(key)) {
      converted[rule.rename?.[key] ?? camelCase(key)] = convert(key, value, type, rule);
    } else if (!(key in only) || !same(value, only[key]!)) {
      throw new RangeError(
        `Cannot make the layer ${type} with ${key} = ${JSON.stringify(value)}: ` +
          (key in only
            ? `tfjs has ${JSON.stringify(only[key])} only.`
            : `tfjs's takes ${rule.args.join(", ") || "no arguments"}.`),
      );
    }
  }
  return rule.make(converted as never) as tf.layers.Layer;
}

/** Whether an argument has the one value that tfjs knows; `[1, 1]` is `1`. */
function same(value: Value, only: Value): boolean {
  if (Array.isArray(value) && typeof only === "number") return value.every((item) => item === only);
  return value === null || JSON.stringify(value) === JSON.stringify(only);
}

function convert(key: string, value: Value, type: string, { strideActivations }: Rule): unknown {
  const position = `${type}.${key}`;
  if (key.endsWith("_initializer")) return kerasInitializer(value, position);
  if (key.endsWith("_regularizer")) return kerasRegularizer(value, position);
  if (key.endsWith("_constraint")) return kerasConstraint(value, position);
  if (key.endsWith("activation")) {
    return strideActivations ? strideActivation(value as string | null) : kerasActivation(value as string | null);
  }
  if (key === "data_format") return value === "channels_first" ? "channelsFirst" : "channelsLast";
  if (key === "output_mode") return camelCase(value as string);
  if (key === "size" && typeof value === "number") return [value, value];
  if (key === "cropping" && typeof value === "number") return [[value, value], [value, value]];
  return value === null ? undefined : structuredClone(value);
}

function composite(type: string, args: Config, name: Value | undefined): tf.layers.Layer | undefined {
  switch (type) {
    case "ActivityRegularization": {
      const layer = tf.layers.activation({ activation: "linear", ...named(name) });
      const regularizer = kerasRegularizer({ l1: args.l1 ?? 0, l2: args.l2 ?? 0 }, type);
      (layer as unknown as { activityRegularizer: unknown }).activityRegularizer = regularizer;
      return layer;
    }
    case "TimeDistributed":
      return tf.layers.timeDistributed({ layer: inner(args.layer, type), ...named(name) });
    case "Bidirectional": {
      const { layer, merge_mode: mergeMode = "concat", ...rest } = args;
      refuse(type, rest);
      return tf.layers.bidirectional(
        { layer: inner(layer, type), mergeMode, ...named(name) } as Parameters<typeof tf.layers.bidirectional>[0],
      );
    }
    case "StackedRNNCells":
      return tf.layers.stackedRNNCells({ cells: cells(args.cells, type), ...named(name) });
    case "RNN": {
      const { cell, ...rest } = args;
      const made = Array.isArray(cell) ? cells(cell, type) : inner(cell as Value, type);
      const options: Arguments = { cell: made, ...named(name) };
      for (const [key, value] of Object.entries(rest)) {
        if (SEQUENCE.includes(key)) options[camelCase(key)] = value;
        else if (key !== "zero_output_for_mask" || value !== false) refuse(type, { [key]: value });
      }
      return tf.layers.rnn(options as unknown as Parameters<typeof tf.layers.rnn>[0]);
    }
  }
}

type Cell = Parameters<typeof tf.layers.stackedRNNCells>[0]["cells"][number];

function cells(value: Value | undefined, type: string): Cell[] {
  return (Array.isArray(value) ? value as readonly Value[] : []).map((cell) => inner(cell, type) as Cell);
}

function inner<T = Cell>(value: Value | undefined, type: string): T {
  if (!isConfig(value)) {
    throw new TypeError(`Cannot make ${type} around ${JSON.stringify(value)}: expected a layer with a \`type\`.`);
  }
  return kerasLayer(value) as T;
}

function refuse(type: string, rest: Config): void {
  for (const [key, value] of Object.entries(rest)) {
    throw new RangeError(`Cannot make the layer ${type} with ${key} = ${JSON.stringify(value)}: tfjs's has no ${key}.`);
  }
}
