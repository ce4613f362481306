/**
 * Margins between classes, for each sample. Shared by losses and metrics.
 *
 * Source: keras/src/losses/losses.py.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { alignTargets, maxOverLast } from "./prepare.ts";

/**
 * The mean of `max(1 - yTrue yPred, 0)` over the last axis.
 *
 * @param yTrue `[batch, …, size]`: -1 and 1; a batch of only 0 and 1 is taken as -1 and 1.
 * @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function hinge(yTrue: Tensor, yPred: Tensor): Tensor {
  return tf.mean(margins(yTrue, yPred), -1);
}

/**
 * The mean of `max(1 - yTrue yPred, 0)²` over the last axis.
 *
 * @param yTrue `[batch, …, size]`: -1 and 1; a batch of only 0 and 1 is taken as -1 and 1.
 * @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function squaredHinge(yTrue: Tensor, yPred: Tensor): Tensor {
  return tf.mean(tf.square(margins(yTrue, yPred)), -1);
}

/**
 * How far the right class is from being ahead of every other by 1: `max(other - right + 1, 0)`.
 *
 * @param yTrue `[batch, …, classes]`, one-hot, any dtype. @param yPred The same shape, float32. @returns `[batch, …]`.
 */
export function categoricalHinge(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const right = tf.sum(tf.mul(target, prediction), -1);
  const other = maxOverLast(tf.mul(tf.sub(1, target), prediction));
  return tf.relu(tf.add(tf.sub(other, right), 1));
}

function margins(yTrue: Tensor, yPred: Tensor): Tensor {
  const [target, prediction] = alignTargets(yTrue, yPred);
  const binary = tf.cast(tf.logicalOr(tf.equal(target, 0), tf.equal(target, 1)), "float32");
  // 2y - 1 where the whole batch is binary, without asking the host whether it is.
  const signs = tf.add(target, tf.mul(tf.min(binary), tf.sub(target, 1)));
  return tf.relu(tf.sub(1, tf.mul(signs, prediction)));
}
