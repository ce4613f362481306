/**
 * Replacing kernels of a tfjs backend.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";

/** What tfjs calls to run a kernel. */
export type KernelFunction = ReturnType<typeof tf.getKernel>["kernelFunc"];

/** Puts another kernel in place of a backend's own, which it is given. tfjs would only warn if both were registered. */
export function replaceKernel(
  kernelName: string,
  backendName: string,
  make: (original: KernelFunction) => KernelFunction,
): void {
  const original = tf.getKernel(kernelName, backendName);
  tf.unregisterKernel(kernelName, backendName);
  tf.registerKernel({ ...original, kernelName, backendName, kernelFunc: make(original.kernelFunc) });
}
