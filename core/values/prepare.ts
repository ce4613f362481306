/**
 * What the value functions share: targets made to fit predictions, and two operations whose tfjs gradients are wrong.
 *
 * @module
 */
import { asFloat, squeezeOrExpandToSameRank } from "../reduce.ts";
import { formatShape, type Tensor, tf } from "../tf.ts";

/** The smallest probability told from 0; Keras's `epsilon()`. */
export const EPSILON = 1e-7;

/** A target and a prediction as float32, of the same rank where they differ by a last axis of size 1. */
export function alignTargets(yTrue: Tensor, yPred: Tensor): [Tensor, Tensor] {
  return squeezeOrExpandToSameRank(asFloat(yTrue), asFloat(yPred));
}

/**
 * Checks that each predicted value has a target.
 *
 * @param what What is being computed, for the message.
 * @throws {TypeError} If the shapes differ.
 */
export function checkSameShape(what: string, yTrue: Tensor, yPred: Tensor): void {
  if (yTrue.rank === yPred.rank && yTrue.shape.every((size, axis) => size === yPred.shape[axis])) return;
  throw new TypeError(
    `Cannot compute ${what}: the target has shape ${formatShape(yTrue.shape)}, the prediction ` +
      `${formatShape(yPred.shape)}. Expected the same shape. Reshape the target, or for class numbers use the sparse ` +
      `variant.`,
  );
}

/** `|x|` with gradient 0 at 0, as in Keras; tfjs's own is -1 there. */
export function absolute(x: Tensor): Tensor {
  return tf.customGrad((input, save) => {
    const value = input as Tensor;
    (save as tf.GradSaveFunc)([value]);
    return {
      value: tf.abs(value),
      gradFunc: (dy: Tensor, saved: Tensor[]) => tf.mul(dy, tf.sign(saved[0] as Tensor)),
    };
  })(x);
}

/** The maximum over the last axis, whose gradient is shared by ties, as in Keras; tfjs gives each tie all of it. */
export function maxOverLast(x: Tensor): Tensor {
  return tf.customGrad((input, save) => {
    const value = input as Tensor;
    const largest = tf.max(value, -1, true);
    (save as tf.GradSaveFunc)([value, largest]);
    return {
      value: tf.squeeze(largest, [value.rank - 1]),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const ties = tf.cast(tf.equal(saved[0] as Tensor, saved[1] as Tensor), "float32");
        return tf.mul(tf.div(ties, tf.sum(ties, -1, true)), tf.expandDims(dy, -1));
      },
    };
  })(x);
}

/** An axis counted from the front. @throws {RangeError} If there is no such axis. */
export function axisFromFront(axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || index < 0 || index >= rank) {
    throw new RangeError(`There is no axis ${axis} in a tensor of rank ${rank}: expected ${-rank} to ${rank - 1}.`);
  }
  return index;
}

/** The same tensor with one axis moved to the end. */
export function axisToEnd(x: Tensor, axis: number): Tensor {
  const from = axisFromFront(axis, x.rank);
  if (from === x.rank - 1) return x;
  return tf.transpose(x, [...x.shape.map((_, index) => index).filter((index) => index !== from), from]);
}

/**
 * One-hot rows, float32; zeros for classes that do not exist. tfjs's own refuses a single class.
 *
 * @param labels `[…]`, int32. @returns `[…, classes]`.
 */
export function oneHot(labels: Tensor, classes: number): Tensor {
  if (classes === 1) return tf.cast(tf.expandDims(tf.equal(labels, 0), -1), "float32");
  return tf.oneHot(labels, classes, 1, 0, "float32");
}
