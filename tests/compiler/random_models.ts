/** Random layer models, losses and optimizers, for comparing executors with each other. */
import { type HostArray, type Optimizer, tf } from "@stride/stride";
import { adam, lamb, muon, rmsprop, sgd } from "@stride/stride/optimizers";
import { initializer, type Size, type Stack, STACKS } from "./random_layers.ts";
import { Choices } from "./random_numbers.ts";

/** A model to fit, and what on. */
export interface RandomCase {
  readonly name: string;
  /** New layers with the same initial weights each time. */
  layers(): tf.LayersModel;
  readonly loss: string;
  readonly metric: string;
  /** A name, or an optimizer with options. */
  optimizer(): string | Optimizer;
  readonly data: { readonly x: HostArray; readonly y: HostArray };
  readonly batchSize: number;
}

// Lion is left out: it takes the sign of gradients, which is noise for a bias in front of a batch normalization.
const OPTIMIZERS: Readonly<Record<string, () => string | Optimizer>> = {
  ...Object.fromEntries(
    ["sgd", "adam", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "adamw", "ftrl", "adafactor"].map((
      name,
    ) => [name, () => name]),
  ),
  "sgd with momentum": () => sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true, clipnorm: 0.5 }),
  "adam with clipping and averages": () => adam({ learningRate: 0.01, globalClipnorm: 1, useEma: true }),
  "amsgrad in two parts": () => adam({ amsgrad: true, gradientAccumulationSteps: 2, clipvalue: 0.1 }),
  "centered rmsprop": () => rmsprop({ centered: true, momentum: 0.5, weightDecay: 0.01 }),
  lamb: () => lamb({ learningRate: 0.01 }),
  muon: () => muon({ learningRate: 0.01 }),
};

/** A loss, the metric beside it, the last activation, and what targets are like. */
interface Head {
  readonly loss: string;
  readonly metric: string;
  readonly activation: "linear" | "softmax" | "sigmoid" | "softplus";
  readonly target: "labels" | "oneHot" | "bits" | "numbers" | "signs";
}

const HEADS: readonly Head[] = [
  ...["mse", "mae", "huber", "logCosh", "cosineSimilarity"].map((loss): Head => (
    { loss, metric: "mae", activation: "linear", target: "numbers" }
  )),
  ...["msle", "mape", "poisson"].map((loss): Head => (
    { loss, metric: "mse", activation: "softplus", target: "numbers" }
  )),
  ...["hinge", "squaredHinge"].map((loss): Head => (
    { loss, metric: "mse", activation: "linear", target: "signs" }
  )),
  { loss: "sparseCategoricalCrossentropy", metric: "accuracy", activation: "softmax", target: "labels" },
  { loss: "sparseCategoricalCrossentropy", metric: "accuracy", activation: "softmax", target: "labels" },
  ...["categoricalCrossentropy", "kld", "categoricalHinge", "categoricalFocalCrossentropy"].map((loss): Head => (
    { loss, metric: "accuracy", activation: "softmax", target: "oneHot" }
  )),
  { loss: "binaryCrossentropy", metric: "auc", activation: "sigmoid", target: "bits" },
  { loss: "binaryFocalCrossentropy", metric: "accuracy", activation: "sigmoid", target: "bits" },
  { loss: "dice", metric: "mae", activation: "sigmoid", target: "bits" },
];

/** The random case of a seed. */
export function randomCase(seed: number, size: Size = "small"): RandomCase {
  const choices = new Choices(seed);
  const kind = choices.pick(Object.keys(STACKS) as (keyof typeof STACKS)[]);
  const stack = STACKS[kind](choices, size);
  const head = choices.pick(HEADS);
  const optimizer = choices.pick(Object.keys(OPTIMIZERS));
  const units = choices.int(2, 5);
  const seeded = initializer(choices);
  const makers = [
    ...stack.makers,
    () => tf.layers.dense({ units, activation: head.activation as "linear", kernelInitializer: seeded }),
  ];
  const rows = size === "small" ? choices.int(6, 14) : choices.int(30, 50);
  return {
    name: `${kind} ${seed}, ${size}, of ${head.loss} and ${optimizer}`,
    layers: () =>
      tf.sequential({
        layers: makers.map((make, index) => make(index === 0 ? { inputShape: [...stack.inputShape] } : {})),
      }),
    loss: head.loss,
    metric: head.metric,
    optimizer: OPTIMIZERS[optimizer]!,
    data: { x: inputs(choices, stack, rows), y: targets(choices, head, [rows, units]) },
    batchSize: choices.int(Math.ceil(rows / 3), rows),
  };
}

function inputs(choices: Choices, { inputShape, vocabulary }: Stack, rows: number): HostArray {
  const shape = [rows, ...inputShape];
  const length = shape.reduce((product, each) => product * each, 1);
  return vocabulary === undefined
    ? { shape, dtype: "float32", values: choices.numbers(length, -1, 1) }
    : { shape, dtype: "int32", values: Int32Array.from({ length }, () => choices.int(0, vocabulary - 1)) };
}

function targets(choices: Choices, { target }: Head, shape: readonly [number, number]): HostArray {
  const [rows, units] = shape;
  const labels = Int32Array.from({ length: rows }, () => choices.int(0, units - 1));
  if (target === "labels") return { shape: [rows], dtype: "int32", values: labels };
  const values = choices.numbers(rows * units, 0, 1);
  const each: Readonly<Record<typeof target, (value: number, index: number) => number>> = {
    numbers: (value) => value,
    bits: Math.round,
    signs: (value) => value < 0.5 ? -1 : 1,
    oneHot: (_, index) => Number(labels[Math.floor(index / units)] === index % units),
  };
  return { shape, dtype: "float32", values: values.map(each[target]) };
}
