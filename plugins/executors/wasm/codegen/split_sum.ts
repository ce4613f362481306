/**
 * Products with few results and long sums: parts of the sum first, whose factors stay in the cache, then their sum.
 *
 * @module
 */
import { points } from "../../../compiler/ir/shape.ts";
import type { Contraction, Kernel } from "../../../compiler/ir/types.ts";
import { divisorUpTo, newLoop, type Rewriting, substitute } from "./rewriting.ts";

/** What both factors of a part may take, of a second cache of 1 MiB. */
const PART_BYTES = 256 * 1024;
/** Shorter sums are not split. */
const LEAST_SUM = 2048;
const LEAST_PART = 256;
const MOST_PARTS = 64;
/** How much larger than all parts' results the factors must be. */
const RATIO = 4;

/** The product, or its parts and their sum. */
export function splitSum(kernel: Contraction, { ir, newScratch }: Rewriting): readonly Kernel[] {
  const { batch, rows, columns, inner, left, right, stores, result } = kernel;
  if (left.kind !== "load" || right.kind !== "load" || points(inner) < LEAST_SUM) return [kernel];
  const bytes = 4 * (left.buffer.size + right.buffer.size);
  const results = points([...batch, ...rows, ...columns]);
  const [first, ...others] = inner;
  const wanted = Math.min(MOST_PARTS, Math.ceil(bytes / PART_BYTES), Math.floor(points(inner) / LEAST_PART));
  const most = Math.min(wanted, Math.floor(bytes / (4 * results * RATIO)));
  const parts = most < 2 ? 1 : divisorUpTo(first!.size, most);
  if (parts < 2) return [kernel];
  const part = newLoop(ir, parts);
  const inside = newLoop(ir, first!.size / parts);
  const change = substitute(ir, new Map([[first!, ir.add(ir.mul(part.value, first!.size / parts), inside.value)]]));
  const partial = newScratch(parts * results);
  const kept = [...batch, ...rows, ...columns];
  const shape = [parts, ...kept.map(({ size }) => size)];
  const partialResult = ir.newResult();
  const product: Contraction = {
    kind: "contraction",
    batch: [...part.axes, ...batch],
    rows,
    columns,
    inner: [...inside.axes, ...others],
    left: change(left),
    right: change(right),
    result: partialResult,
    stores: [{
      buffer: partial,
      index: ir.flatten([part.value, ...kept.map((axis) => ir.axisExpression(axis))], shape),
      value: ir.result(partialResult, "f32"),
    }],
  };
  const again = newLoop(ir, parts);
  const places = kept.map((axis) => newLoop(ir, axis.size));
  const renamed = substitute(ir, new Map(kept.map((axis, i) => [axis, places[i]!.value])));
  const index = ir.flatten([again.value, ...places.map(({ value }) => value)], shape);
  return [product, {
    kind: "nest",
    outer: places.flatMap(({ axes }) => axes),
    inner: again.axes,
    reductions: [{ result, type: "f32", combine: "sum", value: ir.load(partial, index, "f32") }],
    stores: stores.map((store) => ({ ...store, index: renamed(store.index), value: renamed(store.value) })),
  }];
}
