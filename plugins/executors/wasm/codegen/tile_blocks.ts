/**
 * How rows and columns of a product are cut into tiles, and tiles into units of work.
 *
 * @module
 */
import { points } from "../../../compiler/ir/shape.ts";
import type { Axis } from "../../../compiler/ir/types.ts";
import type { Binding } from "./scopes.ts";
import { choose, type Code, i32, int } from "./instructions.ts";
import { type KernelWriter, overAxes } from "./loops.ts";
import { divisorUpTo } from "./rewriting.ts";

/** Which rows and columns of the result a tile has. */
export interface Tile {
  /** The first row's binding; none where there is one row only. */
  readonly row?: Omit<Binding, "lanes">;
  /** How many. */
  readonly rows: number;
  /** The first column's binding. */
  readonly column: Omit<Binding, "lanes">;
  /** Vectors of columns. */
  readonly vectors: number;
  /** How many columns the last vector has. */
  readonly lastLanes: number;
}

/** Loops over tiles. Units never depend on how many threads there are. */
export interface TileBlocks {
  /** Units of work. */
  readonly count: number;
  /** Loops over batches and rows that the unit's number tells. */
  readonly split: readonly Axis[];
  /** Loops over columns that it tells: neighbouring units have the same rows. */
  readonly splitColumns: readonly Axis[];
  /** Loops around tiles inside of a unit. */
  readonly rest: readonly Axis[];
  /** Loops over columns inside of those over a unit's rows. */
  readonly insideRows: readonly Axis[];
  /** The rows of tiles; absent where there is one row. */
  readonly down?: Axis;
  /** The columns of tiles. */
  readonly across: Axis;
  /** Rows of a tile. */
  readonly tileRows: number;
  /** Vectors of columns of a tile. */
  readonly tileVectors: number;
  /** Rows in a unit. */
  readonly unitRows: number;
  /** Panels of columns in a unit. */
  readonly panels: number;
  /** Whether a unit's loop over panels is the outer one. */
  readonly panelsFirst: boolean;
}

/** What is to be cut. */
export interface TileProblem {
  /** Loops over batches and rows around tiles. */
  readonly outer: readonly Axis[];
  /** Loops over columns around tiles. */
  readonly outerColumns: readonly Axis[];
  /** The rows of tiles. */
  readonly down?: Axis;
  /** The columns of tiles. */
  readonly across: Axis;
  /** Numbers in each sum. */
  readonly sum: number;
  /** How large the factors are, without batches. */
  readonly bytes: { readonly left: number; readonly right: number };
}

/** As many units as a few threads share well. */
const UNITS = 16;
/** Multiplications that are worth a unit. */
const UNIT_WORK = 8192;
/** What stays in the first cache beside the other factor's part. */
const NEAR_BYTES = 20 * 1024;
/** What of the left factor stays in the second cache, beside much else, while all panels pass. */
const NEXT_BYTES = 128 * 1024;
/** What of the right factor stays there while rows pass: it is read from end to end, which the processor foresees. */
const PASSED_BYTES = 256 * 1024;

/** Cuts a product. */
export function tileBlocks({ outer, outerColumns, down, across, sum, bytes }: TileProblem): TileBlocks {
  const rows = down?.size ?? 1;
  const vectors = Math.ceil(across.size / 4);
  const tileRows = Math.min(vectors === 1 ? 4 : 6, rows);
  const tileVectors = Math.min(vectors, tileRows <= 2 ? 4 : 2);
  const allTiles = Math.ceil(rows / tileRows);
  const allPanels = Math.ceil(vectors / tileVectors);
  // A right factor that stays near is read anew for each tile's rows, so that the result is written row by row; of a larger
  // one, each panel stays while the rows pass.
  const even = across.size % (4 * tileVectors) === 0;
  const enough = outerColumns.length === 0 || points(outer) * allTiles >= 2 * UNITS;
  const panelsFirst = !enough || bytes.right > (even ? PASSED_BYTES : NEAR_BYTES);
  const tileWork = tileRows * tileVectors * 4 * sum * (panelsFirst ? 1 : points(outerColumns));
  const least = Math.max(1, Math.ceil(UNIT_WORK / tileWork));
  const loops = panelsFirst ? [...outer, ...outerColumns] : outer;
  let at = 0;
  let count = 1;
  const inside = () => points(loops.slice(at + 1)) * allTiles * allPanels * tileWork;
  while (at < loops.length && (count < UNITS * 4) && (count === 1 || inside() * loops[at]!.size >= UNIT_WORK)) {
    count *= loops[at++]!.size;
  }
  let unitRows = rows;
  let panels = allPanels;
  if (at === loops.length && count < UNITS) {
    const wanted = Math.ceil(UNITS / count);
    if (panelsFirst) {
      panels = Math.max(1, Math.min(allPanels, Math.ceil(least / allTiles)), Math.floor(allPanels / (4 * wanted)));
      const left = Math.ceil(wanted / Math.ceil(allPanels / panels));
      unitRows = tileRows * Math.max(Math.ceil(allTiles / left), Math.min(allTiles, least));
    } else {
      const rowTiles = Math.max(
        1,
        Math.min(allTiles, Math.ceil(least / allPanels)),
        Math.floor(allTiles / (4 * wanted)),
      );
      unitRows = tileRows * rowTiles;
      const left = Math.ceil(wanted / Math.ceil(allTiles / rowTiles));
      panels = Math.max(Math.ceil(allPanels / left), Math.min(allPanels, least));
    }
  }
  if (panelsFirst && at >= outer.length) unitRows = Math.min(unitRows, rowsThatStay(rows, tileRows, sum));
  count *= Math.ceil(rows / unitRows) * Math.ceil(allPanels / panels);
  return {
    count,
    split: outer.slice(0, at),
    splitColumns: outerColumns.slice(0, Math.max(0, at - outer.length)),
    rest: loops.slice(at),
    insideRows: panelsFirst ? [] : outerColumns,
    ...down && { down },
    across,
    tileRows,
    tileVectors,
    unitRows,
    panels,
    panelsFirst,
  };
}

