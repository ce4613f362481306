/**
 * Convolutions in 3D, transposed.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

interface ConvolutionAttributes {
  readonly strides: [number, number, number];
  readonly pad: "valid" | "same";
}

/**
 * The gradient of the transposed convolution in 3D. It is linear in both inputs: their gradients are the convolution's
 * other two kernels.
 */
export function convolutionGradients(): readonly KernelGradient[] {
  return [{
    kernel: "Conv3DBackpropInputV2",
    inputs: ["dy", "filter"],
    gradient: ([dy], [input, filter], attributes) => {
      const { strides, pad } = attributes as ConvolutionAttributes;
      return {
        dy: () => tf.conv3d(dy as tf.Tensor5D, filter as tf.Tensor5D, strides, pad),
        filter: () => {
          const filterShape = filter!.shape as [number, number, number, number, number];
          return tf.engine().runKernel("Conv3DBackpropFilterV2", { x: dy!, dy: input! }, {
            strides,
            pad,
            filterShape,
          }) as Tensor;
        },
      };
    },
  }];
}
