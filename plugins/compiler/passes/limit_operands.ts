/**
 * Kernels of no more buffers than a back end allows: long sums, as of the gradients of a hundred time steps, in parts.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { Plan } from "../ir/plan.ts";
import { axesOf, operandsOf, parts, walk } from "../ir/shape.ts";
import type { Buffer, Expression, Nest } from "../ir/types.ts";
import { mapKernel } from "./map_kernel.ts";

/**
 * A plan that computes the same numbers, where parts of what uses too many buffers are stored first.
 *
 * A kernel that cannot be cut stays as it is: only what each of its points computes in any case is moved.
 */
export function limitOperands(plan: Plan, { maxOperands = Infinity }: { readonly maxOperands?: number } = {}): Plan {
  const { expressions: ir } = plan;
  const scratch = [...plan.scratch];
  const kernels = plan.kernels.flatMap((kernel) => {
    const first: Nest[] = [];
    while (kernel.kind === "nest" && operandsOf(kernel) > maxOperands) {
      const part = largestPart(kernel, maxOperands - 1);
      if (part === undefined) break;
      const { nest, buffer, stored } = storedPart(ir, part, kernel);
      first.push(nest);
      scratch.push(buffer);
      const done = new Map<Expression, Expression>();
      kernel = mapKernel(kernel, {
        expression: (x) => ir.rewrite(x, (each) => each === part ? stored : undefined, done),
        axes: (axes) => axes,
      });
    }
    return [...first, kernel];
  });
  return { ...plan, kernels, scratch };
}

/** Of what a nest computes at each point, the part that reads the most buffers, of as many as `most`. */
function largestPart(nest: Nest, most: number): Expression | undefined {
  let best: Expression | undefined;
  let bestCount = 1;
  const visit = (x: Expression): void => {
    const count = buffersOf(x);
    if (count <= bestCount) return;
    if (count <= most && x.type !== "bool") {
      best = x;
      bestCount = count;
    } else if (x.kind === "unary" || x.kind === "binary" || x.kind === "cast") parts(x).forEach(visit);
  };
  for (const { value } of [...nest.reductions, ...nest.stores]) visit(value);
  return best;
}

/** How many buffers an expression reads; 0 where it depends on a reduction of its kernel. */
function buffersOf(x: Expression): number {
  const buffers = new Set<Buffer>();
  let depends = false;
  walk([x], (part) => {
    if (part.kind === "load") buffers.add(part.buffer);
    if (part.kind === "result") depends = true;
  });
  return depends ? 0 : buffers.size;
}

/** A kernel that stores a part of another, and what then stands for the part. */
function storedPart(
  ir: Expressions,
  part: Expression,
  { outer, inner, from }: Nest,
): { readonly nest: Nest; readonly buffer: Buffer; readonly stored: Expression } {
  const used = axesOf(part);
  const axes = [...outer, ...inner].filter((axis) => used.has(axis));
  const shape = axes.map(({ size }) => size);
  const own = new Map(axes.map((axis) => [axis, ir.axis(axis.size)]));
  const places = [...own.values()];
  const buffer = ir.buffer(part.type as "f32" | "i32", shape.reduce((size, each) => size * each, 1), {
    kind: "scratch",
  });
  const value = ir.rewrite(part, (each) => each.kind === "axis" ? own.get(each.axis) : undefined);
  const nest: Nest = {
    kind: "nest",
    outer: places.flatMap((place) => place.kind === "axis" ? [place.axis] : []),
    inner: [],
    reductions: [],
    stores: [{ buffer, index: ir.flatten(places, shape), value }],
    from,
  };
  return { nest, buffer, stored: ir.load(buffer, ir.flatten(axes.map((axis) => ir.axisExpression(axis)), shape)) };
}
