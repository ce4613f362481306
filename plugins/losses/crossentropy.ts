/**
 * Losses for probabilities of classes.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { tf } from "../../core/tf.ts";
import * as values from "../../core/values/mod.ts";
import { oneHot } from "../../core/values/prepare.ts";
import { checkRange, defineLoss, type LossOptions } from "./define.ts";

/** Options of `binaryCrossentropy` and `categoricalCrossentropy`. */
export type CrossentropyLossOptions = LossOptions & values.CrossentropyOptions;

/**
 * Crossentropy of yes-or-no targets. Keras: `BinaryCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { binaryCrossentropy } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = binaryCrossentropy();
 * const [value] = await loss.values(tf.tensor2d([[1, 0]]), tf.tensor2d([[0.5, 0.75]])).data();
 * assertAlmostEquals(value!, (Math.log(2) + Math.log(4)) / 2, 1e-5);
 * ```
 *
 * @throws {RangeError} If `labelSmoothing` is not between 0 and 1.
 */
export function binaryCrossentropy(options: CrossentropyLossOptions = {}): Loss {
  const { fromLogits = false, labelSmoothing = 0, axis = -1 } = options;
  checkSmoothing("binaryCrossentropy", labelSmoothing);
  return defineLoss("binary_crossentropy", options, {
    values: (yTrue, yPred) => values.binaryCrossentropy(yTrue, yPred, { fromLogits, labelSmoothing, axis }),
  });
}

/**
 * Crossentropy of one-hot targets, or of distributions. Keras: `CategoricalCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalCrossentropy } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = categoricalCrossentropy();
 * const [value] = await loss.values(tf.tensor2d([[1, 0, 0]]), tf.tensor2d([[0.25, 0.5, 0.25]])).data();
 * assertAlmostEquals(value!, Math.log(4), 1e-5);
 * ```
 *
 * @throws {RangeError} If `labelSmoothing` is not between 0 and 1.
 */
export function categoricalCrossentropy(options: CrossentropyLossOptions = {}): Loss {
  const { fromLogits = false, labelSmoothing = 0, axis = -1 } = options;
  checkSmoothing("categoricalCrossentropy", labelSmoothing);
  return defineLoss("categorical_crossentropy", options, {
    values: (yTrue, yPred) => values.categoricalCrossentropy(yTrue, yPred, { fromLogits, labelSmoothing, axis }),
  });
}

/** Options of `sparseCategoricalCrossentropy`. */
export type SparseCrossentropyLossOptions = LossOptions & values.SparseCrossentropyOptions;

/**
 * Crossentropy of class numbers. Keras: `SparseCategoricalCrossentropy`. A number that no class has adds 0, as in Keras on
 * JAX: check labels that you do not trust.
 *
 * ```ts
 * import { sparseCategoricalCrossentropy } from "@stride/stride/losses";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = sparseCategoricalCrossentropy({ fromLogits: true });
 * const [value] = await loss.values(tf.tensor1d([1], "int32"), tf.tensor2d([[0, 0]])).data();
 * assertAlmostEquals(value!, Math.LN2, 1e-6);
 * ```
 */
export function sparseCategoricalCrossentropy(options: SparseCrossentropyLossOptions = {}): Loss {
  const { fromLogits = false, ignoreClass, axis = -1 } = options;
  return defineLoss("sparse_categorical_crossentropy", options, {
    values: (yTrue, yPred) => values.sparseCategoricalCrossentropy(yTrue, yPred, { fromLogits, ignoreClass, axis }),
    valid: ignoreClass === undefined
      ? undefined
      : (yTrue, _, losses) => values.isNotClass(yTrue, losses, ignoreClass, axis),
  });
}

/**
 * The Kullback-Leibler divergence of the prediction from the target. Keras: `KLDivergence`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { klDivergence } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = klDivergence();
 * const [value] = await loss.values(tf.tensor2d([[0.5, 0.5]]), tf.tensor2d([[0.25, 0.75]])).data();
 * assertAlmostEquals(value!, (Math.log(0.5 / 0.25) + Math.log(0.5 / 0.75)) / 2, 1e-5);
 * ```
 */
export function klDivergence(options: LossOptions = {}): Loss {
  return defineLoss("kl_divergence", options, { values: values.klDivergence });
}

/** Options of `categoricalGeneralizedCrossEntropy`. */
export interface GeneralizedCrossentropyOptions extends LossOptions {
  /** Between crossentropy, near 0, and the mean absolute error, near 1. @default 0.5 */
  readonly q?: number;
}

/**
 * `(1 - p^q) / q` for the probability p of the right class number: crossentropy that forgives wrong labels.
 * Keras: `CategoricalGeneralizedCrossEntropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalGeneralizedCrossEntropy } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = categoricalGeneralizedCrossEntropy({ q: 0.5 });
 * const [value] = await loss.values(tf.tensor1d([1], "int32"), tf.tensor2d([[0.75, 0.25]])).data();
 * assertAlmostEquals(value!, (1 - Math.sqrt(0.25)) / 0.5, 1e-5);
 * ```
 *
 * @throws {RangeError} If `q` is not between 0 and 1.
 */
export function categoricalGeneralizedCrossEntropy(options: GeneralizedCrossentropyOptions = {}): Loss {
  const { q = 0.5 } = options;
  checkRange("categoricalGeneralizedCrossEntropy", "q", q, q > 0 && q < 1, "a number between 0 and 1, both excluded");
  return defineLoss("categorical_generalized_cross_entropy", options, {
    values(yTrue, yPred) {
      let labels = tf.cast(yTrue, "int32");
      if (labels.rank === yPred.rank && labels.shape.at(-1) === 1) labels = tf.squeeze(labels, [labels.rank - 1]);
      const right = oneHot(labels, yPred.shape.at(-1) as number);
      // The power has an infinite slope at 0; a probability of 1e-7 has a steep one.
      const probability = tf.maximum(tf.sum(tf.mul(right, yPred), -1), 1e-7);
      return tf.div(tf.sub(1, tf.pow(probability, q)), q);
    },
  });
}

function checkSmoothing(loss: string, labelSmoothing: number): void {
  checkRange(loss, "labelSmoothing", labelSmoothing, labelSmoothing >= 0 && labelSmoothing <= 1, "0 to 1");
}
