/**
 * How a gradient is given to tfjs.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";

/** A gradient for one of tfjs's kernels. */
export interface KernelGradient {
  /** The kernel. */
  readonly kernel: string;
  /** Whether it stands in for one that tfjs has; without it, one that is there is kept. @default false */
  readonly replace?: boolean;
  /** Inputs that the gradient needs, by name; `all` for kernels whose inputs are a list. */
  readonly inputs?: readonly string[] | "all";
  /** Which outputs it needs. */
  readonly outputs?: readonly boolean[];
  /**
   * The gradients by input.
   *
   * @param dys One for each output of the kernel.
   * @param saved The inputs and then the outputs asked for.
   */
  gradient(dys: readonly Tensor[], saved: readonly Tensor[], attributes: object): Record<string, () => Tensor>;
}

/** Registers a gradient with tfjs. */
export function register({ kernel, replace, inputs, outputs, gradient }: KernelGradient): void {
  if (tf.getGradient(kernel) && !replace) return;
  tf.registerGradient({
    kernelName: kernel,
    ...(inputs === "all" ? { saveAllInputs: true } : { inputsToSave: [...inputs ?? []] }),
    ...(outputs === undefined ? {} : { outputsToSave: [...outputs] }),
    // A kernel with one output, even where it could have several, gives its gradient bare.
    gradFunc: (dy, saved, attributes) => gradient(Array.isArray(dy) ? dy : [dy], saved, attributes),
  });
}

/** A shape with 1 in place of the sizes of some axes: what a reduction along them gives that keeps them. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((size, axis) => axes.includes(axis) ? 1 : size);
}

/** The gradient of indices: the result does not change with them. tfjs wants float32 in their shape. */
export function noGradient(indices: Tensor): () => Tensor {
  return () => tf.zeros(indices.shape);
}
