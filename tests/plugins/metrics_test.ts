import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { meanMetric } from "../../core/mean_metric.ts";
import type { BoundMetric, Metric } from "../../core/metric.ts";
import { Registry } from "../../core/registry.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import * as M from "../../plugins/metrics/mod.ts";
import type { TableArray } from "../golden/loss_table.ts";
import { combine, type MetricCase, metricTable } from "../golden/metric_table.ts";

await tf.setBackend("cpu");

const { metrics } = M;

/** Numbers from 0 to 1, the same in every run. */
function random(seed: number): () => number {
  let state = seed * 2654435761 >>> 0;
  return () => {
    state = Math.imul(state ^ state >>> 15, 2246822519) + 3266489917 >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

type Make = (rows: number, next: () => number) => Tensor;

const fill = (shape: readonly number[], value: () => number, dtype: "float32" | "int32" = "float32"): Tensor => {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(Array.from({ length: size }, value), [...shape], dtype);
};
const uniform = (...shape: number[]): Make => (rows, next) => fill([rows, ...shape], next);
const centred = (...shape: number[]): Make => (rows, next) => fill([rows, ...shape], () => 4 * next() - 2);
/** Values that often are equal, and often lie on thresholds. */
const tenths = (...shape: number[]): Make => (rows, next) =>
  fill([rows, ...shape], () => Math.fround(Math.round(10 * next()) / 10));
const classes = (count: number, ...shape: number[]): Make => (rows, next) =>
  fill([rows, ...shape], () => Math.floor(count * next()), "int32");
const oneHot = (count: number): Make => (rows, next) =>
  tf.tidy(() => {
    const labels = Array.from({ length: rows }, () => Math.floor(count * next()));
    return tf.tensor(labels.flatMap((label) => Array.from({ length: count }, (_, at) => +(at === label))), [
      rows,
      count,
    ]);
  });
const signs = (...shape: number[]): Make => (rows, next) => fill([rows, ...shape], () => next() < 0.5 ? -1 : 1);

interface Example {
  readonly metric: Metric;
  readonly yTrue: Make;
  readonly yPred: Make;
  /** The shape of weights after the rows. @default [] */
  readonly weights?: readonly number[];
}

const binary = { yTrue: classes(2, 1), yPred: tenths(1) };
const multiclass = { yTrue: oneHot(4), yPred: tenths(4) };
const sparse = { yTrue: classes(4), yPred: tenths(4) };
const regression = { yTrue: centred(3), yPred: centred(3) };
const positive = { yTrue: uniform(3), yPred: uniform(3) };

const EXAMPLES: readonly Example[] = [
  ...[
    M.meanSquaredError(),
    M.rootMeanSquaredError(),
    M.meanAbsoluteError(),
    M.meanAbsolutePercentageError(),
    M.logCoshError(),
    M.huber({ delta: 0.5 }),
    M.cosineSimilarity(),
    M.pearsonCorrelation(),
    M.concordanceCorrelation(),
    M.r2Score(),
    M.r2Score({ classAggregation: "variance_weighted_average", numRegressors: 2 }),
    M.r2Score({ classAggregation: "none" }),
    M.mean(),
    M.sum(),
    M.max(),
    M.min(),
  ].map((metric) => ({ metric, ...regression })),
  ...[M.meanSquaredLogarithmicError(), M.poisson(), M.klDivergence()].map((metric) => ({ metric, ...positive })),
  { metric: M.meanSquaredError(), yTrue: centred(2, 3), yPred: centred(2, 3), weights: [2] },
  { metric: M.hinge(), yTrue: classes(2, 3), yPred: centred(3) },
  { metric: M.squaredHinge(), yTrue: signs(3), yPred: centred(3) },
  { metric: M.categoricalHinge(), ...multiclass },
  { metric: M.accuracy(), yTrue: classes(3, 1), yPred: classes(3, 1) },
  { metric: M.binaryAccuracy(), ...binary },
  { metric: M.binaryCrossentropy(), ...binary },
  { metric: M.categoricalAccuracy(), ...multiclass },
  { metric: M.categoricalCrossentropy({ fromLogits: true }), ...multiclass },
  { metric: M.topKCategoricalAccuracy({ k: 2 }), ...multiclass },
  { metric: M.sparseCategoricalAccuracy(), ...sparse },
  { metric: M.sparseCategoricalAccuracy(), yTrue: classes(4, 2), yPred: uniform(2, 4), weights: [2] },
  { metric: M.sparseTopKCategoricalAccuracy({ k: 2 }), ...sparse },
  { metric: M.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: 1 }), ...sparse },
  ...[
    M.auc(),
    M.auc({ curve: "PR" }),
    M.auc({ curve: "PRGAIN", numThresholds: 20 }),
    M.auc({ thresholds: [0.3, 0.9], summationMethod: "minoring" }),
    M.precision(),
    M.recall({ thresholds: [0, 0.5, 1] }),
    M.truePositives(),
    M.falsePositives({ thresholds: [0.9, 0.2] }),
    M.trueNegatives(),
    M.falseNegatives({ thresholds: [0, 0.25, 0.5, 0.75, 1] }),
    M.sensitivityAtSpecificity({ specificity: 0.5 }),
    M.specificityAtSensitivity({ sensitivity: 0.5 }),
    M.precisionAtRecall({ recall: 0.6, numThresholds: 1 }),
    M.recallAtPrecision({ precision: 0.5 }),
  ].map((metric) => ({ metric, ...binary })),
  ...[
    M.auc({ multiLabel: true, labelWeights: [1, 2, 3, 4] }),
    M.auc({ multiLabel: true, thresholds: [0.2] }),
    M.auc({ labelWeights: [1, 2, 3, 4] }),
    M.precision({ topK: 2 }),
    M.recall({ topK: 2, classId: 1, thresholds: 0.4 }),
    M.f1Score({ average: "macro" }),
    M.f1Score({ average: "weighted", threshold: 0.5 }),
    M.fBetaScore({ beta: 2, average: "micro" }),
    M.fBetaScore(),
    M.oneHotMeanIoU({ numClasses: 4, dtype: "float32" }),
    M.oneHotIoU({ numClasses: 4, targetClassIds: [1, 2] }),
  ].map((metric) => ({ metric, ...multiclass })),
  { metric: M.meanIoU({ numClasses: 4, ignoreClass: 3 }), yTrue: classes(4, 5), yPred: classes(4, 5) },
  { metric: M.iou({ numClasses: 5, targetClassIds: [0, 4] }), yTrue: classes(4), yPred: classes(6) },
  { metric: M.binaryIoU({ threshold: 0.3 }), yTrue: classes(2, 2), yPred: tenths(2) },
];

