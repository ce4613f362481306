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

/** The root of the mean squared error over all samples. Keras: `RootMeanSquaredError`. */
export function rootMeanSquaredError({ name = "root_mean_squared_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => tf.squaredDifference(...align(yTrue, yPred)), {
    direction: "min",
    finish: Math.sqrt,
  });
}

/** The mean absolute error. Keras: `MeanAbsoluteError`. */
export function meanAbsoluteError({ name = "mean_absolute_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanAbsoluteError, { direction: "min" });
}

/** The mean absolute error as a percentage of the target. Keras: `MeanAbsolutePercentageError`. */
export function meanAbsolutePercentageError({ name = "mean_absolute_percentage_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanAbsolutePercentageError, { direction: "min" });
}

/** The mean squared difference of logarithms. Keras: `MeanSquaredLogarithmicError`. */
export function meanSquaredLogarithmicError({ name = "mean_squared_logarithmic_error" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.meanSquaredLogarithmicError, { direction: "min" });
}

/** The mean logarithm of the hyperbolic cosine of the error. Keras: `LogCoshError`. */
export function logCoshError({ name = "logcosh" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.logCosh, { direction: "min" });
}

/** Options of `huber`. */
export type HuberMetricOptions = MetricOptions & values.HuberOptions;

/** The mean Huber loss: quadratic for small errors, linear for large ones. Keras: the function `huber`. */
export function huber({ name = "huber", delta = 1 }: HuberMetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => values.huber(yTrue, yPred, { delta }), { direction: "min" });
}

/** Options of `cosineSimilarity`. */
export type CosineMetricOptions = MetricOptions & values.CosineOptions;

/** The mean cosine between target and prediction; 1 is best. Keras: `CosineSimilarity`. */
export function cosineSimilarity({ name = "cosine_similarity", axis = -1 }: CosineMetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => values.cosineSimilarity(yTrue, yPred, { axis }), { direction: "max" });
}

/** The mean Poisson loss. Keras: `Poisson`. */
export function poisson({ name = "poisson" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.poisson, { direction: "min" });
}

/** The mean Kullback-Leibler divergence. Keras: `KLDivergence`. */
export function klDivergence({ name = "kl_divergence" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.klDivergence, { direction: "min" });
}

/** Options of `binaryCrossentropy` and `categoricalCrossentropy`. */
export type CrossentropyMetricOptions = MetricOptions & values.CrossentropyOptions;

/** The mean crossentropy of yes-or-no targets. Keras: `BinaryCrossentropy`. */
export function binaryCrossentropy(options: CrossentropyMetricOptions = {}): Metric {
  const { name = "binary_crossentropy", ...rest } = options;
  return meanMetric(name, (yTrue, yPred) => values.binaryCrossentropy(yTrue, yPred, rest), { direction: "min" });
}

/** The mean crossentropy of one-hot targets. Keras: `CategoricalCrossentropy`. */
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

/** The mean hinge loss of targets -1 and 1, or 0 and 1. Keras: `Hinge`. */
export function hinge({ name = "hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.hinge, { direction: "min" });
}

/** The mean squared hinge loss. Keras: `SquaredHinge`. */
export function squaredHinge({ name = "squared_hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.squaredHinge, { direction: "min" });
}

/** The mean hinge loss of one-hot targets. Keras: `CategoricalHinge`. */
export function categoricalHinge({ name = "categorical_hinge" }: MetricOptions = {}): Metric {
  return meanMetric(name, values.categoricalHinge, { direction: "min" });
}
