/**
 * Metrics that are no sums: computed on the host, in float64, from all predictions at once.
 *
 * @module
 */
import type { HostArray } from "../../core/batch.ts";
import type { HostMetric, HostPredictions } from "../../core/metric.ts";
import { formatShape } from "../../core/tf.ts";
import type { MetricOptions } from "./define.ts";

/**
 * The area under the ROC curve, exactly: the chance that a positive is scored above a negative, ties counting half. `auc`
 * approximates it by 200 thresholds and costs no reading.
 *
 * Targets above 0.5 are positive; predictions may have any range. Weighted where the metric is. 0 without both classes.
 *
 * ```ts
 * import { exactAuc } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * const vector = (...values: number[]) =>
 *   ({ shape: [values.length], dtype: "float32" as const, values: Float32Array.from(values) });
 * assertEquals(exactAuc().compute({ yTrue: vector(0, 1, 1, 0), yPred: vector(0.1, 0.9, 0.4, 0.4) }), 0.875);
 * ```
 */
export function exactAuc({ name = "exact_auc" }: MetricOptions = {}): HostMetric {
  return {
    name,
    direction: "max",
    compute(all) {
      const { targets, predictions, weights } = flat(name, all);
      const order = [...predictions.keys()].sort((a, b) => predictions[a]! - predictions[b]!);
      let [below, ranked, positives] = [0, 0, 0];
      for (let start = 0; start < order.length;) {
        let end = start;
        let [tiedPositives, tiedNegatives] = [0, 0];
        for (; end < order.length && predictions[order[end]!] === predictions[order[start]!]; end++) {
          if (targets[order[end]!]! > 0.5) tiedPositives += weights[order[end]!]!;
          else tiedNegatives += weights[order[end]!]!;
        }
        // A prediction that is NaN equals nothing, itself included.
        if (end === start) return NaN;
        ranked += tiedPositives * (below + tiedNegatives / 2);
        below += tiedNegatives;
        positives += tiedPositives;
        start = end;
      }
      return positives * below === 0 ? 0 : ranked / (positives * below);
    },
  };
}

/**
 * The median of the absolute errors of all numbers that were predicted. Weighted where the metric is: half of the weight
 * lies on either side.
 *
 * ```ts
 * import { medianAbsoluteError } from "@stride/stride/metrics";
 * import { assertEquals } from "@std/assert";
 *
 * const vector = (...values: number[]) =>
 *   ({ shape: [values.length], dtype: "float32" as const, values: Float32Array.from(values) });
 * assertEquals(medianAbsoluteError().compute({ yTrue: vector(0, 0, 0), yPred: vector(1, -2, 100) }), 2);
 * ```
 */
export function medianAbsoluteError({ name = "median_absolute_error" }: MetricOptions = {}): HostMetric {
  return {
    name,
    direction: "min",
    compute(all) {
      const { targets, predictions, weights } = flat(name, all);
      const errors = Float64Array.from(predictions, (prediction, i) => Math.abs(prediction - targets[i]!));
      if (errors.some(Number.isNaN)) return NaN;
      const order = [...errors.keys()].sort((a, b) => errors[a]! - errors[b]!);
      const half = weights.reduce((sum, weight) => sum + weight, 0) / 2;
      let passed = 0;
      for (const [position, index] of order.entries()) {
        passed += weights[index]!;
        const next = order[position + 1];
        if (passed > half || next === undefined) return errors[index]!;
        if (passed === half) return (errors[index]! + errors[next]!) / 2;
      }
      return 0;
    },
  };
}

interface Flat {
  readonly targets: HostArray["values"];
  readonly predictions: HostArray["values"];
  /** One for each number. */
  readonly weights: Float64Array;
}

/** All numbers, with the weight of the sample that each belongs to. */
function flat(name: string, { yTrue, yPred, sampleWeight }: HostPredictions): Flat {
  if (yTrue.values.length !== yPred.values.length) {
    throw new TypeError(
      `Cannot compute metric "${name}": targets have shape ${formatShape(yTrue.shape)} and predictions ${
        formatShape(yPred.shape)
      }; expected as many numbers in both.`,
    );
  }
  const count = yPred.values.length;
  const given = sampleWeight?.values;
  if (given !== undefined && (given.length === 0 || count % given.length !== 0)) {
    throw new TypeError(
      `Cannot compute metric "${name}": sample weights have shape ${formatShape(sampleWeight!.shape)} and predictions ${
        formatShape(yPred.shape)
      }; expected weights for the leading axes.`,
    );
  }
  const each = given === undefined ? 1 : count / given.length;
  return {
    targets: yTrue.values,
    predictions: yPred.values,
    weights: Float64Array.from({ length: count }, (_, i) => given === undefined ? 1 : given[Math.floor(i / each)]!),
  };
}
