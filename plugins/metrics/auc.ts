/**
 * Areas under curves.
 *
 * Source: keras/src/metrics/confusion_metrics.py; Davis & Goadrich 2006 for the interpolation of precision and recall.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { formatShape, tf } from "../../core/tf.ts";
import { checkOption, mean, type MetricOptions, ratio } from "./define.ts";
import { areEven, bindCounter, type Counts, evenThresholds } from "./threshold_counts.ts";

const EPSILON = 1e-7;

/** Options of `auc`. */
export interface AucOptions extends MetricOptions {
  /** How many thresholds approximate the curve. @default 200 */
  readonly numThresholds?: number;
  /** True over false positive rate, precision over recall, or the gains of both. @default "ROC" */
  readonly curve?: "ROC" | "PR" | "PRGAIN";
  /** How high the area between thresholds is: between both, the higher, or the lower. @default "interpolation" */
  readonly summationMethod?: "interpolation" | "majoring" | "minoring";
  /** Thresholds between 0 and 1, rather than evenly spread ones; 0 and 1 are added. */
  readonly thresholds?: readonly number[];
  /** Computes an area for each label of `[batch, labels]`, and averages. @default false */
  readonly multiLabel?: boolean;
  /** How many labels there are; known from the shapes, and checked. */
  readonly numLabels?: number;
  /** Weights of the labels: in the mean with `multiLabel`, of the samples without. @default 1 each */
  readonly labelWeights?: readonly number[];
  /** Whether predictions are logits rather than probabilities. @default false */
  readonly fromLogits?: boolean;
}

/**
 * The area under the ROC or the precision-recall curve. Keras: `AUC`.
 *
 * ```ts
 * import { auc } from "@stride/stride/metrics";
 * import * as tf from "@tensorflow/tfjs";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = auc({ numThresholds: 3 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1]), tf.tensor1d([0, 0.5, 0.3, 0.9])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, 0.75, 1e-6);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function auc(options: AucOptions = {}): Metric {
  const { name = "auc", multiLabel = false, numLabels, labelWeights, fromLogits = false } = options;
  const { curve = "ROC", summationMethod = "interpolation" } = options;
  checkOption("auc", "curve", curve, ["ROC", "PR", "PRGAIN"].includes(curve), '"ROC", "PR" or "PRGAIN"');
  const isMethod = ["interpolation", "majoring", "minoring"].includes(summationMethod);
  checkOption("auc", "summationMethod", summationMethod, isMethod, '"interpolation", "majoring" or "minoring"');
  checkOption("auc", "numLabels", numLabels, numLabels === undefined || multiLabel, "none without multiLabel");
  const expectedLabels = multiLabel ? numLabels ?? labelWeights?.length : undefined;
  const agree = !multiLabel || labelWeights === undefined || labelWeights.length === expectedLabels;
  checkOption("auc", "labelWeights", labelWeights, agree, `${expectedLabels} of them, one for each label`);
  const { thresholds, even } = curveThresholds(options);
  const counting = { metric: "auc", thresholds, even, multiLabel };
  const area = curve === "PR" && summationMethod === "interpolation"
    ? interpolatedPrecision
    : (counts: Counts) => riemannSum(curvePoints(counts, curve), summationMethod);
  return {
    name,
    direction: "max",
    build(yTrue, yPred) {
      const counter = bindCounter({ ...counting, labelWeights: multiLabel ? undefined : labelWeights }, yTrue, yPred);
      if (expectedLabels !== undefined && expectedLabels !== yPred.at(-1)) {
        throw new TypeError(
          `Cannot compute auc of ${expectedLabels} labels: the prediction has shape ${formatShape(yPred)}. ` +
            `Expected [batch, ${expectedLabels}].`,
        );
      }
      return {
        size: counter.size,
        combine: "sum",
        update: (target, prediction, sampleWeight) =>
          counter.update(target, fromLogits ? tf.sigmoid(prediction) : prediction, sampleWeight),
        result(state) {
          const areas = counter.counts(state).map(area);
          if (!multiLabel || labelWeights === undefined) return mean(areas);
          const weighted = areas.reduce((sum, value, label) => sum + value * (labelWeights[label] as number), 0);
          return ratio(weighted, labelWeights.reduce((sum, weight) => sum + weight, 0));
        },
      };
    },
  };
}

/** The thresholds, with the first just below 0 and the last just above 1, so that both ends of the curve are there. */
function curveThresholds(options: AucOptions): { thresholds: readonly number[]; even: boolean } {
  if (options.thresholds === undefined) {
    const { numThresholds = 200 } = options;
    const valid = Number.isInteger(numThresholds) && numThresholds > 1;
    checkOption("auc", "numThresholds", numThresholds, valid, "an integer of at least 2");
    return { thresholds: [-EPSILON, ...evenThresholds(numThresholds).slice(1, -1), 1 + EPSILON], even: true };
  }
  const sorted = [...options.thresholds].sort((a, b) => a - b);
  checkOption("auc", "thresholds", sorted, sorted.every((t) => t >= 0 && t <= 1), "numbers from 0 to 1");
  return { thresholds: [-EPSILON, ...sorted, 1 + EPSILON], even: areEven([0, ...sorted, 1]) };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The curve's points, from the lowest threshold to the highest. */
function curvePoints(counts: Counts, curve: "ROC" | "PR" | "PRGAIN"): readonly Point[] {
  return Array.from(counts.truePositives, (tp, at) => {
    const fp = counts.falsePositives[at] as number;
    const tn = counts.trueNegatives[at] as number;
    const fn = counts.falseNegatives[at] as number;
    const recall = ratio(tp, tp + fn);
    switch (curve) {
      case "ROC":
        return { x: ratio(fp, fp + tn), y: recall };
      case "PR":
        return { x: recall, y: ratio(tp, tp + fp) };
      case "PRGAIN": {
        if (tp === 0) return { x: 0, y: 1 };
        const scale = ratio(tp + fn, tn + fp);
        return { x: Math.max(0, 1 - scale * fn / tp), y: 1 - scale * fp / tp };
      }
      default:
        throw new RangeError(`Unknown curve ${curve satisfies never}.`);
    }
  });
}

function riemannSum(points: readonly Point[], method: "interpolation" | "majoring" | "minoring"): number {
  let area = 0;
  for (let at = 0; at + 1 < points.length; at++) {
    const { x, y } = points[at] as Point;
    const next = points[at + 1] as Point;
    const height = method === "interpolation"
      ? (y + next.y) / 2
      : method === "majoring"
      ? Math.max(y, next.y)
      : Math.min(y, next.y);
    area += (x - next.x) * height;
  }
  return area;
}

/** The area under precision over recall, with true positives linear in positives between thresholds. */
function interpolatedPrecision({ truePositives: tp, falsePositives: fp, falseNegatives: fn }: Counts): number {
  let area = 0;
  for (let at = 0; at + 1 < tp.length; at++) {
    const nextTrue = tp[at + 1] as number;
    const positives = (tp[at] as number) + (fp[at] as number);
    const nextPositives = nextTrue + (fp[at + 1] as number);
    const difference = (tp[at] as number) - nextTrue;
    const slope = ratio(difference, Math.max(positives - nextPositives, 0));
    const intercept = nextTrue - slope * nextPositives;
    const growth = positives > 0 && nextPositives > 0 ? positives / nextPositives : 1;
    const increment = slope * (difference + intercept * Math.log(growth));
    area += ratio(increment, Math.max(nextTrue + (fn[at + 1] as number), 0));
  }
  return area;
}
