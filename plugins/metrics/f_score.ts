/**
 * Precision and recall in one number.
 *
 * Source: keras/src/metrics/f_score_metrics.py.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { checkOption, classesOf, elementWeights, mean, type MetricOptions, named } from "./define.ts";

const EPSILON = 1e-7;

/** Options of `f1Score`. */
export interface F1ScoreOptions extends MetricOptions {
  /**
   * How classes are combined: counted together, averaged, averaged by how often they occur; without, each class is
   * reported, named `f1_score_0`. @default none
   */
  readonly average?: "micro" | "macro" | "weighted";
  /** Predictions above are positive, over 0 up to 1. @default the largest prediction of each sample is */
  readonly threshold?: number;
}

/** Options of `fBetaScore`. */
export interface FBetaScoreOptions extends F1ScoreOptions {
  /** How many times as much recall counts as precision. @default 1 */
  readonly beta?: number;
}

/**
 * The harmonic mean of precision and recall, of classes `[batch, classes]`. Keras: `F1Score`.
 *
 * ```ts
 * import { f1Score } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[1, 0], [1, 0], [0, 1], [0, 1]]);
 * const yPred = tf.tensor2d([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]]);
 * const metric = f1Score().build([null, 2], [null, 2]);
 * const sums = await metric.update(yTrue, yPred).data();
 * const scores = metric.result(Float64Array.from(sums)) as Record<string, number>;
 * assertAlmostEquals(scores.f1_score_0!, 2 / 3, 1e-6);
 * assertAlmostEquals(scores.f1_score_1!, 0.8, 1e-6);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function f1Score({ name = "f1_score", ...options }: F1ScoreOptions = {}): Metric {
  return fBetaScore({ ...options, name, beta: 1 });
}

/**
 * The weighted harmonic mean of precision and recall, of classes `[batch, classes]`. Keras: `FBetaScore`.
 *
 * ```ts
 * import { fBetaScore } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = fBetaScore({ beta: 2, threshold: 0.5 }).build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[1], [1], [0]]), tf.tensor2d([[0.9], [0.2], [0.1]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, 5 / 9, 1e-6);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function fBetaScore(options: FBetaScoreOptions = {}): Metric {
  const { name = "fbeta_score", average, threshold, beta = 1 } = options;
  const isAverage = average === undefined || ["micro", "macro", "weighted"].includes(average);
  checkOption(name, "average", average, isAverage, '"micro", "macro", "weighted" or none');
  checkOption(name, "beta", beta, beta > 0, "a positive number");
  const isThreshold = threshold === undefined || threshold > 0 && threshold <= 1;
  checkOption(name, "threshold", threshold, isThreshold, "a number over 0, up to 1");
  return {
    name,
    direction: "max",
    build(yTrue, yPred) {
      const classes = classesOf(name, yTrue, yPred);
      return {
        size: 3 * classes,
        combine: "sum",
        update(target, prediction, sampleWeight) {
          const actual = tf.cast(target, "float32");
          const chosen = choose(prediction, threshold);
          const weights = elementWeights(actual, sampleWeight);
          const sums = [tf.mul(actual, chosen), chosen, actual].map((x) => tf.sum(tf.mul(x, weights), 0));
          return tf.concat(sums);
        },
        result(state) {
          const [both, predicted, actual] = [0, 1, 2].map((part) =>
            state.slice(part * classes, (part + 1) * classes)
          ) as [
            Float64Array,
            Float64Array,
            Float64Array,
          ];
          if (average === "micro") return score(total(both), total(predicted), total(actual), beta);
          const scores = Array.from(both, (tp, at) => score(tp, predicted[at] as number, actual[at] as number, beta));
          if (average === "macro") return mean(scores);
          if (average === undefined) return named(name, scores, [...scores.keys()]);
          const all = total(actual) + EPSILON;
          return scores.reduce((sum, value, at) => sum + value * (actual[at] as number) / all, 0);
        },
      };
    },
  };
}

function score(truePositives: number, predicted: number, actual: number, beta: number): number {
  const precision = truePositives / (predicted + EPSILON);
  const recall = truePositives / (actual + EPSILON);
  return (1 + beta ** 2) * precision * recall / (beta ** 2 * precision + recall + EPSILON);
}

/** 1 where a class is predicted. Predictions of 0 are not, even where all are. */
function choose(prediction: Tensor, threshold: number | undefined): Tensor {
  if (threshold !== undefined) return tf.cast(tf.greater(prediction, threshold), "float32");
  const largest = tf.greaterEqual(prediction, tf.max(prediction, -1, true));
  return tf.cast(tf.logicalAnd(largest, tf.greater(tf.abs(prediction), 1e-9)), "float32");
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}
