/**
 * Layers of every kind that tfjs has, with small inputs, for tests that hold for all of them.
 *
 * @module
 */
import type { Config } from "../golden/keras_values.ts";

/** A layer by its Keras arguments, the shapes of its inputs, and the mask `[batch, time]` of each, if any. */
export interface LayerCase {
  readonly config: Config;
  readonly inputs: readonly (readonly number[])[];
  readonly mask?: readonly (readonly number[])[];
}

const FLAT = [3, 4];
const SEQUENCE = [2, 4, 3];
const IMAGE = [2, 5, 5, 2];
const SMALL = [2, 3, 3, 2];
const VOLUME = [1, 4, 4, 4, 2];
const MASK = [[1, 1, 0, 1], [0, 1, 1, 0]];
const LSTM: Config = { type: "LSTM", units: 2, return_sequences: true };

function one(config: Config, input: readonly number[], mask?: LayerCase["mask"]): LayerCase {
  return { config, inputs: [input], mask };
}

function several(config: Config, ...inputs: number[][]): LayerCase {
  return { config, inputs };
}

/** Layers without random numbers, which have a gradient everywhere near the inputs that tests draw. */
export const LAYER_CASES: readonly LayerCase[] = [
  one({ type: "Dense", units: 3, activation: "elu" }, FLAT),
  one({ type: "Dense", units: 3, activation: "relu" }, SEQUENCE),
  ...["gelu", "mish", "silu", "selu", "softmax", "softsign", "log_softmax", "hard_sigmoid", "exponential"].map((name) =>
    one({ type: "Activation", activation: name }, FLAT)
  ),
  one({ type: "Conv1D", filters: 2, kernel_size: 2, padding: "causal", dilation_rate: 2 }, SEQUENCE),
  one({ type: "Conv1D", filters: 2, kernel_size: 3, padding: "same", strides: 2 }, SEQUENCE),
  one({ type: "Conv1D", filters: 2, kernel_size: 2, data_format: "channels_first" }, SEQUENCE),
  one({ type: "Conv2D", filters: 2, kernel_size: 3, strides: 2, padding: "same", activation: "tanh" }, IMAGE),
  one({ type: "Conv2D", filters: 2, kernel_size: [2, 3], dilation_rate: [2, 1] }, IMAGE),
  one({ type: "Conv2D", filters: 2, kernel_size: 2, dilation_rate: 2, padding: "same" }, IMAGE),
  one({ type: "Conv2DTranspose", filters: 2, kernel_size: 3, strides: 2, padding: "same" }, SMALL),
  one({ type: "Conv3D", filters: 2, kernel_size: 2 }, VOLUME),
  one({ type: "Conv3DTranspose", filters: 2, kernel_size: 2, strides: 2 }, [1, 2, 2, 2, 2]),
  one({ type: "SeparableConv2D", filters: 3, kernel_size: 2, dilation_rate: 2 }, IMAGE),
  one({ type: "SeparableConv2D", filters: 3, kernel_size: 3, data_format: "channels_first" }, [2, 2, 4, 4]),
  one({ type: "DepthwiseConv2D", kernel_size: 2, dilation_rate: 2, depth_multiplier: 2 }, IMAGE),
  one({ type: "MaxPooling1D" }, SEQUENCE),
  one({ type: "MaxPooling2D", pool_size: 3, strides: 2, padding: "same" }, IMAGE),
  one({ type: "MaxPooling3D" }, VOLUME),
  one({ type: "AveragePooling1D", pool_size: 3, strides: 2, padding: "same" }, SEQUENCE),
  one({ type: "AveragePooling2D", pool_size: 3, strides: 2, padding: "same" }, IMAGE),
  one({ type: "AveragePooling3D", pool_size: 3, strides: 2, padding: "same" }, VOLUME),
  one({ type: "GlobalMaxPooling1D" }, SEQUENCE),
  one({ type: "GlobalMaxPooling2D" }, IMAGE),
  one({ type: "GlobalAveragePooling1D" }, SEQUENCE, MASK),
  one({ type: "GlobalAveragePooling2D" }, IMAGE),
  one({ type: "BatchNormalization" }, FLAT),
  one({ type: "BatchNormalization" }, SEQUENCE, MASK),
  one({ type: "BatchNormalization", axis: 1 }, IMAGE),
  one({ type: "BatchNormalization", scale: false, center: false }, VOLUME),
  one({ type: "LayerNormalization", axis: [1, 2] }, SEQUENCE),
  one({ type: "LayerNormalization", scale: false }, VOLUME),
  one({ type: "PReLU", shared_axes: [1, 2] }, IMAGE),
  one({ type: "ELU" }, FLAT),
  one({ type: "ReLU", max_value: 0.5 }, FLAT),
  one({ type: "LeakyReLU" }, FLAT),
  one({ type: "Softmax" }, [2, 4], MASK),
  one({ type: "Softmax", axis: 1 }, SEQUENCE),
  one({ type: "Softmax", axis: [1, 2] }, SEQUENCE),
  one({ type: "Masking" }, SEQUENCE),
  one({ type: "Flatten", data_format: "channels_first" }, IMAGE),
  one({ type: "Reshape", target_shape: [-1, 2] }, IMAGE),
  one({ type: "Permute", dims: [2, 1] }, SEQUENCE),
  one({ type: "RepeatVector", n: 3 }, FLAT),
  one({ type: "ZeroPadding2D", padding: [[1, 2], [0, 1]] }, IMAGE),
  one({ type: "Cropping2D", cropping: [[1, 0], [2, 1]] }, IMAGE),
  one({ type: "UpSampling2D", size: [2, 3] }, SMALL),
  one({ type: "UpSampling2D", data_format: "channels_first" }, SMALL),
  one({ type: "UpSampling2D", interpolation: "bilinear" }, SMALL),
  one({ type: "Resizing", height: 3, width: 4 }, IMAGE),
  one({ type: "CenterCrop", height: 2, width: 3 }, IMAGE),
  one({ type: "Rescaling", scale: 2, offset: 1 }, FLAT),
  several({ type: "Add" }, FLAT, FLAT, FLAT),
  several({ type: "Average" }, FLAT, FLAT),
  several({ type: "Maximum" }, FLAT, FLAT),
  several({ type: "Minimum" }, FLAT, FLAT),
  several({ type: "Multiply" }, SEQUENCE, [2, 1, 3]),
  several({ type: "Concatenate", axis: 1 }, SEQUENCE, [2, 2, 3]),
  several({ type: "Dot", axes: 1, normalize: true }, FLAT, FLAT),
  several({ type: "Dot", axes: [2, 1] }, SEQUENCE, [2, 3, 5]),
  one({ type: "SimpleRNN", units: 3, go_backwards: true }, SEQUENCE, MASK),
  one({ ...LSTM }, SEQUENCE, MASK),
  one({ type: "GRU", units: 3, reset_after: false, return_sequences: true }, SEQUENCE),
  one({ type: "Bidirectional", layer: LSTM }, SEQUENCE, MASK),
  one({ type: "Bidirectional", layer: { type: "SimpleRNN", units: 2 }, merge_mode: "ave" }, SEQUENCE),
  one({ type: "TimeDistributed", layer: { type: "Dense", units: 2 } }, SEQUENCE),
  one({ type: "TimeDistributed", layer: LSTM }, [2, 4, 3, 2], MASK),
  one({ type: "TimeDistributed", layer: { type: "BatchNormalization" } }, SEQUENCE),
  one(
    { type: "RNN", cell: [{ type: "LSTMCell", units: 2 }, { type: "GRUCell", units: 3, reset_after: false }] },
    SEQUENCE,
    MASK,
  ),
  one(
    { type: "ConvLSTM2D", filters: 2, kernel_size: 2, padding: "same", return_sequences: true },
    [2, 4, 3, 3, 1],
    MASK,
  ),
];

