/**
 * Sums and means.
 *
 * @module
 */
import { tf } from "../tf.ts";
import { keptShape, type KernelGradient } from "./register.ts";

/**
 * Gradients of sum and mean: tfjs's multiply by as many ones as there are elements, which the host makes each time: a
 * tenth of the time that tracing a transformer takes.
 */
export function averagingGradients(): readonly KernelGradient[] {
  return (["Sum", "Mean"] as const).map((kernel) => ({
    kernel,
    replace: true,
    inputs: ["x"],
    gradient: ([dy], [x], attributes) => {
      const axes = tf.util.parseAxisParam((attributes as { axis: number | number[] }).axis, x!.shape);
      const count = tf.util.sizeFromShape(axes.map((axis) => x!.shape[axis]!));
      return {
        x: () => {
          const spread = tf.broadcastTo(tf.reshape(dy!, keptShape(x!.shape, axes)), x!.shape);
          return kernel === "Mean" ? tf.div(spread, count) : spread;
        },
      };
    },
  }));
}
