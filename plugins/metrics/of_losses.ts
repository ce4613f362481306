/**
 * Means of what losses compute, over samples.
 *
 * Source: keras/src/metrics/regression_metrics.py, probabilistic_metrics.py, hinge_metrics.py.
 *
 * @module
 */
import { meanMetric } from "../../core/mean_metric.ts";
import type { Metric } from "../../core/metric.ts";
import { tf } from "../../core/tf.ts";
import * as values from "../../core/values/mod.ts";
import { align, type MetricOptions } from "./define.ts";

/**
 * The mean squared error. Keras: `MeanSquaredError`.
 *
 * ```ts
 * import { meanSquaredError } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = meanSquaredError({ name: "mse" }).build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[0, 1], [0, 0]]), tf.tensor2d([[1, 1], [1, 0]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 */
export function meanSquaredError({ name = "mean_squared_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanSquaredError, { direction: "min" });
}

/**
 * The root of the mean squared error over all samples. Keras: `RootMeanSquaredError`.
 *
 * ```ts
 * import { rootMeanSquaredError } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = rootMeanSquaredError().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[0, 0]]), tf.tensor2d([[1, 7]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 5);
 * ```
 */
export function rootMeanSquaredError({ name = "root_mean_squared_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => tf.squaredDifference(...align(yTrue, yPred)), {
    direction: "min",
    finish: Math.sqrt,
  });
}

/**
 * The mean absolute error. Keras: `MeanAbsoluteError`.
 *
 * ```ts
 * import { meanAbsoluteError } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = meanAbsoluteError().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, 2]]), tf.tensor2d([[2, 4]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 1.5);
 * ```
 */