/** So many rows of the left factor stay in the second cache while panels pass: all, a part of equal parts, or whole tiles. */
function rowsThatStay(rows: number, tileRows: number, sum: number): number {
  const most = Math.max(4 * tileRows, Math.floor(NEXT_BYTES / (4 * sum)));
  if (rows <= most) return rows;
  const even = divisorUpTo(rows, most);
  return 2 * even >= most ? even : most - most % tileRows;
}

/** Writes the loops over units and tiles. */
export function overBlocks(k: KernelWriter, blocks: TileBlocks, body: (tile: Tile) => void): void {
  const { f, evaluator, begin, end } = k;
  const { split, splitColumns, rest, insideRows, down, across, tileRows, tileVectors, panelsFirst } = blocks;
  const rows: Span = { size: down?.size ?? 1, each: tileRows, unit: blocks.unitRows };
  const columns: Span = { size: across.size, each: 4 * tileVectors, unit: blocks.panels * 4 * tileVectors };
  f.when(i32.ltS(begin, end), () =>
    f.loop(begin, end, 1, (unit) => {
      let left = unit;
      const take = (count: number): Code => {
        if (count === 1) return int(0);
        const taken = f.let(i32.remU(left, int(count)));
        left = f.let(i32.divU(left, int(count)));
        return taken;
      };
      const range = (span: Span) => rangeOf(k, span, take(Math.ceil(span.size / span.unit)));
      const values = (axes: readonly Axis[]) =>
        axes.toReversed().map((axis): Binding => ({ axis, value: take(axis.size) }));
      const columnRange = range(columns);
      const columnValues = values(splitColumns);
      const rowRange = range(rows);
      evaluator.scoped([...values(split), ...columnValues], () =>
        overAxes(k, rest, () => {
          const overRows = (inside: (row: Piece) => void) => overPieces(k, rows, rowRange, down, inside);
          const overColumns = (inside: (column: Piece) => void) => overPieces(k, columns, columnRange, across, inside);
          const tile = (row: Piece, column: Piece) =>
            body({
              ...down && { row: { axis: down, value: row.start } },
              rows: row.size,
              column: { axis: across, value: column.start },
              vectors: Math.ceil(column.size / 4),
              lastLanes: (column.size + 3) % 4 + 1,
            });
          if (panelsFirst) overColumns((column) => overRows((row) => tile(row, column)));
          else overRows((row) => overAxes(k, insideRows, () => overColumns((column) => tile(row, column))));
        }));
    }));
}

/** Rows or columns: how many there are, in a tile, in a unit. */
interface Span {
  readonly size: number;
  readonly each: number;
  readonly unit: number;
}

/** The part of a span that a unit has. */
interface Range {
  readonly start: Code;
  readonly end: Code;
}

/** A tile's part of a span. */
interface Piece {
  readonly start: Code;
  readonly size: number;
}

function rangeOf({ f }: KernelWriter, { size, unit }: Span, which: Code): Range {
  if (unit >= size) return { start: int(0), end: int(size) };
  const start = f.let(i32.mul(which, int(unit)));
  const end = f.let(i32.add(start, int(unit)));
  return { start, end: f.let(choose(i32.ltS(end, int(size)), end, int(size))) };
}

/** Writes a loop over whole pieces of a range, then the one that is left at its end. */
function overPieces(
  { f, evaluator }: KernelWriter,
  { size, each, unit }: Span,
  { start, end }: Range,
  axis: Axis | undefined,
  body: (piece: Piece) => void,
): void {
  if (axis === undefined) return body({ start: int(0), size: 1 });
  const whole = size - size % each;
  const loop = (from: Code, to: Code) =>
    f.loop(from, to, each, (at) =>
      evaluator.scoped([], () => {
        evaluator.known(at);
        body({ start: at, size: each });
      }));
  if (start.constant === 0 && end.constant === size) {
    if (whole > each) loop(int(0), int(whole));
    else if (whole > 0) body({ start: int(0), size: each });
    if (whole < size) body({ start: int(whole), size: size - whole });
    return;
  }
  if (whole === size && unit % each === 0) return loop(start, end);
  if (size % unit === 0) {
    const full = unit - unit % each;
    const last = f.let(i32.add(start, int(full)));
    if (full > 0) loop(start, last);
    if (full < unit) body({ start: last, size: unit - full });
    return;
  }
  const last = f.let(choose(i32.ltS(end, int(whole)), end, int(whole)));
  f.when(i32.ltS(start, last), () => loop(start, last));
  f.when(i32.eq(end, int(size)), () => body({ start: int(whole), size: size - whole }));
}
