/**
 * What metric factories share.
 *
 * @module
 */
import { alignWeights, squeezeOrExpandToSameRank } from "../../core/reduce.ts";
import { formatShape, type Shape, type Tensor, tf } from "../../core/tf.ts";

/** Options that every metric has. */
export interface MetricOptions {
  /** The name under which it is reported. @default Keras's name for it */
  readonly name?: string;
}

/** `a / b`, and 0 where b is 0. */
export function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}

/** The mean of numbers; NaN of none. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The only number, or several under the metric's name and a suffix each. */
export function named(
  name: string,
  values: readonly number[],
  suffixes: readonly (string | number)[],
): number | Record<string, number> {
  if (values.length === 1) return values[0] as number;
  return Object.fromEntries(values.map((value, index) => [`${name}_${suffixes[index]}`, value]));
}

/** A target and a prediction as float32, of the same rank where they differ by a last axis of size 1. */
export function align(yTrue: Tensor, yPred: Tensor): [Tensor, Tensor] {
  return squeezeOrExpandToSameRank(tf.cast(yTrue, "float32"), tf.cast(yPred, "float32"));
}

/** A weight for every element of `like`; ones where there are no weights. */
export function elementWeights(like: Tensor, sampleWeight: Tensor | undefined): Tensor {
  if (sampleWeight === undefined) return tf.ones(like.shape);
  let weights = tf.cast(sampleWeight, "float32");
  if (weights.rank === like.rank + 1 && weights.shape.at(-1) === 1) weights = tf.squeeze(weights, [weights.rank - 1]);
  const missing = Math.max(like.rank - weights.rank, 0);
  weights = tf.reshape(weights, [...weights.shape, ...Array<number>(missing).fill(1)]);
  return tf.broadcastTo(alignWeights(like, weights)[1], like.shape);
}

/** The number of classes, from the last axis of shapes `[batch, classes]`. @throws {TypeError} For other shapes. */
export function classesOf(metric: string, yTrue: Shape, yPred: Shape): number {
  const classes = yPred.at(-1);
  if (yTrue.length !== 2 || yPred.length !== 2 || typeof classes !== "number" || yTrue[1] !== classes) {
    throw new TypeError(
      `Cannot compute ${metric}: the target has shape ${formatShape(yTrue)}, the prediction ${formatShape(yPred)}. ` +
        "Expected both to be [batch, classes], with the same number of classes.",
    );
  }
  return classes;
}

/** @throws {RangeError} If an option is not what it must be. */
export function checkOption(metric: string, option: string, value: unknown, valid: boolean, expected: string): void {
  if (!valid) throw new RangeError(`Cannot make ${metric} with ${option} ${format(value)}: expected ${expected}.`);
}

function format(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : Array.isArray(value) ? `[${value.join(", ")}]` : String(value);
}
