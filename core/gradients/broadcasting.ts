/**
 * Operations of two operands of different shapes.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

/** Kernels whose gradients tfjs leaves in the shape of the result, where one operand was repeated. */
const KERNELS = ["Maximum", "Minimum", "SquaredDifference", "BatchMatMul"] as const;

/** Gradients of maximum, minimum, squaredDifference and matMul: tfjs's, summed over what was repeated. */
export function broadcastingGradients(): readonly KernelGradient[] {
  return KERNELS.map((kernel) => {
    const { gradFunc } = tf.getGradient(kernel);
    return {
      kernel,
      replace: true,
      inputs: ["a", "b"],
      gradient: ([dy], [a, b], attributes) => {
        const gradients = gradFunc(dy!, [a!, b!], attributes as tf.NamedAttrMap);
        return {
          a: () => sumTo(gradients.a!() as Tensor, a!.shape),
          b: () => sumTo(gradients.b!() as Tensor, b!.shape),
        };
      },
    };
  });
}

/** Sums over the axes along which an operand of this shape was repeated. */
function sumTo(gradient: Tensor, shape: readonly number[]): Tensor {
  if (gradient.shape.join() === shape.join()) return gradient;
  const missing = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((size, axis) => axis < missing || shape[axis - missing] !== size ? [axis] : []);
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), [...shape]);
}
