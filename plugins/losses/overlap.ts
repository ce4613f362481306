/**
 * Losses for the overlap of regions, as in segmentation.
 *
 * Without `axis` they are one number for the whole batch, which is then no mean over samples: training on several
 * devices, or accumulating gradients, computes it for each part. Give the axes after the batch to get it for each sample.
 * Source: keras/src/losses/losses.py.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { tf } from "../../core/tf.ts";
import { alignTargets, EPSILON } from "../../core/values/prepare.ts";
import { defineLoss, type LossOptions } from "./define.ts";

/** Options of `dice`. */
export interface DiceOptions extends LossOptions {
  /** The axes to sum over: for images `[1, 2, 3]` gives a value for each. @default all, the batch included */
  readonly axis?: number | readonly number[];
}

/**
 * One less the Dice coefficient: twice the overlap over the sum of both areas. Keras: `Dice`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { dice } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = dice({ axis: 1 });
 * const [value] = await loss.values(tf.tensor2d([[1, 1, 0, 0]]), tf.tensor2d([[1, 0, 0, 0]])).data();
 * assertAlmostEquals(value!, 1 - 2 * 1 / (2 + 1), 1e-5);
 * ```
 */
export function dice(options: DiceOptions = {}): Loss {
  const axis = axes(options.axis);
  return defineLoss("dice", options, {
    values(yTrue, yPred) {
      const [target, prediction] = alignTargets(yTrue, yPred);
      const areas = tf.add(tf.sum(target, axis), tf.sum(prediction, axis));
      const overlap = tf.mul(tf.sum(tf.mul(target, prediction), axis), 2);
      return tf.sub(1, tf.div(overlap, tf.add(areas, EPSILON)));
    },
  });
}

/** Options of `tversky`. */
export interface TverskyOptions extends DiceOptions {
  /** The weight of what is missed. @default 0.5 */
  readonly alpha?: number;
  /** The weight of what is predicted wrongly. @default 0.5 */
  readonly beta?: number;
}

/**
 * One less the Tversky index: the Dice loss with weights for both kinds of errors. Keras: `Tversky`.
 *
 * `alpha` and `beta` mean what they do in Keras 3.15, whose documentation has them the other way round.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { tversky } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = tversky({ alpha: 1, beta: 0.25, axis: 1 });
 * const values = loss.values(tf.tensor2d([[1, 1, 0], [1, 0, 0]]), tf.tensor2d([[1, 0, 0], [1, 1, 0]]));
 * const [missed, wrong] = await values.data();
 * assertAlmostEquals(missed!, 1 - 1 / (1 + 1), 1e-5);
 * assertAlmostEquals(wrong!, 1 - 1 / (1 + 0.25), 1e-5);
 * ```
 */
export function tversky(options: TverskyOptions = {}): Loss {
  const { alpha = 0.5, beta = 0.5 } = options;
  const axis = axes(options.axis);
  return defineLoss("tversky", options, {
    values(yTrue, yPred) {
      const [target, prediction] = alignTargets(yTrue, yPred);
      const overlap = tf.sum(tf.mul(target, prediction), axis);
      const wrong = tf.sum(tf.mul(tf.sub(1, target), prediction), axis);
      const missed = tf.sum(tf.mul(target, tf.sub(1, prediction)), axis);
      const all = tf.addN([overlap, tf.mul(missed, alpha), tf.mul(wrong, beta)]);
      return tf.sub(1, tf.div(overlap, tf.add(all, EPSILON)));
    },
  });
}

function axes(axis: number | readonly number[] | undefined): number | number[] | undefined {
  return axis === undefined || typeof axis === "number" ? axis : [...axis];
}
