/**
 * Finding which loop of one kernel walks memory as a loop of another does.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import { strides } from "../ir/shape.ts";
import type { Axis, Expression } from "../ir/types.ts";

/** What stands for a loop variable: an expression of another kernel's. */
export type AxisMap = Map<Axis, Expression>;

interface Stride {
  readonly axis: Axis;
  readonly stride: number;
}

/**
 * Says what each loop variable in `read` is in terms of those in `written`, so that both are the same place.
 *
 * @param read Where one kernel reads.
 * @param written Where the other writes.
 * @param map What is known already; what is found is added.
 * @returns Whether there is such a mapping.
 */
export function alignAxes(ir: Expressions, read: Expression, written: Expression, map: AxisMap): boolean {
  const from = strides(read);
  const to = strides(written);
  if (from === undefined || to === undefined || from.constant !== to.constant) return false;
  const reads = sorted(from.axes);
  const writes = sorted(to.axes);
  let next = 0;
  for (const { axis, stride } of reads) {
    const first = writes[next];
    if (first === undefined || first.stride !== stride) return false;
    // One loop of the reader may be several of the writer.
    let place = ir.axisExpression(first.axis);
    let size = first.axis.size;
    next++;
    while (size < axis.size) {
      const more = writes[next];
      if (more === undefined || more.stride !== stride * size) return false;
      place = ir.add(ir.mul(ir.axisExpression(more.axis), size), place);
      size *= more.axis.size;
      next++;
    }
    if (size !== axis.size) return false;
    const known = map.get(axis);
    if (known === undefined) map.set(axis, place);
    else if (known !== place) return false;
  }
  return next === writes.length;
}

function sorted(axes: ReadonlyMap<Axis, number>): Stride[] {
  return [...axes].map(([axis, stride]) => ({ axis, stride })).sort((a, b) => a.stride - b.stride);
}
