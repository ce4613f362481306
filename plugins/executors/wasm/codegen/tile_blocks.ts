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
  /** Loops around tiles that the unit's number tells. */
  readonly split: readonly Axis[];
  /** Loops around tiles inside of a unit. */
  readonly rest: readonly Axis[];
  /** The rows of tiles; absent where there is one row. */
  readonly down?: Axis;
  /** The columns of tiles. */
  readonly across: Axis;
  /** Rows of a tile. */
  readonly tileRows: number;
  /** Vectors of columns of a tile. */
  readonly tileVectors: number;
  /** Tiles of rows in a unit. */
  readonly rowTiles: number;
  /** Panels of columns in a unit. */
  readonly panels: number;
  /** Whether a unit's loop over panels is the outer one. */
  readonly panelsFirst: boolean;
}

/** What is to be cut. */
export interface TileProblem {
  /** Loops around tiles. */
  readonly outer: readonly Axis[];
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

/** Cuts a product. */
export function tileBlocks({ outer, down, across, sum, bytes }: TileProblem): TileBlocks {
  const rows = down?.size ?? 1;
  const vectors = Math.ceil(across.size / 4);
  const tileRows = Math.min(vectors === 1 ? 4 : 6, rows);
  const tileVectors = Math.min(vectors, tileRows <= 2 ? 4 : 2);
  const allTiles = Math.ceil(rows / tileRows);
  const allPanels = Math.ceil(vectors / tileVectors);
  // A small right factor stays near while the left one passes once; else each panel stays while the rows pass.
  const panelsFirst = bytes.right > NEAR_BYTES;
  const tileWork = tileRows * tileVectors * 4 * sum;
  const least = Math.max(1, Math.ceil(UNIT_WORK / tileWork));
  let at = 0;
  let count = 1;
  const inside = () => points(outer.slice(at + 1)) * allTiles * allPanels * tileWork;
  while (at < outer.length && (count < UNITS * 4) && (count === 1 || inside() * outer[at]!.size >= UNIT_WORK)) {
    count *= outer[at++]!.size;
  }
  let rowTiles = allTiles;
  let panels = allPanels;
  if (at === outer.length && count < UNITS) {
    const wanted = Math.ceil(UNITS / count);
    if (panelsFirst) {
      panels = Math.max(1, Math.min(allPanels, Math.ceil(least / allTiles)), Math.floor(allPanels / (4 * wanted)));
      const left = Math.ceil(wanted / Math.ceil(allPanels / panels));
      rowTiles = Math.max(Math.ceil(allTiles / left), Math.min(allTiles, least));
    } else {
      rowTiles = Math.max(1, Math.min(allTiles, Math.ceil(least / allPanels)), Math.floor(allTiles / (4 * wanted)));
      const left = Math.ceil(wanted / Math.ceil(allTiles / rowTiles));
      panels = Math.max(Math.ceil(allPanels / left), Math.min(allPanels, least));
    }
  }
  count *= Math.ceil(allTiles / rowTiles) * Math.ceil(allPanels / panels);
  return {
    count,
    split: outer.slice(0, at),
    rest: outer.slice(at),
    ...down && { down },
    across,
    tileRows,
    tileVectors,
    rowTiles,
    panels,
    panelsFirst,
  };
}

/** Writes the loops over units and tiles. */
export function overBlocks(k: KernelWriter, blocks: TileBlocks, body: (tile: Tile) => void): void {
  const { f, evaluator, begin, end } = k;
  const { split, rest, down, across, tileRows, tileVectors, panelsFirst } = blocks;
  const rows: Span = { size: down?.size ?? 1, each: tileRows, unit: blocks.rowTiles * tileRows };
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
      const spans = panelsFirst ? [rows, columns] : [columns, rows];
      const ranges = new Map(spans.map((span) => [span, rangeOf(k, span, take(Math.ceil(span.size / span.unit)))]));
      const bindings = split.toReversed().map((axis): Binding => ({ axis, value: take(axis.size) }));
      evaluator.scoped(bindings, () =>
        overAxes(k, rest, () => {
          const overRows = (inside: (row: Piece) => void) => overPieces(k, rows, ranges.get(rows)!, down, inside);
          const overColumns = (inside: (column: Piece) => void) =>
            overPieces(k, columns, ranges.get(columns)!, across, inside);
          const tile = (row: Piece, column: Piece) =>
            body({
              ...down && { row: { axis: down, value: row.start } },
              rows: row.size,
              column: { axis: across, value: column.start },
              vectors: Math.ceil(column.size / 4),
              lastLanes: (column.size + 3) % 4 + 1,
            });
          if (panelsFirst) overColumns((column) => overRows((row) => tile(row, column)));
          else overRows((row) => overColumns((column) => tile(row, column)));
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

/** Writes a loop over whole pieces of a range, then the one that is left at the span's end. */
function overPieces(
  { f, evaluator }: KernelWriter,
  { size, each }: Span,
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
  if (whole === size) return loop(start, end);
  const last = f.let(choose(i32.ltS(end, int(whole)), end, int(whole)));
  f.when(i32.ltS(start, last), () => loop(start, last));
  f.when(i32.eq(end, int(size)), () => body({ start: int(whole), size: size - whole }));
}
