/**
 * From values for each sample to one number: weights, masks and reductions, as in Keras.
 *
 * Everything here runs inside a `tidy` of the caller's, and can be traced: no value is read, no shape depends on one.
 * Source: keras/src/losses/loss.py, keras/src/metrics/reduction_metrics.py.
 *
 * @module
 */
import type { Loss, Reduction } from "./loss.ts";
import { formatShape, type Tensor, tf } from "./tf.ts";

const REDUCTIONS: readonly Reduction[] = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"];

/** Weights and masks of a batch. */
export interface Weighting {
  /** `[batch]`, or with further axes of the values; any dtype. @default 1 each */
  readonly sampleWeight?: Tensor;
  /** Which entries count: bool, or numbers that are 0 where they do not. @default all */
  readonly mask?: Tensor;
}

/** How values become a loss. */
export interface ReduceOptions extends Weighting {
  /** The loss's own. */
  readonly reduction: Reduction;
}

/**
 * Checks a reduction given by a user.
 *
 * @throws {RangeError} If there is none of that name.
 */
export function checkReduction(reduction: Reduction): Reduction {
  if (!REDUCTIONS.includes(reduction)) {
    throw new RangeError(`Unknown reduction "${reduction}". Known: ${REDUCTIONS.join(", ")}.`);
  }
  return reduction;
}

/**
 * Gives two tensors the same rank where they differ by a last axis of size 1: a target `[batch]` for a prediction
 * `[batch, 1]` becomes `[batch, 1]`; a target `[batch, time]` for a prediction `[batch, time, 1]` has the prediction
 * squeezed. Other pairs are returned as they are.
 *
 * @param options `expandRankOne`: whether a tensor of rank 1 is expanded rather than the other squeezed. @default true
 */
export function squeezeOrExpandToSameRank(
  first: Tensor,
  second: Tensor,
  { expandRankOne = true }: { readonly expandRankOne?: boolean } = {},
): [Tensor, Tensor] {
  if (first.rank === second.rank + 1 && first.shape.at(-1) === 1) {
    return second.rank === 1 && expandRankOne
      ? [first, tf.expandDims(second, -1)]
      : [tf.squeeze(first, [first.rank - 1]), second];
  }
  if (second.rank === first.rank + 1 && second.shape.at(-1) === 1) {
    return first.rank === 1 && expandRankOne
      ? [tf.expandDims(first, -1), second]
      : [first, tf.squeeze(second, [second.rank - 1])];
  }
  return [first, second];
}

/** `numerator / denominator`, and 0 with gradient 0 where the denominator is 0. */
export function divideNoNan(numerator: Tensor, denominator: Tensor): Tensor {
  const isZero = tf.cast(tf.equal(denominator, 0), "float32");
  return tf.mul(tf.div(numerator, tf.add(denominator, isZero)), tf.sub(1, isZero));
}

/**
 * Merges a mask into sample weights.
 *
 * For a mean over all entries, those that count weigh `total / valid`, so that the mean is one over those that count.
 *
 * @returns Weights, float32, or `undefined` where there is neither.
 * @throws {TypeError} If the shapes do not fit.
 */
export function applyMask(
  { sampleWeight, mask }: Weighting,
  reduction: Reduction,
): Tensor | undefined {
  if (mask === undefined) return sampleWeight && tf.cast(sampleWeight, "float32");
  // tfjs has no gradients for comparisons, and refuses to differentiate a loss that one leads to.
  return withoutGradient(() => {
    const counts = tf.cast(tf.notEqual(mask, 0), "float32");
    const averaged = reduction === "mean" || reduction === "sum_over_batch_size";
    const weights = averaged ? tf.mul(counts, divideNoNan(tf.scalar(mask.size), tf.sum(counts))) : counts;
    if (sampleWeight === undefined) return weights;
    const [masked, given] = alignWeights(weights, tf.cast(sampleWeight, "float32"));
    return tf.mul(masked, given);
  });
}

/**
 * Computes something that the gradient does not go through, whatever it is computed from.
 *
 * @param compute Must make a new tensor.
 */
export function withoutGradient(compute: () => Tensor): Tensor {
  return tf.customGrad((unused) => ({
    value: compute(),
    gradFunc: () => tf.zerosLike(unused as Tensor),
  }))(tf.scalar(0));
}

/**
 * Reduces a loss's values.
 *
 * Differs from Keras in two cases that Keras gets wrong or refuses: weights of lower rank than the values belong to
 * their leading axes, and `mean_with_sample_weight` divides by the weights as they are broadcast to the values.
 *
 * @param values `[batch, …]`, or a scalar from a loss over the whole batch.
 * @returns float32; a scalar, for `none` the weighted values. An empty batch gives 0.
 * @throws {TypeError} If weights or mask do not fit the values.
 */
export function reduceLoss(values: Tensor, { reduction, sampleWeight, mask }: ReduceOptions): Tensor {
  checkReduction(reduction);
  let weighted: Tensor = asFloat(values);
  let weights = applyMask({ sampleWeight, mask }, reduction);
  if (weights !== undefined) {
    [weighted, weights] = alignWeights(weighted, weights);
    weighted = tf.mul(weighted, weights);
  }
  if (reduction === "none" || weighted.rank === 0) return weighted;
  const total = tf.sum(weighted);
  if (reduction === "sum" || weighted.size === 0) return total;
  if (reduction === "mean_with_sample_weight" && weights !== undefined) {
    return divideNoNan(total, tf.sum(tf.broadcastTo(weights, weighted.shape)));
  }
  return tf.div(total, weighted.size);
}

