/**
 * Simpler loops for the same points.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { walk } from "../../../compiler/ir/shape.ts";
import type { Axis, Expression } from "../../../compiler/ir/types.ts";

/** Replaces axes by expressions. */
export type Substitute = (x: Expression) => Expression;

/** A function that puts expressions in place of axes. */
export function substitution(pool: Expressions, places: ReadonlyMap<Axis, Expression>): Substitute {
  const done = new Map<Expression, Expression>();
  return (x) => pool.rewrite(x, (part) => part.kind === "axis" ? places.get(part.axis) : undefined, done);
}

/** A new axis of at least two values. */
export function newAxis(pool: Expressions, size: number): { readonly axis: Axis; readonly value: Expression } {
  const value = pool.axis(Math.max(size, 2));
  if (value.kind !== "axis") throw new Error("Cannot make an axis of one value.");
  return { axis: value.axis, value };
}

/**
 * Makes one axis of neighbours wherever no expression then needs a division to tell them apart.
 *
 * @returns The axes that are left, and what stands for the old ones.
 */
export function collapse(
  pool: Expressions,
  axes: readonly Axis[],
  roots: readonly Expression[],
): { readonly axes: readonly Axis[]; readonly substitute: Substitute } {
  let left = [...axes];
  let current = [...roots];
  const places = new Map<Axis, Expression>(axes.map((axis) => [axis, pool.axisExpression(axis)]));
  for (let i = left.length - 2; i >= 0; i--) {
    const [outer, inner] = [left[i]!, left[i + 1]!];
    const whole = newAxis(pool, outer.size * inner.size);
    const step = substitution(
      pool,
      new Map([
        [outer, pool.floorDiv(whole.value, inner.size)],
        [inner, pool.floorMod(whole.value, inner.size)],
      ]),
    );
    const next = current.map(step);
    if (divides(next, whole.axis)) continue;
    current = next;
    left = [...left.slice(0, i), whole.axis, ...left.slice(i + 2)];
    for (const [axis, place] of places) places.set(axis, step(place));
  }
  return { axes: left, substitute: substitution(pool, places) };
}

function divides(roots: readonly Expression[], axis: Axis): boolean {
  let found = false;
  walk(roots, (part) => {
    if (part.kind !== "binary" || part.operation !== "floorDiv" && part.operation !== "floorMod") return;
    if (part.a.kind === "axis" && part.a.axis === axis) found = true;
  });
  return found;
}
