/**
 * What back ends and passes ask of expressions and kernels.
 *
 * @module
 */
import type { Axis, Buffer, Expression, Kernel, Store } from "./types.ts";

/** Calls `visit` with each part that an expression is made of, one level down. */
function eachPart(x: Expression, visit: (part: Expression) => void): void {
  switch (x.kind) {
    case "number":
    case "axis":
    case "column":
    case "result":
      return;
    case "affine":
      for (const { atom } of x.terms) visit(atom);
      return;
    case "load":
    case "random":
      return visit(x.index);
    case "unary":
    case "cast":
      return visit(x.x);
    case "binary":
      visit(x.a);
      return visit(x.b);
    case "select":
      visit(x.condition);
      visit(x.then);
      return visit(x.otherwise);
    default:
      return x satisfies never;
  }
}

/** The parts that an expression is made of, one level down. */
export function parts(x: Expression): readonly Expression[] {
  const found: Expression[] = [];
  eachPart(x, (part) => found.push(part));
  return found;
}

/** Calls `visit` once for each part of the expressions, themselves included, parts first. */
export function walk(roots: Iterable<Expression>, visit: (part: Expression) => void): void {
  const seen = new Set<Expression>();
  const go = (x: Expression): void => {
    if (seen.has(x)) return;
    seen.add(x);
    eachPart(x, go);
    visit(x);
  };
  for (const root of roots) go(root);
}

/** Calls a function once for each object, and remembers the answer as long as the object lives. */
function remembered<K extends object, V>(find: (of: K) => V): (of: K) => V {
  const known = new WeakMap<K, V>();
  return (of) => {
    let found = known.get(of);
    if (found === undefined) known.set(of, found = find(of));
    return found;
  };
}

/** Every expression that stands in a kernel. */
export function expressionsOf(kernel: Kernel): readonly Expression[] {
  const ofStores = (stores: readonly Store[]) => stores.flatMap(({ index, value }) => [index, value]);
  switch (kernel.kind) {
    case "nest":
      return [...kernel.reductions.map(({ value }) => value), ...ofStores(kernel.stores)];
    case "contraction":
      return [kernel.left, kernel.right, ...ofStores(kernel.stores)];
    case "scan":
      return [kernel.value, ...ofStores(kernel.stores)];
    case "scatter":
      return [kernel.index, kernel.value];
    default:
      return kernel satisfies never;
  }
}

/** The buffers that a kernel reads. A scatter reads its target too. */
export const reads: (kernel: Kernel) => ReadonlySet<Buffer> = remembered((kernel) => {
  const found = new Set<Buffer>();
  walk(expressionsOf(kernel), (part) => {
    if (part.kind === "load") found.add(part.buffer);
  });
  if (kernel.kind === "scatter") found.add(kernel.target);
  return found;
});

/** The buffers that a kernel writes. */
export const writes: (kernel: Kernel) => ReadonlySet<Buffer> = remembered((kernel) =>
  kernel.kind === "scatter" ? new Set([kernel.target]) : new Set(kernel.stores.map(({ buffer }) => buffer))
);

/** How many buffers a kernel uses. */
export function operandsOf(kernel: Kernel): number {
  return new Set([...reads(kernel), ...writes(kernel)]).size;
}

/** The loop variables that an expression depends on. */
export const axesOf: (x: Expression) => ReadonlySet<Axis> = remembered((x) => {
  const found = new Set<Axis>();
  walk([x], (part) => {
    if (part.kind === "axis") found.add(part.axis);
  });
  return found;
});

/** An int32 expression as Σ stride · axis + constant; `undefined` where it is anything else. */
export function strides(
  x: Expression,
): { readonly axes: ReadonlyMap<Axis, number>; readonly constant: number } | undefined {
  if (x.kind === "number") return { axes: new Map(), constant: x.value };
  if (x.kind === "axis") return { axes: new Map([[x.axis, 1]]), constant: 0 };
  if (x.kind !== "affine") return undefined;
  const axes = new Map<Axis, number>();
  for (const { atom, factor } of x.terms) {
    if (atom.kind !== "axis") return undefined;
    axes.set(atom.axis, factor);
  }
  return { axes, constant: x.constant };
}

/** The product of the sizes of axes. */
export function points(axes: readonly Axis[]): number {
  return axes.reduce((product, { size }) => product * size, 1);
}

const COSTS: Readonly<Partial<Record<string, number>>> = {
  div: 4,
  sqrt: 4,
  rsqrt: 4,
  floorDiv: 6,
  floorMod: 6,
  exp: 12,
  expm1: 16,
  log: 12,
  log1p: 16,
  sigmoid: 16,
  softplus: 30,
  tanh: 20,
  erf: 24,
  pow: 40,
  sin: 16,
  cos: 16,
  tan: 24,
};

/** About how many simple operations computing an expression takes, each part once; loads not counted. */
export const cost: (x: Expression) => number = remembered((x) => {
  let total = 0;
  walk([x], (part) => {
    if (part.kind === "unary" || part.kind === "binary") total += COSTS[part.operation] ?? 1;
    else if (part.kind === "random") total += 100;
    else if (part.kind === "select" || part.kind === "cast") total++;
  });
  return total;
});
