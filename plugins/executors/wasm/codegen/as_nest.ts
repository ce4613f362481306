/**
 * Products whose factors lie in memory in no simple way, as the loops that they are.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Contraction, Nest } from "../../../compiler/ir/types.ts";

/** A product as a nest with a sum. */
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
