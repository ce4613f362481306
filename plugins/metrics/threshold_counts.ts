/**
 * Counts of right and wrong predictions at many thresholds: what precision, recall and areas under curves come from.
 *
 * The state of a batch is a vector of sums; the counts are computed from it on the host. For evenly spread thresholds
 * it is a histogram of the predictions, so that the work does not grow with the number of thresholds.
 * Source: keras/src/metrics/metrics_utils.py.
 *
 * @module
 */
import { formatShape, type Shape, type Tensor, tf } from "../../core/tf.ts";
import { oneHot } from "../../core/values/prepare.ts";
import { align, checkOption, elementWeights } from "./define.ts";

/** Below every prediction: the threshold where the best classes alone decide. */
export const BELOW_ALL = -1e10;

/** The lowest finite float32. */
const LOWEST = -3.4028234663852886e38;

/** Weighted counts by threshold, for one label. */
export interface Counts {
  readonly truePositives: Float64Array;
  readonly falsePositives: Float64Array;
  readonly trueNegatives: Float64Array;
  readonly falseNegatives: Float64Array;
}

/** How predictions are counted. */
export interface CounterOptions {
  /** The metric, for messages. */
  readonly metric: string;
  /** Predictions above a threshold are positive. */
  readonly thresholds: readonly number[];
  /** Whether the thresholds lie evenly on 0 to 1; the first and last may lie just outside. */
  readonly even: boolean;
  /** Counts each label of `[batch, labels]` by itself. @default false */
  readonly multiLabel?: boolean;
  /** Weights of the labels on the last axis, in counts that are not by label. */
  readonly labelWeights?: readonly number[];
  /** Only this many classes with the largest predictions are positive. */
  readonly topK?: number;
  /** Only this class of the last axis is counted. */
  readonly classId?: number;
}

