/**
 * How much of the targets' variance is predicted.
 *
 * Source: keras/src/metrics/regression_metrics.py.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { divideNoNan } from "../../core/reduce.ts";
import { formatShape, type Tensor, tf } from "../../core/tf.ts";
import { align, checkOption, elementWeights, mean, type MetricOptions, named } from "./define.ts";

/** Options of `r2Score`. */
export interface R2ScoreOptions extends MetricOptions {
  /**
   * How outputs are combined: averaged, averaged by their variance, or each reported, named `r2_score_0`.
   * @default "uniform_average"
   */
  readonly classAggregation?: "uniform_average" | "variance_weighted_average" | "none";
  /** How many regressors the model has, for the adjusted score; 0 for the plain one. @default 0 */
  readonly numRegressors?: number;
}

/**
 * The coefficient of determination of `[batch, outputs]`: 1 less the squared error over the variance. Keras: `R2Score`.
 *
 * Targets far from 0 keep their precision: each batch sends its spread about its own mean, and what that mean adds to
 * sum and square sum as pairs of a rounded product and its rounding error. The adjusted score takes every output for an
 * observation, as Keras 3.15 does.
 *
 * ```ts
 * import { r2Score } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = r2Score().build([null, 1], [null, 1]);
 * const sums = await metric.update(tf.tensor2d([[1], [2], [3]]), tf.tensor2d([[1], [2], [4]])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, 0.5, 1e-6);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function r2Score(options: R2ScoreOptions = {}): Metric {
  const { name = "r2_score", classAggregation = "uniform_average", numRegressors = 0 } = options;
  const ways = ["uniform_average", "variance_weighted_average", "none"];
  checkOption(name, "classAggregation", classAggregation, ways.includes(classAggregation), ways.join(", "));
  const isCount = Number.isInteger(numRegressors) && numRegressors >= 0;
  checkOption(name, "numRegressors", numRegressors, isCount, "an integer of at least 0");
  return {
    name,
    direction: "max",
    build(yTrue, yPred) {
      const outputs = yPred.at(-1);
      if (yPred.length !== 2 || yTrue.length > 2 || typeof outputs !== "number") {
        throw new TypeError(
          `Cannot compute ${name}: the target has shape ${formatShape(yTrue)}, the prediction ${formatShape(yPred)}. ` +
            "Expected both to be [batch, outputs].",
        );
      }
      return {
        size: PARTS * outputs + 1,
        combine: "sum",
        update: sumsOfBatch,
        result(state) {
          const scores: number[] = [];
          const variances: number[] = [];
          for (let output = 0; output < outputs; output++) {
            const [count, sum, sumRest, squares, squaresRest, residual] = Array.from(
              { length: PARTS },
              (_, part) => state[part * outputs + output] as number,
            ) as [number, number, number, number, number, number];
            const all = squares + squaresRest;
            const spread = all - (sum + sumRest) ** 2 / count;
            // What is left of equal targets is rounding, of at most some 1e-15 of the squares.
            const variance = spread <= 2e-14 * all ? 0 : spread;
            const score = 1 - residual / variance;
            variances.push(variance);
            scores.push(Math.abs(score) === Infinity ? 0 : score);
          }
          const observations = state[PARTS * outputs] as number;
          const adjusted = (score: number): number => adjust(score, observations, numRegressors);
          if (classAggregation === "none") return named(name, scores.map(adjusted), [...scores.keys()]);
          if (classAggregation === "uniform_average") return adjusted(mean(scores));
          const all = variances.reduce((sum, variance) => sum + variance, 0);
          return adjusted(scores.reduce((sum, score, output) => sum + score * (variances[output] as number), 0) / all);
        },
      };
    },
  };
}

const PARTS = 6;

/** For each output: weight, sum and its rest, square sum and its rest, residual; then the number of observations. */
function sumsOfBatch(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor {
  const [target, prediction] = align(yTrue, yPred);
  const weights = elementWeights(target, sampleWeight);
  const weighted = (x: Tensor): Tensor => tf.sum(tf.mul(x, weights), 0);
  const count = tf.sum(weights, 0);
  const centre = divideNoNan(weighted(target), count);
  const deviation = tf.sub(target, centre);
  // Σ w y = c Σ w + Σ w (y - c), and Σ w y² = c² Σ w + 2 c Σ w (y - c) + Σ w (y - c)².
  const [sum, sumError] = exactProduct(centre, count);
  const [squares, squaresError] = exactProduct(centre, sum);
  const first = weighted(deviation);
  const sumRest = tf.add(sumError, first);
  const squaresRest = tf.addN([
    weighted(tf.square(deviation)),
    tf.mul(centre, tf.add(tf.mul(first, 2), sumError)),
    squaresError,
  ]);
  const residual = weighted(tf.squaredDifference(target, prediction));
  return tf.concat([count, sum, sumRest, squares, squaresRest, residual, tf.tensor1d([target.size])]);
}

/** A float32 product and its rounding error (Dekker 1971). A compiler that reorders it loses the error, no more. */
function exactProduct(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const product = tf.mul(a, b);
  const [aHigh, aLow] = split(a);
  const [bHigh, bLow] = split(b);
  const most = tf.add(tf.sub(tf.mul(aHigh, bHigh), product), tf.add(tf.mul(aHigh, bLow), tf.mul(aLow, bHigh)));
  return [product, tf.add(most, tf.mul(aLow, bLow))];
}

/** The upper and lower halves of a float32's digits. */
function split(a: Tensor): [Tensor, Tensor] {
  const scaled = tf.mul(a, 4097);
  const high = tf.sub(scaled, tf.sub(scaled, a));
  return [high, tf.sub(a, high)];
}

function adjust(score: number, observations: number, regressors: number): number {
  // As in Keras, too few observations give the plain score.
  if (regressors === 0 || regressors >= observations - 1) return score;
  return 1 - (1 - score) * (observations - 1) / (observations - regressors - 1);
}
