/**
 * Counts of right and wrong predictions, precision and recall.
 *
 * Source: keras/src/metrics/confusion_metrics.py.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { checkOption, type MetricOptions, named, ratio } from "./define.ts";
import { areEven, BELOW_ALL, bindCounter, type Counts, thresholdsOf } from "./threshold_counts.ts";

/** Options of counts. */
export interface CountOptions extends MetricOptions {
  /** Predictions above are positive; several give a value each, named `true_positives_0.2`. @default 0.5 */
  readonly thresholds?: number | readonly number[];
}

/** Options of `precision` and `recall`. */
export interface PrecisionOptions extends CountOptions {
  /** Only this many classes with the largest predictions are positive. @default all above the threshold */
  readonly topK?: number;
  /** Only this class of the last axis is counted. @default all classes */
  readonly classId?: number;
}

/**
 * The weight of positives predicted as such. Keras: `TruePositives`.
 *
 * ```ts
 * import { truePositives } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = truePositives({ thresholds: [0.5, 0.75] }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 1, 1, 1]), tf.tensor1d([0.9, 0.2, 0.8, 0.7])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), { "true_positives_0.5": 2, "true_positives_0.75": 1 });
 * ```
 */
export function truePositives(options: CountOptions = {}): Metric {
  return countMetric("true_positives", "max", options, (counts, at) => counts.truePositives[at] as number);
}

/**
 * The weight of negatives predicted as positive. Keras: `FalsePositives`.
 *
 * ```ts
 * import { falsePositives } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const sampleWeight = tf.tensor1d([1, 3, 1]);
 * const metric = falsePositives().build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1]), tf.tensor1d([0.2, 0.9, 0.8]), sampleWeight).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 3);
 * ```
 */
export function falsePositives(options: CountOptions = {}): Metric {
  return countMetric("false_positives", "min", options, (counts, at) => counts.falsePositives[at] as number);
}

/**
 * The weight of negatives predicted as such. Keras: `TrueNegatives`.
 *
 * ```ts
 * import { trueNegatives } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = trueNegatives().build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 0, 1]), tf.tensor1d([0.2, 0.4, 0.9, 0.1])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2);
 * ```
 */
export function trueNegatives(options: CountOptions = {}): Metric {
  return countMetric("true_negatives", "max", options, (counts, at) => counts.trueNegatives[at] as number);
}

/**
 * The weight of positives predicted as negative. Keras: `FalseNegatives`.
 *
 * ```ts
 * import { falseNegatives } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = falseNegatives({ thresholds: 0.3 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([1, 1, 1, 0]), tf.tensor1d([0.2, 0.9, 0.4, 0.1])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 1);
 * ```
 */
export function falseNegatives(options: CountOptions = {}): Metric {
  return countMetric("false_negatives", "min", options, (counts, at) => counts.falseNegatives[at] as number);
}

/**
 * Which part of what was predicted positive is. Keras: `Precision`.
 *
 * ```ts
 * import { precision } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = precision().build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 1, 1, 1]), tf.tensor1d([1, 0, 1, 1])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2 / 3);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function precision(options: PrecisionOptions = {}): Metric {
  return countMetric(
    "precision",
    "max",
    options,
    ({ truePositives: right, falsePositives: wrong }, at) =>
      ratio(right[at] as number, (right[at] as number) + (wrong[at] as number)),
  );
}

/**
 * Which part of the positives was predicted as such. Keras: `Recall`.
 *
 * ```ts
 * import { recall } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = recall().build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 1, 1, 1, 1]), tf.tensor1d([0.9, 0.2, 0.3, 0.8, 0.4])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.25);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function recall(options: PrecisionOptions = {}): Metric {
  return countMetric(
    "recall",
    "max",
    options,
    ({ truePositives: found, falseNegatives: missed }, at) =>
      ratio(found[at] as number, (found[at] as number) + (missed[at] as number)),
  );
}

function countMetric(
  kind: string,
  direction: "min" | "max",
  options: PrecisionOptions,
  value: (counts: Counts, threshold: number) => number,
): Metric {
  const { name = kind, topK, classId } = options;
  const isCount = (x: number, least: number): boolean => Number.isInteger(x) && x >= least;
  if (topK !== undefined) checkOption(kind, "topK", topK, isCount(topK, 1), "an integer of at least 1");
  if (classId !== undefined) checkOption(kind, "classId", classId, isCount(classId, 0), "an integer of at least 0");
  const thresholds = thresholdsOf(kind, options.thresholds, topK === undefined ? 0.5 : BELOW_ALL);
  const counting = { metric: kind, thresholds, even: areEven(thresholds), topK, classId };
  return {
    name,
    direction,
    build(yTrue, yPred) {
      const counter = bindCounter(counting, yTrue, yPred);
      return {
        size: counter.size,
        combine: "sum",
        update: counter.update,
        result(state) {
          const counts = counter.counts(state)[0] as Counts;
          return named(name, thresholds.map((_, at) => value(counts, at)), thresholds);
        },
      };
    },
  };
}
