/**
 * Mean, sum, largest and smallest of any values.
 *
 * Source: keras/src/metrics/reduction_metrics.py for mean and sum.
 *
 * @module
 */
import { meanMetric } from "../../core/mean_metric.ts";
import type { BoundMetric, Metric, MetricFunction } from "../../core/metric.ts";
import { samplewise } from "../../core/reduce.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { elementWeights, type MetricOptions } from "./define.ts";

/** The largest finite float32. */
const LARGEST = 3.4028234663852886e38;

/** Options of these metrics. */
export interface ReductionOptions extends MetricOptions {
  /** Values for each sample, `[batch, …]`. @default the predictions */
  readonly values?: MetricFunction;
  /** Whether smaller or larger is better. @default "max" for the smallest, else "min" */
  readonly direction?: "min" | "max";
}

const predictions: MetricFunction = (_, yPred) => yPred;

/**
 * The weighted mean of values over all samples. Keras: `Mean`, and `MeanMetricWrapper`.
 *
 * ```ts
 * import { mean } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertEquals } from "@std/assert";
 *
 * const bias = mean({ name: "bias", values: (yTrue, yPred) => tf.sub(yPred, yTrue) }).build([null], [null]);
 * const sums = await bias.update(tf.tensor1d([1, 2]), tf.tensor1d([2, 4])).data();
 * assertEquals(bias.result(Float64Array.from(sums)), 1.5);
 * ```
 */
export function mean({ name = "mean", values = predictions, direction = "min" }: ReductionOptions = {}): Metric {
  return meanMetric(name, values, { direction });
}

/**
 * The weighted sum of values over all samples. Keras: `Sum`.
 *
 * ```ts
 * import { sum } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const miss = (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.cast(tf.notEqual(yTrue, yPred), "float32");
 * const metric = sum({ name: "misses", values: miss }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 4, 2])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2);
 * ```
 */
export function sum({ name = "sum", values = predictions, direction = "min" }: ReductionOptions = {}): Metric {
  return reduction(name, direction, {
    size: 1,
    combine: "sum",
    update: (yTrue, yPred, sampleWeight) =>
      tf.reshape(tf.sum(samplewise(values(yTrue, yPred), sampleWeight, "sum").values), [1]),
    result: ([total = 0]) => total,
  });
}

/**
 * The largest value over all samples; those of weight 0 are left out.
 *
 * ```ts
 * import { max } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const error = (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.abs(tf.sub(yTrue, yPred));
 * const metric = max({ name: "worst", values: error }).build([null], [null]);
 * const state = await metric.update(tf.tensor1d([1, 2, 3]), tf.tensor1d([1, 5, 2])).data();
 * assertEquals(metric.result(Float64Array.from(state)), 3);
 * ```
 */
export function max({ name = "max", values = predictions, direction = "min" }: ReductionOptions = {}): Metric {
  return reduction(name, direction, {
    size: 1,
    combine: "max",
    update: (yTrue, yPred, sampleWeight) => largest(values(yTrue, yPred), sampleWeight),
    result: ([value = -Infinity]) => value <= -LARGEST ? -Infinity : value,
  });
}

/**
 * The smallest value over all samples; those of weight 0 are left out.
 *
 * ```ts
 * import { min } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = min().build([null], [null]);
 * const state = await metric.update(tf.tensor1d([0, 0, 0]), tf.tensor1d([-5, 2, 3]), tf.tensor1d([0, 1, 1])).data();
 * assertEquals(metric.result(Float64Array.from(state)), 2);
 * ```
 */
export function min({ name = "min", values = predictions, direction = "max" }: ReductionOptions = {}): Metric {
  return reduction(name, direction, {
    size: 1,
    combine: "min",
    update: (yTrue, yPred, sampleWeight) => tf.neg(largest(tf.neg(values(yTrue, yPred)), sampleWeight)),
    result: ([value = Infinity]) => value >= LARGEST ? Infinity : value,
  });
}

function reduction(name: string, direction: "min" | "max", bound: BoundMetric): Metric {
  return { name, direction, build: () => bound };
}

/** The largest, `[1]`; the lowest float32 where there is none. */
function largest(values: Tensor, sampleWeight: Tensor | undefined): Tensor {
  const all = tf.cast(values, "float32");
  const none = tf.fill(all.shape, -LARGEST);
  const counted = sampleWeight === undefined || all.rank === 0
    ? all
    : tf.where(tf.notEqual(elementWeights(all, sampleWeight), 0), all, none);
  return tf.max(tf.concat([tf.reshape(counted, [all.size]), tf.tensor1d([-LARGEST])]), 0, true);
}
