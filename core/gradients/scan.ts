/**
 * Running sums and products.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

interface ScanAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** Gradients of cumsum and cumprod. */
export function scanGradients(): readonly KernelGradient[] {
  return [
    {
      // tfjs transposes the result for axes other than the last, although its kernel has done so.
      kernel: "Cumsum",
      replace: true,
      gradient: ([dy], _saved, attributes) => {
        const { axis, exclusive, reverse } = attributes as ScanAttributes;
        return { x: () => tf.cumsum(dy!, axis, exclusive, !reverse) };
      },
    },
    {
      kernel: "Cumprod",
      inputs: ["x"],
      gradient: ([dy], [x], attributes) => ({ x: () => cumprodGradient(dy!, x!, attributes as ScanAttributes) }),
    },
  ];
}

/**
 * `dx[i] = (x[0] … x[i-1]) · Σ_{j ≥ i} dy[j] · x[i+1] … x[j]`, without dividing, so that zeros in `x` are sound. The sum
 * is a linear recurrence from the end; it is taken in log2(n) rounds, each over twice the distance of the one before.
 */
function cumprodGradient(dy: Tensor, x: Tensor, { axis, exclusive, reverse }: ScanAttributes): Tensor {
  const length = x.shape[axis]!;
  const turn = (value: Tensor) => reverse ? tf.reverse(value, axis) : value;
  const forwards = turn(x);
  // What the exclusive product gives at j + 1 the inclusive one gives at j.
  let sum = exclusive ? moved(turn(dy), axis, 1) : turn(dy);
  let product = moved(forwards, axis, 1);
  for (let distance = 1; distance < length; distance *= 2) {
    sum = tf.add(sum, tf.mul(product, moved(sum, axis, distance)));
    if (distance * 2 < length) product = tf.mul(product, moved(product, axis, distance));
  }
  return turn(tf.mul(tf.cumprod(forwards, axis, true), sum));
}

/** Element `i + distance` at `i`, and zeros at the end. */
function moved(x: Tensor, axis: number, distance: number): Tensor {
  const length = x.shape[axis]!;
  const by = Math.min(distance, length);
  const begin = x.shape.map((_, index) => index === axis ? by : 0);
  const size = x.shape.map((full, index) => index === axis ? length - by : full);
  return tf.pad(tf.slice(x, begin, size), x.shape.map((_, index) => [0, index === axis ? by : 0]));
}
