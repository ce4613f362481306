/**
 * Choosing to run whole steps in one dispatch, where starting kernels would take longer than their work.
 *
 * @module
 */
import { placeOf } from "../../compiler/ir/buffers.ts";
import { measureKernels } from "../../compiler/ir/measure.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { reads, writes } from "../../compiler/ir/shape.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { accessOf, type ComputeShader, type PrintContext, printSingleDispatch } from "./wgsl/mod.ts";

/** A shader that does many steps. */
export interface SingleStep {
  /** Its operands are whole buffers: parts are at offsets in its text. */
  readonly shader: ComputeShader;
  /** The most steps that one dispatch of it does. */
  readonly stepsPerDispatch: number;
}

/** Bindings of a shader beside its operands: the step's number, the table, the keys. */
export const OTHER_BINDINGS = 3;

/**
 * A plan as one dispatch; `undefined` where its work is large, or it uses more buffers than a shader may have.
 *
 * The choice depends on the plan and the tuning alone: the order of sums is another one than in many dispatches.
 *
 * @param maxOperands How many buffers a shader may use.
 */
export function singleStep(plan: Plan, context: PrintContext, maxOperands: number): SingleStep | undefined {
  const { flops, bytesRead, bytesWritten } = measureKernels(plan.kernels);
  const work = flops + (bytesRead + bytesWritten) / 4;
  if (work > context.tuning.singleStepWork || plan.gradients !== undefined) return undefined;
  const roots = new Map<Buffer, { readonly binding: number; readonly access: "read" | "read_write" }>();
  for (const buffer of plan.kernels.flatMap((kernel) => [...reads(kernel), ...writes(kernel)])) {
    const { root } = placeOf(buffer);
    if (!roots.has(root)) roots.set(root, { binding: roots.size, access: accessOf(root) });
  }
  if (roots.size === 0 || roots.size > maxOperands) return undefined;
  const operands = [...roots].map(([buffer, { access }]) => ({ buffer, access }));
  const single = printSingleDispatch(plan.kernels, context, {
    access: operands.map(({ access }) => access),
    place: (buffer) => {
      const { root, offset } = placeOf(buffer);
      return { binding: roots.get(root)!.binding, offset };
    },
  });
  return { shader: { ...single, operands, scratch: [] }, stepsPerDispatch: single.stepsPerDispatch };
}
