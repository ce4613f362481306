/**
 * Running sums and products.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Buffer, Expression, Nest, Scan } from "../../../compiler/ir/types.ts";
import { newAxis, substitution } from "./axes.ts";
import { Emitter } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assemble, workgroupSizeFor } from "./module.ts";
import { printNest } from "./nest.ts";
import { numberText } from "./operations.ts";
import { combineText, startOf } from "./reduction.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { chunksNear } from "./split_nest.ts";

/** Places along which one invocation runs before a scan is done in chunks. */
const LONGEST_RUN = 4096;

/** Prints a scan: one shader; a long one as sums of chunks, a scan of these, and scans of the chunks. */
export function printScan(scan: Scan, context: PrintContext): readonly ComputeShader[] {
  const pool = context.expressions;
  const { outer, along, reverse, exclusive, combine, value, result } = scan;
  if (along.size <= Math.min(LONGEST_RUN, context.tuning.maxLoopIterations)) return [printRuns(scan, context)];
  const count = chunksNear(along.size, Math.ceil(Math.sqrt(along.size)));
  const each = Math.ceil(along.size / count);
  const chunk = newAxis(pool, Math.ceil(along.size / each));
  const step = newAxis(pool, each);
  const place = pool.add(pool.mul(chunk.value, each), step.value);
  const inside = pool.compare("lt", place, along.size);
  const change = substitution(pool, new Map([[along, pool.binary("min", place, pool.int(along.size - 1))]]));
  const start = startOf(combine, value.type);
  const own = pool.select(inside, change(value), pool.number(start, value.type));
  const point = pool.flatten(outer.map((axis) => pool.axisExpression(axis)), outer.map(({ size }) => size));
  const at = pool.add(pool.mul(point, chunk.axis.size), chunk.value);
  const newBuffer = () => pool.buffer(value.type, points(outer) * chunk.axis.size, { kind: "scratch" });
  const sums = newBuffer();
  const before = newBuffer();
  const sum: Nest = {
    kind: "nest",
    outer: [...outer, chunk.axis],
    inner: [step.axis],
    reductions: [{ result, type: value.type, combine, value: own }],
    stores: [{ buffer: sums, index: at, value: pool.result(result, value.type) }],
  };
  const over: Scan = {
    kind: "scan",
    outer,
    along: chunk.axis,
    reverse,
    exclusive: true,
    combine,
    value: pool.load(sums, at, value.type),
    result,
    stores: [{ buffer: before, index: at, value: pool.result(result, value.type) }],
  };
  const within: Scan = {
    kind: "scan",
    outer: [...outer, chunk.axis],
    along: step.axis,
    reverse,
    exclusive,
    combine,
    value: own,
    result,
    stores: scan.stores.map(({ buffer, index, value }) => ({ buffer, index: change(index), value: change(value) })),
  };
  return [
    ...printNest(sum, context).map((shader, i) => i === 0 ? { ...shader, scratch: [...shader.scratch, sums] } : shader),
    ...printScan(over, context).map((shader, i, { length }) =>
      i === length - 1 ? { ...shader, scratch: [...shader.scratch, before] } : shader
    ),
    printRuns(within, context, { start: pool.load(before, at, value.type), inside }),
  ];
}

/** One invocation for each outer point. @param chunk What comes before its first place, and which of its places exist. */
function printRuns(
  scan: Scan,
  context: PrintContext,
  chunk?: { readonly start: Expression; readonly inside: Expression },
): ComputeShader {
  const pool = context.expressions;
  const { outer, along, combine, value } = scan;
  const invocations = points(outer);
  const thread = newAxis(pool, invocations);
  const places = pool.unflatten(invocations === 1 ? pool.int(0) : thread.value, outer.map(({ size }) => size));
  const change = substitution(pool, new Map(outer.map((axis, i) => [axis, places[i]!])));
  const memory = new OperandMemory({ textures: context.tuning.textures });
  const emitter = new Emitter(context, memory);
  emitter.defineAxis(thread.axis, "thread");
  const start = chunk
    ? emitter.scalar(change(chunk.start))
    : numberText(startOf(combine, value.type), value.type, emitter.math);
  emitScan(
    {
      ...scan,
      outer: [],
      value: change(value),
      stores: scan.stores.map((store) => ({ ...store, index: change(store.index), value: change(store.value) })),
    },
    emitter,
    pool,
    start,
    chunk && change(chunk.inside),
  );
  return assemble({
    label: `scan ${invocations} of ${along.size}`,
    emitter,
    memory,
    invocations,
    workgroupSize: workgroupSizeFor(invocations, context.tuning.workgroupSize),
    loopIterations: along.size,
  });
}

/** Writes what one outer point of a scan does. */
export function emitScan(
  { along, reverse, exclusive, combine, value, result, stores }: Scan,
  emitter: Emitter,
  pool: Expressions,
  start: string,
  inside?: Expression,
): void {
  const running = emitter.newName("r");
  emitter.line(`var ${running} = ${start};`);
  const name = emitter.newName("i");
  emitter.setStored(new Set<Buffer>(stores.map(({ buffer }) => buffer)));
  const first = emitter.firstOf(along.size);
  emitter.open(
    reverse
      ? `for (var ${name} = ${along.size - 1} + ${first}; ${name} >= 0; ${name}--)`
      : `for (var ${name} = ${first}; ${name} < ${along.size}; ${name}++)`,
  );
  emitter.defineAxis(along, name);
  // The value is read before anything is stored in its place.
  const text = emitter.scalar(value);
  const result_ = emitter.newName("r");
  const next = combineText(combine, value.type, running, text, 1, emitter.math);
  if (exclusive) emitter.line(`let ${result_} = ${running};`);
  emitter.line(`${running} = ${next};`);
  if (!exclusive) emitter.line(`let ${result_} = ${running};`);
  emitter.define(pool.result(result, value.type), result_);
  if (inside !== undefined && inside.kind !== "number") {
    emitter.open(`if (${emitter.scalar(inside)})`);
    for (const store of stores) emitter.store(store);
    emitter.close();
  } else for (const store of stores) emitter.store(store);
  emitter.close();
  emitter.setStored(new Set());
}
