/**
 * Products as the loops that they are, for where a tiled schedule does not fit.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { Contraction, Nest } from "../ir/types.ts";

/** A product as a nest with a sum for each of its results. */
export function asNest(kernel: Contraction, expressions: Expressions): Nest {
  const { batch, rows, columns, inner, left, right, result, stores } = kernel;
  return {
    kind: "nest",
    outer: [...batch, ...rows, ...columns],
    inner,
    reductions: [{ result, type: "f32", combine: "sum", value: expressions.mul(left, right) }],
    stores,
  };
}
