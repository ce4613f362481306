/**
 * Copying a product's left factor with zeros around it, so that windows need not look where it ends.
 *
 * @module
 */
import { strides } from "../../../compiler/ir/shape.ts";
import type { Axis, Contraction, Expression, Nest } from "../../../compiler/ir/types.ts";
import { axesIn, type Rewriting, type Rewritten } from "./rewriting.ts";

/** A copy may be so many times as large as what is copied. */
const MOST_GROWTH = 6;

/** A place along one dimension: Σ stride · axis + constant, of which only some values lie inside. */
interface Window {
  readonly terms: ReadonlyMap<Axis, number>;
  /** Without the constant: the values that occur, and those that lie inside. */
  readonly occurring: readonly [number, number];
  readonly inside: readonly [number, number];
  /** Elements from one value to the next. */
  readonly stride: number;
}

/** The product with a left factor that has zeros beyond its edges, if it is guarded and that can be told. */
export function padFactor(kernel: Contraction, { ir, newScratch }: Rewriting): Rewritten {
  const { left } = kernel;
  if (left.kind !== "select" || left.then.kind !== "load") return { before: [], kernel };
  const { buffer, index } = left.then;
  const dimensions = dimensionsOf(left.condition, index);
  if (dimensions === undefined) return { before: [], kernel };
  const { windows, constant } = dimensions;
  const sizes = windows.map(({ occurring: [low, high] }) => high - low + 1);
  const total = sizes.reduce((product, size) => product * size, 1);
  if (total > MOST_GROWTH * buffer.size) return { before: [], kernel };
  const padded = newScratch(total);
  const loops = sizes.map((size) => ir.axis(size));
  let source: Expression = ir.int(constant);
  let inside: Expression = ir.number(1, "bool");
  windows.forEach((window, i) => {
    const at = ir.add(loops[i]!, window.occurring[0]);
    source = ir.add(source, ir.mul(at, window.stride));
    inside = ir.and(inside, ir.compare("ge", at, window.inside[0]));
    inside = ir.and(inside, ir.compare("le", at, window.inside[1]));
  });
  const copy: Nest = {
    kind: "nest",
    outer: axesIn(loops),
    inner: [],
    reductions: [],
    stores: [{
      buffer: padded,
      index: ir.flatten(loops, sizes),
      value: ir.select(inside, ir.load(buffer, source, "f32"), ir.float(0)),
    }],
  };
  const places = windows.map(({ terms, occurring }) => {
    let place: Expression = ir.int(-occurring[0]);
    for (const [axis, factor] of terms) place = ir.add(place, ir.mul(ir.axisExpression(axis), factor));
    return place;
  });
  return { before: [copy], kernel: { ...kernel, left: ir.load(padded, ir.flatten(places, sizes), "f32") } };
}

/** The dimensions of what a guarded load reads, the widest strides first; `undefined` where they cannot be told. */
function dimensionsOf(
  condition: Expression,
  index: Expression,
): { readonly windows: readonly Window[]; readonly constant: number } | undefined {
  const flat = strides(index);
  const limits = limitsOf(condition);
  if (flat === undefined || limits === undefined) return undefined;
  const rest = new Map(flat.axes);
  const windows: Window[] = [];
  for (const { terms, low, high } of limits.values()) {
    const [first] = terms;
    const stride = (rest.get(first![0]) ?? 0) / first![1];
    if (!Number.isInteger(stride) || stride <= 0) return undefined;
    for (const [axis, factor] of terms) {
      if (rest.get(axis) !== factor * stride) return undefined;
      rest.delete(axis);
    }
    const occurring = boundsOf(terms);
    windows.push({ terms, occurring, inside: [Math.max(low, occurring[0]), Math.min(high, occurring[1])], stride });
  }
  for (const [axis, stride] of rest) {
    if (stride <= 0) return undefined;
    const whole = [0, axis.size - 1] as const;
    windows.push({ terms: new Map([[axis, 1]]), occurring: whole, inside: whole, stride });
  }
  windows.sort((a, b) => b.stride - a.stride);
  return { windows, constant: flat.constant };
}

function boundsOf(terms: ReadonlyMap<Axis, number>): readonly [number, number] {
  let [low, high] = [0, 0];
  for (const [axis, factor] of terms) {
    if (factor > 0) high += factor * (axis.size - 1);
    else low += factor * (axis.size - 1);
  }
  return [low, high];
}

interface Limit {
  readonly terms: ReadonlyMap<Axis, number>;
  low: number;
  high: number;
}

/** What a condition demands of places, by their terms; `undefined` where it is anything but limits. */
function limitsOf(condition: Expression): ReadonlyMap<string, Limit> | undefined {
  const limits = new Map<string, Limit>();
  const add = (x: Expression): boolean => {
    if (x.kind !== "binary") return false;
    if (x.operation === "and") return add(x.a) && add(x.b);
    const limited = x.b.kind === "number" ? x.a : x.a.kind === "number" ? x.b : undefined;
    const number = x.b.kind === "number" ? x.b.value : x.a.kind === "number" ? x.a.value : 0;
    const place = limited && strides(limited);
    if (place === undefined || place.axes.size === 0) return false;
    const operation = x.b.kind === "number" ? x.operation : SWAPPED[x.operation];
    const key = [...place.axes].map(([axis, factor]) => `${axis.id}*${factor}`).join();
    let limit = limits.get(key);
    if (limit === undefined) limits.set(key, limit = { terms: place.axes, low: -Infinity, high: Infinity });
    const at = number - place.constant;
    if (operation === "ge") limit.low = Math.max(limit.low, at);
    else if (operation === "gt") limit.low = Math.max(limit.low, at + 1);
    else if (operation === "le") limit.high = Math.min(limit.high, at);
    else if (operation === "lt") limit.high = Math.min(limit.high, at - 1);
    else return false;
    return true;
  };
  return add(condition) ? limits : undefined;
}

const SWAPPED: Readonly<Record<string, string>> = { ge: "le", gt: "lt", le: "ge", lt: "gt" };
