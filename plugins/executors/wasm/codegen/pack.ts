/**
 * Laying a product's right factor out anew, in panels of eight columns, where reading it as it lies would be slow.
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
/** The first cache: lines, and in how many places those may lie whose addresses are alike. */
const LINE = 64;
const SETS = 64;
const WAYS = 8;

/** The product with its right factor packed, if that is worth it. */
export function packFactor(kernel: Contraction, { ir, newScratch }: Rewriting): Rewritten {
  const { rows, columns, right } = kernel;
  const across = columns.find((axis) => right.kind === "load" && strideAlong(right.index, axis) === 1);
  const large = columns.reduce<Axis | undefined>(
    (best, axis) => axis.size >= (best?.size ?? 3) ? axis : best,
    undefined,
  );
  if (points(rows) < LEAST_ROWS || large === undefined) return { before: [], kernel };
  if (across !== undefined && !thrashes(kernel, across)) return { before: [], kernel };
  const chosen = across ?? large;
  const own = axesOf(right);
  const isPanelled = chosen.size % PANEL === 0 && chosen.size > PANEL;
  const panel = newLoop(ir, isPanelled ? chosen.size / PANEL : 1);
  const lane = newLoop(ir, isPanelled ? PANEL : chosen.size);
  const place = ir.add(ir.mul(panel.value, PANEL), lane.value);
  // Rows of whole cache lines, an odd number of them: neighbours do not fall on the same place in the cache.
  const lines = Math.ceil(chosen.size * 4 / LINE);
  const width = isPanelled ? PANEL : chosen.size < 16 ? Math.ceil(chosen.size / 4) * 4 : (lines | 1) * LINE / 4;
  const before = [...kernel.batch, ...columns.filter((axis) => axis !== chosen)].filter((axis) => own.has(axis));
  const summed = kernel.inner.filter((axis) => own.has(axis));
  const index = (loops: ReadonlyMap<Axis, Expression>, panelAt: Expression, laneAt: Expression) => {
    const value = (axis: Axis) => loops.get(axis) ?? ir.axisExpression(axis);
    const places = [...before.map(value), panelAt, ...summed.map(value), laneAt];
    const shape = [
      ...before.map(({ size }) => size),
      isPanelled ? chosen.size / PANEL : 1,
      ...summed.map(({ size }) => size),
      width,
    ];
    return ir.flatten(places, shape);
  };
  const packed = newScratch(points(before) * (isPanelled ? chosen.size / PANEL : 1) * points(summed) * width);
  // The copy has loops of its own.
  const copiedRows = summed.map((axis, i) =>
    i === 0 && across !== undefined ? inBlocks(ir, axis) : newLoop(ir, axis.size)
  );
  const loops = new Map([
    ...before.map((axis) => [axis, ir.axis(axis.size)] as const),
    ...summed.map((axis, i) => [axis, copiedRows[i]!.value] as const),
  ]);
  const [copyPanel, copyLane] = [
    ir.axis(isPanelled ? chosen.size / PANEL : 1),
    ir.axis(isPanelled ? PANEL : chosen.size),
  ];
  const copied = substitute(ir, new Map([...loops, [chosen, ir.add(ir.mul(copyPanel, PANEL), copyLane)]]))(right);
  // In the order in which the factor lies in memory, but that some rows' part of a panel is written at once.
  const [block, ...insideBlock] = copiedRows.flatMap(({ axes }) => axes);
  const outer = [
    ...axesIn(before.map((axis) => loops.get(axis)!)),
    ...across === undefined || block === undefined
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
      columns: columns.flatMap((axis) => axis === chosen ? [...panel.axes, ...lane.axes] : [axis]),
      right: ir.load(packed, index(new Map(), panel.value, lane.value), "f32"),
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

/** Whether eight columns of all places of the sum do not fit into the first cache together. */
function thrashes({ right, inner, rows }: Contraction, across: Axis): boolean {
  if (right.kind !== "load" || across.size <= PANEL || points(rows) < 2 * LEAST_ROWS) return false;
  const own = inner.filter((axis) => strideAlong(right.index, axis) !== 0);
  const last = own.at(-1);
  if (last === undefined) return false;
  const bytes = Math.abs(strideAlong(right.index, last) ?? 0) * 4;
  if (bytes < LINE) return false;
  // Lines whose distance is a multiple of many lines share few places.
  let shared = 1;
  while (shared < SETS && bytes % (LINE * shared * 2) === 0) shared *= 2;
  return points(own) > 0.7 * WAYS * SETS / shared;
}
