/**
 * Values put at places that only the data tell.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Scatter } from "../../../compiler/ir/types.ts";
import { newAxis, substitution } from "./axes.ts";
import { Emitter } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assemble, workgroupSizeFor } from "./module.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { combineText } from "./reduction.ts";

/**
 * Prints a scatter: each outer point is one invocation, which goes through the inner points in order; one shader after
 * the other where there are more of them than a loop may have.
 */
export function printScatter(scatter: Scatter, context: PrintContext): readonly ComputeShader[] {
  const length = points(scatter.inner);
  const each = Math.min(length, context.tuning.maxLoopIterations);
  return Array.from(
    { length: Math.ceil(length / each) },
    (_, i) => printRange(scatter, i * each, Math.min(each, length - i * each), context),
  );
}

function printRange(scatter: Scatter, first: number, count: number, context: PrintContext): ComputeShader {
  const pool = context.expressions;
  const { outer, inner } = scatter;
  const invocations = points(outer);
  const thread = newAxis(pool, invocations);
  const outerPlaces = pool.unflatten(invocations === 1 ? pool.int(0) : thread.value, outer.map(({ size }) => size));
  const step = pool.axis(count);
  const innerPlaces = pool.unflatten(pool.add(step, first), inner.map(({ size }) => size));
  const change = substitution(
    pool,
    new Map([
      ...outer.map((axis, i) => [axis, outerPlaces[i]!] as const),
      ...inner.map((axis, i) => [axis, innerPlaces[i]!] as const),
    ]),
  );
  const memory = new OperandMemory({ textures: context.tuning.textures });
  const emitter = new Emitter(context, memory);
  emitter.defineAxis(thread.axis, "thread");
  emitScatter(
    {
      ...scatter,
      outer: [],
      inner: step.kind === "axis" ? [step.axis] : [],
      index: change(scatter.index),
      value: change(scatter.value),
    },
    emitter,
    pool,
  );
  return assemble({
    label: `scatter ${invocations} of ${count}`,
    emitter,
    memory,
    invocations,
    workgroupSize: workgroupSizeFor(invocations, context.tuning.workgroupSize),
    loopIterations: count,
  });
}

/** Writes what one outer point of a scatter does. */
export function emitScatter(
  { inner, target, index, value, combine }: Scatter,
  emitter: Emitter,
  pool: Expressions,
): void {
  emitter.setStored(new Set([target]));
  emitter.openLoops(inner);
  const at = emitter.scalar(index);
  emitter.open(`if (${at} >= 0 && ${at} < ${target.size})`);
  const text = emitter.scalar(value);
  const before = pool.load(target, index, value.type);
  let stored = text;
  if (combine !== "set") stored = combineText(combine, value.type, emitter.scalar(before), text, 1, emitter.math);
  emitter.storeText(target, index, stored, value.type);
  emitter.close();
  for (const _ of inner) emitter.close();
  emitter.setStored(new Set());
}
