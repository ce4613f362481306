/**
 * Distances between numbers, for each sample. Shared by losses and metrics.
 *
 * Source: keras/src/losses/losses.py.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { absolute, alignTargets, EPSILON } from "./prepare.ts";

/**
 * The mean of `(yTrue - yPred)²` over the last axis.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function meanSquaredError(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  return tf.mean(tf.square(tf.sub(target, prediction)), -1);
}

/**
 * The mean of `|yTrue - yPred|` over the last axis.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function meanAbsoluteError(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  return tf.mean(absolute(tf.sub(prediction, target)), -1);
}

/**
 * The mean of `100 |yTrue - yPred| / |yTrue|` over the last axis; the denominator is at least 1e-7.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function meanAbsolutePercentageError(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const error = tf.div(absolute(tf.sub(prediction, target)), tf.maximum(tf.abs(target), EPSILON));
  return tf.mul(tf.mean(error, -1), 100);
}

/**
 * The mean of `(log(1 + yTrue) - log(1 + yPred))²` over the last axis; both count as at least 1e-7.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function meanSquaredLogarithmicError(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const logarithm = (x: Tensor): Tensor => tf.log(tf.add(tf.maximum(x, EPSILON), 1));
  return tf.mean(tf.square(tf.sub(logarithm(prediction), logarithm(target))), -1);
}

/** Options of `huber`. */
export interface HuberOptions {
  /** Up to which error the loss is quadratic. @default 1 */
  readonly delta?: number;
}

/**
 * The mean over the last axis of an error that is quadratic when small, linear when large.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function huber(yTrue: Tensor, yPred: Tensor, { delta = 1 }: HuberOptions = {}): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const error = absolute(tf.sub(prediction, target));
  // Without asking which case it is: tfjs cannot differentiate past a comparison.
  const quadratic = tf.minimum(error, delta);
  return tf.mean(tf.add(tf.mul(tf.square(quadratic), 0.5), tf.mul(tf.sub(error, quadratic), delta)), -1);
}

/**
 * The mean of `log(cosh(yPred - yTrue))` over the last axis.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function logCosh(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const error = tf.sub(prediction, target);
  return tf.mean(tf.sub(tf.add(error, tf.softplus(tf.mul(error, -2))), Math.LN2), -1);
}

/** Options of `cosineSimilarity`. */
export interface CosineOptions {
  /** Along which axis the vectors lie. @default -1 */
  readonly axis?: number;
}

/**
 * The cosine of the angle between target and prediction: 1 for the same direction, 0 where either is zero.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function cosineSimilarity(yTrue: Tensor, yPred: Tensor, { axis = -1 }: CosineOptions = {}): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  // Bounding the square rather than its root keeps the gradient at zero finite.
  const unit = (x: Tensor): Tensor =>
    tf.mul(x, tf.rsqrt(tf.maximum(tf.sum(tf.square(x), axis, true), EPSILON * EPSILON)));
  return tf.sum(tf.mul(unit(target), unit(prediction)), axis);
}

/**
 * The mean of `yPred - yTrue log(yPred)` over the last axis.
 *
 * @param yTrue `[batch, …, size]`, any dtype. @param yPred The same shape, float32, positive. @returns `[batch, …]`.
 */
export function poisson(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  return tf.mean(tf.sub(prediction, tf.mul(target, tf.log(tf.add(prediction, EPSILON)))), -1);
}