/** Layers that draw random numbers in training. */
export const RANDOM_CASES: readonly LayerCase[] = [
  one({ type: "Dropout", rate: 0.4 }, FLAT),
  one({ type: "Dropout", rate: 0.4, seed: 3 }, FLAT),
  one({ type: "SpatialDropout1D", rate: 0.4 }, [4, 5, 8]),
  one({ type: "GaussianNoise", stddev: 0.5 }, FLAT),
  one({ type: "GaussianDropout", rate: 0.4 }, FLAT),
  one({ type: "AlphaDropout", rate: 0.4 }, FLAT),
  one({ type: "SimpleRNN", units: 6, dropout: 0.4, recurrent_dropout: 0.4 }, SEQUENCE),
  one({ type: "LSTM", units: 6, dropout: 0.4 }, SEQUENCE),
  one({ type: "LSTM", units: 6, recurrent_dropout: 0.4 }, SEQUENCE),
  one({ type: "GRU", units: 6, reset_after: false, dropout: 0.4, recurrent_dropout: 0.4 }, SEQUENCE),
  one({ type: "ConvLSTM2D", filters: 2, kernel_size: 2, padding: "same", dropout: 0.4 }, [2, 3, 3, 3, 2]),
  one({ type: "Bidirectional", layer: { type: "LSTM", units: 3, dropout: 0.4 } }, SEQUENCE),
  one({ type: "TimeDistributed", layer: { type: "Dropout", rate: 0.4 } }, SEQUENCE),
];

/** A name for a test. */
export function caseName({ config, inputs, mask }: LayerCase): string {
  return `${JSON.stringify(config)} on ${inputs.map((shape) => `[${shape}]`).join(", ")}${mask ? ", masked" : ""}`;
}
