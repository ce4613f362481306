/**
 * Contractions with few results and long sums, as partial sums and a reduction.
 *
 * @module
 */
import { points } from "../../../compiler/ir/shape.ts";
import type { Buffer, Contraction, Expression, Nest } from "../../../compiler/ir/types.ts";
import { newAxis, substitution } from "./axes.ts";
import type { PrintContext } from "./shader.ts";
import { chunksNear } from "./split_nest.ts";

/** Splits a contraction along its outermost inner loop, if it should be. @param invocations Those that it has unsplit. */
export function splitContraction(
  contraction: Contraction,
  invocations: number,
  { expressions: pool, tuning }: PrintContext,
): { readonly partial: Contraction; readonly reduction: Nest; readonly buffer: Buffer } | undefined {
  const { batch, rows, columns, inner, left, right, result, stores } = contraction;
  const first = inner[0];
  const terms = points(inner);
  if (first === undefined) return undefined;
  const longest = tuning.maxLoopIterations / 2;
  const tooLong = terms > longest;
  const tooFew = invocations * 2 <= tuning.contractionSplitInvocations && terms >= 2 * tuning.contractionSplitTerms;
  if (!tooLong && !tooFew) return undefined;
  const wanted = Math.max(
    tooFew
      ? Math.min(
        Math.ceil(tuning.contractionSplitInvocations / invocations),
        Math.floor(terms / tuning.contractionSplitTerms),
      )
      : 2,
    Math.ceil(terms / longest),
  );
  const chunks = chunksNear(first.size, Math.min(wanted, first.size));
  const each = Math.ceil(first.size / chunks);
  const count = Math.ceil(first.size / each);
  if (count < 2) return undefined;
  const chunk = newAxis(pool, count);
  const step = pool.axis(each);
  const place = pool.add(pool.mul(chunk.value, each), step);
  const inside = pool.compare("lt", place, first.size);
  const change = substitution(pool, new Map([[first, pool.binary("min", place, pool.int(first.size - 1))]]));
  const kept = [...batch, ...rows, ...columns];
  const size = points(kept);
  const buffer = pool.buffer("f32", count * size, { kind: "scratch" });
  const at = pool.add(
    pool.mul(chunk.value, size),
    pool.flatten(kept.map((axis) => pool.axisExpression(axis)), kept.map((axis) => axis.size)),
  );
  const sum: Expression = pool.result(result, "f32");
  return {
    buffer,
    partial: {
      ...contraction,
      batch: [chunk.axis, ...batch],
      inner: [...step.kind === "axis" ? [step.axis] : [], ...inner.slice(1)],
      left: pool.select(inside, change(left), pool.float(0)),
      right: change(right),
      stores: [{ buffer, index: at, value: sum }],
    },
    reduction: {
      kind: "nest",
      outer: kept,
      inner: [chunk.axis],
      reductions: [{ result, type: "f32", combine: "sum", value: pool.load(buffer, at) }],
      stores,
    },
  };
}
