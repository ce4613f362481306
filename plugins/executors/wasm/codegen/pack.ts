/**
 * Laying a product's factors out anew where reading them as they lie would be slow: the right one in panels of eight columns,
 * the left one in rows of another length.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, points } from "../../../compiler/ir/shape.ts";
import type { Axis, Contraction, Expression, Nest } from "../../../compiler/ir/types.ts";
import { mapKernel } from "../../../compiler/passes/map_kernel.ts";
import { axesIn, newLoop, type Rewriting, type Rewritten, substitute } from "./rewriting.ts";
import { strideAlong } from "./strides.ts";

const PANEL = 8;
/** With fewer rows, laying it out takes longer than it saves. */
const LEAST_ROWS = 8;
/** With fewer columns, laying the left factor out takes longer than it saves. */
const LEAST_COLUMNS = 32;
/** The first cache: lines, and in how many places those may lie whose addresses are alike. */
const LINE = 64;
const SETS = 64;
const WAYS = 8;

/** A factor of a product, and the loops that it alone has. */
type Side = { readonly factor: "left"; readonly loops: "rows" } | {
  readonly factor: "right";
  readonly loops: "columns";
};
const LEFT: Side = { factor: "left", loops: "rows" };
const RIGHT: Side = { factor: "right", loops: "columns" };

/** The product with its factors packed, where that is worth it. */
export function packFactors(kernel: Contraction, rewriting: Rewriting): Rewritten {
  const right = packRight(kernel, rewriting);
  const left = packLeft(right.kernel, rewriting);
  return { before: [...right.before, ...left.before], kernel: left.kernel };
}

function packRight(kernel: Contraction, rewriting: Rewriting): Rewritten {
  const { rows, columns } = kernel;
  const across = unitStride(kernel, RIGHT);
  const large = columns.reduce<Axis | undefined>(
    (best, axis) => axis.size >= (best?.size ?? 2) ? axis : best,
    undefined,
  );
  if (points(rows) < LEAST_ROWS || large === undefined) return { before: [], kernel };
  if (across !== undefined && !(points(rows) >= 2 * LEAST_ROWS && thrashes(kernel, RIGHT, across))) {
    return { before: [], kernel };
  }
  const chosen = across ?? large;
  return pack(kernel, RIGHT, chosen, chosen.size % PANEL === 0 && chosen.size > PANEL, rewriting);
}

/**
 * Rows that lie side by side stay so, but the next place of the sum no longer falls on the same place in the cache. Where
 * that are two places or more, products are as fast as they are (bench/LOG.md).
 */
function packLeft(kernel: Contraction, rewriting: Rewriting): Rewritten {
  const down = unitStride(kernel, LEFT);
  return down !== undefined && points(kernel.columns) >= LEAST_COLUMNS && thrashes(kernel, LEFT, down, 1)
    ? pack(kernel, LEFT, down, false, rewriting)
    : { before: [], kernel };
}

/** The loop along which a factor's numbers lie side by side. */
function unitStride(kernel: Contraction, { factor, loops }: Side): Axis | undefined {
  const load = kernel[factor];
  return kernel[loops].find((axis) => load.kind === "load" && strideAlong(load.index, axis) === 1);
}

