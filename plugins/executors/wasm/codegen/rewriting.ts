/**
 * What passes over kernels are given, and small things that they share.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Axis, Buffer, Contraction, Expression, Kernel } from "../../../compiler/ir/types.ts";

/** Where passes make expressions and buffers. */
export interface Rewriting {
  /** The plan's pool. */
  readonly ir: Expressions;
  /** A new buffer of float32 for values of one step. */
  readonly newScratch: (size: number) => Buffer;
}

/** A product, and kernels that must run before it. */
export interface Rewritten {
  /** What is to run first. */
  readonly before: readonly Kernel[];
  /** The product. */
  readonly kernel: Contraction;
}

/** The loop variable of a new loop, and its axis where it has more than one value. */
export function newLoop(ir: Expressions, size: number): { readonly value: Expression; readonly axes: readonly Axis[] } {
  const value = ir.axis(size);
  return { value, axes: value.kind === "axis" ? [value.axis] : [] };
}

/** Replaces loop variables. */
export function substitute(ir: Expressions, replaced: ReadonlyMap<Axis, Expression>): (x: Expression) => Expression {
  const done = new Map<Expression, Expression>();
  return (x) => ir.rewrite(x, (part) => part.kind === "axis" ? replaced.get(part.axis) : undefined, done);
}

/** The largest number up to `most` that divides another. */
export function divisorUpTo(number: number, most: number): number {
  for (let divisor = Math.min(most, number); divisor > 1; divisor--) if (number % divisor === 0) return divisor;
  return 1;
}

/** The loop variables among places. */
export function axesIn(places: readonly Expression[]): Axis[] {
  return places.flatMap((place) => place.kind === "axis" ? [place.axis] : []);
}