function shapes(...tensors: Tensor[]): [readonly (number | null)[], readonly (number | null)[]] {
  return tensors.map(({ shape }) => [null, ...shape.slice(1)]) as never;
}

function update(bound: BoundMetric, yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Float64Array {
  const sums = tf.tidy(() => bound.update(yTrue, yPred, sampleWeight));
  assertEquals(sums.shape, [bound.size]);
  assertEquals(sums.dtype, "float32");
  const values = Float64Array.from(sums.dataSync());
  sums.dispose();
  return values;
}

/** What is reported for one batch. */
function once(metric: Metric, yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): number {
  const bound = metric.build(...shapes(yTrue, yPred));
  const result = bound.result(update(bound, yTrue, yPred, sampleWeight));
  assert(typeof result === "number");
  return result;
}

function reported(result: number | Record<string, number>): Record<string, number> {
  return typeof result === "number" ? { value: result } : result;
}

/** Cuts rows into batches, of which some are empty. */
function cuts(rows: number, batches: number, next: () => number): number[] {
  const inner = Array.from({ length: batches - 1 }, () => Math.floor(next() * (rows + 1))).sort((a, b) => a - b);
  const edges = [0, ...inner, rows];
  return edges.slice(1).map((edge, at) => edge - edges[at]!);
}

Deno.test("every metric reports the same however rows are split into batches", () => {
  for (const [index, { metric, yTrue, yPred, weights = [] }] of EXAMPLES.entries()) {
    tf.tidy(() => {
      const next = random(index + 1);
      const rows = 37;
      const [target, prediction] = [yTrue(rows, next), yPred(rows, next)];
      for (const sampleWeight of [undefined, fill([rows, ...weights], () => next() < 0.2 ? 0 : 3 * next())]) {
        const bound = metric.build(...shapes(target, prediction));
        const expected = reported(bound.result(update(bound, target, prediction, sampleWeight)));
        for (const parts of [[37], [1, 36], [0, 20, 17], cuts(rows, 5, next), Array(37).fill(1)]) {
          let start = 0;
          let state: Float64Array | undefined;
          for (const size of parts) {
            const part = (x: Tensor) => tf.slice(x, start, size);
            const sums = update(bound, part(target), part(prediction), sampleWeight && part(sampleWeight));
            state = state === undefined ? sums : combine(state, sums, bound.combine);
            start += size;
          }
          const found = reported(bound.result(state!));
          assertEquals(Object.keys(found), Object.keys(expected));
          for (const [name, value] of Object.entries(expected)) {
            assert(Number.isFinite(value), `${metric.name} is ${value}`);
            const message = `${metric.name} (${index}) of batches ${parts}`;
            assertAlmostEquals(found[name]!, value, 2e-5 * (1 + Math.abs(value)), message);
          }
        }
      }
    });
  }
});

Deno.test("metrics compute their sums without reading from the device, and leave no tensors", () => {
  const engine = tf.engine() as unknown as Record<"read" | "readSync", () => never>;
  const { read, readSync } = engine;
  const refuse = (): never => {
    throw new Error("A metric read a value.");
  };
  for (const { metric, yTrue, yPred, weights = [] } of EXAMPLES) {
    const next = random(3);
    const before = tf.memory().numTensors;
    const tensors = [yTrue(8, next), yPred(8, next), fill([8, ...weights], next)] as const;
    const bound = metric.build(...shapes(tensors[0], tensors[1]));
    Object.assign(engine, { read: refuse, readSync: refuse });
    try {
      for (let repeat = 0; repeat < 3; repeat++) tf.tidy(() => bound.update(...tensors)).dispose();
    } finally {
      Object.assign(engine, { read, readSync });
    }
    tf.dispose([...tensors]);
    assertEquals(tf.memory().numTensors, before, `${metric.name} leaks tensors`);
  }
});

Deno.test("metrics say whether smaller or larger is better", () => {
  const options = {
    numClasses: 2,
    targetClassIds: [0],
    specificity: 0.5,
    sensitivity: 0.5,
    recall: 0.5,
    precision: 0.5,
  };
  const larger = Object.keys(metrics).filter((name) => metrics[name]!(options).direction === "max");
  assertEquals(larger.sort(), [
    "auc",
    "binary_accuracy",
    "binary_io_u",
    "categorical_accuracy",
    "concordance_correlation",
    "cosine_similarity",
    "exact_auc",
    "f1_score",
    "fbeta_score",
    "io_u",
    "mean_io_u",
    "min",
    "one_hot_io_u",
    "one_hot_mean_io_u",
    "pearson_correlation",
    "precision",
    "precision_at_recall",
    "r2_score",
    "recall",
    "recall_at_precision",
    "sensitivity_at_specificity",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "specificity_at_sensitivity",
    "top_k_categorical_accuracy",
    "true_negatives",
    "true_positives",
  ]);
});

Deno.test("metrics are found by Keras's names, without regard to case and underscores", () => {
  const registry = Registry.empty.use({ name: "built-in", metrics });
  assertEquals(registry.create("metrics", "MSE").name, "mean_squared_error");
  assertEquals(registry.create("metrics", "AUC", { name: "area" }).name, "area");
  assertEquals(registry.create("metrics", "MeanIoU", { numClasses: 3 }).name, "mean_io_u");
  assertEquals(registry.create("metrics", "LogCoshError").name, "logcosh");
  for (const name of ["accuracy", "acc", "crossentropy", "ce"]) assert(!registry.has("metrics", name));
});

Deno.test("r2Score() keeps its precision when targets are far from 0", () => {
  const next = random(5);
  const target = Array.from({ length: 4 }, () => Array.from({ length: 16 }, () => Math.fround(20000 + 2 * next())));
  const prediction = target.map((batch) => batch.map((y) => Math.fround(y + next() - 0.5)));
  const weight = target.map((batch) => batch.map(() => Math.fround(0.5 + next())));
  const bound = M.r2Score().build([null, 1], [null, 1]);
  let state = new Float64Array(bound.size);
  for (const [at, batch] of target.entries()) {
    const [y, p] = [batch, prediction[at]!].map((values) => tf.tensor2d(values, [16, 1])) as [Tensor, Tensor];
    state = combine(state, update(bound, y, p, tf.tensor1d(weight[at]!)), "sum") as Float64Array<ArrayBuffer>;
  }
  const [ys, ps, ws] = [target, prediction, weight].map((lists) => lists.flat()) as [number[], number[], number[]];
  const total = ws.reduce((sum, w) => sum + w, 0);
  const mean = ys.reduce((sum, y, at) => sum + ws[at]! * y, 0) / total;
  const spread = ys.reduce((sum, y, at) => sum + ws[at]! * (y - mean) ** 2, 0);
  const residual = ys.reduce((sum, y, at) => sum + ws[at]! * (y - ps[at]!) ** 2, 0);
  // Plain float32 sums of squares are off by more than the spread itself here.
  assertAlmostEquals(bound.result(state) as number, 1 - residual / spread, 1e-5);
});

Deno.test("r2Score() counts outputs without spread as 0", () => {
  assertEquals(once(M.r2Score(), tf.fill([5, 1], 0.1), tf.ones([5, 1])), 0);
  assertEquals(once(M.r2Score(), tf.fill([7, 1], 12345.678), tf.ones([7, 1])), 0);
});

Deno.test("top-k accuracies treat equal, missing and NaN scores as Keras's in_top_k does", () => {
  const accuracy = (label: number, scores: number[], k: number) =>
    once(M.sparseTopKCategoricalAccuracy({ k }), tf.tensor1d([label], "int32"), tf.tensor2d([scores]));
  assertEquals(accuracy(2, [1, 1, 1], 1), 1);
  assertEquals(accuracy(2, [2, 1, 1], 1), 0);
  assertEquals(accuracy(2, [2, 1, 1], 2), 1);
  assertEquals(accuracy(0, [NaN, 1, 1], 2), 0);
  assertEquals(accuracy(3, [1, 1, 1], 3), 0);
  assertEquals(accuracy(0, [-Infinity, 1, 1], 3), 1);
});

Deno.test("precision() with topK takes the first of equal classes", () => {
  const [yTrue, yPred] = [tf.tensor2d([[1, 0, 0, 1]]), tf.tensor2d([[0.5, 0.5, 0.5, 0.1]])];
  assertEquals(once(M.precision({ topK: 1 }), yTrue, yPred), 1);
  assertEquals(once(M.precision({ topK: 2 }), yTrue, yPred), 1 / 2);
  assertEquals(once(M.recall({ topK: 4 }), yTrue, yPred), 1);
});

Deno.test("auc() is the probability that a positive scores above a negative", () => {
  const next = random(9);
  const [yTrue, yPred] = [classes(2)(60, next), tf.tidy(() => uniform()(60, next))];
  const [truth, scores] = [yTrue.dataSync(), yPred.dataSync()];
  let [above, pairs] = [0, 0];
  for (const [i, positive] of truth.entries()) {
    for (const [j, negative] of truth.entries()) {
      if (!positive || negative) continue;
      pairs++;
      if (scores[i]! > scores[j]!) above++;
    }
  }
  assertAlmostEquals(once(M.auc({ numThresholds: 20001 }), yTrue, yPred), above / pairs, 1e-6);
  assertAlmostEquals(
    once(M.auc({ fromLogits: true, numThresholds: 20001 }), yTrue, tf.log(tf.div(yPred, tf.sub(1, yPred)))),
    above / pairs,
    1e-3,
  );
});

Deno.test("metrics with several values report each under a name of its own", () => {
  const bound = M.precision({ thresholds: [0.2, 0.5] }).build([null], [null]);
  const state = update(bound, tf.tensor1d([0, 1]), tf.tensor1d([0.3, 0.9]));
  assertEquals(bound.result(state), { "precision_0.2": 0.5, "precision_0.5": 1 });
  const scores = M.f1Score({ name: "f1" }).build([null, 2], [null, 2]);
  assertEquals(Object.keys(scores.result(new Float64Array(scores.size))), ["f1_0", "f1_1"]);
});

Deno.test("metrics report 0 when nothing was counted", () => {
  for (const metric of [M.meanSquaredError(), M.precision(), M.auc(), M.meanIoU({ numClasses: 2 })]) {
    const bound = metric.build([null], [null]);
    assertEquals(bound.result(new Float64Array(bound.size)), 0, metric.name);
  }
});

Deno.test("max() and min() leave out samples of weight 0, and combine by comparing", () => {
  const [yTrue, yPred] = [tf.zeros([3]), tf.tensor1d([-5, -2, 4])];
  assertEquals([M.max().build([null], [null]).combine, M.min().build([null], [null]).combine], ["max", "min"]);
  assertEquals(once(M.max(), yTrue, yPred), 4);
  assertEquals(once(M.max(), yTrue, yPred, tf.tensor1d([1, 1, 0])), -2);
  assertEquals(once(M.min(), yTrue, yPred, tf.tensor1d([0, 1, 1])), -2);
  assertEquals(once(M.max(), yTrue, yPred, tf.zeros([3])), -Infinity);
  const spread = M.max({ name: "worst", values: (y, p) => tf.abs(tf.sub(y, p)) });
  assertEquals(once(spread, yTrue, yPred), 5);
});

Deno.test("meanMetric() weights samples as Keras's MeanMetricWrapper does", () => {
  const error = meanMetric("error", (yTrue, yPred) => tf.squaredDifference(yTrue, yPred));
  const [yTrue, yPred] = [tf.zeros([4]), tf.tensor1d([1, 1, 1, 2])];
  assertEquals(once(error, yTrue, yPred), 7 / 4);
  assertAlmostEquals(once(error, yTrue, yPred, tf.tensor1d([1, 2, 0, 0.5])), 5 / 3.5, 1e-6);
  const temporal = [tf.zeros([2, 2]), tf.tensor2d([[1, 2], [3, 4]])] as const;
  assertAlmostEquals(once(error, ...temporal, tf.tensor2d([[1, 0], [0.5, 2]])), 37.5 / 3.5, 1e-6);
  assertAlmostEquals(once(error, ...temporal, tf.tensor1d([1, 3])), (2.5 + 3 * 12.5) / 4, 1e-6);
  assertThrows(() => once(error, yTrue, yPred, tf.ones([3])), TypeError, "[3]");
});

Deno.test("meanMetric() takes a scalar for one sample, and guesses directions from names", () => {
  const scalar = meanMetric("bias", (yTrue, yPred) => tf.mean(tf.sub(yPred, yTrue)));
  assertEquals(once(scalar, tf.zeros([4]), tf.ones([4])), 1);
  assertEquals(once(scalar, tf.zeros([4]), tf.ones([4]), tf.tensor1d([1, 2, 0, 0])), 1);
  assertEquals(scalar.direction, "min");
  assertEquals(meanMetric("my_acc", (y) => y).direction, "max");
  assertEquals(meanMetric("my_acc", (y) => y, { direction: "min" }).direction, "min");
});

Deno.test("iou metrics cut weights as Keras does, unless told to keep them", () => {
  const [yTrue, yPred] = [tf.tensor1d([0, 0], "int32"), tf.tensor1d([0, 1], "int32")];
  const weights = tf.tensor1d([1.9, 0.5]);
  assertEquals(once(M.iou({ numClasses: 2, targetClassIds: [0] }), yTrue, yPred, weights), 1);
  const kept = M.iou({ numClasses: 2, targetClassIds: [0], dtype: "float32" });
  assertAlmostEquals(once(kept, yTrue, yPred, weights), 1.9 / 2.4, 1e-6);
});

Deno.test("metrics refuse shapes that do not fit", () => {
  assertThrows(() => M.f1Score().build([null], [null, 3]), TypeError, "[batch, classes]");
  assertThrows(() => M.r2Score().build([null], [null]), TypeError, "[batch, outputs]");
  assertThrows(() => M.auc({ multiLabel: true }).build([null], [null]), TypeError, "[batch, labels]");
  assertThrows(() => M.auc({ multiLabel: true, numLabels: 2 }).build([null, 3], [null, 3]), TypeError, "2 labels");
  assertThrows(() => M.precision({ classId: 3 }).build([null, 3], [null, 3]), TypeError, "class 3");
  assertThrows(() => M.recall({ topK: 2 }).build([null], [null]), TypeError, "best classes");
  assertThrows(
    () => once(M.sparseCategoricalAccuracy(), tf.zeros([2, 3]), tf.zeros([2, 3])),
    TypeError,
    "[2, 3]",
  );
});

Deno.test("metric factories refuse options that are missing or out of range", () => {
  assertThrows(() => metrics.mean_io_u!(), RangeError, "numClasses");
  assertThrows(() => metrics.io_u!({ numClasses: 2, targetClassIds: [2] }), RangeError, "targetClassIds");
  assertThrows(() => metrics.precision_at_recall!(), RangeError, "recall");
  assertThrows(() => M.precision({ thresholds: [0.5, 2] }), RangeError, "thresholds");
  assertThrows(() => M.auc({ numThresholds: 1 }), RangeError, "numThresholds");
  assertThrows(() => M.auc({ curve: "roc" as "ROC" }), RangeError, '"PRGAIN"');
  assertThrows(() => M.topKCategoricalAccuracy({ k: 0 }), RangeError, "k 0");
  assertThrows(() => M.fBetaScore({ beta: 0 }), RangeError, "beta");
});

Deno.test("metricTable() passes closed forms", async () => {
  const array = (values: number[], shape = [values.length]): TableArray => ({ shape, dtype: "float32", values });
  const first = { yTrue: array([0, 0], [2, 1]), yPred: array([1, 3], [2, 1]), sampleWeight: null };
  const second = { yTrue: array([1], [1, 1]), yPred: array([1], [1, 1]), sampleWeight: array([2]) };
  const updates = [first, second];
  const table: MetricCase[] = [
    {
      metric: "MeanSquaredError",
      args: {},
      name: "mean_squared_error_3",
      updates,
      expectedAfterEach: [array([5], []), array([2.5], [])],
    },
    {
      metric: "Precision",
      args: { thresholds: [0.5, 0.9], name: "p" },
      name: "p",
      updates,
      expectedAfterEach: [array([0, 0]), array([0.5, 0.5])],
    },
    { metric: "Accuracy", args: {}, name: "accuracy", updates, expectedAfterEach: [array([0], []), array([0.5], [])] },
    { metric: "Sum", args: {}, name: "sum", updates, expectedAfterEach: [array([4], []), array([6], [])] },
  ];
  let count = 0;
  for await (const { name, ok, message } of metricTable(table)) {
    assert(ok, `${name}: ${message}`);
    count++;
  }
  assertEquals(count, table.length);
});

Deno.test("metricTable() fails a case when class, argument, name or any result is not as expected", async () => {
  const array = (values: number[], shape = [values.length]): TableArray => ({ shape, dtype: "float32", values });
  const one = { yTrue: array([0]), yPred: array([1]), sampleWeight: null };
  const base = { args: {}, name: "mean_absolute_error", updates: [one, one] };
  const right = [array([1], []), array([1], [])];
  const table: MetricCase[] = [
    { ...base, metric: "NoSuchMetric", expectedAfterEach: right },
    { ...base, metric: "MeanAbsoluteError", args: { no_such: 1 }, expectedAfterEach: right },
    { ...base, metric: "MeanAbsoluteError", name: "mae", expectedAfterEach: right },
    { ...base, metric: "MeanAbsoluteError", expectedAfterEach: [array([2], []), right[1]!] },
    { ...base, metric: "MeanAbsoluteError", expectedAfterEach: [right[0]!, array([2], [])] },
  ];
  const messages: (string | undefined)[] = [];
  for await (const { ok, message } of metricTable(table)) {
    assert(!ok);
    messages.push(message);
  }
  assertEquals(messages.map((message) => /NoSuchMetric|noSuch|named|after update 1|\[0\]/.exec(message ?? "")?.[0]), [
    "NoSuchMetric",
    "noSuch",
    "named",
    "after update 1",
    "[0]",
  ]);
});

const goldens = new URL("../../../shared/goldens/tables/metrics.json", import.meta.url);
const found = await Deno.stat(goldens).then(() => true, () => false);
if (!found) console.warn(`%cNot tested against Keras's metrics: no ${goldens.pathname}.`, "color: yellow");

Deno.test({
  name: "metricTable() agrees with Keras in every metric, after every update",
  ignore: !found,
  async fn() {
    const table: MetricCase[] = JSON.parse(await Deno.readTextFile(goldens));
    const failures: string[] = [];
    let count = 0;
    for await (const { name, ok, message } of metricTable(table)) {
      count++;
      if (!ok) failures.push(`${name}: ${message}`);
    }
    assertEquals(failures, []);
    assertEquals(count, table.length);
    assert(count > 0);
  },
});
