/**
 * The circle loss, for learning distances between samples.
 *
 * Source: keras/src/losses/losses.py; Sun et al. 2020, Circle Loss.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { formatShape, type Tensor, tf } from "../../core/tf.ts";
import { defineLoss, type LossOptions } from "./define.ts";

/** Stands for the logarithm of 0: far below what distances give, and with a finite gradient. */
const LOG_ZERO = -1e9;

/** Options of `circle`. */
export interface CircleOptions extends LossOptions {
  /** The scale of the distances. @default 80 */
  readonly gamma?: number;
  /** How far the classes are to be apart, 0 to 1. @default 0.4 */
  readonly margin?: number;
  /** Whether a sample is not compared with itself. @default true */
  readonly removeDiagonal?: boolean;
}

/**
 * Pulls samples of one class together and others apart, comparing every pair of a batch. Keras: `Circle`.
 *
 * Takes class numbers `[batch]` and unit vectors `[batch, dimensions]`. Samples whose loss is 0, such as those without
 * another of their class, do not count in the mean. Pairs never cross batches or replicas.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { circle } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const classes = tf.tensor1d([0, 0, 1], "int32");
 * const vectors = tf.tensor2d([[1, 0], [0, 1], [1, 0]]);
 * const [confused, apart, alone] = await circle().values(classes, vectors).data();
 * assertAlmostEquals(confused!, 80 * (1.4 * 0.6 + 1.4 * 0.6), 1e-3);
 * assertAlmostEquals(apart!, 80 * (1.4 * 0.6 - 0.4 * 0.4), 1e-3);
 * assertAlmostEquals(alone!, 0);
 * ```
 */
export function circle(options: CircleOptions = {}): Loss {
  const { gamma = 80, margin = 0.4, removeDiagonal = true } = options;
  return defineLoss("circle", options, {
    ownTargetShape: true,
    values(yTrue, yPred) {
      const rows = yPred.shape[0] as number;
      if (yPred.rank !== 2 || yTrue.size !== rows) {
        throw new TypeError(
          `Cannot compute the circle loss: the target has shape ${formatShape(yTrue.shape)}, the prediction ` +
            `${formatShape(yPred.shape)}. Expected class numbers [batch] and unit vectors [batch, dimensions].`,
        );
      }
      const distances = tf.relu(tf.sub(1, tf.matMul(yPred as tf.Tensor2D, yPred as tf.Tensor2D, false, true)));
      const labels = tf.cast(yTrue, "int32");
      const same = tf.cast(tf.equal(tf.reshape(labels, [rows, 1]), tf.reshape(labels, [1, rows])), "float32");
      const positive = removeDiagonal ? tf.mul(same, tf.sub(1, tf.eye(rows))) : same;
      const negative = tf.sub(1, same);
      const pull = tf.mul(tf.add(distances, margin), tf.sub(distances, margin));
      const push = tf.mul(tf.relu(tf.sub(1 + margin, distances)), tf.sub(1 - margin, distances));
      return tf.softplus(tf.add(logSum(pull, positive, gamma), logSum(push, negative, gamma)));
    },
    valid: (_, __, values) => tf.greater(values, 0),
  });
}

function logSum(exponents: Tensor, mask: Tensor, gamma: number): Tensor {
  return tf.logSumExp(tf.where(tf.cast(mask, "bool"), tf.mul(exponents, gamma), tf.fill(mask.shape, LOG_ZERO)), 1);
}
