/**
 * Resizing images.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/**
 * Gradients of resizeBilinear and resizeNearestNeighbor. tfjs's own kernels swap height and width on the cpu and ignore
 * `halfPixelCenters`. Resizing is a matrix product along each axis, so its gradient is the product with the transposes.
 */
export function resizingGradients(): readonly KernelGradient[] {
  return [gradientOf("ResizeBilinear", bilinearRow), gradientOf("ResizeNearestNeighbor", nearestRow)];
}

function gradientOf(kernel: string, row: Row): KernelGradient {
  return {
    kernel,
    replace: true,
    inputs: ["images"],
    gradient: ([dy], [images], attributes) => ({
      images: () => {
        const [batch, rows, columns, channels] = dy!.shape as [number, number, number, number];
        const [, height, width] = images!.shape as [number, number, number, number];
        const down = weights(height, rows, row, attributes as ResizeAttributes);
        const across = weights(width, columns, row, attributes as ResizeAttributes);
        const up = tf.matMul(down, tf.reshape(dy!, [batch, rows, columns * channels]), true);
        const back = tf.matMul(across, tf.reshape(up, [batch * height, columns, channels]), true);
        return tf.reshape(back, [batch, height, width, channels]);
      },
    }),
  };
}

/** Adds to `add(input, weight)` what goes into output pixel `at`, which tfjs takes from the given place. */
type Row = (at: number, scale: number, input: number, attributes: ResizeAttributes, add: Add) => void;
type Add = (index: number, weight: number) => void;

const bilinearRow: Row = (at, scale, input, { halfPixelCenters }, add) => {
  const position = halfPixelCenters ? scale * (at + 0.5) - 0.5 : scale * at;
  const low = Math.max(0, Math.floor(position));
  const part = position - low;
  add(low, 1 - part);
  add(Math.max(0, Math.min(input - 1, Math.ceil(position))), part);
};

const nearestRow: Row = (at, scale, input, { alignCorners, halfPixelCenters }, add) => {
  const position = halfPixelCenters ? scale * (at + 0.5) : scale * at;
  add(Math.max(0, Math.min(input - 1, alignCorners ? Math.round(position) : Math.floor(position))), 1);
};

/** Which part of each input pixel goes into each output pixel, `[1, output, input]`. */
function weights(input: number, output: number, row: Row, attributes: ResizeAttributes): Tensor {
  const inner = attributes.alignCorners && output > 1;
  const scale = inner ? (input - 1) / (output - 1) : input / output;
  const values = new Float32Array(output * input);
  for (let at = 0; at < output; at++) {
    row(at, scale, input, attributes, (index, weight) => {
      values[at * input + index]! += weight;
    });
  }
  return tf.tensor3d(values, [1, output, input]);
}
