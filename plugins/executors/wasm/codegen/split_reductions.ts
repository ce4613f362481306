/**
 * Few and long reductions: parts of each first, which threads share, then what the parts give together.
 *
 * @module
 */
import { axesOf, points, walk } from "../../../compiler/ir/shape.ts";
import type { Kernel, Nest, Reduction } from "../../../compiler/ir/types.ts";
import { divisorUpTo, newLoop, type Rewriting, substitute } from "./rewriting.ts";

/** With as many results threads have enough to share. */
const ENOUGH_RESULTS = 64;
/** Fewer values in all are not worth two kernels. */
const LEAST_VALUES = 32_768;
const LEAST_PART = 256;
const MOST_PARTS = 32;

/** The nest, or its parts and what they give together. The parts do not depend on the number of threads. */
export function splitReductions(nest: Nest, { ir, newScratch }: Rewriting): readonly Kernel[] {
  const { outer, inner, reductions, stores } = nest;
  if (inner.length === 0 || reductions.length === 0 || !canSplit(nest)) return [nest];
  if (points(outer) >= ENOUGH_RESULTS || points(outer) * points(inner) < LEAST_VALUES) return [nest];
  const [first, ...others] = inner;
  const parts = divisorUpTo(first!.size, Math.min(MOST_PARTS, Math.floor(points(inner) / LEAST_PART)));
  if (parts < 2) return [nest];
  const part = newLoop(ir, parts);
  const inside = newLoop(ir, first!.size / parts);
  const change = substitute(ir, new Map([[first!, ir.add(ir.mul(part.value, first!.size / parts), inside.value)]]));
  const shape = [parts, ...outer.map(({ size }) => size)];
  const again = newLoop(ir, parts);
  const places = outer.map((axis) => newLoop(ir, axis.size));
  const renamed = substitute(ir, new Map(outer.map((axis, i) => [axis, places[i]!.value])));
  const written = ir.flatten([part.value, ...outer.map((axis) => ir.axisExpression(axis))], shape);
  const read = ir.flatten([again.value, ...places.map(({ value }) => value)], shape);
  const partials = reductions.map((reduction) => {
    const result = ir.newResult();
    return { reduction, result, buffer: newScratch(parts * points(outer)) };
  });
  return [{
    kind: "nest",
    outer: [...part.axes, ...outer],
    inner: [...inside.axes, ...others],
    reductions: partials.map(({ reduction, result }) => ({ ...reduction, result, value: change(reduction.value) })),
    stores: partials.map(({ buffer, result }) => ({ buffer, index: written, value: ir.result(result, "f32") })),
  }, {
    kind: "nest",
    outer: places.flatMap(({ axes }) => axes),
    inner: again.axes,
    reductions: partials.map(({ reduction, buffer }): Reduction => ({
      ...reduction,
      value: ir.load(buffer, read, "f32"),
    })),
    stores: stores.map((store) => ({ ...store, index: renamed(store.index), value: renamed(store.value) })),
  }];
}

/** Whether reductions are of float32, need none of each other, and stores are one for each outer point. */
function canSplit({ inner, reductions, stores }: Nest): boolean {
  const inside = (axes: ReadonlySet<unknown>) => inner.some((axis) => axes.has(axis));
  if (stores.some(({ index, value }) => inside(axesOf(index)) || inside(axesOf(value)))) return false;
  let fine = true;
  for (const { combine, type } of reductions) {
    if (type !== "f32" || combine === "argMax" || combine === "argMin") fine = false;
  }
  walk(reductions.map(({ value }) => value), (part) => {
    if (part.kind === "result") fine = false;
    if (part.kind === "load" && stores.some(({ buffer }) => buffer === part.buffer)) fine = false;
  });
  return fine;
}
