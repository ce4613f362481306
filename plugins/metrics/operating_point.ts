/**
 * The best of one rate where another is as high as asked for, over evenly spread thresholds.
 *
 * Source: keras/src/metrics/confusion_metrics.py.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { checkOption, type MetricOptions, ratio } from "./define.ts";
import { bindCounter, type Counts, evenThresholds } from "./threshold_counts.ts";

/** Options that these metrics have in common. */
export interface OperatingPointOptions extends MetricOptions {
  /** How many thresholds are tried. @default 200 */
  readonly numThresholds?: number;
  /** Only this class of the last axis is counted. @default all classes */
  readonly classId?: number;
}

/** Options of `sensitivityAtSpecificity`. */
export interface SensitivityAtSpecificityOptions extends OperatingPointOptions {
  /** The specificity asked for, 0 to 1. */
  readonly specificity: number;
}

/** Options of `specificityAtSensitivity`. */
export interface SpecificityAtSensitivityOptions extends OperatingPointOptions {
  /** The sensitivity asked for, 0 to 1. */
  readonly sensitivity: number;
}

/** Options of `precisionAtRecall`. */
export interface PrecisionAtRecallOptions extends OperatingPointOptions {
  /** The recall asked for, 0 to 1. */
  readonly recall: number;
}

/** Options of `recallAtPrecision`. */
export interface RecallAtPrecisionOptions extends OperatingPointOptions {
  /** The precision asked for, 0 to 1. */
  readonly precision: number;
}

type Rate = (counts: Counts, threshold: number) => number;

const recallRate: Rate = ({ truePositives: found, falseNegatives: missed }, at) => share(found, missed, at);
const specificityRate: Rate = ({ trueNegatives: found, falsePositives: missed }, at) => share(found, missed, at);
const precisionRate: Rate = ({ truePositives: right, falsePositives: wrong }, at) => share(right, wrong, at);

/**
 * The best sensitivity where the specificity is at least what is asked for. Keras: `SensitivityAtSpecificity`.
 *
 * ```ts
 * import { sensitivityAtSpecificity } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = sensitivityAtSpecificity({ specificity: 1 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1]), tf.tensor1d([0.1, 0.6, 0.4, 0.8])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function sensitivityAtSpecificity(options: SensitivityAtSpecificityOptions): Metric {
  const asked = required("sensitivityAtSpecificity", "specificity", options?.specificity);
  return bestUnder("sensitivity_at_specificity", options, recallRate, specificityRate, asked);
}

/**
 * The best specificity where the sensitivity is at least what is asked for. Keras: `SpecificityAtSensitivity`.
 *
 * ```ts
 * import { specificityAtSensitivity } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = specificityAtSensitivity({ sensitivity: 1 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 0, 1, 1]), tf.tensor1d([0.1, 0.2, 0.6, 0.4, 0.8])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2 / 3);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function specificityAtSensitivity(options: SpecificityAtSensitivityOptions): Metric {
  const asked = required("specificityAtSensitivity", "sensitivity", options?.sensitivity);
  return bestUnder("specificity_at_sensitivity", options, specificityRate, recallRate, asked);
}

/**
 * The best precision where the recall is at least what is asked for. Keras: `PrecisionAtRecall`.
 *
 * ```ts
 * import { precisionAtRecall } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = precisionAtRecall({ recall: 0.9 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1]), tf.tensor1d([0.1, 0.6, 0.4, 0.8])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2 / 3);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function precisionAtRecall(options: PrecisionAtRecallOptions): Metric {
  const asked = required("precisionAtRecall", "recall", options?.recall);
  return bestUnder("precision_at_recall", options, precisionRate, recallRate, asked);
}

/**
 * The best recall where the precision is at least what is asked for. Keras: `RecallAtPrecision`.
 *
 * ```ts
 * import { recallAtPrecision } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = recallAtPrecision({ precision: 0.9 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 1, 1, 1]), tf.tensor1d([0.5, 0.3, 0.7, 0.9])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2 / 3);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function recallAtPrecision(options: RecallAtPrecisionOptions): Metric {
  const asked = required("recallAtPrecision", "precision", options?.precision);
  return bestUnder("recall_at_precision", options, recallRate, precisionRate, asked);
}

function bestUnder(
  kind: string,
  { name = kind, numThresholds = 200, classId }: OperatingPointOptions,
  best: Rate,
  constrained: Rate,
  atLeast: number,
): Metric {
  const valid = Number.isInteger(numThresholds) && numThresholds > 0;
  checkOption(kind, "numThresholds", numThresholds, valid, "an integer of at least 1");
  const thresholds = evenThresholds(numThresholds);
  const counting = { metric: kind, thresholds, even: numThresholds > 1, classId };
  return {
    name,
    direction: "max",
    build(yTrue, yPred) {
      const counter = bindCounter(counting, yTrue, yPred);
      return {
        size: counter.size,
        combine: "sum",
        update: counter.update,
        result(state) {
          const counts = counter.counts(state)[0] as Counts;
          const feasible = thresholds.map((_, at) => at).filter((at) => constrained(counts, at) >= atLeast);
          return Math.max(0, ...feasible.map((at) => best(counts, at)));
        },
      };
    },
  };
}

function share(part: Float64Array, rest: Float64Array, at: number): number {
  return ratio(part[at] as number, (part[at] as number) + (rest[at] as number));
}

function required(metric: string, option: string, value: number | undefined): number {
  checkOption(metric, option, value, typeof value === "number" && value >= 0 && value <= 1, "a number from 0 to 1");
  return value as number;
}
