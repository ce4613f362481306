/** Random layer models, losses and optimizers, for comparing executors with each other. */
import { type HostArray, tf } from "@stride/stride";

/** A model to fit, and what on. */
export interface RandomCase {
  readonly name: string;
  /** New layers with the same initial weights each time. */
  layers(): tf.LayersModel;
  readonly loss: string;
  readonly metric: string;
  readonly optimizer: string;
  readonly data: { readonly x: HostArray; readonly y: HostArray };
  readonly batchSize: number;
}

/** Mulberry32: numbers in [0, 1) that a seed decides. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const ACTIVATIONS = ["relu", "tanh", "sigmoid", "elu", "selu", "softplus", "linear", "softsign", "swish"] as const;
// Lion is left out: it takes the sign of gradients, which is noise for a bias in front of a batch normalization.
const OPTIMIZERS = ["sgd", "adam", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "adamw", "ftrl"];
const LOSSES = ["mse", "mae", "huber", "logCosh"];

/** The random case of a seed. */
export function randomCase(seed: number): RandomCase {
  const random = generator(seed);
  const int = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)]!;
  const kind = pick(["dense", "image", "sequence"]);
  const initializer = (): Parameters<typeof tf.layers.dense>[0]["kernelInitializer"] =>
    tf.initializers.randomUniform({ minval: -0.4, maxval: 0.4, seed: int(1, 100_000) }) as never;
  const classes = int(2, 5);
  const rows = int(6, 14);
  const inputShape = kind === "dense"
    ? [int(1, 9)]
    : kind === "image"
    ? [int(6, 9), int(6, 9), int(1, 3)]
    : [int(3, 6), int(2, 5)];
  const makers: (() => tf.layers.Layer)[] = [];
  const activation = () => pick(ACTIVATIONS);
  const add = (make: (options: object) => tf.layers.Layer) => {
    const options = makers.length === 0 ? { inputShape } : {};
    makers.push(() => make(options));
  };
  const body = int(1, 3);
  for (let depth = 0; depth < body; depth++) {
    const seeded = initializer();
    const units = int(2, 9);
    const name = activation();
    if (kind === "dense") {
      add((options) => tf.layers.dense({ units, activation: name as "relu", kernelInitializer: seeded, ...options }));
      if (random() < 0.4) add((options) => tf.layers.batchNormalization(options));
      if (random() < 0.3) add((options) => tf.layers.dropout({ rate: 0.3, ...options }));
    } else if (kind === "image") {
      const padding = pick(["same", "valid"] as const);
      const strides = pick([1, 1, 2]);
      add((options) =>
        tf.layers.conv2d({
          filters: units,
          kernelSize: 3,
          padding: depth === 0 ? padding : "same",
          strides,
          activation: name as "relu",
          kernelInitializer: seeded,
          ...options,
        })
      );
      const pooling = pick([tf.layers.maxPooling2d, tf.layers.averagePooling2d]);
      if (random() < 0.4) add((options) => pooling({ poolSize: 2, strides: 2, padding: "same", ...options }));
      if (random() < 0.3) add((options) => tf.layers.batchNormalization(options));
    } else {
      const layer = pick(["lstm", "gru", "simpleRNN"] as const);
      add((options) =>
        tf.layers[layer](
          {
            units,
            returnSequences: true,
            kernelInitializer: seeded,
            recurrentInitializer: seeded,
            ...options,
          } as never,
        )
      );
      if (random() < 0.3) add((options) => tf.layers.layerNormalization(options));
    }
  }
  if (kind !== "dense") makers.push(() => tf.layers.flatten());
  const probabilities = random() < 0.5;
  const last = initializer();
  makers.push(() =>
    tf.layers.dense({ units: classes, activation: probabilities ? "softmax" : "linear", kernelInitializer: last })
  );
  const layers = () => tf.sequential({ layers: makers.map((make) => make()) });
  const size = inputShape.reduce((product, each) => product * each, 1);
  const x = Float32Array.from({ length: rows * size }, () => random() * 2 - 1);
  const target = Float32Array.from({ length: rows * classes }, () => random());
  const labels = Int32Array.from({ length: rows }, () => int(0, classes - 1));
  return {
    name: `${kind} ${seed}`,
    layers,
    loss: probabilities ? "sparseCategoricalCrossentropy" : pick(LOSSES),
    metric: probabilities ? "accuracy" : "mae",
    optimizer: pick(OPTIMIZERS),
    data: {
      x: { shape: [rows, ...inputShape], dtype: "float32", values: x },
      y: probabilities
        ? { shape: [rows], dtype: "int32", values: labels }
        : { shape: [rows, classes], dtype: "float32", values: target },
    },
    batchSize: int(3, rows),
  };
}
