/**
 * How target and prediction vary together within each sample.
 *
 * Source: keras/src/metrics/correlation_metrics.py; Lin 1989 for the concordance.
 *
 * @module
 */
import { meanMetric } from "../../core/mean_metric.ts";
import type { Metric } from "../../core/metric.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { align, type MetricOptions } from "./define.ts";

/** Options of `pearsonCorrelation` and `concordanceCorrelation`. */
export interface CorrelationOptions extends MetricOptions {
  /** The axis along which values are correlated. @default -1 */
  readonly axis?: number;
}

/**
 * The mean over samples of the correlation along an axis; NaN where target or prediction is constant along it.
 * Keras: `PearsonCorrelation`.
 *
 * ```ts
 * import { pearsonCorrelation } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[1, 2, 3], [1, 2, 3]]);
 * const yPred = tf.tensor2d([[2, 4, 6], [1, 3, 2]]);
 * const metric = pearsonCorrelation().build([null, 3], [null, 3]);
 * const sums = await metric.update(yTrue, yPred).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (1 + 0.5) / 2, 1e-6);
 * ```
 */
export function pearsonCorrelation({ name = "pearson_correlation", axis = -1 }: CorrelationOptions = {}): Metric {
  return meanMetric(name, (yTrue, yPred) => {
    const [target, prediction] = align(yTrue, yPred).map((x) => deviation(x, axis)) as [Tensor, Tensor];
    const scale = tf.sqrt(tf.mul(tf.mean(tf.square(target), axis), tf.mean(tf.square(prediction), axis)));
    return tf.div(tf.mean(tf.mul(target, prediction), axis), scale);
  }, { direction: "max" });
}

/**
 * The mean over samples of the correlation along an axis, lowered by differences in mean and spread.
 * Keras: `ConcordanceCorrelation`.
 *
 * ```ts
 * import { concordanceCorrelation } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = concordanceCorrelation().build([null, 3], [null, 3]);
 * const sums = await metric.update(tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[2, 3, 4]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, 4 / 7, 1e-6);
 * ```
 */
export function concordanceCorrelation(
  { name = "concordance_correlation", axis = -1 }: CorrelationOptions = {},
): Metric {
  return meanMetric(name, (yTrue, yPred) => {
    const [target, prediction] = align(yTrue, yPred);
    const centred = [deviation(target, axis), deviation(prediction, axis)] as const;
    const variances = tf.add(tf.mean(tf.square(centred[0]), axis), tf.mean(tf.square(centred[1]), axis));
    const shift = tf.square(tf.sub(tf.mean(target, axis), tf.mean(prediction, axis)));
    const covariance = tf.mean(tf.mul(...centred), axis);
    return tf.div(tf.mul(covariance, 2), tf.add(tf.add(variances, shift), 1e-7));
  }, { direction: "max" });
}

function deviation(x: Tensor, axis: number): Tensor {
  return tf.sub(x, tf.mean(x, axis, true));
}
