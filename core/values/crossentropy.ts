/**
 * Distances between distributions, for each sample. Shared by losses and metrics.
 *
 * Source: keras/src/losses/losses.py, keras/src/backend/jax/nn.py.
 *
 * @module
 */
import { formatShape, type Tensor, tf } from "../tf.ts";
import { alignTargets, axisToEnd, checkSameShape, EPSILON, oneHot } from "./prepare.ts";

/** Options of `binaryCrossentropy` and `categoricalCrossentropy`. */
export interface CrossentropyOptions {
  /** Whether predictions are logits rather than probabilities. @default false */
  readonly fromLogits?: boolean;
  /** How much of each target is spread over all classes, 0 to 1. @default 0 */
  readonly labelSmoothing?: number;
  /** The axis of the classes. @default -1 */
  readonly axis?: number;
}

/** Options of `sparseCategoricalCrossentropy`. */
export interface SparseCrossentropyOptions {
  /** Whether predictions are logits rather than probabilities. @default false */
  readonly fromLogits?: boolean;
  /** A class whose entries do not count, often -1 or 255. @default none */
  readonly ignoreClass?: number;
  /** The axis of the classes in the prediction. @default -1 */
  readonly axis?: number;
}

/**
 * The mean over the last axis of the crossentropy of independent yes-or-no targets.
 *
 * @param yTrue `[batch, …, size]`, 0 to 1, any dtype.
 * @param yPred The same shape, float32: probabilities or logits.
 * @returns `[batch, …]`.
 * @throws {TypeError} If the shapes differ.
 */
export function binaryCrossentropy(
  yTrue: Tensor,
  yPred: Tensor,
  { fromLogits = false, labelSmoothing = 0, axis = -1 }: CrossentropyOptions = {},
): Tensor {
  const [labels, prediction] = alignTargets(yTrue, yPred);
  checkSameShape("binary crossentropy", labels, prediction);
  const target = smooth(labels, labelSmoothing, 2);
  return tf.mean(binaryTerms(target, prediction, fromLogits), axis);
}

/** The crossentropy of each yes-or-no target, unreduced; float32 arguments of one shape. */
export function binaryTerms(target: Tensor, prediction: Tensor, fromLogits: boolean): Tensor {
  const inverse = tf.sub(1, target);
  if (fromLogits) {
    return tf.add(tf.mul(target, tf.softplus(tf.neg(prediction))), tf.mul(inverse, tf.softplus(prediction)));
  }
  const clipped = clipProbability(prediction);
  return tf.neg(tf.add(tf.mul(target, tf.log(clipped)), tf.mul(inverse, tf.log(tf.sub(1, clipped)))));
}

/**
 * The crossentropy of targets that are distributions over classes.
 *
 * @param yTrue `[batch, …, classes]`, any dtype.
 * @param yPred The same shape, float32: probabilities, which are normalised, or logits.
 * @returns `[batch, …]`.
 * @throws {TypeError} If the shapes differ.
 */
export function categoricalCrossentropy(
  yTrue: Tensor,
  yPred: Tensor,
  { fromLogits = false, labelSmoothing = 0, axis = -1 }: CrossentropyOptions = {},
): Tensor {
  const [labels, prediction] = alignTargets(yTrue, yPred);
  checkSameShape("categorical crossentropy", labels, prediction);
  const logProbabilities = logProbability(axisToEnd(prediction, axis), fromLogits);
  const target = axisToEnd(labels, axis);
  return tf.neg(tf.sum(tf.mul(smooth(target, labelSmoothing, target.shape.at(-1) ?? 1), logProbabilities), -1));
}

/**
 * The crossentropy of targets that are class numbers.
 *
 * Entries of `ignoreClass` are 0; `isNotClass` tells which they are.
 *
 * @param yTrue `[batch, …]` or `[batch, …, 1]`, any dtype.
 * @param yPred `[batch, …, classes]`, float32: probabilities, which are normalised, or logits.
 * @returns `[batch, …]`.
 * @throws {TypeError} If the shapes do not fit.
 */
export function sparseCategoricalCrossentropy(
  yTrue: Tensor,
  yPred: Tensor,
  { fromLogits = false, ignoreClass, axis = -1 }: SparseCrossentropyOptions = {},
): Tensor {
  let prediction = axisToEnd(tf.cast(yPred, "float32"), axis);
  const labels = classNumbers(yTrue, prediction.shape.slice(0, -1), axis);
  if (ignoreClass !== undefined) {
    // Ones rather than zeros: probabilities that are normalised may not all be 0, even where nobody looks.
    const ones = tf.ones(prediction.shape);
    const counts = tf.notEqual(tf.mul(tf.expandDims(tf.cast(labels, "float32"), -1), ones), ignoreClass);
    prediction = tf.where(counts, prediction, ones);
  }
  const target = oneHot(labels, prediction.shape.at(-1) as number);
  const values = tf.neg(tf.sum(tf.mul(target, logProbability(prediction, fromLogits)), -1));
  if (ignoreClass === undefined) return values;
  return tf.mul(values, tf.cast(tf.notEqual(labels, ignoreClass), "float32"));
}

/**
 * Which of the values of `sparseCategoricalCrossentropy` belong to another class than the ignored one.
 *
 * @param values What it returned. @returns bool, in their shape.
 */
export function isNotClass(yTrue: Tensor, values: Tensor, ignoreClass: number, axis: number = -1): Tensor {
  return tf.notEqual(classNumbers(yTrue, values.shape, axis), ignoreClass);
}

/**
 * The Kullback-Leibler divergence `Σ yTrue log(yTrue / yPred)` over the last axis; both are clipped to `[1e-7, 1]`.
 *
 * @param yTrue `[batch, …, classes]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function klDivergence(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred).map((x) => tf.clipByValue(x, EPSILON, 1)) as [Tensor, Tensor];
  return tf.sum(tf.mul(target, tf.log(tf.div(target, prediction))), -1);
}

/** Probabilities away from 0 and 1, so that logarithms are finite. */
export function clipProbability(probability: Tensor): Tensor {
  return tf.clipByValue(probability, EPSILON, 1 - EPSILON);
}

/** Spreads a part of each target over all classes. */
export function smooth(target: Tensor, labelSmoothing: number, classes: number): Tensor {
  return labelSmoothing === 0 ? target : tf.add(tf.mul(target, 1 - labelSmoothing), labelSmoothing / classes);
}

/** Log-probabilities along the last axis. */
function logProbability(prediction: Tensor, fromLogits: boolean): Tensor {
  if (fromLogits) return tf.logSoftmax(prediction, -1);
  return tf.log(clipProbability(tf.div(prediction, tf.sum(prediction, -1, true))));
}

/** Class numbers as int32, without the axis of size 1 that stands for the classes. */
function classNumbers(yTrue: Tensor, shape: readonly number[], axis: number): Tensor {
  let labels = tf.cast(yTrue, "int32");
  if (labels.rank === shape.length + 1) {
    const at = axis < 0 ? axis + labels.rank : axis;
    if (labels.shape[at] === 1) labels = tf.squeeze(labels, [at]);
  }
  if (labels.rank !== shape.length || !labels.shape.every((size, index) => size === shape[index])) {
    throw new TypeError(
      `Cannot compute sparse categorical crossentropy: the target has shape ${
        formatShape(yTrue.shape)
      }. Expected one ` +
        `class number for each prediction, ${formatShape(shape)}. For one-hot targets use categorical crossentropy.`,
    );
  }
  return labels;
}
