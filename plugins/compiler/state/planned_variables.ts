/**
 * The variables of a step that a plan uses.
 *
 * @module
 */
import type { Step } from "../../../core/step.ts";
import type { Plan } from "../ir/plan.ts";
import { writes } from "../ir/shape.ts";
import type { Buffer } from "../ir/types.ts";
import type { VariableUse } from "./shared_variables.ts";

/** A variable, and its buffer in a plan. */
export interface PlannedVariable extends VariableUse {
  /** Its path in the model. */
  readonly path: string;
  /** Where it is in the plan. */
  readonly buffer: Buffer;
}

/**
 * The step's variables that a plan uses, and which of them it writes.
 *
 * @throws {RangeError} If the step lacks one.
 */
export function plannedVariables(plan: Plan, step: Step): readonly PlannedVariable[] {
  const written = new Set(plan.kernels.flatMap((kernel) => [...writes(kernel)]));
  const isWritten = (buffer: Buffer): boolean =>
    written.has(buffer) || (buffer.within !== undefined && isWritten(buffer.within.buffer));
  const byPath = new Map(step.variables.map(({ path, variable }) => [path, variable]));
  return [...plan.variables].map(([path, buffer]) => {
    const variable = byPath.get(path);
    if (variable === undefined) throw new RangeError(`Cannot run the plan: the step has no variable "${path}".`);
    return { path, variable, buffer, written: isWritten(buffer) };
  });
}
