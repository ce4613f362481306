/**
 * Contractions on adapters with workgroup memory: which way round, in which blocks, and in how many parts of the sums.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression, Nest } from "../../../compiler/ir/types.ts";
import { newAxis, substitution } from "./axes.ts";
import { type Block, blockName, rankBlocks } from "./block_shapes.ts";
import { loadsOf } from "./emitter.ts";
import { printNest } from "./nest.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import type { WorkgroupTiles } from "./tuning.ts";
import { printWorkgroupTiles } from "./workgroup_tiles.ts";

/** Memory accesses that the text of a block's stores should not exceed: larger blocks are left to lighter stores. */
const MOST_ACCESSES = 128;
/** Memory accesses of the smallest block's stores beyond which they are better done in loops. */
const MOST_ACCESSES_IN_ALL = 512;
/** Results that the smallest part of an invocation has. */
const FEWEST_RESULTS = 16;
/** Invocations that keep a core busy. */
const BUSY_INVOCATIONS = 256;
/** Fewer parts than this, where any would do, are not worth a kernel more. */
const FEWEST_PARTS = 4;
/** Parts of sums are multiples of so many terms, so that fours stay together. */
const PART_TERMS = 16;

/** A shader that does the same as others, and what it is called among them. */
export interface Alternative {
  readonly name: string;
  readonly shader: ComputeShader;
}

/**
 * Prints a contraction that has as few axes as possible; `undefined` where workgroups would share little.
 *
 * How sums are cut into parts depends on sizes alone, so that measuring cannot change a result.
 */
export function printStaged(contraction: Contraction, context: PrintContext): readonly ComputeShader[] | undefined {
  const staged = stage(contraction, context);
  if (staged === undefined) return undefined;
  const { whole, blocks, split } = staged;
  const [best] = blocks as [Block];
  let shader = printWorkgroupTiles(whole, best, context);
  const chosen = context.choices?.get(shader.code);
  const block = blocks.find((block) => blockName(block) === chosen);
  if (block !== undefined) shader = printWorkgroupTiles(whole, block, context);
  if (split === undefined) return [shader];
  return [{ ...shader, scratch: [...shader.scratch, split.buffer] }, ...printNest(split.reduction, context)];
}

/** The blocks that a contraction may be computed in, the one that sizes speak for first; none where it is not staged. */
export function stagedAlternatives(
  contraction: Contraction,
  context: PrintContext,
  most: number,
): readonly Alternative[] {
  const staged = stage(contraction, context);
  return (staged?.blocks ?? []).slice(0, most).map((block) => ({
    name: blockName(block),
    shader: printWorkgroupTiles(staged!.whole, block, context),
  }));
}

/** A contraction, or the one that gives parts of its sums, and its blocks. */
interface Staged {
  readonly whole: Contraction;
  readonly blocks: readonly Block[];
  readonly split?: Split;
}

function stage(contraction: Contraction, context: PrintContext): Staged | undefined {
  const { expressions: pool, tuning } = context;
  const tiles = tuning.workgroupTiles;
  const { rows, columns, inner } = contraction;
  if (tiles === undefined || [rows, columns, inner].some((axes) => points(axes) < tiles.leastShared)) return undefined;
  const turned = turnedToStores(contraction, pool);
  const split = splitTerms(turned, tiles, context);
  const whole = split?.partial ?? turned;
  const accesses = accessesOfStores(whole);
  if (accesses * FEWEST_RESULTS > MOST_ACCESSES_IN_ALL) return undefined;
  const sizes = {
    batch: points(whole.batch),
    rows: points(whole.rows),
    columns: points(whole.columns),
    inner: points(whole.inner),
  };
  const blocks = rankBlocks(sizes, tiles, { each: accesses, most: MOST_ACCESSES });
  return blocks.length === 0 ? undefined : { whole, blocks, ...split ? { split } : {} };
}

/** The same with neighbouring columns, which an invocation stores four at a time, where memory has neighbours. */
function turnedToStores(contraction: Contraction, pool: Expressions): Contraction {
  const { rows, columns, left, right, stores } = contraction;
  const neighbours = (axes: readonly Axis[]): boolean => {
    const last = axes.at(-1);
    if (last === undefined) return false;
    const at = (place: number) => substitution(pool, new Map([[last, pool.int(place)]]));
    return stores.some(({ index }) => at(1)(index) === pool.add(at(0)(index), 1));
  };
  if (neighbours(columns) || !neighbours(rows)) return contraction;
  return { ...contraction, rows: columns, columns: rows, left: right, right: left };
}

/** Memory accesses for each result, of four at a time where they are. */
function accessesOfStores({ columns, stores }: Contraction): number {
  const accesses = stores.length + loadsOf(stores.flatMap(({ index, value }) => [index, value])).length;
  return points(columns) % 4 === 0 ? accesses / 4 : accesses;
}

/** Parts of sums, and what adds them up. */
interface Split {
  readonly partial: Contraction;
  readonly reduction: Nest;
  readonly buffer: Buffer;
}

/** Cuts long sums with few results into parts that other workgroups compute; they are added in order. */
function splitTerms(
  contraction: Contraction,
  { cores, splitTerms }: WorkgroupTiles,
  { expressions: pool, tuning }: PrintContext,
): Split | undefined {
  const { batch, rows, columns, inner, result, stores } = contraction;
  const terms = points(inner);
  const invocations = points(batch) * Math.ceil(points(rows) / 4) * Math.ceil(points(columns) / 4);
  const useful = Math.min(Math.floor(cores * BUSY_INVOCATIONS / invocations), Math.floor(terms / splitTerms));
  const wanted = Math.max(useful < FEWEST_PARTS ? 1 : useful, Math.ceil(terms / tuning.maxLoopIterations));
  if (wanted < 2) return undefined;
  const each = Math.ceil(terms / wanted / PART_TERMS) * PART_TERMS;
  const chunk = newAxis(pool, Math.ceil(terms / each));
  const step = newAxis(pool, each);
  const term = pool.add(pool.mul(chunk.value, each), step.value);
  const places = pool.unflatten(term, inner.map(({ size }) => size));
  const change = substitution(pool, new Map(inner.map((axis, i) => [axis, places[i]!])));
  // Both are 0 beyond the end: what else is there adds nothing, were it infinite.
  const part = (x: Expression) => pool.select(pool.compare("lt", term, terms), change(x), pool.float(0));
  const kept = [...batch, ...rows, ...columns];
  const size = points(kept);
  const buffer = pool.buffer("f32", chunk.axis.size * size, { kind: "scratch" });
  const at = pool.add(
    pool.mul(chunk.value, size),
    pool.flatten(kept.map((axis) => pool.axisExpression(axis)), kept.map((axis) => axis.size)),
  );
  return {
    buffer,
    partial: {
      ...contraction,
      batch: [chunk.axis, ...batch],
      inner: [step.axis],
      left: part(contraction.left),
      right: part(contraction.right),
      stores: [{ buffer, index: at, value: pool.result(result, "f32") }],
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
