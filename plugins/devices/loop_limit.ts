/**
 * Gradients of convolution filters on adapters that cannot loop for long.
 *
 * Mesa's software adapters (llvmpipe, lavapipe) end the loops of an invocation after 65,535 iterations in all, those of
 * inner loops included, without an error: sums are then cut short. tfjs sums a filter's gradient over all positions of
 * all images in one invocation, which is more than that from a batch of 84 images of 28×28 on. Source: Mesa's
 * lp_bld_ir_common.c, LP_MAX_TGSI_LOOP_ITERATIONS.
 *
 * @module
 */
import { DeviceError } from "../../core/errors.ts";
import { tf } from "../../core/tf.ts";
import { type KernelFunction, replaceKernel } from "./kernels.ts";

/** How many iterations all loops of an invocation may have together on Mesa's software adapters. */
export const SOFTWARE_LOOP_LIMIT = 65_535;

/** A backend that may not loop for long. */
export interface LoopLimited {
  /** How many iterations an invocation may have; absent where there is no limit. */
  readonly loopLimit?: number;
  disposeData(dataId: object): boolean;
}

interface FilterGradientArguments {
  readonly inputs: { readonly x: tf.TensorInfo; readonly dy: tf.TensorInfo };
  readonly attrs: { readonly dataFormat?: string };
  readonly backend: unknown;
}

const KERNELS = ["Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter", "Conv3DBackpropFilterV2"];

/** Lets a backend compute gradients of filters in parts of the batch, where one would take too many iterations. */
export function registerSplitFilterGradients(backendName: string): void {
  for (const name of KERNELS) {
    replaceKernel(name, backendName, (original) => (given) => {
      const { inputs: { x, dy }, attrs, backend } = given as unknown as FilterGradientArguments;
      const { loopLimit } = backend as LoopLimited;
      if (loopLimit === undefined) return original(given);
      const [batch] = x.shape as [number];
      const spatial = attrs.dataFormat === "NCHW" ? dy.shape.slice(2) : dy.shape.slice(1, -1);
      // Each loop also counts the iterations of those around it.
      const iterations = spatial.reduce((product, size) => product * (size + 1), 1);
      const images = Math.floor(loopLimit / iterations);
      if (images >= batch) return original(given);
      if (images < 1) {
        throw new DeviceError(
          `Cannot compute the gradient of a filter over an output of ${spatial.join("×")} positions: this software ` +
            `WebGPU adapter ends loops after ${loopLimit} iterations. Use device "cpu", an adapter that is hardware, or ` +
            "smaller images.",
        );
      }
      return inParts(original, given, images, backendName);
    });
  }
}

function inParts(original: KernelFunction, given: Parameters<KernelFunction>[0], images: number, backendName: string) {
  const { inputs: { x, dy }, backend } = given as unknown as FilterGradientArguments;
  const { disposeData } = backend as LoopLimited;
  const run = (name: string, inputs: Record<string, tf.TensorInfo> | tf.TensorInfo[], attrs: object): tf.TensorInfo =>
    tf.getKernel(name, backendName).kernelFunc(
      { inputs, attrs, backend } as unknown as Parameters<KernelFunction>[0],
    ) as tf.TensorInfo;
  const take = (tensor: tf.TensorInfo, first: number, count: number): tf.TensorInfo =>
    run("Slice", { x: tensor }, {
      begin: tensor.shape.map((_, axis) => axis === 0 ? first : 0),
      size: tensor.shape.map((size, axis) => axis === 0 ? count : size),
    });
  const [batch] = x.shape as [number];
  const parts: tf.TensorInfo[] = [];
  for (let first = 0; first < batch; first += images) {
    const count = Math.min(images, batch - first);
    const part = { x: take(x, first, count), dy: take(dy, first, count) };
    parts.push(original({ ...given, inputs: part as unknown as tf.NamedTensorInfoMap }) as tf.TensorInfo);
    Object.values(part).forEach(({ dataId }) => disposeData.call(backend, dataId));
  }
  const sum = run("AddN", parts, {});
  parts.forEach(({ dataId }) => disposeData.call(backend, dataId));
  return sum;
}
