/**
 * Reductions in stages, where few points have much to reduce.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, points } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Nest, Reduction, Store } from "../../../compiler/ir/types.ts";
import { newAxis, substitution } from "./axes.ts";
import { isPlace, passesOf, startOf } from "./reduction.ts";
import type { PrintContext } from "./shader.ts";

/** Nests that do one after the other what one does, and the memory between them. */
export interface Stages {
  readonly kernels: readonly Nest[];
  readonly scratch: readonly Buffer[];
}

/** Chunks of fewer points are not worth an invocation of their own. */
const SHORTEST_CHUNK = 16;

/** Splits a nest, if it should be. The order of sums depends on sizes and tuning alone. */
export function splitNest(nest: Nest, { expressions: pool, tuning }: PrintContext): Stages {
  const whole: Stages = { kernels: [nest], scratch: [] };
  const { outer, inner, reductions, stores } = nest;
  if (reductions.length === 0) {
    // Stores over inner axes alone are a map of more points.
    return inner.length === 0 ? whole : { kernels: storesAsNests(outer, inner, stores), scratch: [] };
  }
  const length = points(inner);
  const width = points(outer);
  const passes = passesOf(reductions);
  const iterations = length * (passes.length + stores.length);
  const tooLong = iterations > tuning.maxLoopIterations;
  const tooFew = width < tuning.reductionInvocations && length >= tuning.reductionSplitLength;
  if (!tooLong && !tooFew) return whole;
  const wanted = Math.max(
    tooFew ? Math.min(Math.ceil(4 * tuning.reductionInvocations / width), Math.ceil(length / SHORTEST_CHUNK)) : 2,
    Math.ceil(length / tuning.maxLoopIterations),
  );
  return inStages(nest, chunksNear(length, wanted), pool);
}

/** A number of chunks of which none is shorter than the others, if there is one near. */
export function chunksNear(length: number, wanted: number): number {
  for (let chunks = wanted; chunks <= Math.min(wanted * 2, length); chunks++) if (length % chunks === 0) return chunks;
  return wanted;
}

function storesAsNests(outer: readonly Axis[], inner: readonly Axis[], stores: readonly Store[]): Nest[] {
  const kernels: Nest[] = [];
  let done: Store[] = [];
  let axes: readonly Axis[] = [];
  const finish = () => {
    if (done.length > 0) {
      kernels.push({ kind: "nest", outer: [...outer, ...axes], inner: [], reductions: [], stores: done });
    }
    done = [];
  };
  for (const store of stores) {
    const used = new Set([...axesOf(store.index), ...axesOf(store.value)]);
    const own = inner.filter((axis) => used.has(axis));
    if (own.length !== axes.length || own.some((axis, i) => axis !== axes[i])) finish();
    axes = own;
    done.push(store);
  }
  finish();
  return kernels;
}

function inStages(nest: Nest, chunks: number, pool: Expressions): Stages {
  const { outer, inner, reductions, stores } = nest;
  const length = points(inner);
  const each = Math.ceil(length / chunks);
  const count = Math.ceil(length / each);
  const sizes = inner.map(({ size }) => size);
  const width = points(outer);
  const point = pool.flatten(outer.map((axis) => pool.axisExpression(axis)), outer.map(({ size }) => size));
  const scratch: Buffer[] = [];
  const kernels: Nest[] = [];
  /** What stands for results that earlier stages stored. */
  const known = new Map<number, Expression>();
  const withKnown = (x: Expression) =>
    pool.rewrite(x, (part) => part.kind === "result" ? known.get(part.result) : undefined);
  const newBuffer = (type: Reduction["type"], size: number) => {
    const buffer = pool.buffer(type, size, { kind: "scratch" });
    scratch.push(buffer);
    return buffer;
  };
  const passes = passesOf(reductions);
  const touchesInner = ({ index, value }: Store) =>
    [...axesOf(index), ...axesOf(value)].some((axis) => inner.includes(axis));
  passes.forEach((pass, level) => {
    const chunk = newAxis(pool, count);
    const step = pool.axis(each);
    const flat = pool.add(pool.mul(chunk.value, each), step);
    const inside = pool.compare("lt", flat, length);
    const place = pool.unflatten(pool.binary("min", flat, pool.int(length - 1)), sizes);
    const atPlace = substitution(pool, new Map(inner.map((axis, i) => [axis, place[i]!])));
    const partials: Buffer[] = [];
    kernels.push({
      kind: "nest",
      outer: [chunk.axis, ...outer],
      inner: step.kind === "axis" ? [step.axis] : [],
      reductions: pass.map((reduction) => {
        const { combine, value } = reduction;
        const own = atPlace(withKnown(value));
        const dropped = isPlace(combine)
          ? startOf(combine === "argMax" ? "max" : "min", value.type)
          : startOf(combine, value.type);
        return { ...reduction, value: pool.select(inside, own, pool.number(dropped, value.type)) };
      }),
      stores: pass.map(({ result, type, combine }) => {
        const buffer = newBuffer(type, width * count);
        partials.push(buffer);
        const found = pool.result(result, type);
        const value = isPlace(combine) ? pool.add(pool.mul(chunk.value, each), found) : found;
        return { buffer, index: pool.add(pool.mul(chunk.value, width), point), value };
      }),
    });
    // A second stage combines what the chunks gave.
    const combined: Expression[] = pass.map(({ result, type, combine }, i) => {
      const found = pool.result(result, type);
      if (!isPlace(combine)) return found;
      return pool.load(partials[i]!, pool.add(pool.mul(found, width), point));
    });
    const second = pass.map((reduction, i): Reduction => {
      const partial = pool.load(partials[i]!, pool.add(pool.mul(chunk.value, width), point), reduction.type);
      if (!isPlace(reduction.combine)) return { ...reduction, value: partial };
      const best = pool.unflatten(partial, sizes);
      const atBest = substitution(pool, new Map(inner.map((axis, axisPlace) => [axis, best[axisPlace]!])));
      return { ...reduction, value: atBest(withKnown(reduction.value)) };
    });
    const last = level === passes.length - 1 && !stores.some(touchesInner);
    if (last) {
      const results = new Map(pass.map(({ result }, i) => [result, combined[i]!]));
      const change = (x: Expression) =>
        pool.rewrite(withKnown(x), (part) => part.kind === "result" ? results.get(part.result) : undefined);
      kernels.push({
        kind: "nest",
        outer,
        inner: [chunk.axis],
        reductions: second,
        stores: stores.map((store) => ({ ...store, index: change(store.index), value: change(store.value) })),
      });
      return;
    }
    kernels.push({
      kind: "nest",
      outer,
      inner: [chunk.axis],
      reductions: second,
      stores: pass.map(({ result, type }, i) => {
        const buffer = newBuffer(type, width);
        known.set(result, pool.load(buffer, point, type));
        return { buffer, index: point, value: combined[i]! };
      }),
    });
  });
  if (stores.some(touchesInner)) {
    kernels.push(...storesAsNests(
      outer,
      inner,
      stores.map((store) => ({ ...store, index: withKnown(store.index), value: withKnown(store.value) })),
    ));
  }
  return { kernels, scratch };
}
