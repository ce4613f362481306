/**
 * How often predictions are right.
 *
 * Source: keras/src/metrics/accuracy_metrics.py.
 *
 * @module
 */
import { meanMetric } from "../../core/mean_metric.ts";
import type { Metric } from "../../core/metric.ts";
import { formatShape, type Tensor, tf } from "../../core/tf.ts";
import { oneHot } from "../../core/values/prepare.ts";
import { align, checkOption, type MetricOptions } from "./define.ts";

/**
 * How often predictions equal targets exactly. Keras: `Accuracy`.
 *
 * Not what the name "accuracy" stands for in `compile`: that is the one of the following that fits the shapes.
 *
 * ```ts
 * import { accuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = accuracy().build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([1, 2, 3, 4]), tf.tensor1d([0, 2, 3, 4])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.75);
 * ```
 */
export function accuracy({ name = "accuracy" }: MetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => matches(...align(yTrue, yPred)), { direction: "max" });
}

/** Options of `binaryAccuracy`. */
export interface BinaryAccuracyOptions extends MetricOptions {
  /** Predictions above are 1, others 0. @default 0.5 */
  readonly threshold?: number;
}

/**
 * How often 0 or 1 is predicted rightly. Keras: `BinaryAccuracy`.
 *
 * ```ts
 * import { binaryAccuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = binaryAccuracy({ threshold: 0.6 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1]), tf.tensor1d([0.2, 0.55, 0.7, 0.3])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.75);
 * ```
 */
export function binaryAccuracy({ name = "binary_accuracy", threshold = 0.5 }: BinaryAccuracyOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => {
    const [target, prediction] = align(yTrue, yPred);
    return matches(target, tf.cast(tf.greater(prediction, threshold), "float32"));
  }, { direction: "max" });
}

/**
 * How often the class with the largest prediction is that of the one-hot target. Keras: `CategoricalAccuracy`.
 *
 * ```ts
 * import { categoricalAccuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[0, 0, 1], [0, 1, 0]]);
 * const yPred = tf.tensor2d([[0.1, 0.6, 0.3], [0.2, 0.7, 0.1]]);
 * const metric = categoricalAccuracy().build([null, 3], [null, 3]);
 * const sums = await metric.update(yTrue, yPred).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 */
export function categoricalAccuracy({ name = "categorical_accuracy" }: MetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => matches(tf.argMax(yTrue, -1), tf.argMax(yPred, -1)), { direction: "max" });
}

/**
 * How often the class with the largest prediction is the target. Keras: `SparseCategoricalAccuracy`.
 *
 * ```ts
 * import { sparseCategoricalAccuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const yPred = tf.tensor2d([[0.1, 0.6, 0.3], [0.2, 0.7, 0.1]]);
 * const sampleWeight = tf.tensor1d([1, 3]);
 * const metric = sparseCategoricalAccuracy().build([null], [null, 3]);
 * const sums = await metric.update(tf.tensor1d([2, 1]), yPred, sampleWeight).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.75);
 * ```
 */
export function sparseCategoricalAccuracy({ name = "sparse_categorical_accuracy" }: MetricOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => {
    const labels = classNumbers("sparse categorical accuracy", yTrue, yPred);
    return matches(labels, tf.argMax(yPred, -1));
  }, { direction: "max" });
}

/** Options of `topKCategoricalAccuracy`. */
export interface TopKOptions extends MetricOptions {
  /** How many guesses there are. @default 5 */
  readonly k?: number;
}

/** Options of `sparseTopKCategoricalAccuracy`. */
export interface SparseTopKOptions extends TopKOptions {
  /** Whether predictions are class numbers, the best first, rather than scores. @default false */
  readonly fromSortedIds?: boolean;
}

