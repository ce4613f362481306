/**
 * Metrics that are means over samples.
 *
 * @module
 */
import type { BoundMetric, Metric, MetricFunction } from "./metric.ts";
import { applyMask, meanOfSums, meanSums } from "./reduce.ts";
import type { Tensor } from "./tf.ts";

/** How a metric function becomes a metric. */
export interface MeanMetricOptions {
  /** Whether smaller or larger is better. @default "max" for names that end in `acc`, `accuracy` or `auc`, else "min" */
  readonly direction?: "min" | "max";
  /** Which values count, where sample weights are given: bool, in the values' shape. @default all */
  readonly valid?: (yTrue: Tensor, yPred: Tensor, values: Tensor) => Tensor;
  /** What is made of the mean, such as its root. @default the mean itself */
  readonly finish?: (mean: number) => number;
}

/**
 * Turns a function into a metric: the mean over all samples, weighted if there are weights.
 *
 * Values of several axes are averaged within each sample first. A function that returns a scalar counts as one sample
 * a batch. The function must be one that can be traced. Source: keras/src/metrics/reduction_metrics.py.
 *
 * ```ts
 * import { meanMetric, tf } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const rmse = meanMetric("rmse", (yTrue, yPred) => tf.squaredDifference(yTrue, yPred), { finish: Math.sqrt });
 * const bound = rmse.build([null], [null]);
 * const sums = await bound.update(tf.tensor1d([0, 0]), tf.tensor1d([1, 7])).data();
 * assertEquals(bound.result(Float64Array.from(sums)), 5);
 * ```
 *
 * @param name The name under which it is reported.
 * @param values Values for each sample, `[batch, …]`.
 */
export function meanMetric(name: string, values: MetricFunction, options: MeanMetricOptions = {}): Metric {
  const { direction = /(acc|accuracy|auc)$/.test(name) ? "max" : "min", valid, finish } = options;
  const bound: BoundMetric = {
    size: 2,
    combine: "sum",
    masked: true,
    update(yTrue, yPred, sampleWeight) {
      const each = values(yTrue, yPred);
      if (valid === undefined || sampleWeight === undefined) return meanSums(each, sampleWeight);
      // As in Keras, entries that do not count are left out only where there are weights to be set to 0.
      return meanSums(each, applyMask({ sampleWeight, mask: valid(yTrue, yPred, each) }, "sum"));
    },
    result(state) {
      const mean = meanOfSums(state);
      return finish === undefined ? mean : finish(mean);
    },
  };
  return { name, direction, build: () => bound };
}
