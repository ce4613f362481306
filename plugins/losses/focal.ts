/**
 * Crossentropies that weigh examples by how wrong the model still is.
 *
 * Source: keras/src/losses/losses.py; Lin et al. 2017, Focal Loss for Dense Object Detection.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { binaryTerms, clipProbability, smooth } from "../../core/values/crossentropy.ts";
import { alignTargets, axisToEnd, checkSameShape } from "../../core/values/prepare.ts";
import { checkRange, defineLoss, type LossOptions } from "./define.ts";

/** Options that both focal losses have. */
export interface FocalOptions extends LossOptions {
  /** How much easy examples are discounted, at least 0. @default 2 */
  readonly gamma?: number;
  /** A factor: of all, or with `applyClassBalancing` of class 1, class 0 having the rest. @default 0.25 */
  readonly alpha?: number;
  /** Whether predictions are logits rather than probabilities. @default false */
  readonly fromLogits?: boolean;
  /** How much of each target is spread over all classes, 0 to 1. @default 0 */
  readonly labelSmoothing?: number;
  /** The axis of the classes. @default -1 */
  readonly axis?: number;
}

/** Options of `binaryFocalCrossentropy`. */
export interface BinaryFocalOptions extends FocalOptions {
  /** Whether classes are weighted by `alpha`. @default false */
  readonly applyClassBalancing?: boolean;
}

/**
 * Binary crossentropy times `(1 - p)^gamma`, p being the probability of what is right.
 * Keras: `BinaryFocalCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { binaryFocalCrossentropy } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = binaryFocalCrossentropy({ gamma: 2 });
 * const [unsure, wrong] = await loss.values(tf.tensor2d([[1], [0]]), tf.tensor2d([[0.5], [0.75]])).data();
 * assertAlmostEquals(unsure!, 0.5 ** 2 * Math.log(2), 1e-5);
 * assertAlmostEquals(wrong!, 0.75 ** 2 * Math.log(4), 1e-5);
 * ```
 *
 * @throws {RangeError} If `gamma` is negative, or `labelSmoothing` not between 0 and 1.
 */
export function binaryFocalCrossentropy(options: BinaryFocalOptions = {}): Loss {
  const { gamma = 2, alpha = 0.25, fromLogits = false, labelSmoothing = 0, axis = -1 } = options;
  const { applyClassBalancing = false } = options;
  checkFocal("binaryFocalCrossentropy", gamma, labelSmoothing);
  return defineLoss("binary_focal_crossentropy", options, {
    values(yTrue, yPred) {
      const [labels, prediction] = alignTargets(yTrue, yPred);
      checkSameShape("binary focal crossentropy", labels, prediction);
      const target = smooth(labels, labelSmoothing, 2);
      const inverse = tf.sub(1, target);
      const probability = clipProbability(fromLogits ? tf.sigmoid(prediction) : prediction);
      const terms = binaryTerms(target, probability, false);
      const right = tf.add(tf.mul(target, probability), tf.mul(inverse, tf.sub(1, probability)));
      const focused = discount(right, gamma, terms);
      if (!applyClassBalancing) return tf.mean(focused, axis);
      return tf.mean(tf.mul(tf.add(tf.mul(target, alpha), tf.mul(inverse, 1 - alpha)), focused), axis);
    },
  });
}

/**
 * Categorical crossentropy with each class's term times `alpha (1 - p)^gamma`. Keras: `CategoricalFocalCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalFocalCrossentropy } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = categoricalFocalCrossentropy({ gamma: 2, alpha: 0.25 });
 * const [value] = await loss.values(tf.tensor2d([[0, 1, 0]]), tf.tensor2d([[0.25, 0.5, 0.25]])).data();
 * assertAlmostEquals(value!, 0.25 * 0.5 ** 2 * Math.log(2), 1e-5);
 * ```
 *
 * @throws {RangeError} If `gamma` is negative, or `labelSmoothing` not between 0 and 1.
 */
export function categoricalFocalCrossentropy(options: FocalOptions = {}): Loss {
  const { gamma = 2, alpha = 0.25, fromLogits = false, labelSmoothing = 0, axis = -1 } = options;
  checkFocal("categoricalFocalCrossentropy", gamma, labelSmoothing);
  return defineLoss("categorical_focal_crossentropy", options, {
    values(yTrue, yPred) {
      const [labels, prediction] = alignTargets(yTrue, yPred);
      checkSameShape("categorical focal crossentropy", labels, prediction);
      const target = smooth(axisToEnd(labels, axis), labelSmoothing, prediction.shape.at(axis) ?? 1);
      const scores = axisToEnd(prediction, axis);
      const normalised = fromLogits ? tf.softmax(scores) : tf.div(scores, tf.sum(scores, -1, true));
      const probability = clipProbability(normalised);
      const terms = tf.neg(tf.mul(target, tf.log(probability)));
      return tf.sum(tf.mul(discount(probability, gamma, terms), alpha), -1);
    },
  });
}

/** `(1 - right)^gamma terms`. Powers with a simpler form take it: exact, and with a finite gradient everywhere. */
function discount(right: Tensor, gamma: number, terms: Tensor): Tensor {
  if (gamma === 0) return terms;
  const wrong = tf.sub(1, right);
  if (gamma === 1) return tf.mul(wrong, terms);
  return tf.mul(gamma === 2 ? tf.square(wrong) : tf.pow(wrong, gamma), terms);
}

function checkFocal(loss: string, gamma: number, labelSmoothing: number): void {
  checkRange(loss, "gamma", gamma, gamma >= 0, "at least 0");
  checkRange(loss, "labelSmoothing", labelSmoothing, labelSmoothing >= 0 && labelSmoothing <= 1, "0 to 1");
}
