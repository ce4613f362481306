/**
 * The workloads that are measured, as tfjs layers models and data.
 *
 * @module
 */
import { type HostArray, tf } from "@stride/stride";
import type { TransformerOptions } from "../examples/transformer_model.ts";

/** A model to train, and what on. */
export interface Workload {
  /** Its name in reports. */
  readonly name: string;
  /** Samples in a batch. */
  readonly batchSize: number;
  /** tfjs's name of the optimizer, and Stride's. */
  readonly optimizer: "sgd" | "adam";
  /** tfjs's name of the loss. */
  readonly loss: "meanSquaredError" | "categoricalCrossentropy";
  /** A new model. */
  layers(): tf.LayersModel;
  /** Shape of one sample. */
  readonly inputShape: readonly number[];
  /** Numbers in one target. */
  readonly outputs: number;
}

/** Dense(1) on ten features: the walkthrough's own example. */
export const dense1: Workload = {
  name: "dense1",
  batchSize: 10,
  optimizer: "sgd",
  loss: "meanSquaredError",
  inputShape: [10],
  outputs: 1,
  layers: () => tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [10] })] }),
};

/** A multilayer perceptron, 784-128-10. */
export const mlp: Workload = {
  name: "mlp",
  batchSize: 64,
  optimizer: "adam",
  loss: "categoricalCrossentropy",
  inputShape: [784],
  outputs: 10,
  layers: () =>
    tf.sequential({
      layers: [
        tf.layers.dense({ units: 128, activation: "relu", inputShape: [784] }),
        tf.layers.dense({ units: 10, activation: "softmax" }),
      ],
    }),
};

/** A convolutional network on 28×28 images. */
export const cnn: Workload = {
  name: "cnn",
  batchSize: 64,
  optimizer: "adam",
  loss: "categoricalCrossentropy",
  inputShape: [28, 28, 1],
  outputs: 10,
  layers: () =>
    tf.sequential({
      layers: [
        tf.layers.conv2d({ filters: 16, kernelSize: 3, activation: "relu", inputShape: [28, 28, 1] }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.conv2d({ filters: 32, kernelSize: 3, activation: "relu" }),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 10, activation: "softmax" }),
      ],
    }),
};

/** All models of layers by name. */
export const workloads: Readonly<Record<string, Workload>> = { dense1, mlp, cnn };

/** A character-level transformer, which is no model of layers: `examples/transformer_model.ts` has it. Trained by Adam. */
export const gpt: { readonly name: "gpt"; readonly batchSize: number; readonly transformer: TransformerOptions } = {
  name: "gpt",
  batchSize: 32,
  transformer: { vocabulary: 80, context: 64, width: 128, heads: 4, blocks: 4 },
};

/** The middle one. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Samples of a workload: made from a formula, the same every time. */
export function samples({ inputShape, outputs }: Workload, rows: number): { x: HostArray; y: HostArray } {
  const size = inputShape.reduce((product, dimension) => product * dimension, 1);
  const x = Float32Array.from({ length: rows * size }, (_, i) => Math.sin(i * 0.7) * 0.5 + 0.5);
  const y = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) y[row * outputs + (row % outputs)] = 1;
  return {
    x: { shape: [rows, ...inputShape], dtype: "float32", values: x },
    y: { shape: [rows, outputs], dtype: "float32", values: y },
  };
}

/** Characters, and those that follow them, both int32 `[rows, context]`: made from a formula too. */
export function characters(rows: number): { x: HostArray; y: HostArray } {
  const { context, vocabulary } = gpt.transformer;
  const text = Int32Array.from({ length: rows * context + 1 }, (_, i) => (i * i + (i % 7) * 11) % vocabulary);
  const array = (values: Int32Array): HostArray => ({ shape: [rows, context], dtype: "int32", values });
  return { x: array(text.slice(0, -1)), y: array(text.slice(1)) };
}

/** The training data of any workload. */
export function trainingData(name: string, rows: number): { x: HostArray; y: HostArray } {
  return name === gpt.name ? characters(rows) : samples(workloads[name]!, rows);
}

/** Samples in a batch of any workload. */
export function batchSizeOf(name: string): number {
  return name === gpt.name ? gpt.batchSize : workloads[name]!.batchSize;
}

/** The most steps of a round, so that the data of all contenders take as much memory, 100 MB at most. */
export function mostSteps(name: string): number {
  return name === dense1.name ? 20_000 : 500;
}

/** The training data of so many steps, cut into batches, for loops that do their own batching. */
export function slicedBatches(name: string, count: number): readonly { x: HostArray; y: HostArray }[] {
  const rows = batchSizeOf(name);
  const { x, y } = trainingData(name, rows * count);
  const part = (array: HostArray, batch: number): HostArray => {
    const size = array.values.length / count;
    return {
      ...array,
      shape: [rows, ...array.shape.slice(1)],
      values: array.values.subarray(batch * size, (batch + 1) * size),
    };
  };
  return Array.from({ length: count }, (_, batch) => ({ x: part(x, batch), y: part(y, batch) }));
}
