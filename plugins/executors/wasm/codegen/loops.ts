/**
 * Loops over points: which are split between threads, which run inside, four points at a time or one by one.
 *
 * @module
 */
import { points } from "../../../compiler/ir/shape.ts";
import type { Axis } from "../../../compiler/ir/types.ts";
import type { Elementary } from "./elementary.ts";
import type { Evaluator } from "./evaluate.ts";
import type { Binding } from "./scopes.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { choose, type Code, i32, int } from "./instructions.ts";

/** A kernel's function while it is written. It does units `begin` to `end - 1` of the kernel's work. */
export interface KernelWriter {
  /** The function. */
  readonly f: FunctionBuilder;
  /** Constants and elementary functions in it. */
  readonly e: Elementary;
  /** Expressions in it. */
  readonly evaluator: Evaluator;
  /** The first unit. */
  readonly begin: Code;
  /** The unit after the last. */
  readonly end: Code;
}

/** How outer loops are split into units of work, which threads share. Units never depend on how many threads there are. */
export interface Units {
  /** How many there are. */
  readonly count: number;
  /** Loops whose values the unit's number tells, outermost first. */
  readonly split: readonly Axis[];
  /** Loops inside of a unit. */
  readonly rest: readonly Axis[];
  /** The axis that is computed four points at a time, and how many points of it a unit has; all where they are not split. */
  readonly blocked?: { readonly axis: Axis; readonly size: number };
}

/** As many units as share well between a few threads. */
const UNITS = 64;
/** Fewer simple operations are not worth a unit of their own. */
const UNIT_COST = 2000;

/**
 * Splits loops. @param cost Operations of a point of all of them.
 */
export function splitUnits(outer: readonly Axis[], vector: Axis | undefined, cost: number): Units {
  const others = outer.filter((axis) => axis !== vector);
  const vectorSize = vector === undefined ? 1 : vector.size;
  let at = 0;
  let count = 1;
  while (at < others.length && count < UNITS) {
    const inside = points(others.slice(at + 1)) * vectorSize * cost;
    if (count > 1 && inside * others[at]!.size < UNIT_COST) break;
    count *= others[at++]!.size;
  }
  const split = others.slice(0, at);
  const rest = others.slice(at);
  if (vector === undefined) return { count, split, rest };
  let size = vector.size;
  if (count < UNITS && rest.length === 0) {
    const least = Math.ceil(UNIT_COST / cost);
    size = Math.max(least, Math.ceil(vector.size * count / UNITS));
    size = Math.min(vector.size, Math.ceil(size / 16) * 16);
  }
  return { count: count * Math.ceil(vector.size / size), split, rest, blocked: { axis: vector, size } };
}

/** Writes the loop over units, and in it those that were split, and the rest. */
export function overUnits(
  { f, evaluator, begin, end }: KernelWriter,
  { split, rest, blocked }: Units,
  body: (block: { readonly start: Code; readonly end: Code }) => void,
): void {
  f.when(i32.ltS(begin, end), () =>
    f.loop(begin, end, 1, (unit) => {
      let left = unit;
      let start: Code = int(0);
      let stop: Code = int(blocked?.axis.size ?? 0);
      if (blocked !== undefined && blocked.size < blocked.axis.size) {
        const blocks = Math.ceil(blocked.axis.size / blocked.size);
        const block = split.length === 0 ? left : f.let(i32.remU(left, int(blocks)));
        if (split.length > 0) left = f.let(i32.divU(left, int(blocks)));
        start = f.let(i32.mul(block, int(blocked.size)));
        const next = f.let(i32.add(start, int(blocked.size)));
        stop = f.let(choose(i32.ltS(next, int(blocked.axis.size)), next, int(blocked.axis.size)));
      }
      const bindings: Binding[] = [];
      for (let i = split.length - 1; i >= 0; i--) {
        const axis = split[i]!;
        bindings.push({ axis, value: i === 0 ? left : f.let(i32.remU(left, int(axis.size))) });
        if (i > 0) left = f.let(i32.divU(left, int(axis.size)));
      }
      evaluator.scoped(bindings, () => overAxes({ f, evaluator }, rest, () => body({ start, end: stop })));
    }));
}

