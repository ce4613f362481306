/**
 * The WGSL printer: kernels as compute shaders. Imports plugins/compiler/ir only.
 *
 * @module
 */
import type { Kernel } from "../../../compiler/ir/types.ts";
import { contractionAlternatives, printContraction } from "./contraction.ts";
import { printNest } from "./nest.ts";
import { printScan } from "./scan.ts";
import { printScatter } from "./scatter.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import type { Alternative } from "./workgroup_contraction.ts";

export {
  type Access,
  accessOf,
  type ComputeShader,
  isTexture,
  type Operand,
  type PrintContext,
  STEP_BYTES,
} from "./shader.ts";
export { type Arenas, printSingleDispatch, type SingleDispatch } from "./single_dispatch.ts";
export { type AdapterKind, type Tuning, tuningFor, TUNINGS } from "./tuning.ts";
export type { Alternative } from "./workgroup_contraction.ts";

/**
 * A kernel as shaders that run one after the other: usually one; several where it is done in stages.
 *
 * Equal kernels of equal plans have equal text.
 */
export function printKernel(kernel: Kernel, context: PrintContext): readonly ComputeShader[] {
  switch (kernel.kind) {
    case "nest":
      return printNest(kernel, context);
    case "contraction":
      return printContraction(kernel, context);
    case "scan":
      return printScan(kernel, context);
    case "scatter":
      return printScatter(kernel, context);
    default:
      return kernel satisfies never;
  }
}

/** Ways to compute a kernel that give the same bits, for measuring; none where there is only one. @param most How many at most. */
export function kernelAlternatives(kernel: Kernel, context: PrintContext, most: number): readonly Alternative[] {
  return kernel.kind === "contraction" ? contractionAlternatives(kernel, context, most) : [];
}
