/**
 * Two loops as one, where memory is walked through as if they were: longer loops, fewer tails.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { expressionsOf, parts, walk } from "../../../compiler/ir/shape.ts";
import { mapKernel } from "../../../compiler/passes/map_kernel.ts";
import type { Axis, Expression, Kernel } from "../../../compiler/ir/types.ts";

/** The kernel with neighbouring loops made one wherever all of its places allow. */
export function collapseAxes(kernel: Kernel, ir: Expressions): Kernel {
  let current = kernel;
  for (const list of listsOf(kernel)) {
    let axes = list.of(current);
    for (let at = axes.length - 2; at >= 0; at--) {
      const [outer, inner] = [axes[at]!, axes[at + 1]!];
      if (!areOne(current, outer, inner)) continue;
      const joined = ir.axis(outer.size * inner.size);
      if (joined.kind !== "axis") continue;
      const replace = (part: Expression) =>
        part.kind !== "axis" ? undefined : part.axis === outer ? ir.int(0) : part.axis === inner ? joined : undefined;
      axes = [...axes.slice(0, at), joined.axis, ...axes.slice(at + 2)];
      const done = new Map<Expression, Expression>();
      current = list.with(mapKernel(current, { expression: (x) => ir.rewrite(x, replace, done) }), axes);
    }
  }
  return current;
}

/** A list of loops of a kernel that may be joined. */
interface AxisList {
  readonly of: (kernel: Kernel) => readonly Axis[];
  readonly with: (kernel: Kernel, axes: readonly Axis[]) => Kernel;
}

function listsOf(kernel: Kernel): readonly AxisList[] {
  const list = (name: string): AxisList => ({
    of: (given) => (given as unknown as Record<string, readonly Axis[]>)[name]!,
    with: (given, axes) => ({ ...given, [name]: axes }),
  });
  switch (kernel.kind) {
    case "nest":
    case "scatter":
      return [list("outer"), list("inner")];
    case "scan":
      return [list("outer")];
    case "contraction":
      return [list("batch"), list("rows"), list("columns"), list("inner")];
    default:
      return kernel satisfies never;
  }
}

/** Whether two loops appear only as `outer · size + inner`, times something. */
function areOne(kernel: Kernel, outer: Axis, inner: Axis): boolean {
  const roots = expressionsOf(kernel);
  const isOne = (x: Expression) => x.kind === "axis" && (x.axis === outer || x.axis === inner);
  if (roots.some(isOne)) return false;
  let fine = true;
  walk(roots, (x) => {
    if (x.kind !== "affine") {
      if (parts(x).some(isOne)) fine = false;
      return;
    }
    let [a, b] = [0, 0];
    for (const { atom, factor } of x.terms) {
      if (atom.kind !== "axis") continue;
      if (atom.axis === outer) a = factor;
      if (atom.axis === inner) b = factor;
    }
    if (a !== b * inner.size) fine = false;
  });
  return fine;
}