/** Up to so many copies of a loop's body are written out. */
const UNROLLED = 9;

/** Writes loops over axes, outermost first. Few points are written out one after the other. */
export function overAxes(
  { f, evaluator }: Pick<KernelWriter, "f" | "evaluator">,
  axes: readonly Axis[],
  body: () => void,
  unrolled = 1,
): void {
  const [axis, ...rest] = axes;
  if (axis === undefined) return body();
  const inside = () => overAxes({ f, evaluator }, rest, body, unrolled);
  if (points(axes) <= unrolled) {
    for (let i = 0; i < axis.size; i++) evaluator.scoped([{ axis, value: int(i) }], inside);
    return;
  }
  f.loop(int(0), int(axis.size), 1, (value) => evaluator.scoped([{ axis, value }], inside));
}

/** How many copies of a reduction's body may be written out where it is `cost` operations. */
export function unrollLimit(cost: number): number {
  return cost > 60 ? 4 : UNROLLED;
}

/** A range of an axis: multiples of 16 but for the axis's end. */
interface VectorRange {
  readonly start: Code;
  readonly end: Code;
}

/**
 * Writes a loop over an axis, four points at a time; the last may be fewer.
 *
 * @param unroll How many vectors are done in each turn of the loop: 1, 2 or 4.
 * @param body Told which of these a vector is.
 */
export function overVectors(
  k: Pick<KernelWriter, "f" | "evaluator">,
  axis: Axis,
  range: VectorRange,
  unroll: number,
  body: (which: number) => void,
): void {
  overVectorGroups(
    k,
    axis,
    range,
    unroll,
    (vectors, first) => vectors.forEach((vector, i) => k.evaluator.scoped([vector], () => body(first + i))),
  );
}

/**
 * Writes a loop over an axis, several vectors at a time.
 *
 * @param most How many vectors are done in each turn of the loop: 1, 2 or 4; at the end there may be fewer.
 * @param body Told the vectors, as bindings that are not made yet, and which the first of them is.
 */
export function overVectorGroups(
  { f, evaluator }: Pick<KernelWriter, "f" | "evaluator">,
  axis: Axis,
  range: VectorRange,
  most: number,
  body: (vectors: readonly Binding[], first: number) => void,
): void {
  const whole = range.start.constant === 0 && range.end.constant === axis.size;
  const full = Math.floor(axis.size / 4);
  const left = axis.size % 4;
  const step = 4 * most;
  const vector = (value: Code, plus: number, lanes: number): Binding => ({
    axis,
    value,
    plus,
    lanes,
    ofEight: most === 2 && lanes === 4 && plus + 4 <= step,
  });
  /** Vectors from a place on, in one scope. */
  const several = (value: Code, count: number) =>
    evaluator.scoped([], () => {
      if (value.constant === undefined) evaluator.known(value);
      body(Array.from({ length: count }, (_, which) => vector(value, 4 * which, 4)), 0);
    });
  const last = (which: number) => body([vector(int(4 * full), 0, left)], which);
  if (whole) {
    const turns = Math.floor(full / most);
    const looped = turns > 1 ? turns * most : 0;
    if (turns > 1) f.loop(int(0), int(4 * looped), step, (counter) => several(counter, most));
    for (let at = looped; at < full; at += most) several(int(4 * at), Math.min(most, full - at));
    if (left > 0) last(full % most);
    return;
  }
  // The range's end is a multiple of the step, but at the axis's end.
  const turnsEnd = f.let(choose(i32.ltS(range.end, int(axis.size)), range.end, int(axis.size - axis.size % step)));
  f.when(
    i32.ltS(range.start, turnsEnd),
    () => f.loop(range.start, turnsEnd, step, (counter) => several(counter, most)),
  );
  const rest = Math.floor(axis.size % step / 4);
  if (rest > 0 || left > 0) {
    f.when(i32.eq(range.end, int(axis.size)), () => {
      if (rest > 0) several(int(axis.size - axis.size % step), rest);
      if (left > 0) last(rest);
    });
  }
}
