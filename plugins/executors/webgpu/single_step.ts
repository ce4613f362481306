/**
 * Choosing to run whole steps in one dispatch, where starting kernels would take longer than their work.
 *
 * @module
 */
import { placeOf } from "../../compiler/ir/buffers.ts";
import { measureKernels } from "../../compiler/ir/measure.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { reads, writes } from "../../compiler/ir/shape.ts";
import { formatCount } from "../../compiler/units.ts";
import {
  accessOf,
  type ComputeShader,
  type Operand,
  type PrintContext,
  printSingleDispatch,
  type Tuning,
} from "./wgsl/mod.ts";

/** A shader that does many steps. */
export interface SingleStep {
  /** Its operands are whole buffers: parts are at offsets in its text. */
  readonly shader: ComputeShader;
  /** The most steps that one dispatch of it does. */
  readonly stepsPerDispatch: number;
}

/** Bindings of a shader beside its operands: the step's number, the table, the keys. */
export const OTHER_BINDINGS = 3;

/** Whether whole steps go in one dispatch. */
export interface SingleStepChoice {
  /** The buffers that its shader then uses, in the order of its bindings; absent where each kernel is dispatched. */
  readonly operands?: readonly Operand[];
  /** The choice and what it rests on, for people: `one dispatch for whole steps: no, 6.2M > 250k ...`. */
  readonly text: string;
}

/**
 * Decides by a plan's work, as `measureKernels` counts it, and by how many buffers it uses.
 *
 * The choice depends on the plan and the tuning alone: the order of sums is another one than in many dispatches.
 *
 * @param maxOperands How many buffers a shader may use.
 */
export function chooseSingleStep(plan: Plan, tuning: Tuning, maxOperands: number): SingleStepChoice {
  const { singleStepWork, singleWorkgroupSize } = tuning;
  const said = (text: string): string => `one dispatch for whole steps: ${text}`;
  if (plan.gradients !== undefined) return { text: said("no, this is half a step") };
  const { flops, bytesRead, bytesWritten } = measureKernels(plan.kernels);
  const work = flops + (bytesRead + bytesWritten) / 4;
  const compared = `${formatCount(work)} ${work > singleStepWork ? ">" : "<="} ${formatCount(singleStepWork)}`;
  const counted = `${compared} operations and numbers moved a step`;
  if (work > singleStepWork) return { text: said(`no, ${counted}`) };
  const used = plan.kernels.flatMap((kernel) => [...reads(kernel), ...writes(kernel)]);
  const roots = new Set(used.map((buffer) => placeOf(buffer).root));
  if (roots.size === 0) return { text: said("no, there is nothing to do") };
  if (roots.size > maxOperands) {
    return { text: said(`no, ${roots.size} buffers > ${maxOperands} that a shader may use here`) };
  }
  return {
    operands: [...roots].map((buffer) => ({ buffer, access: accessOf(buffer) })),
    text: said(`yes, ${counted}; one workgroup of ${singleWorkgroupSize} invocations`),
  };
}

/**
 * A plan as one dispatch; `undefined` where `chooseSingleStep` says no.
 *
 * @param maxOperands How many buffers a shader may use.
 */
export function singleStep(plan: Plan, context: PrintContext, maxOperands: number): SingleStep | undefined {
  const { operands } = chooseSingleStep(plan, context.tuning, maxOperands);
  if (operands === undefined) return undefined;
  const bindings = new Map(operands.map(({ buffer }, binding) => [buffer, binding]));
  const single = printSingleDispatch(plan.kernels, context, {
    access: operands.map(({ buffer }) => accessOf(buffer)),
    place: (buffer) => {
      const { root, offset } = placeOf(buffer);
      return { binding: bindings.get(root)!, offset };
    },
  });
  return { shader: { ...single, operands, scratch: [] }, stepsPerDispatch: single.stepsPerDispatch };
}
