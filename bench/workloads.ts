/**
 * The workloads that are measured, as tfjs layers models and data.
 *
 * @module
 */
import { type HostArray, tf } from "@stride/stride";

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

/** All of them by name. */
export const workloads: Readonly<Record<string, Workload>> = { dense1, mlp, cnn };

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
