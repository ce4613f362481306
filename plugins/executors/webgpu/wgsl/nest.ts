/**
 * Maps and reductions.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, expressionsOf, points, walk } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Nest, Reduction, Store } from "../../../compiler/ir/types.ts";
import { mapKernel } from "../../../compiler/passes/map_kernel.ts";
import { collapse, newAxis, substitution } from "./axes.ts";
import { divisible, Emitter, loadsOf, vectorBuffers } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assemble, workgroupSizeFor } from "./module.ts";
import { numberText, typeText } from "./operations.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { combineText, isPlace, passesOf, startOf } from "./reduction.ts";
import { splitNest } from "./split_nest.ts";

/** Prints a nest: one shader, or several where there are few points and much to reduce. */
export function printNest(nest: Nest, context: PrintContext): readonly ComputeShader[] {
  const { kernels, scratch } = splitNest(nest, context);
  const known = new Set<Buffer>();
  return kernels.map((kernel) => {
    const simple = simplified(kernel, context.expressions);
    const first = simple.stores.map(({ buffer }) => buffer).filter((buffer) =>
      scratch.includes(buffer) && !known.has(buffer)
    );
    for (const buffer of first) known.add(buffer);
    return printWhole(simple, context, first);
  });
}

/** The same nest with as few axes as possible. */
export function simplified(nest: Nest, pool: Expressions): Nest {
  const roots = expressionsOf(nest);
  const outer = collapse(pool, nest.outer, roots);
  const inner = collapse(pool, nest.inner, roots.map(outer.substitute));
  const change = (x: Expression) => inner.substitute(outer.substitute(x));
  return { ...changed(nest, change), outer: outer.axes, inner: inner.axes };
}

/** A nest with other expressions. */
export function changed(nest: Nest, expression: (x: Expression) => Expression): Nest {
  return mapKernel(nest, { expression });
}

/** Which axis is computed four values at a time. */
type Lanes = { readonly of: "outer" | "inner"; readonly axis: Axis } | undefined;

function printWhole(nest: Nest, context: PrintContext, scratch: readonly Buffer[]): ComputeShader {
  const pool = context.expressions;
  const lanes = chooseLanes(nest, context);
  const lane = lanes && newAxis(pool, 4);
  const fourths = lanes && pool.axis(lanes.axis.size / 4);
  const widen = lane && fourths
    ? substitution(pool, new Map([[lanes.axis, pool.add(pool.mul(fourths, 4), lane.value)]]))
    : (x: Expression) => x;
  const replaced = (axes: readonly Axis[]) =>
    axes.flatMap((axis) => axis !== lanes?.axis ? [axis] : fourths!.kind === "axis" ? [fourths!.axis] : []);
  const wide = { ...changed(nest, widen), outer: replaced(nest.outer), inner: replaced(nest.inner) };
  const invocations = points(wide.outer);
  const { axis: thread, value: threadValue } = newAxis(pool, invocations);
  const place = pool.unflatten(invocations === 1 ? pool.int(0) : threadValue, wide.outer.map(({ size }) => size));
  const flat = changed(wide, substitution(pool, new Map(wide.outer.map((axis, i) => [axis, place[i]!]))));
  const accesses = [...flat.stores, ...loadsOf(expressionsOf(flat))];
  const memory = new OperandMemory({
    vectors: lane && vectorBuffers(pool, lane.axis, accesses),
    stored: flat.stores.map(({ buffer }) => buffer),
    uniformBytes: context.tuning.uniformBytes,
    textures: context.tuning.textures,
  });
  const emitter = new Emitter(context, memory);
  emitter.defineAxis(thread, "thread");
  if (lane) emitter.defineLane(lane.axis);
  const loopIterations = emitNest({ ...flat, outer: [] }, emitter, pool, lanes?.of === "inner");
  return assemble({
    label: labelOf(nest),
    emitter,
    memory,
    invocations,
    workgroupSize: workgroupSizeFor(invocations, context.tuning.workgroupSize),
    loopIterations,
    scratch,
  });
}

function labelOf({ outer, inner, reductions }: Nest): string {
  const size = (axes: readonly Axis[]) => axes.map(({ size }) => size).join("×") || "1";
  return reductions.length === 0 && inner.length === 0
    ? `map ${size(outer)}`
    : `reduce ${size(outer)} of ${size(inner)}`;
}

/** Where the work of a point is computed for four points at once. */
function chooseLanes(nest: Nest, { expressions: pool, tuning }: PrintContext): Lanes {
  const { outer, inner, reductions, stores } = nest;
  const roots = expressionsOf(nest);
  const loads = loadsOf(roots);
  // What is loaded from where a result says differs between lanes in ways that loads of four cannot follow.
  let indirect = false;
  walk(roots, (part) => {
    if (part.kind !== "load" && part.kind !== "random") return;
    walk([part.index], (inside) => {
      if (inside.kind === "result") indirect = true;
    });
  });
  if (indirect) return undefined;
  const unit = (index: Expression, axis: Axis) => {
    const at = (place: number) =>
      pool.rewrite(index, (part) => part.kind === "axis" && part.axis === axis ? pool.int(place) : undefined);
    return at(1) === pool.add(at(0), 1) && divisible(aligned(pool, index, axis), 4);
  };
  const allFour = (axis: Axis, among: readonly Store[]) =>
    among.every(({ buffer, index }) => buffer.size % 4 === 0 && unit(index, axis));
  const last = outer.at(-1);
  if (last !== undefined && last.size % 4 === 0 && allFour(last, stores)) {
    if (reductions.length === 0 && inner.length === 0) {
      if (points(outer) >= tuning.vectorPoints) return { of: "outer", axis: last };
    } else if (
      points(outer) >= 4 * tuning.reductionInvocations && reductions.length > 0 &&
      loadsOf(reductions.map(({ value }) => value)).some(({ index }) => unit(index, last))
    ) return { of: "outer", axis: last };
  }
  const along = inner.at(-1);
  if (along === undefined || along.size % 4 !== 0 || reductions.some(({ combine }) => isPlace(combine))) {
    return undefined;
  }
  const within = stores.filter((store) => axesOf(store.index).has(along) || axesOf(store.value).has(along));
  if (!allFour(along, within)) return undefined;
  return loads.some(({ index }) => unit(index, along)) ? { of: "inner", axis: along } : undefined;
}