/** @param chosen The loop whose numbers lie side by side then. @param isPanelled Whether in panels, else in rows. */
function pack(
  kernel: Contraction,
  { factor, loops: own }: Side,
  chosen: Axis,
  isPanelled: boolean,
  { ir, newScratch }: Rewriting,
): Rewritten {
  const given = kernel[factor];
  const wasUnit = given.kind === "load" && strideAlong(given.index, chosen) === 1;
  const used = axesOf(given);
  const panels = isPanelled ? chosen.size / PANEL : 1;
  const panel = newLoop(ir, panels);
  const lane = newLoop(ir, isPanelled ? PANEL : chosen.size);
  const place = ir.add(ir.mul(panel.value, PANEL), lane.value);
  // Rows of whole cache lines, an odd number of them: neighbours do not fall on the same place in the cache.
  const lines = Math.ceil(chosen.size * 4 / LINE);
  const width = isPanelled ? PANEL : chosen.size < 16 ? Math.ceil(chosen.size / 4) * 4 : (lines | 1) * LINE / 4;
  const before = [...kernel.batch, ...kernel[own].filter((axis) => axis !== chosen)].filter((axis) => used.has(axis));
  const summed = kernel.inner.filter((axis) => used.has(axis));
  const index = (loops: ReadonlyMap<Axis, Expression>, panelAt: Expression, laneAt: Expression) => {
    const value = (axis: Axis) => loops.get(axis) ?? ir.axisExpression(axis);
    const places = [...before.map(value), panelAt, ...summed.map(value), laneAt];
    const shape = [...before.map(({ size }) => size), panels, ...summed.map(({ size }) => size), width];
    return ir.flatten(places, shape);
  };
  const packed = newScratch(points(before) * panels * points(summed) * width);
  // The copy has loops of its own.
  const copiedRows = summed.map((axis, i) => i === 0 && wasUnit ? inBlocks(ir, axis) : newLoop(ir, axis.size));
  const loops = new Map([
    ...before.map((axis) => [axis, ir.axis(axis.size)] as const),
    ...summed.map((axis, i) => [axis, copiedRows[i]!.value] as const),
  ]);
  const [copyPanel, copyLane] = [ir.axis(panels), ir.axis(isPanelled ? PANEL : chosen.size)];
  const copied = substitute(ir, new Map([...loops, [chosen, ir.add(ir.mul(copyPanel, PANEL), copyLane)]]))(given);
  // In the order in which the factor lies in memory, but that some rows' part of a panel is written at once.
  const [block, ...insideBlock] = copiedRows.flatMap(({ axes }) => axes);
  const outer = [
    ...axesIn(before.map((axis) => loops.get(axis)!)),
    ...!wasUnit || block === undefined
      ? [...axesIn([copyPanel]), ...copiedRows.flatMap(({ axes }) => axes)]
      : [block, ...axesIn([copyPanel]), ...insideBlock],
    ...axesIn([copyLane]),
  ];
  const copy: Nest = {
    kind: "nest",
    outer,
    inner: [],
    reductions: [],
    stores: [{ buffer: packed, index: index(loops, copyPanel, copyLane), value: copied }],
  };
  const replaced = mapKernel(kernel, { expression: substitute(ir, new Map([[chosen, place]])) });
  return {
    before: [copy],
    kernel: {
      ...replaced,
      [own]: kernel[own].flatMap((axis) => axis === chosen ? [...panel.axes, ...lane.axes] : [axis]),
      [factor]: ir.load(packed, index(new Map(), panel.value, lane.value), "f32"),
    },
  };
}

/** As many rows of eight columns stay in the first cache, however far apart. */
const BLOCK_ROWS = 16;

/** A loop over an axis, in blocks where it can be cut into such. */
function inBlocks(ir: Expressions, { size }: Axis): ReturnType<typeof newLoop> {
  if (size % BLOCK_ROWS !== 0 || size === BLOCK_ROWS) return newLoop(ir, size);
  const [block, row] = [newLoop(ir, size / BLOCK_ROWS), newLoop(ir, BLOCK_ROWS)];
  return { axes: [...block.axes, ...row.axes], value: ir.add(ir.mul(block.value, BLOCK_ROWS), row.value) };
}

/**
 * Whether a tile's part of all places of the sum does not fit into the first cache, because it falls on few places of that.
 *
 * @param fewest Where it falls on more places than this, it does not matter. @default all of them
 */
function thrashes({ inner, ...kernel }: Contraction, { factor }: Side, beside: Axis, fewest = SETS): boolean {
  const load = kernel[factor];
  if (load.kind !== "load" || beside.size <= PANEL) return false;
  const own = inner.filter((axis) => strideAlong(load.index, axis) !== 0);
  const last = own.at(-1);
  if (last === undefined) return false;
  const bytes = Math.abs(strideAlong(load.index, last) ?? 0) * 4;
  if (bytes < LINE) return false;
  // Lines whose distance is a multiple of many lines share few places.
  let shared = 1;
  while (shared < SETS && bytes % (LINE * shared * 2) === 0) shared *= 2;
  return SETS / shared <= fewest && points(own) > 0.7 * WAYS * SETS / shared;
}
