/**
 * Checks metrics against a table of reference values laid out like goldens/tables/metrics.json.
 *
 * @module
 */
import type { Factories } from "@stride/stride/core";
import type { BoundMetric, Metric } from "../../core/metric.ts";
import { tf } from "../../core/tf.ts";
import { accuracy, metrics } from "../../plugins/metrics/mod.ts";
import {
  camelOptions,
  compare,
  factoryOf,
  formatArguments,
  judge,
  type TableArray,
  type TableResult,
  toTensor,
} from "./loss_table.ts";

/** One row of a table of metrics: what is reported after each of several updates. */
export interface MetricCase {
  readonly metric: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** Keras's name for it, made unique with a number where several of a class were made. */
  readonly name: string;
  readonly updates: readonly MetricUpdate[];
  readonly expectedAfterEach: readonly TableArray[];
}

/** What a metric is updated with. */
export interface MetricUpdate {
  readonly yTrue: TableArray;
  readonly yPred: TableArray;
  readonly sampleWeight: TableArray | null;
}

const OPERATING_POINT = ["numThresholds", "classId"];
const CROSSENTROPY = ["fromLogits", "labelSmoothing", "axis"];
const ONE_HOT_IOU = ["numClasses", "ignoreClass", "sparseYPred", "axis", "dtype"];
const IOU = [...ONE_HOT_IOU, "sparseYTrue"];

const METRIC_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  BinaryAccuracy: ["threshold"],
  TopKCategoricalAccuracy: ["k"],
  SparseTopKCategoricalAccuracy: ["k", "fromSortedIds"],
  CosineSimilarity: ["axis"],
  R2Score: ["classAggregation", "numRegressors"],
  BinaryCrossentropy: CROSSENTROPY,
  CategoricalCrossentropy: CROSSENTROPY,
  SparseCategoricalCrossentropy: ["fromLogits", "ignoreClass", "axis"],
  PearsonCorrelation: ["axis"],
  ConcordanceCorrelation: ["axis"],
  AUC: [
    "numThresholds",
    "curve",
    "summationMethod",
    "thresholds",
    "multiLabel",
    "numLabels",
    "labelWeights",
    "fromLogits",
  ],
  Precision: ["thresholds", "topK", "classId"],
  Recall: ["thresholds", "topK", "classId"],
  TruePositives: ["thresholds"],
  FalsePositives: ["thresholds"],
  TrueNegatives: ["thresholds"],
  FalseNegatives: ["thresholds"],
  SensitivityAtSpecificity: [...OPERATING_POINT, "specificity"],
  SpecificityAtSensitivity: [...OPERATING_POINT, "sensitivity"],
  PrecisionAtRecall: [...OPERATING_POINT, "recall"],
  RecallAtPrecision: [...OPERATING_POINT, "precision"],
  F1Score: ["average", "threshold"],
  FBetaScore: ["average", "threshold", "beta"],
  IoU: [...IOU, "targetClassIds"],
  BinaryIoU: ["targetClassIds", "threshold", "dtype"],
  MeanIoU: IOU,
  OneHotIoU: [...ONE_HOT_IOU, "targetClassIds"],
  OneHotMeanIoU: ONE_HOT_IOU,
};

/** Computes every case of a table. Never throws for a single case, and never leaves one out. */
export async function* metricTable(table: readonly MetricCase[]): AsyncGenerator<TableResult> {
  for (const [index, row] of table.entries()) {
    const name = `metrics[${index}] ${row.metric}${formatArguments(row.args)}`;
    // All but the last result are compared here, the last by `judge`.
    let worst = 0;
    let failure: string | undefined;
    const last = await judge(name, row.expectedAfterEach.at(-1) as TableArray, async () => {
      const metric = makeMetric(row.metric, row.args);
      if (metric.name !== row.name.replace(/_\d+$/, "") && metric.name !== row.name) {
        failure = `is named "${metric.name}", expected "${row.name}"`;
      }
      const results = await accumulate(metric, row.updates);
      for (const [update, expected] of row.expectedAfterEach.slice(0, -1).entries()) {
        const { maxError, message } = compare(shaped(results[update] as number[], expected), expected);
        worst = Math.max(worst, maxError);
        if (message !== undefined) failure ??= `after update ${update + 1}: ${message}`;
      }
      return shaped(results.at(-1) as number[], row.expectedAfterEach.at(-1) as TableArray);
    });
    const message = last.message ?? failure;
    const maxError = Math.max(worst, last.maxError);
    yield message === undefined ? { name, maxError, ok: true } : { name, maxError, ok: false, message };
  }
}

/** A metric by its Keras class and arguments. @throws {RangeError} If there is no such class or argument. */
export function makeMetric(kerasClass: string, args: Readonly<Record<string, unknown>>): Metric {
  const options = camelOptions(kerasClass, args, [...METRIC_OPTIONS[kerasClass] ?? [], "name"]);
  if (kerasClass === "R2Score" && args.class_aggregation === null) options.classAggregation = "none";
  // "accuracy" as a name is one that fits the shapes; the class of that name is none of these.
  return kerasClass === "Accuracy"
    ? accuracy(options)
    : factoryOf(metrics as Factories<Metric>, "metric", kerasClass)(options);
}

/** What is reported after each update. */
export async function accumulate(metric: Metric, updates: readonly MetricUpdate[]): Promise<number[][]> {
  const results: number[][] = [];
  let bound: BoundMetric | undefined;
  let state: Float64Array | undefined;
  for (const { yTrue, yPred, sampleWeight } of updates) {
    bound ??= metric.build([null, ...yTrue.shape.slice(1)], [null, ...yPred.shape.slice(1)]);
    const active = bound;
    const sums = tf.tidy(() =>
      active.update(toTensor(yTrue), toTensor(yPred), sampleWeight === null ? undefined : toTensor(sampleWeight))
    );
    if (sums.rank !== 1 || sums.size !== bound.size) {
      throw new TypeError(`an update gave shape [${sums.shape}], expected [${bound.size}]`);
    }
    const values = Float64Array.from(await sums.data());
    sums.dispose();
    state = state === undefined ? values : combine(state, values, bound.combine);
    const result = bound.result(state);
    results.push(typeof result === "number" ? [result] : Object.values(result));
  }
  return results;
}

/** Two states as one. */
export function combine(first: Float64Array, second: Float64Array, how: BoundMetric["combine"]): Float64Array {
  return first.map((value, index) => {
    const other = second[index] as number;
    switch (how) {
      case "sum":
        return value + other;
      case "max":
        return Math.max(value, other);
      case "min":
        return Math.min(value, other);
      default:
        throw new RangeError(`Unknown way to combine: ${how satisfies never}.`);
    }
  });
}

/** Keras reports several values as a vector, Stride by name. */
function shaped(
  values: readonly number[],
  expected: TableArray,
): { shape: readonly number[]; values: readonly number[] } {
  return { shape: expected.shape.length === 0 && values.length === 1 ? [] : [values.length], values };
}