/**
 * A loss of a batch: its values, weighted and reduced, as calling a Keras loss does.
 *
 * @param yTrue `[batch, …]`, any dtype.
 * @param yPred `[batch, …]`, float32.
 * @throws {TypeError} If the shapes do not fit.
 */
export function applyLoss(loss: Loss, yTrue: Tensor, yPred: Tensor, weighting: Weighting = {}): Tensor {
  const values = loss.values(yTrue, yPred);
  const valid = loss.valid?.(yTrue, yPred, values);
  let { mask } = weighting;
  if (valid !== undefined) {
    mask = mask === undefined ? valid : tf.logicalAnd(...alignWeights(tf.notEqual(mask, 0), valid));
  }
  return reduceLoss(values, { reduction: loss.reduction, sampleWeight: weighting.sampleWeight, mask });
}

/** Values and weights of a metric, one for each sample. */
export interface SamplewiseValues {
  /** `[batch]`, already multiplied by the weights; a scalar where the metric gives one. */
  readonly values: Tensor;
  /** `[batch]`; absent where there are none. */
  readonly weights?: Tensor;
}

/**
 * Reduces a metric's values, and their weights, to one for each sample.
 *
 * @param values `[batch, …]`, any dtype.
 * @param sampleWeight `[batch]`, or with further axes of the values.
 * @param reduce How the axes after the first are reduced.
 * @throws {TypeError} If the weights do not fit the values.
 */
export function samplewise(
  values: Tensor,
  sampleWeight: Tensor | undefined,
  reduce: "mean" | "sum",
): SamplewiseValues {
  const combine = reduce === "mean" ? tf.mean : tf.sum;
  const over = (tensor: Tensor, from: number): Tensor =>
    tensor.rank > from ? combine(tensor, tensor.shape.map((_, axis) => axis).slice(from)) : tensor;
  let all: Tensor = tf.cast(values, "float32");
  if (sampleWeight === undefined) return { values: over(all, 1) };
  let weights: Tensor;
  [all, weights] = squeezeOrExpandToSameRank(all, tf.cast(sampleWeight, "float32"));
  checkWeights(all, weights);
  all = over(all, weights.rank);
  weights = tf.broadcastTo(weights, all.rank === 0 ? weights.shape : all.shape);
  return { values: over(tf.mul(all, weights), 1), weights: over(weights, 1) };
}

/**
 * The sums behind a weighted mean over samples: what batches and replicas add up.
 *
 * @param values `[batch, …]`, any dtype. A scalar counts as one sample.
 * @param sampleWeight `[batch]`, or with further axes of the values.
 * @returns float32 `[2]`: the weighted total, and the sum of the weights.
 * @throws {TypeError} If the weights do not fit the values.
 */
export function meanSums(values: Tensor, sampleWeight?: Tensor): Tensor {
  const { values: each, weights } = samplewise(values, sampleWeight, "mean");
  const count = weights === undefined ? tf.scalar(each.shape[0] ?? 1) : tf.sum(weights);
  return tf.stack([tf.sum(each), count]);
}

/** The mean from the sums of `meanSums`, added over batches; 0 where nothing was counted. */
export function meanOfSums(sums: Float64Array): number {
  const [total = 0, count = 0] = sums;
  return count === 0 ? 0 : total / count;
}

/**
 * Gives weights as many axes as the values they belong to, so that they can be multiplied.
 *
 * A scalar takes the weights' shape. Weights of lower rank belong to the leading axes.
 *
 * @throws {TypeError} If the weights do not fit the values.
 */
export function alignWeights(values: Tensor, sampleWeight: Tensor): [Tensor, Tensor] {
  const [aligned, weights] = squeezeOrExpandToSameRank(values, sampleWeight);
  checkWeights(aligned, weights);
  if (weights.rank >= aligned.rank) return [aligned, weights];
  return [aligned, tf.reshape(weights, [...weights.shape, ...Array(aligned.rank - weights.rank).fill(1)])];
}

function checkWeights(values: Tensor, weights: Tensor): void {
  if (values.rank === 0) return;
  const fits = weights.rank <= values.rank &&
    weights.shape.every((size, axis) => size === values.shape[axis] || size === 1 || values.shape[axis] === 1);
  if (!fits) {
    throw new TypeError(
      `Cannot weight values of shape ${formatShape(values.shape)} with weights or a mask of shape ` +
        `${formatShape(weights.shape)}: expected one for each sample, ${
          formatShape(values.shape.slice(0, 1))
        }, or for ` +
        `each value. Values have the shape of the prediction without the axes that the loss or metric averages over.`,
    );
  }
}

/** As float32; the tensor itself where it is: a cast that changes nothing is still a kernel, and another in the gradient. */
export function asFloat(tensor: Tensor): Tensor {
  return tensor.dtype === "float32" ? tensor : tf.cast(tensor, "float32");
}
