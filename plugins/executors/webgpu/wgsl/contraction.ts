/**
 * Matrix products and convolutions: each invocation keeps a tile of sums in registers.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Contraction } from "../../../compiler/ir/types.ts";
import { collapse } from "./axes.ts";
import { changedStores, TilePrinter } from "./contraction_tiles.ts";
import { printNest } from "./nest.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { splitContraction } from "./split_contraction.ts";
import { Tile } from "./tile.ts";
import type { Tiles } from "./tile_terms.ts";
import { type Alternative, printStaged, stagedAlternatives } from "./workgroup_contraction.ts";

/** The loops of a contraction. */
const LOOPS = ["batch", "rows", "columns", "inner"] as const;
/** Terms in one loop cost so much less than in several, or more. */
const WORTH_KEEPING_APART = 0.9;

/** Prints a contraction: one shader, or partial sums and a reduction of them. */
export function printContraction(contraction: Contraction, context: PrintContext): readonly ComputeShader[] {
  return printStaged(simplified(contraction, context.expressions), context) ?? printSplit(contraction, context, false);
}

/** Ways to compute a contraction that give the same bits; none where there is only one. @param most How many at most. */
export function contractionAlternatives(
  contraction: Contraction,
  context: PrintContext,
  most: number,
): readonly Alternative[] {
  return stagedAlternatives(simplified(contraction, context.expressions), context, most);
}

/** @param partial Whether the sums are parts of others already: such are split only where they are too long for a loop. */
function printSplit(contraction: Contraction, context: PrintContext, partial: boolean): readonly ComputeShader[] {
  const simple = simplified(contraction, context.expressions);
  const { invocations } = chooseTiles(simple, context);
  const split = splitContraction(simple, partial ? Infinity : invocations, context);
  if (split === undefined) return [printTiles(contraction, context)];
  const { reduction, buffer } = split;
  const [first, ...rest] = printSplit(split.partial, context, true) as [ComputeShader, ...ComputeShader[]];
  return [{ ...first, scratch: [...first.scratch, buffer] }, ...rest, ...printNest(reduction, context)];
}

/** Loops over terms are made one, unless loads serve more products where they stay apart: those of windows overlap. */
function printTiles(contraction: Contraction, context: PrintContext): ComputeShader {
  const printer = (simple: Contraction) => new TilePrinter(simple, chooseTiles(simple, context), context);
  const one = simplified(contraction, context.expressions);
  const several = simplified(contraction, context.expressions, LOOPS.slice(0, 3));
  const whole = printer(one);
  if (several.inner.length === one.inner.length) return whole.print();
  const apart = printer(several);
  return (apart.costOfProduct <= whole.costOfProduct * WORTH_KEEPING_APART ? apart : whole).print();
}

/** The same contraction with as few axes as possible. @param loops Where axes are made one. */
function simplified(
  contraction: Contraction,
  pool: Expressions,
  loops: readonly (typeof LOOPS)[number][] = LOOPS,
): Contraction {
  let { left, right, stores } = contraction;
  const axes = {
    batch: contraction.batch,
    rows: contraction.rows,
    columns: contraction.columns,
    inner: contraction.inner,
  };
  for (const kind of loops) {
    const { axes: fewer, substitute } = collapse(
      pool,
      axes[kind],
      [left, right, ...stores.flatMap(({ index, value }) => [index, value])],
    );
    axes[kind] = fewer;
    left = substitute(left);
    right = substitute(right);
    stores = changedStores(stores, substitute);
  }
  return { ...contraction, ...axes, left, right, stores };
}

function chooseTiles({ batch, rows, columns }: Contraction, { expressions: pool, tuning }: PrintContext): Tiles {
  let mostRows = tuning.tileRows;
  let mostColumns = tuning.tileColumns;
  for (;;) {
    const tiles = { rows: new Tile(pool, rows, mostRows), columns: new Tile(pool, columns, mostColumns) };
    const invocations = points([...batch, ...tiles.rows.loops, ...tiles.columns.loops]);
    if (invocations >= tuning.contractionInvocations || Math.max(mostRows, mostColumns) <= tuning.smallestTile) {
      return { ...tiles, invocations };
    }
    if (mostRows >= mostColumns) mostRows /= 2;
    else mostColumns /= 2;
  }
}