/** Counts predictions; bound to shapes. */
export interface Counter {
  readonly size: number;
  /** One batch's state, float32 `[size]`. */
  update(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor;
  /** The counts of a state, for each label; one where labels are not counted by themselves. */
  counts(state: Float64Array): readonly Counts[];
}

/**
 * Binds counting to shapes.
 *
 * @throws {TypeError} If the shapes do not fit the options.
 */
export function bindCounter(options: CounterOptions, yTrue: Shape, yPred: Shape): Counter {
  const labels = options.multiLabel ? labelsOf(options.metric, yTrue, yPred) : 1;
  checkClasses(options, yPred);
  const { layout, tally, decode } = options.even ? histogram(options.thresholds) : comparison(options.thresholds);
  const size = 2 * layout;
  return {
    size: labels * size,
    update(target, prediction, sampleWeight) {
      const { positive, score, weight } = prepare(target, prediction, sampleWeight, options);
      const positives = tf.mul(positive, weight);
      const negatives = tf.mul(tf.sub(1, positive), weight);
      return tf.reshape(tally(score, [positives, negatives]), [labels * size]);
    },
    counts: (state) =>
      Array.from({ length: labels }, (_, label) => {
        const part = state.subarray(label * size, (label + 1) * size);
        const positives = decode(part.subarray(0, layout));
        const negatives = decode(part.subarray(layout));
        return {
          truePositives: positives.above,
          falsePositives: negatives.above,
          trueNegatives: negatives.below,
          falseNegatives: positives.below,
        };
      }),
  };
}

/** Whether thresholds lie evenly on 0 to 1, to within what float32 resolves. */
export function areEven(thresholds: readonly number[]): boolean {
  return thresholds.length >= 3 && thresholds.every((threshold, index) => {
    const even = index / (thresholds.length - 1);
    return Math.abs(threshold - even) <= 1e-7 + 1e-5 * even;
  });
}

/** Thresholds given by a user, or the default. @throws {RangeError} If one is outside 0 to 1. */
export function thresholdsOf(
  metric: string,
  thresholds: number | readonly number[] | undefined,
  otherwise: number,
): readonly number[] {
  if (thresholds === undefined) return [otherwise];
  const list = typeof thresholds === "number" ? [thresholds] : [...thresholds];
  checkOption(
    metric,
    "thresholds",
    list,
    list.length > 0 && list.every((t) => t >= 0 && t <= 1),
    "numbers from 0 to 1",
  );
  return list;
}

/** Evenly spread thresholds from 0 to 1, both included; 0.5 where there is one. */
export function evenThresholds(count: number): readonly number[] {
  return count === 1 ? [0.5] : Array.from({ length: count }, (_, index) => index / (count - 1));
}

/** How one kind of counting works: `layout` sums for each of positives and negatives. */
interface Tally {
  readonly layout: number;
  /** `score` `[labels, n]`, `weights` two of the same shape; gives `[labels, 2, layout]` in any shape of that order. */
  tally(score: Tensor, weights: readonly [Tensor, Tensor]): Tensor;
  /** Weights above and not above each threshold. */
  decode(sums: Float64Array): { readonly above: Float64Array; readonly below: Float64Array };
}

/** Compares every prediction with every threshold; then comes the weight of all. */
function comparison(thresholds: readonly number[]): Tally {
  const count = thresholds.length;
  return {
    layout: count + 1,
    tally(score, weights) {
      const above = tf.cast(tf.greater(tf.expandDims(score, -1), tf.tensor1d([...thresholds])), "float32");
      // The column of ones gives the weight of all, summed in the same order as the others.
      const columns = tf.pad(above as tf.Tensor3D, [[0, 0], [0, 0], [0, 1]], 1);
      return tf.matMul(tf.stack([...weights], 1), columns);
    },
    decode(sums) {
      const total = sums[count] as number;
      const above = sums.slice(0, count);
      return { above, below: above.map((weight) => total - weight) };
    },
  };
}

/**
 * Counts predictions by the interval between thresholds that they lie in.
 *
 * An interval's number is written with two digits of base 16. The products of both digits' one-hot vectors, summed
 * over predictions, are the histogram: a matrix product with few columns, where one column for each threshold would
 * take much more memory.
 */
function histogram(thresholds: readonly number[]): Tally {
  const count = thresholds.length;
  const base = 16;
  const high = Math.ceil(count / base);
  // Where thresholds start below 0, predictions of 0 lie above the first.
  const lowest = (thresholds[0] as number) < 0 || (thresholds[count - 1] as number) > 1 ? 1 : 0;
  return {
    layout: high * base,
    tally(score, weights) {
      // Interval i holds the predictions above threshold i - 1, up to threshold i.
      const interval = tf.maximum(tf.ceil(tf.mul(tf.clipByValue(score, 0, 1), count - 1)), lowest);
      const first = tf.floor(tf.div(interval, base));
      const firstDigit = oneHot(tf.cast(first, "int32"), high);
      const second = tf.cast(tf.sub(interval, tf.mul(first, base)), "int32");
      const secondDigit = oneHot(second, base);
      const weighted = weights.map((weight) => tf.mul(firstDigit, tf.expandDims(weight, -1)));
      return tf.matMul(tf.concat(weighted, 2), secondDigit, true, false);
    },
    decode(sums) {
      const above = new Float64Array(count);
      const below = new Float64Array(count);
      for (let index = count - 2; index >= 0; index--) {
        above[index] = (above[index + 1] as number) + (sums[index + 1] as number);
      }
      for (let index = 0; index < count; index++) below[index] = (below[index - 1] ?? 0) + (sums[index] as number);
      return { above, below };
    },
  };
}

/** Targets as 0 and 1, scores and weights, all `[labels, n]`. */
function prepare(
  yTrue: Tensor,
  yPred: Tensor,
  sampleWeight: Tensor | undefined,
  { topK, classId, multiLabel, labelWeights }: CounterOptions,
): { positive: Tensor; score: Tensor; weight: Tensor } {
  let [target, score] = align(yTrue, yPred);
  if (topK !== undefined) score = onlyLargest(score, topK);
  if (classId !== undefined) {
    target = onlyClass(target, classId);
    score = onlyClass(score, classId);
  }
  let weight = elementWeights(target, sampleWeight);
  if (labelWeights !== undefined) weight = tf.mul(weight, tf.tensor1d([...labelWeights]));
  const positive = tf.cast(tf.notEqual(target, 0), "float32");
  const byLabel = (x: Tensor): Tensor => multiLabel ? tf.transpose(x) : tf.reshape(x, [1, x.size]);
  return { positive: byLabel(positive), score: byLabel(score), weight: byLabel(weight) };
}

function onlyClass(x: Tensor, classId: number): Tensor {
  const last = x.rank - 1;
  return tf.slice(
    x,
    x.shape.map((_, axis) => axis === last ? classId : 0),
    x.shape.map((size, axis) => axis === last ? 1 : size),
  );
}

/** Moves all but the k largest of the last axis below every threshold; of equal ones the first is the larger. */
function onlyLargest(score: Tensor, k: number): Tensor {
  const classes = score.shape.at(-1) as number;
  if (k >= classes) return score;
  let chosen: Tensor = tf.zeros(score.shape);
  let rest = score;
  for (let index = 0; index < k; index++) {
    const largest = oneHot(tf.argMax(rest, -1), classes);
    chosen = tf.maximum(chosen, largest);
    rest = tf.where(tf.cast(largest, "bool"), tf.fill(score.shape, LOWEST), rest);
  }
  return tf.where(tf.cast(chosen, "bool"), score, tf.fill(score.shape, BELOW_ALL));
}

function labelsOf(metric: string, yTrue: Shape, yPred: Shape): number {
  const labels = yPred.at(-1);
  if (yPred.length !== 2 || typeof labels !== "number" || yTrue.length !== 2 || yTrue[1] !== labels) {
    throw new TypeError(
      `Cannot compute ${metric} by label: the target has shape ${formatShape(yTrue)}, the prediction ` +
        `${formatShape(yPred)}. Expected both to be [batch, labels].`,
    );
  }
  return labels;
}

function checkClasses({ metric, classId, topK, labelWeights }: CounterOptions, yPred: Shape): void {
  const classes = yPred.length > 1 ? yPred.at(-1) : undefined;
  if (classId !== undefined && !(typeof classes === "number" && classId >= 0 && classId < classes)) {
    throw new TypeError(
      `Cannot compute ${metric} of class ${classId}: the prediction has shape ${formatShape(yPred)}. ` +
        `Expected [batch, classes] with more than ${classId} classes.`,
    );
  }
  if (topK !== undefined && classes === undefined) {
    throw new TypeError(
      `Cannot compute ${metric} of the ${topK} best classes: the prediction has shape ${formatShape(yPred)}. ` +
        "Expected [batch, classes].",
    );
  }
  if (labelWeights !== undefined && classes !== labelWeights.length) {
    throw new TypeError(
      `Cannot compute ${metric} with ${labelWeights.length} label weights: the prediction has shape ` +
        `${formatShape(yPred)}. Expected a weight for each label of the last axis.`,
    );
  }
}
