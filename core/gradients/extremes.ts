/**
 * The largest and smallest elements along axes.
 *
 * @module
 */
import { tf } from "../tf.ts";
import { keptShape, type KernelGradient } from "./register.ts";

interface ReductionAttributes {
  readonly reductionIndices?: number | number[];
  readonly axis?: number | number[];
}

/**
 * Gradients of max and min. Where several elements are the largest they share `dy`, as in JAX and TensorFlow; tfjs gives
 * all of it to each of them.
 */
export function extremeGradients(): readonly KernelGradient[] {
  return ["Max", "Min"].map((kernel) => ({
    kernel,
    replace: true,
    inputs: ["x"],
    outputs: [true],
    gradient: ([dy], [x, y], attributes) => ({
      x: () => {
        const { reductionIndices, axis = reductionIndices } = attributes as ReductionAttributes;
        const axes = tf.util.parseAxisParam(axis ?? x!.shape.map((_, index) => index), x!.shape);
        const kept = keptShape(x!.shape, axes);
        const chosen = tf.cast(tf.equal(x!, tf.reshape(y!, kept)), "float32");
        return tf.mul(chosen, tf.div(tf.reshape(dy!, kept), tf.sum(chosen, axes, true)));
      },
    }),
  }));
}
