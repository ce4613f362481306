/**
 * Splitting loops whose variable is divided: reading a matrix through a transposed view of more axes then takes strides
 * only.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { Plan } from "../ir/plan.ts";
import { expressionsOf, walk } from "../ir/shape.ts";
import type { Axis, Expression, Kernel } from "../ir/types.ts";
import { mapKernel } from "./map_kernel.ts";

/** A plan in which no loop variable is divided by a divisor of its size. */
export function splitAxes(plan: Plan): Plan {
  return { ...plan, kernels: plan.kernels.map((kernel) => splitKernel(plan.expressions, kernel)) };
}

function splitKernel(ir: Expressions, kernel: Kernel): Kernel {
  let result = kernel;
  for (;;) {
    const split = divided(result);
    if (split === undefined) return result;
    const high = ir.axis(split.axis.size / split.by);
    const low = ir.axis(split.by);
    const value = ir.add(ir.mul(high, split.by), low);
    const axes = [high, low].flatMap((place) => place.kind === "axis" ? [place.axis] : []);
    const done = new Map<Expression, Expression>();
    const replace = (part: Expression) => part.kind === "axis" && part.axis === split.axis ? value : undefined;
    result = mapKernel(result, {
      expression: (x) => ir.rewrite(x, replace, done),
      axes: (all) => all.flatMap((axis) => axis === split.axis ? axes : [axis]),
    });
  }
}

/** A loop variable that is divided as it is, and by what. */
function divided(kernel: Kernel): { axis: Axis; by: number } | undefined {
  // A scan runs along one axis.
  const kept = kernel.kind === "scan" ? kernel.along : undefined;
  let found: { axis: Axis; by: number } | undefined;
  walk(expressionsOf(kernel), (part) => {
    if (found !== undefined || part.kind !== "binary") return;
    if (part.operation !== "floorDiv" && part.operation !== "floorMod") return;
    if (part.a.kind !== "axis" || part.b.kind !== "number" || part.a.axis === kept) return;
    const by = part.b.value;
    const { size } = part.a.axis;
    if (by > 1 && by < size && size % by === 0) found = { axis: part.a.axis, by };
  });
  return found;
}
