/**
 * Connectionist temporal classification, for sequences whose labels have no times.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { formatShape, type Tensor, tf } from "../../core/tf.ts";
import { oneHot } from "../../core/values/prepare.ts";
import { defineLoss, type LossOptions } from "./define.ts";

/** Stands for the logarithm of 0, as in Keras: what cannot be reached costs 1e5, with a finite gradient. */
const LOG_ZERO = -1e5;

/**
 * The negative log-probability of all alignments of a label sequence with the predicted steps. Keras: `CTC`.
 *
 * Class 0 is the blank, and fills up labels shorter than `[batch, labels]`. Every sample has all the predicted steps.
 * The steps are unrolled, as tfjs unrolls recurrent layers.
 *
 * Takes class numbers `[batch, labels]` and logits `[batch, steps, classes]`; gives `[batch]`.
 * Source: Graves et al. 2006, Connectionist Temporal Classification.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { ctc } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * // Of the four paths of equal probability, three spell the label: 1 1, 1 blank, blank 1.
 * const logits = tf.zeros([1, 2, 2]);
 * const [value] = await ctc().values(tf.tensor2d([[1]], [1, 1], "int32"), logits).data();
 * assertAlmostEquals(value!, -Math.log(3 / 4), 1e-5);
 * ```
 */
export function ctc(options: LossOptions = {}): Loss {
  return defineLoss("ctc", options, { values: ctcValues, ownTargetShape: true });
}

function ctcValues(yTrue: Tensor, yPred: Tensor): Tensor {
  if (yTrue.rank !== 2 || yPred.rank !== 3 || yTrue.shape[0] !== yPred.shape[0]) {
    throw new TypeError(
      `Cannot compute the CTC loss: the target has shape ${formatShape(yTrue.shape)}, the prediction ` +
        `${formatShape(yPred.shape)}. Expected class numbers [batch, labels] and logits [batch, steps, classes].`,
    );
  }
  const [rows, steps, classes] = yPred.shape as [number, number, number];
  const length = yTrue.shape[1] as number;
  const labels = tf.cast(yTrue, "int32");
  // A path goes through the states blank, label, blank, label, …, blank: states[2 i + 1] is label i.
  const states = withBlanks(labels, 0);
  const count = 2 * length + 1;
  const emission = oneHot(states, classes);
  const scores = tf.matMul(tf.logSoftmax(yPred), emission, false, true);
  // A label may follow the one before it directly, unless they are the same.
  const differs = tf.cast(tf.notEqual(labels, shift(labels, 1, 0)), "float32");
  const skip = tf.mul(tf.sub(1, withBlanks(differs, 0)), LOG_ZERO);
  const start = tf.tensor2d([Array.from({ length: count }, (_, state) => state < 2 ? 0 : LOG_ZERO)]);
  const at = (step: number): Tensor => tf.reshape(tf.slice(scores, [0, step, 0], [rows, 1, count]), [rows, count]);
  let paths: Tensor = tf.add(at(0), start);
  for (let step = 1; step < steps; step++) {
    const skipped = tf.add(shift(paths, 2, LOG_ZERO), skip);
    paths = tf.add(tf.logSumExp(tf.stack([paths, shift(paths, 1, LOG_ZERO), skipped], 2), 2), at(step));
  }
  const labelled = tf.sum(tf.cast(tf.notEqual(labels, 0), "int32"), 1);
  const last = oneHot(tf.mul(labelled, tf.scalar(2, "int32")), count);
  const ends = tf.add(last, shift(last, -1, 0));
  return tf.neg(tf.logSumExp(tf.add(paths, tf.mul(tf.sub(1, ends), LOG_ZERO)), 1));
}

/** `[batch, n]` with a blank before, between and after: `[batch, 2 n + 1]`. */
function withBlanks(x: Tensor, blank: number): Tensor {
  const [rows, length] = x.shape as [number, number];
  const pairs = tf.stack([tf.fill([rows, length], blank, x.dtype as "float32" | "int32"), x], 2);
  return tf.pad(tf.reshape(pairs, [rows, 2 * length]) as tf.Tensor2D, [[0, 0], [0, 1]], blank);
}

/** `[batch, n]` moved by some states, towards higher ones if positive. */
function shift(x: Tensor, by: number, fill: number): Tensor {
  const [rows, length] = x.shape as [number, number];
  const kept = Math.max(length - Math.abs(by), 0);
  if (kept === 0) return tf.fill([rows, length], fill, x.dtype as "float32" | "int32");
  const part = tf.slice(x, [0, by > 0 ? 0 : length - kept], [rows, kept]) as tf.Tensor2D;
  return tf.pad(part, [[0, 0], by > 0 ? [length - kept, 0] : [0, length - kept]], fill);
}
