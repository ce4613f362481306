/**
 * Losses for numbers.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import { tf } from "../../core/tf.ts";
import * as values from "../../core/values/mod.ts";
import { checkRange, defineLoss, type LossOptions } from "./define.ts";

/**
 * The mean squared error. Keras: `MeanSquaredError`.
 *
 * ```ts
 * import { meanSquaredError } from "@stride/stride/losses";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const values = meanSquaredError().values(tf.tensor2d([[0, 1], [0, 0]]), tf.tensor2d([[1, 1], [1, 0]]));
 * assertEquals([...await values.data()], [0.5, 0.5]);
 * ```
 */
export function meanSquaredError(options: LossOptions = {}): Loss {
  return defineLoss("mean_squared_error", options, { values: values.meanSquaredError });
}

/**
 * The mean absolute error. Keras: `MeanAbsoluteError`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { meanAbsoluteError } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const values = meanAbsoluteError().values(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[2, 2], [3, 1]]));
 * assertEquals([...await values.data()], [0.5, 1.5]);
 * ```
 */
export function meanAbsoluteError(options: LossOptions = {}): Loss {
  return defineLoss("mean_absolute_error", options, { values: values.meanAbsoluteError });
}

/**
 * The mean absolute error as a percentage of the target. Keras: `MeanAbsolutePercentageError`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { meanAbsolutePercentageError } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = meanAbsolutePercentageError();
 * const [value] = await loss.values(tf.tensor2d([[2, 4]]), tf.tensor2d([[1, 5]])).data();
 * assertAlmostEquals(value!, (50 + 25) / 2, 1e-5);
 * ```
 */
export function meanAbsolutePercentageError(options: LossOptions = {}): Loss {
  return defineLoss("mean_absolute_percentage_error", options, { values: values.meanAbsolutePercentageError });
}

/**
 * The mean squared difference of logarithms. Keras: `MeanSquaredLogarithmicError`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { meanSquaredLogarithmicError } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = meanSquaredLogarithmicError();
 * const [value] = await loss.values(tf.tensor2d([[99]]), tf.tensor2d([[9]])).data();
 * assertAlmostEquals(value!, Math.LN10 ** 2, 1e-5);
 * ```
 */
export function meanSquaredLogarithmicError(options: LossOptions = {}): Loss {
  return defineLoss("mean_squared_logarithmic_error", options, { values: values.meanSquaredLogarithmicError });
}

/** Options of `huber`. */
export type HuberLossOptions = LossOptions & values.HuberOptions;

/**
 * Quadratic for small errors, linear for large ones. Keras: `Huber`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { huber } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const values = huber({ delta: 1 }).values(tf.tensor2d([[0], [0]]), tf.tensor2d([[0.5], [3]]));
 * assertEquals([...await values.data()], [0.5 ** 2 / 2, 3 - 0.5]);
 * ```
 *
 * @throws {RangeError} If `delta` is not positive.
 */
export function huber(options: HuberLossOptions = {}): Loss {
  const { delta = 1 } = options;
  checkRange("huber", "delta", delta, delta > 0, "a positive number");
  return defineLoss("huber_loss", options, { values: (yTrue, yPred) => values.huber(yTrue, yPred, { delta }) });
}

/**
 * The logarithm of the hyperbolic cosine of the error. Keras: `LogCosh`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { logCosh } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = logCosh();
 * const [value] = await loss.values(tf.tensor2d([[1]]), tf.tensor2d([[1 + Math.LN2]])).data();
 * assertAlmostEquals(value!, Math.log((2 + 1 / 2) / 2), 1e-5);
 * ```
 */
export function logCosh(options: LossOptions = {}): Loss {
  return defineLoss("log_cosh", options, { values: values.logCosh });
}

/** Options of `cosineSimilarity`. */
export type CosineLossOptions = LossOptions & values.CosineOptions;

/**
 * The negative cosine between target and prediction: -1 for the same direction. Keras: `CosineSimilarity`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { cosineSimilarity } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const values = cosineSimilarity().values(tf.tensor2d([[1, 0], [0, 2]]), tf.tensor2d([[3, 4], [0, 5]]));
 * const [oblique, parallel] = await values.data();
 * assertAlmostEquals(oblique!, -3 / 5, 1e-5);
 * assertAlmostEquals(parallel!, -1, 1e-5);
 * ```
 */
export function cosineSimilarity(options: CosineLossOptions = {}): Loss {
  const { axis = -1 } = options;
  return defineLoss("cosine_similarity", options, {
    values: (yTrue, yPred) => tf.neg(values.cosineSimilarity(yTrue, yPred, { axis })),
  });
}

/**
 * The negative log-likelihood of counts, up to a constant. Keras: `Poisson`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { poisson } from "@stride/stride/losses";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const loss = poisson();
 * const [value] = await loss.values(tf.tensor2d([[3]]), tf.tensor2d([[2]])).data();
 * assertAlmostEquals(value!, 2 - 3 * Math.log(2), 1e-5);
 * ```
 */
export function poisson(options: LossOptions = {}): Loss {
  return defineLoss("poisson", options, { values: values.poisson });
}