/**
 * How often the class of the one-hot target is among the k best. Keras: `TopKCategoricalAccuracy`.
 *
 * ```ts
 * import { topKCategoricalAccuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[0, 0, 1], [0, 0, 1]]);
 * const yPred = tf.tensor2d([[0.1, 0.6, 0.3], [0.2, 0.7, 0.1]]);
 * const metric = topKCategoricalAccuracy({ k: 2 }).build([null, 3], [null, 3]);
 * const sums = await metric.update(yTrue, yPred).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 *
 * @throws {RangeError} If `k` is not a positive integer.
 */
export function topKCategoricalAccuracy({ name = "top_k_categorical_accuracy", k = 5 }: TopKOptions = {}): Metric {
  checkK("topKCategoricalAccuracy", k);
  return meanMetric(name, (yTrue, yPred) => inTopK(tf.argMax(yTrue, -1), yPred, k), { direction: "max" });
}

/**
 * How often the target is among the k best classes. Keras: `SparseTopKCategoricalAccuracy`.
 *
 * ```ts
 * import { sparseTopKCategoricalAccuracy } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = sparseTopKCategoricalAccuracy({ k: 2, fromSortedIds: true }).build([null], [null, 3]);
 * const sums = await metric.update(tf.tensor1d([2, 2]), tf.tensor2d([[4, 2, 0], [1, 3, 2]])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 *
 * @throws {RangeError} If `k` is not a positive integer.
 */
export function sparseTopKCategoricalAccuracy(options: SparseTopKOptions = {}): Metric {
  const { name = "sparse_top_k_categorical_accuracy", k = 5, fromSortedIds = false } = options;
  checkK("sparseTopKCategoricalAccuracy", k);
  return meanMetric(name, (yTrue, yPred) => {
    const labels = classNumbers("sparse top k categorical accuracy", yTrue, yPred);
    return fromSortedIds ? among(labels, yPred, k) : inTopK(labels, yPred, k);
  }, { direction: "max" });
}

function matches(first: Tensor, second: Tensor): Tensor {
  return tf.cast(tf.equal(first, second), "float32");
}

/**
 * Whether a class is among the k best: whether fewer than k have a larger score.
 *
 * Equal scores share a rank, as in Keras's `in_top_k`. A class that does not exist, or whose score is NaN, is not.
 */
function inTopK(labels: Tensor, scores: Tensor, k: number): Tensor {
  const classes = scores.shape.at(-1) as number;
  const own = oneHot(tf.cast(labels, "int32"), classes);
  const score = tf.sum(tf.where(tf.cast(own, "bool"), scores, tf.zeros(scores.shape)), -1, true);
  // "Not at most", so that a NaN is beaten by all.
  const better = tf.cast(tf.logicalNot(tf.lessEqual(scores, score)), "float32");
  return tf.mul(tf.cast(tf.less(tf.sum(better, -1), k), "float32"), tf.sum(own, -1));
}

function among(labels: Tensor, ids: Tensor, k: number): Tensor {
  const last = ids.rank - 1;
  const best = tf.slice(ids, ids.shape.map(() => 0), ids.shape.map((n, axis) => axis === last ? Math.min(k, n) : n));
  return tf.max(matches(tf.expandDims(tf.cast(labels, ids.dtype), -1), best), -1);
}

/** Class numbers as int32, in the shape of the predictions without their classes. */
function classNumbers(metric: string, yTrue: Tensor, yPred: Tensor): Tensor {
  let labels = tf.cast(yTrue, "int32");
  if (labels.rank === yPred.rank && labels.shape.at(-1) === 1) labels = tf.squeeze(labels, [labels.rank - 1]);
  const expected = yPred.shape.slice(0, -1);
  if (labels.rank !== expected.length || !labels.shape.every((size, axis) => size === expected[axis])) {
    throw new TypeError(
      `Cannot compute ${metric}: the target has shape ${formatShape(yTrue.shape)}, the prediction ` +
        `${formatShape(yPred.shape)}. Expected class numbers ${formatShape(expected)}. For one-hot targets use the ` +
        "metric without `sparse`.",
    );
  }
  return labels;
}

function checkK(metric: string, k: number): void {
  checkOption(metric, "k", k, Number.isInteger(k) && k > 0, "an integer of at least 1");
}
