/**
 * Slices with strides.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

/** tfjs's attributes of stridedSlice. */
export interface StridedSliceAttributes {
  readonly begin: number[];
  readonly end: number[];
  readonly strides: number[];
  readonly beginMask: number;
  readonly endMask: number;
  readonly ellipsisMask: number;
  readonly newAxisMask: number;
  readonly shrinkAxisMask: number;
}

/** The gradient of stridedSlice: `dy` where it was read, zeros elsewhere. */
export function stridedSliceGradients(): readonly KernelGradient[] {
  return [{
    kernel: "StridedSlice",
    inputs: ["x"],
    gradient: ([dy], [x], attributes) => ({
      x: () => {
        const given = attributes as StridedSliceAttributes;
        const { begin, end, strides } = tf.slice_util.sliceInfo(
          x!.shape,
          given.begin,
          given.end,
          given.strides,
          given.beginMask,
          given.endMask,
          given.ellipsisMask,
          given.newAxisMask,
          given.shrinkAxisMask,
        );
        const read = tf.slice_util.computeOutShape(begin, end, strides);
        if (read.includes(0)) return tf.zeros(x!.shape);
        return begin.reduce(
          (placed, from, axis) => place(placed, axis, from, strides[axis]!, x!.shape[axis]!),
          tf.reshape(dy!, read),
        );
      },
    }),
  }];
}

/** Puts the elements along an axis at `begin`, `begin + stride`, … of `size`. */
function place(x: Tensor, axis: number, begin: number, stride: number, size: number): Tensor {
  const count = x.shape[axis]!;
  if (count === size && stride === 1) return x;
  const forwards = stride < 0 ? tf.reverse(x, axis) : x;
  const first = stride < 0 ? begin + (count - 1) * stride : begin;
  const step = Math.abs(stride);
  const before = x.shape.slice(0, axis).reduce((product, length) => product * length, 1);
  const after = x.shape.slice(axis + 1).reduce((product, length) => product * length, 1);
  const gaps = tf.pad(tf.reshape(forwards, [before, count, 1, after]), [[0, 0], [0, 0], [0, step - 1], [0, 0]]);
  const length = (count - 1) * step + 1;
  const spread = tf.slice(tf.reshape(gaps, [before, count * step, after]), [0, 0, 0], [before, length, after]);
  const padded = tf.pad(spread, [[0, 0], [first, size - first - length], [0, 0]]);
  return tf.reshape(padded, x.shape.map((kept, index) => index === axis ? size : kept));
}
