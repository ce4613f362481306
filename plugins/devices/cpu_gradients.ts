/**
 * Gradient kernels of tfjs's CPU backend 4.22 that are wrong: of resizing to the nearest neighbour with more than one
 * image in a batch, of bilinear resizing of images that are not square, and of pooling in 3D with windows that are not
 * cubes.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";
import type { CpuBackend } from "./cpu_backend.ts";
import { replaceKernel } from "./kernels.ts";

type Shape4D = readonly [batch: number, height: number, width: number, channels: number];

interface ResizeArguments {
  readonly inputs: { readonly images: tf.TensorInfo; readonly dy: tf.TensorInfo };
  readonly attrs: { readonly alignCorners: boolean };
  readonly backend: unknown;
}

interface PoolArguments {
  readonly inputs: { readonly dy: tf.TensorInfo; readonly input: tf.TensorInfo };
  readonly attrs: {
    readonly filterSize: [number, number, number] | number;
    readonly strides: [number, number, number] | number;
    readonly pad: "valid" | "same" | number;
    readonly dimRoundingMode?: "floor" | "round" | "ceil";
  };
  readonly backend: unknown;
}

/** Replaces them. */
export function registerGradientKernels(): void {
  replaceKernel("ResizeNearestNeighborGrad", "cpu", () => (given) => {
    const { inputs: { images, dy }, attrs: { alignCorners }, backend } = given as unknown as ResizeArguments;
    const cpu = backend as CpuBackend;
    const result = nearestGradient(
      images.shape as unknown as Shape4D,
      dy.shape as unknown as Shape4D,
      cpu.data.get(dy.dataId).values,
      alignCorners,
    );
    return cpu.makeTensorInfo(images.shape, "float32", result);
  });
  // The values are right; height and width have changed places in the shape.
  replaceKernel("ResizeBilinearGrad", "cpu", (original) => (given) => ({
    ...original(given) as tf.TensorInfo,
    shape: (given as unknown as ResizeArguments).inputs.images.shape,
  }));
  replaceKernel("MaxPool3DGrad", "cpu", () => (given) => {
    const { inputs: { dy, input }, attrs, backend } = given as unknown as PoolArguments;
    const cpu = backend as CpuBackend;
    const result = maxPool3dGradient(
      input.shape,
      cpu.data.get(input.dataId).values,
      cpu.data.get(dy.dataId).values,
      attrs,
    );
    return cpu.makeTensorInfo(input.shape, "float32", result);
  });
}

/** Adds each element's gradient to the one that it was copied from. */
function nearestGradient(images: Shape4D, resized: Shape4D, dy: Float32Array, alignCorners: boolean): Float32Array {
  const [batch, oldHeight, oldWidth, channels] = images;
  const [, newHeight, newWidth] = resized;
  const result = new Float32Array(batch * oldHeight * oldWidth * channels);
  const source = (index: number, oldSize: number, newSize: number): number => {
    const aligned = alignCorners && newSize > 1;
    const at = index * (aligned ? (oldSize - 1) / (newSize - 1) : oldSize / newSize);
    return Math.min(oldSize - 1, alignCorners ? Math.round(at) : Math.floor(at));
  };
  let offset = 0;
  for (let image = 0; image < batch; image++) {
    for (let row = 0; row < newHeight; row++) {
      const from = image * oldHeight + source(row, oldHeight, newHeight);
      for (let column = 0; column < newWidth; column++) {
        const at = (from * oldWidth + source(column, oldWidth, newWidth)) * channels;
        for (let channel = 0; channel < channels; channel++) result[at + channel]! += dy[offset++]!;
      }
    }
  }
  return result;
}

/** Adds each window's gradient to the first of its largest elements. */
function maxPool3dGradient(
  shape: readonly number[],
  input: Float32Array,
  dy: Float32Array,
  { filterSize, strides, pad, dimRoundingMode }: PoolArguments["attrs"],
): Float32Array {
  const info = tf.backend_util.computePool3DInfo(
    shape as [number, number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const result = new Float32Array(input.length);
  // Which elements of an axis a window covers.
  const span = (window: number, stride: number, before: number, size: number, length: number): [number, number] => {
    const start = window * stride - before;
    return [Math.max(start, 0), Math.min(start + size, length)];
  };
  let offset = 0;
  for (let image = 0; image < info.batchSize; image++) {
    for (let z = 0; z < info.outDepth; z++) {
      const [z0, z1] = span(z, info.strideDepth, info.padInfo.front, info.filterDepth, info.inDepth);
      for (let y = 0; y < info.outHeight; y++) {
        const [y0, y1] = span(y, info.strideHeight, info.padInfo.top, info.filterHeight, info.inHeight);
        for (let x = 0; x < info.outWidth; x++) {
          const [x0, x1] = span(x, info.strideWidth, info.padInfo.left, info.filterWidth, info.inWidth);
          for (let channel = 0; channel < info.inChannels; channel++) {
            let best = -1;
            for (let i = z0; i < z1; i++) {
              for (let j = y0; j < y1; j++) {
                for (let k = x0; k < x1; k++) {
                  const row = (image * info.inDepth + i) * info.inHeight + j;
                  const at = (row * info.inWidth + k) * info.inChannels + channel;
                  if (best < 0 || input[at]! > input[best]!) best = at;
                }
              }
            }
            if (best >= 0) result[best]! += dy[offset]!;
            offset++;
          }
        }
      }
    }
  }
  return result;
}
