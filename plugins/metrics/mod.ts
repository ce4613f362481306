/**
 * Metrics: every one of Keras's, as factories and by name. Imports core only.
 *
 * ```ts
 * import { auc, metrics } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(metrics.mse!().direction, "min");
 * assertEquals(auc({ curve: "PR", name: "pr" }).name, "pr");
 * ```
 *
 * @module
 */
import type { HostMetric, Metric } from "../../core/metric.ts";
import { exactAuc, medianAbsoluteError } from "./host.ts";
import type { Factories } from "../../core/registry.ts";
import {
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  topKCategoricalAccuracy,
} from "./accuracy.ts";
import { auc } from "./auc.ts";
import { falseNegatives, falsePositives, precision, recall, trueNegatives, truePositives } from "./confusion.ts";
import { concordanceCorrelation, pearsonCorrelation } from "./correlation.ts";
import { f1Score, fBetaScore } from "./f_score.ts";
import { binaryIoU, iou, meanIoU, oneHotIoU, oneHotMeanIoU } from "./iou.ts";
import {
  binaryCrossentropy,
  categoricalCrossentropy,
  categoricalHinge,
  cosineSimilarity,
  hinge,
  huber,
  klDivergence,
  logCoshError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  rootMeanSquaredError,
  sparseCategoricalCrossentropy,
  squaredHinge,
} from "./of_losses.ts";
import {
  precisionAtRecall,
  recallAtPrecision,
  sensitivityAtSpecificity,
  specificityAtSensitivity,
} from "./operating_point.ts";
import { r2Score } from "./r2_score.ts";
import { max, mean, min, sum } from "./reduction.ts";

export { exactAuc, medianAbsoluteError } from "./host.ts";
export {
  accuracy,
  binaryAccuracy,
  type BinaryAccuracyOptions,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  type SparseTopKOptions,
  topKCategoricalAccuracy,
  type TopKOptions,
} from "./accuracy.ts";
export { auc, type AucOptions } from "./auc.ts";
export {
  type CountOptions,
  falseNegatives,
  falsePositives,
  precision,
  type PrecisionOptions,
  recall,
  trueNegatives,
  truePositives,
} from "./confusion.ts";
export { concordanceCorrelation, type CorrelationOptions, pearsonCorrelation } from "./correlation.ts";
export type { MetricOptions } from "./define.ts";
export { f1Score, type F1ScoreOptions, fBetaScore, type FBetaScoreOptions } from "./f_score.ts";
export {
  binaryIoU,
  type BinaryIoUOptions,
  iou,
  type IoUBaseOptions,
  type IoUOptions,
  meanIoU,
  type MeanIoUOptions,
  oneHotIoU,
  type OneHotIoUOptions,
  oneHotMeanIoU,
  type OneHotMeanIoUOptions,
} from "./iou.ts";
export {
  binaryCrossentropy,
  categoricalCrossentropy,
  categoricalHinge,
  type CosineMetricOptions,
  cosineSimilarity,
  type CrossentropyMetricOptions,
  hinge,
  huber,
  type HuberMetricOptions,
  klDivergence,
  logCoshError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  rootMeanSquaredError,
  sparseCategoricalCrossentropy,
  type SparseCrossentropyMetricOptions,
  squaredHinge,
} from "./of_losses.ts";
export {
  type OperatingPointOptions,
  precisionAtRecall,
  type PrecisionAtRecallOptions,
  recallAtPrecision,
  type RecallAtPrecisionOptions,
  sensitivityAtSpecificity,
  type SensitivityAtSpecificityOptions,
  specificityAtSensitivity,
  type SpecificityAtSensitivityOptions,
} from "./operating_point.ts";
export { r2Score, type R2ScoreOptions } from "./r2_score.ts";
export { max, mean, min, type ReductionOptions, sum } from "./reduction.ts";
export type {
  CosineOptions,
  CrossentropyOptions,
  HuberOptions,
  SparseCrossentropyOptions,
} from "../../core/values/mod.ts";

/**
 * Metrics by Keras's names. `accuracy` and `crossentropy` are none of them: which ones they stand for depends on the
 * shapes. Some, such as `iou`, need options.
 */
export const metrics: Factories<Metric | HostMetric> = {
  mean_squared_error: meanSquaredError,
  mse: meanSquaredError,
  root_mean_squared_error: rootMeanSquaredError,
  rmse: rootMeanSquaredError,
  mean_absolute_error: meanAbsoluteError,
  mae: meanAbsoluteError,
  mean_absolute_percentage_error: meanAbsolutePercentageError,
  mape: meanAbsolutePercentageError,
  mean_squared_logarithmic_error: meanSquaredLogarithmicError,
  msle: meanSquaredLogarithmicError,
  log_cosh: logCoshError,
  log_cosh_error: logCoshError,
  huber,
  cosine_similarity: cosineSimilarity,
  r2_score: r2Score,
  poisson,
  kl_divergence: klDivergence,
  kld: klDivergence,
  binary_crossentropy: binaryCrossentropy,
  bce: binaryCrossentropy,
  categorical_crossentropy: categoricalCrossentropy,
  sparse_categorical_crossentropy: sparseCategoricalCrossentropy,
  hinge,
  squared_hinge: squaredHinge,
  categorical_hinge: categoricalHinge,
  binary_accuracy: binaryAccuracy,
  categorical_accuracy: categoricalAccuracy,
  sparse_categorical_accuracy: sparseCategoricalAccuracy,
  top_k_categorical_accuracy: topKCategoricalAccuracy,
  sparse_top_k_categorical_accuracy: sparseTopKCategoricalAccuracy,
  auc,
  precision,
  recall,
  true_positives: truePositives,
  false_positives: falsePositives,
  true_negatives: trueNegatives,
  false_negatives: falseNegatives,
  precision_at_recall: precisionAtRecall,
  recall_at_precision: recallAtPrecision,
  sensitivity_at_specificity: sensitivityAtSpecificity,
  specificity_at_sensitivity: specificityAtSensitivity,
  f1_score: f1Score,
  fbeta_score: fBetaScore,
  io_u: iou,
  binary_io_u: binaryIoU,
  mean_io_u: meanIoU,
  one_hot_io_u: oneHotIoU,
  one_hot_mean_io_u: oneHotMeanIoU,
  pearson_correlation: pearsonCorrelation,
  concordance_correlation: concordanceCorrelation,
  mean,
  sum,
  max,
  min,
  exact_auc: exactAuc,
  median_absolute_error: medianAbsoluteError,
};