export function meanAbsoluteError({ name = "mean_absolute_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanAbsoluteError, { direction: "min" });
}

/**
 * The mean absolute error as a percentage of the target. Keras: `MeanAbsolutePercentageError`.
 *
 * ```ts
 * import { meanAbsolutePercentageError } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = meanAbsolutePercentageError().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[100, 50]]), tf.tensor2d([[110, 40]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, 15, 1e-5);
 * ```
 */
export function meanAbsolutePercentageError({ name = "mean_absolute_percentage_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanAbsolutePercentageError, { direction: "min" });
}

/**
 * The mean squared difference of logarithms. Keras: `MeanSquaredLogarithmicError`.
 *
 * ```ts
 * import { meanSquaredLogarithmicError } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = meanSquaredLogarithmicError().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, 3]]), tf.tensor2d([[3, 3]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, Math.log(2) ** 2 / 2, 1e-6);
 * ```
 */
export function meanSquaredLogarithmicError({ name = "mean_squared_logarithmic_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanSquaredLogarithmicError, { direction: "min" });
}

/**
 * The mean logarithm of the hyperbolic cosine of the error. Keras: `LogCoshError`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { logCoshError } from "@stride/stride/metrics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = logCoshError().build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[0], [1]]), tf.tensor2d([[0], [1 + Math.LN2]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, Math.log(1.25) / 2, 1e-5);
 * ```
 */
export function logCoshError({ name = "logcosh" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.logCosh, { direction: "min" });
}

/** Options of `huber`. */
export type HuberMetricOptions = MetricOptions & values.HuberOptions;

/**
 * The mean Huber loss: quadratic for small errors, linear for large ones. Keras: the function `huber`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { huber } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = huber({ delta: 1 }).build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[0], [0]]), tf.tensor2d([[0.5], [3]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), (0.5 ** 2 / 2 + 2.5) / 2);
 * ```
 */
export function huber({ name = "huber", delta = 1 }: HuberMetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => values.huber(yTrue, yPred, { delta }), { direction: "min" });
}

/** Options of `cosineSimilarity`. */
export type CosineMetricOptions = MetricOptions & values.CosineOptions;

/**
 * The mean cosine between target and prediction; 1 is best. Keras: `CosineSimilarity`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { cosineSimilarity } from "@stride/stride/metrics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = cosineSimilarity().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, 0], [0, 2]]), tf.tensor2d([[3, 4], [0, 5]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (3 / 5 + 1) / 2, 1e-5);
 * ```
 */
export function cosineSimilarity({ name = "cosine_similarity", axis = -1 }: CosineMetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => values.cosineSimilarity(yTrue, yPred, { axis }), { direction: "max" });
}

/**
 * The mean Poisson loss. Keras: `Poisson`.
 *
 * ```ts
 * import { poisson } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = poisson().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, 0]]), tf.tensor2d([[2, 4]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (2 - Math.log(2) + 4) / 2, 1e-6);
 * ```
 */
export function poisson({ name = "poisson" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.poisson, { direction: "min" });
}

/**
 * The mean Kullback-Leibler divergence. Keras: `KLDivergence`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { klDivergence } from "@stride/stride/metrics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = klDivergence().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[0.5, 0.5], [1, 0]]), tf.tensor2d([[0.25, 0.75], [1, 0]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (Math.log(4 / 3) / 2 + 0) / 2, 1e-5);
 * ```
 */
export function klDivergence({ name = "kl_divergence" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.klDivergence, { direction: "min" });
}

/** Options of `binaryCrossentropy` and `categoricalCrossentropy`. */
export type CrossentropyMetricOptions = MetricOptions & values.CrossentropyOptions;

/**
 * The mean crossentropy of yes-or-no targets. Keras: `BinaryCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { binaryCrossentropy } from "@stride/stride/metrics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = binaryCrossentropy().build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[1], [0]]), tf.tensor2d([[0.5], [0.75]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (Math.log(2) + Math.log(4)) / 2, 1e-5);
 * ```
 */
export function binaryCrossentropy(options: CrossentropyMetricOptions = {}): Metric {
  const { name = "binary_crossentropy", ...rest } = options;
  return meanMetric(name, (yTrue, yPred) => values.binaryCrossentropy(yTrue, yPred, rest), { direction: "min" });
}

/**
 * The mean crossentropy of one-hot targets. Keras: `CategoricalCrossentropy`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalCrossentropy } from "@stride/stride/metrics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = categoricalCrossentropy().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, 0], [0, 1]]), tf.tensor2d([[0.5, 0.5], [0.75, 0.25]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (Math.log(2) + Math.log(4)) / 2, 1e-5);
 * ```
 */
export function categoricalCrossentropy(options: CrossentropyMetricOptions = {}): Metric {
  const { name = "categorical_crossentropy", ...rest } = options;
  return meanMetric(name, (yTrue, yPred) => values.categoricalCrossentropy(yTrue, yPred, rest), { direction: "min" });
}

/** Options of `sparseCategoricalCrossentropy`. */
export type SparseCrossentropyMetricOptions = MetricOptions & values.SparseCrossentropyOptions;

/**
 * The mean crossentropy of class numbers. Keras: `SparseCategoricalCrossentropy`.
 *
 * As in Keras, entries of `ignoreClass` are left out of the mean where there are sample weights, and count as 0 where
 * there are none.
 *
 * ```ts
 * import { sparseCategoricalCrossentropy } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = sparseCategoricalCrossentropy().build([null], [null, 2]);
 * const sums = await metric.update(tf.tensor1d([0, 1]), tf.tensor2d([[0.5, 0.5], [0.75, 0.25]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (Math.log(2) + Math.log(4)) / 2, 1e-6);
 * ```
 */
export function sparseCategoricalCrossentropy(options: SparseCrossentropyMetricOptions = {}): Metric {
  const { name = "sparse_categorical_crossentropy", ...rest } = options;
  const { ignoreClass, axis } = rest;
  return meanMetric(name, (yTrue, yPred) => values.sparseCategoricalCrossentropy(yTrue, yPred, rest), {
    direction: "min",
    valid: ignoreClass === undefined
      ? undefined
      : (yTrue, _, losses) => values.isNotClass(yTrue, losses, ignoreClass, axis),
  });
}

/**
 * The mean hinge loss of targets -1 and 1, or 0 and 1. Keras: `Hinge`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { hinge } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = hinge().build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[-1], [1]]), tf.tensor2d([[0.5], [0.5]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), (1.5 + 0.5) / 2);
 * ```
 */
export function hinge({ name = "hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.hinge, { direction: "min" });
}

/**
 * The mean squared hinge loss. Keras: `SquaredHinge`.
 *
 * ```ts
 * import { squaredHinge } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = squaredHinge().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[1, -1]]), tf.tensor2d([[0.5, 2]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), (0.5 ** 2 + 3 ** 2) / 2);
 * ```
 */
export function squaredHinge({ name = "squared_hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.squaredHinge, { direction: "min" });
}

/**
 * The mean hinge loss of one-hot targets. Keras: `CategoricalHinge`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalHinge } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = categoricalHinge().build([null, 2], [null, 2]);
 * const sums = await metric.update(tf.tensor2d([[0, 1], [1, 0]]), tf.tensor2d([[0.75, 0.25], [2, 0.5]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), (1.5 + 0) / 2);
 * ```
 */
export function categoricalHinge({ name = "categorical_hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.categoricalHinge, { direction: "min" });
}
