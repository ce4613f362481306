/**
 * Which kernels of tfjs's CPU backend Stride replaces: the slow ones that training spends its time in, and wrong ones.
 *
 * @module
 */
import { registerElementwise } from "./cpu_elementwise.ts";
import { registerForwardKernels } from "./cpu_forward.ts";
import { registerGradientKernels } from "./cpu_gradients.ts";
import { registerMatrixProducts } from "./cpu_matmul.ts";

let registered = false;

/** Replaces them, once. */
export function registerCpuKernels(): void {
  if (registered) return;
  registered = true;
  registerElementwise();
  registerMatrixProducts();
  registerForwardKernels();
  registerGradientKernels();
}