/** The index at the axis's first value, where that is known to be a sum of products. */
function aligned(pool: Expressions, index: Expression, axis: Axis): Expression {
  return pool.rewrite(index, (part) => part.kind === "axis" && part.axis === axis ? pool.int(0) : undefined);
}

/**
 * Writes what one point of a nest does.
 *
 * @param wideInner Whether the last inner axis is computed four values at a time.
 * @returns How many iterations its loops take.
 */
export function emitNest(nest: Nest, emitter: Emitter, pool: Expressions, wideInner: boolean): number {
  const { inner, reductions, stores } = nest;
  let iterations = 0;
  emitter.setStored(new Set(stores.map(({ buffer }) => buffer)));
  for (const pass of passesOf(reductions)) {
    iterations += points(inner);
    emitPass(pass, inner, emitter, pool, wideInner);
  }
  let done: Store[] = [];
  let axes: readonly Axis[] = [];
  const finish = () => {
    if (done.length === 0) return;
    iterations += axes.length > 0 ? points(axes) : 0;
    inLoops(axes, emitter, () => done.forEach((store) => emitter.store(store)));
    done = [];
  };
  for (const store of stores) {
    const used = new Set([...axesOf(store.index), ...axesOf(store.value)]);
    const own = inner.filter((axis) => used.has(axis));
    const same = own.length === axes.length && own.every((axis, i) => axis === axes[i]);
    const elsewhere = loadsOf([store.value]).some((load) =>
      done.some(({ buffer, index }) => buffer === load.buffer && index !== load.index)
    );
    if (!same || elsewhere) finish();
    axes = own;
    done.push(store);
  }
  finish();
  emitter.setStored(new Set());
  return iterations;
}

function inLoops(axes: readonly Axis[], emitter: Emitter, body: () => void): void {
  emitter.openLoops(axes);
  body();
  for (const _ of axes) emitter.close();
}

function emitPass(
  pass: readonly Reduction[],
  inner: readonly Axis[],
  emitter: Emitter,
  pool: Expressions,
  wideInner: boolean,
): void {
  const { math } = emitter;
  const sums = pass.map((reduction) => {
    const { type, combine, value } = reduction;
    const variable = emitter.newName("r");
    const wide = wideInner || emitter.dependsOnLane(value);
    if (isPlace(combine)) {
      const width = wide ? 4 : 1;
      emitter.line(`var ${variable} = ${typeText("i32", width)}(0);`);
      emitter.line(`var ${variable}best = ${typeText(value.type === "f32" ? "f32" : "i32", width)}(0);`);
    } else {
      const start = numberText(startOf(combine, type), type, math);
      emitter.line(`var ${variable} = ${typeText(type, wide ? 4 : 1)}(${start});`);
    }
    return { reduction, variable, wide };
  });
  inLoops(inner, emitter, () => {
    for (const { reduction: { type, combine, value }, variable, wide } of sums) {
      const text = wide ? emitter.vector(value) : emitter.scalar(value);
      if (isPlace(combine)) {
        const type = (scalar: "f32" | "i32" | "bool") => typeText(scalar, wide ? 4 : 1);
        const place = emitter.scalar(
          pool.flatten(inner.map((axis) => pool.axisExpression(axis)), inner.map(({ size }) => size)),
        );
        const number = value.type === "bool" ? `select(${type("i32")}(0), ${type("i32")}(1), ${text})` : text;
        const [better, best] = [emitter.newName("better"), `${variable}best`];
        const compared = `${number} ${combine === "argMax" ? ">" : "<"} ${best}`;
        emitter.line(`let ${better} = ${type("bool")}(${place} == 0) | (${compared});`);
        emitter.line(`${variable} = select(${variable}, ${type("i32")}(${place}), ${better});`);
        emitter.line(`${best} = select(${best}, ${number}, ${better});`);
      } else {
        emitter.line(`${variable} = ${combineText(combine, type, variable, text, wide ? 4 : 1, math)};`);
      }
    }
  });
  for (const { reduction: { result, type, combine }, variable, wide } of sums) {
    let text = variable;
    if (wideInner && !isPlace(combine)) {
      const both = (a: string, b: string) => combineText(combine, type, a, b, 1, math);
      text = emitter.newName("r");
      emitter.line(`let ${text}a = ${both(`${variable}.x`, `${variable}.y`)};`);
      emitter.line(`let ${text}b = ${both(`${variable}.z`, `${variable}.w`)};`);
      emitter.line(`let ${text} = ${both(`${text}a`, `${text}b`)};`);
    }
    emitter.define(pool.result(result, type), text, wide && !wideInner);
  }
}
