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

/** The mean absolute error. Keras: `MeanAbsoluteError`. */
export function meanAbsoluteError(options: LossOptions = {}): Loss {
  return defineLoss("mean_absolute_error", options, { values: values.meanAbsoluteError });
}

/** The mean absolute error as a percentage of the target. Keras: `MeanAbsolutePercentageError`. */
export function meanAbsolutePercentageError(options: LossOptions = {}): Loss {
  return defineLoss("mean_absolute_percentage_error", options, { values: values.meanAbsolutePercentageError });
}

/** The mean squared difference of logarithms. Keras: `MeanSquaredLogarithmicError`. */
export function meanSquaredLogarithmicError(options: LossOptions = {}): Loss {
  return defineLoss("mean_squared_logarithmic_error", options, { values: values.meanSquaredLogarithmicError });
}

/** Options of `huber`. */
export type HuberLossOptions = LossOptions & values.HuberOptions;

/**
 * Quadratic for small errors, linear for large ones. Keras: `Huber`.
 *
 * @throws {RangeError} If `delta` is not positive.
 */
export function huber(options: HuberLossOptions = {}): Loss {
  const { delta = 1 } = options;
  checkRange("huber", "delta", delta, delta > 0, "a positive number");
  return defineLoss("huber_loss", options, { values: (yTrue, yPred) => values.huber(yTrue, yPred, { delta }) });
}

/** The logarithm of the hyperbolic cosine of the error. Keras: `LogCosh`. */
export function logCosh(options: LossOptions = {}): Loss {
  return defineLoss("log_cosh", options, { values: values.logCosh });
}

/** Options of `cosineSimilarity`. */
export type CosineLossOptions = LossOptions & values.CosineOptions;

/** The negative cosine between target and prediction: -1 for the same direction. Keras: `CosineSimilarity`. */
export function cosineSimilarity(options: CosineLossOptions = {}): Loss {
  const { axis = -1 } = options;
  return defineLoss("cosine_similarity", options, {
    values: (yTrue, yPred) => tf.neg(values.cosineSimilarity(yTrue, yPred, { axis })),
  });
}

/** The negative log-likelihood of counts, up to a constant. Keras: `Poisson`. */
export function poisson(options: LossOptions = {}): Loss {
  return defineLoss("poisson", options, { values: values.poisson });
}
