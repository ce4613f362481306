/**
 * Matrix products and convolutions: each invocation keeps a tile of sums in registers.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Contraction } from "../../../compiler/ir/types.ts";
import { collapse } from "./axes.ts";
import { changedStores, TilePrinter, type Tiles } from "./contraction_tiles.ts";
import { printNest } from "./nest.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { splitContraction } from "./split_contraction.ts";
import { Tile } from "./tile.ts";
import { type Alternative, printStaged, stagedAlternatives } from "./workgroup_contraction.ts";

/** Prints a contraction: one shader, or partial sums and a reduction of them. */
export function printContraction(contraction: Contraction, context: PrintContext): readonly ComputeShader[] {
  const simple = simplified(contraction, context.expressions);
  return printStaged(simple, context) ?? printSplit(simple, context, false);
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
  const simple = partial ? simplified(contraction, context.expressions) : contraction;
  const tiles = chooseTiles(simple, context);
  const split = splitContraction(simple, partial ? Infinity : tiles.invocations, context);
  if (split === undefined) return [new TilePrinter(simple, tiles, context).print()];
  const { reduction, buffer } = split;
  const [first, ...rest] = printSplit(split.partial, context, true) as [ComputeShader, ...ComputeShader[]];
  return [{ ...first, scratch: [...first.scratch, buffer] }, ...rest, ...printNest(reduction, context)];
}

function simplified(contraction: Contraction, pool: Expressions): Contraction {
  let { left, right, stores } = contraction;
  const axes = {
    batch: contraction.batch,
    rows: contraction.rows,
    columns: contraction.columns,
    inner: contraction.inner,
  };
  for (const kind of ["batch", "rows", "columns", "inner"] as const) {
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
