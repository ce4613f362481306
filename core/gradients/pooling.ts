/**
 * Averages over windows.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: "valid" | "same" | number;
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Gradients of avgPool in 2D and 3D, right at padded borders. */
export function poolingGradients(): readonly KernelGradient[] {
  return [
    corrected("AvgPool", (shape, { filterSize, strides, pad, dimRoundingMode }) => {
      const info = tf.backend_util.computePool2DInfo(
        shape as [number, number, number, number],
        filterSize as [number, number],
        strides as [number, number],
        1,
        pad,
        dimRoundingMode,
      );
      return [
        {
          input: info.inHeight,
          output: info.outHeight,
          before: info.padInfo.top,
          size: info.filterHeight,
          stride: info.strideHeight,
        },
        {
          input: info.inWidth,
          output: info.outWidth,
          before: info.padInfo.left,
          size: info.filterWidth,
          stride: info.strideWidth,
        },
      ];
    }),
    corrected("AvgPool3D", (shape, { filterSize, strides, pad, dimRoundingMode }) => {
      const info = tf.backend_util.computePool3DInfo(
        shape as [number, number, number, number, number],
        filterSize as [number, number, number],
        strides as [number, number, number],
        1,
        pad,
        dimRoundingMode,
      );
      return [
        {
          input: info.inDepth,
          output: info.outDepth,
          before: info.padInfo.front,
          size: info.filterDepth,
          stride: info.strideDepth,
        },
        {
          input: info.inHeight,
          output: info.outHeight,
          before: info.padInfo.top,
          size: info.filterHeight,
          stride: info.strideHeight,
        },
        {
          input: info.inWidth,
          output: info.outWidth,
          before: info.padInfo.left,
          size: info.filterWidth,
          stride: info.strideWidth,
        },
      ];
    }),
  ];
}

interface PooledAxis {
  readonly input: number;
  readonly output: number;
  readonly before: number;
  readonly size: number;
  readonly stride: number;
}

/**
 * At padded borders tfjs averages over the elements that are there, and its gradient over the whole window. Scaling
 * what flows back by the ratio of the two corrects it.
 */
function corrected(
  kernel: string,
  axes: (shape: readonly number[], attributes: PoolAttributes) => PooledAxis[],
): KernelGradient {
  const { gradFunc, inputsToSave = ["x"] } = tf.getGradient(kernel);
  const gradient = (dy: Tensor, saved: readonly Tensor[], attributes: object) =>
    gradFunc(dy, [...saved], attributes as tf.NamedAttrMap) as Record<string, () => Tensor>;
  return {
    kernel,
    replace: true,
    inputs: inputsToSave,
    gradient: ([dy], saved, attributes) => {
      const { pad } = attributes as PoolAttributes;
      if (pad === "valid" || pad === 0) return gradient(dy!, saved, attributes);
      let scaled = dy!;
      axes(saved[0]!.shape, attributes as PoolAttributes).forEach(({ input, output, before, size, stride }, index) => {
        const ratios = Array.from({ length: output }, (_, at) => {
          const start = at * stride - before;
          return size / (Math.min(start + size, input) - Math.max(start, 0));
        });
        if (ratios.every((ratio) => ratio === 1)) return;
        scaled = tf.mul(scaled, tf.tensor(ratios, dy!.shape.map((_, axis) => axis === index + 1 ? output : 1)));
      });
      return gradient(scaled, saved, attributes);
    },
  };
}
