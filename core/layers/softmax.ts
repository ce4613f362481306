/**
 * The Softmax layer: any axis, and masks.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { type AxisInternals, first, internals, methodOwner } from "./internals.ts";

/** Gives a Softmax layer axes other than the last, which tfjs refuses, and Keras's rule for masks. */
export function adoptSoftmax(layer: tf.layers.Layer): void {
  if (methodOwner(layer, "call") !== "Softmax") return;
  const own = internals<AxisInternals>(layer);
  own.call = (inputs, args) => {
    const mask = first<Tensor | null>(args.mask ?? null);
    return tf.tidy(() => {
      const x = first(inputs);
      if (mask === null) return softmax(x, own.axis);
      const keep = tf.mul(mask.cast("float32"), tf.onesLike(x));
      // A large number rather than infinity keeps rows that are masked throughout free of NaN; they end as zeros.
      const shifted = tf.add(x, tf.mul(tf.sub(keep, 1), 1e9));
      return tf.mul(softmax(shifted, own.axis), keep);
    });
  };
}

function softmax(x: Tensor, axis: number | readonly number[]): Tensor {
  const axes = (typeof axis === "number" ? [axis] : axis).map((one) => one < 0 ? one + x.rank : one);
  if (axes.length === 1 && axes[0] === x.rank - 1) return tf.softmax(x);
  return tf.exp(tf.sub(x, tf.logSumExp(x, axes, true)));
}
