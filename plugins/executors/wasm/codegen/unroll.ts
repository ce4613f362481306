/**
 * Short reductions written out: what their loops compute again and again, as softmax's exponentials, is computed once.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, cost, expressionsOf, points, walk } from "../../../compiler/ir/shape.ts";
import type { BinaryOperation, Combine, Expression, Nest, Reduction, Store } from "../../../compiler/ir/types.ts";
import { scheduleNest } from "./nest.ts";

const MOST_POINTS = 16;
const LEAST_OUTER = 16;
/** Operations that are written out at most. */
const MOST_COST = 6000;

const OPERATIONS: Readonly<Partial<Record<Combine, BinaryOperation>>> = {
  sum: "add",
  prod: "mul",
  max: "max",
  min: "min",
  all: "and",
  any: "or",
};

/** The nest without its inner loops where they are short, and outer points are computed four at a time. */
export function unrollNest(nest: Nest, ir: Expressions): Nest {
  const count = points(nest.inner);
  if (nest.inner.length === 0 || count > MOST_POINTS || points(nest.outer) < LEAST_OUTER) return nest;
  const { vector } = scheduleNest(nest);
  const total = expressionsOf(nest).reduce((sum, x) => sum + cost(x), 0);
  if (vector === undefined || !nest.outer.includes(vector) || count * total > MOST_COST || !canUnroll(nest)) {
    return nest;
  }
  const results = new Map<number, Expression>();
  const copies = Array.from({ length: count }, (_, at) => copier(nest, ir, at, results));
  for (const reduction of nest.reductions) {
    const values = copies.map((copy) => copy()(reduction.value));
    results.set(reduction.result, combined(ir, reduction, values));
  }
  const stores = nest.stores.flatMap((store): Store[] => {
    const inside = mentionsInner(nest, store) ? copies : copies.slice(0, 1);
    return inside.map((copy) => {
      const go = copy();
      return { ...store, index: go(store.index), value: go(store.value) };
    });
  });
  return { kind: "nest", outer: nest.outer, inner: [], reductions: [], stores };
}

/** Rewrites expressions for one inner point, with the results that are known by then. */
function copier(
  { inner }: Nest,
  ir: Expressions,
  at: number,
  results: ReadonlyMap<number, Expression>,
): () => (x: Expression) => Expression {
  const places = ir.unflatten(ir.int(at), inner.map(({ size }) => size));
  const values = new Map(inner.map((axis, i) => [axis, places[i]!]));
  return () => {
    const done = new Map<Expression, Expression>();
    const replace = (part: Expression) =>
      part.kind === "axis" ? values.get(part.axis) : part.kind === "result" ? results.get(part.result) : undefined;
    return (x) => ir.rewrite(x, replace, done);
  };
}

function combined(ir: Expressions, { combine }: Reduction, values: readonly Expression[]): Expression {
  const [first, ...rest] = values;
  if (combine !== "argMax" && combine !== "argMin") {
    return rest.reduce((all, value) => ir.binary(OPERATIONS[combine]!, all, value), first!);
  }
  let best = first!;
  let place: Expression = ir.int(0);
  rest.forEach((value, i) => {
    const better = ir.compare(combine === "argMax" ? "gt" : "lt", value, best);
    best = ir.select(better, value, best);
    place = ir.select(better, ir.int(i + 1), place);
  });
  return place;
}

function mentionsInner({ inner }: Nest, { index, value }: Store): boolean {
  const axes = new Set([...axesOf(index), ...axesOf(value)]);
  return inner.some((axis) => axes.has(axis));
}

/** Whether there is an operation for each reduction, and nothing is loaded that is stored for several inner points. */
function canUnroll(nest: Nest): boolean {
  const { reductions, stores } = nest;
  const fine = reductions.every(({ combine, value }) =>
    value.type !== "bool" || combine === "all" || combine === "any"
  );
  if (!fine) return false;
  const repeated = new Set(stores.filter((store) => mentionsInner(nest, store)).map(({ buffer }) => buffer));
  let loaded = false;
  walk(expressionsOf(nest), (part) => {
    if (part.kind === "load" && repeated.has(part.buffer)) loaded = true;
  });
  return !loaded;
}
