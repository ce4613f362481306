/**
 * Kernels that put values at places that only the data tell.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression, ScalarType, Scatter } from "../ir/types.ts";
import { axesIn, type Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";
import { isInside } from "./windows.ts";

/** What is put where. */
interface ScatterOptions {
  /** What stands where nothing is put: of the result's shape and type. */
  readonly initial: Value;
  /** Sizes of the loops in which values never meet in one place. */
  readonly outer: readonly number[];
  /** Sizes of the loops in which they may, in order. */
  readonly inner: readonly number[];
  /** The flat place in the result; outside of it to drop the value. */
  readonly index: (outer: readonly Expression[], inner: readonly Expression[]) => Expression;
  /** The value, of the result's type. */
  readonly value: (outer: readonly Expression[], inner: readonly Expression[]) => Expression;
  /** How it meets what is there. */
  readonly combine: Scatter["combine"];
}

/** Puts values into a copy of the initial ones. */
export function scatter(lower: Lowering, options: ScatterOptions): Value {
  const { initial, combine } = options;
  const target = lower.newScratch(initial.type, initial.size);
  lower.storeInto(target, initial);
  const outer = lower.axes(options.outer);
  const inner = lower.axes(options.inner);
  // Told before the kernel is added: they may store what they read.
  const index = options.index(outer, inner);
  const value = options.value(outer, inner);
  lower.kernels.push({ kind: "scatter", outer: axesIn(outer), inner: axesIn(inner), target, index, value, combine });
  return lower.loaded(target, initial.shape, initial.type);
}

/** Slices of `updates` put into a tensor at places that `indices` tell. */
function scatterSlices(
  { lower, output }: Call,
  indices: Value,
  updates: Value,
  initial: Value,
  combine: Scatter["combine"],
): Value {
  const { ir } = lower;
  const shape = [...output.shape];
  const info = tf.backend_util.calculateShapes(
    updates as unknown as tf.TensorInfo,
    indices as unknown as tf.TensorInfo,
    shape,
  );
  const { sliceRank, numUpdates, sliceSize } = info;
  const places = lower.reshape(indices, [numUpdates, sliceRank]);
  const slices = updates.size === 1 ? lower.reshape(updates, []) : lower.reshape(updates, [numUpdates, sliceSize]);
  if (sliceSize > 1) lower.beforeRepeating(places);
  return scatter(lower, {
    initial,
    outer: [sliceSize],
    inner: [numUpdates],
    index: ([within], [update]) => {
      let flat: Expression = ir.int(0);
      for (let axis = 0; axis < sliceRank; axis++) {
        flat = ir.add(ir.mul(flat, shape[axis]!), places.at([update!, ir.int(axis)]));
      }
      return ir.add(ir.mul(flat, sliceSize), within!);
    },
    value: ([within], [update]) => slices.at(slices.shape.length === 0 ? [] : [update!, within!]),
    combine,
  });
}

function segmentSum(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const x = lower.cast(input(call, "x"), "f32");
  const ids = lower.cast(input(call, "segmentIds"), "i32");
  const slice = x.size / ids.size;
  const rows = lower.reshape(x, [ids.size, slice]);
  const segments = lower.reshape(ids, [ids.size]);
  if (slice > 1) lower.beforeRepeating(segments);
  return scatter(lower, {
    initial: lower.fill(output.shape, "f32", 0),
    outer: [slice],
    inner: [ids.size],
    index: ([within], [row]) => ir.add(ir.mul(segments.at([row!]), slice), within!),
    value: ([within], [row]) => rows.at([row!, within!]),
    combine: "sum",
  });
}

/** How often each number occurs, or the sum of the weights of its occurrences; by row where there are rows. */
function bincount(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const type = scalarType(output);
  const x = lower.cast(input(call, "x"), "i32");
  const byRow = x.shape.length === 2;
  const shape = byRow ? x.shape : [1, x.size];
  const size = attr<number>(call, "size");
  const numbers = lower.reshape(x, shape);
  const weights = input(call, "weights");
  const weighted = weights.size > 0 ? lower.reshape(lower.cast(weights, type), shape) : undefined;
  const once = byRow && attr<boolean | undefined>(call, "binaryOutput") === true;
  return scatter(lower, {
    initial: lower.fill(output.shape, type, 0),
    outer: [shape[0]!],
    inner: [shape[1]!],
    index: ([row], [column]) => {
      const number = numbers.at([row!, column!]);
      const place = ir.add(ir.mul(row!, size), number);
      return ir.select(isInside(ir, [number], [size]), place, ir.int(-1));
    },
    value: (row, column) => once || weighted === undefined ? ir.number(1, type) : weighted.at([...row, ...column]),
    combine: once ? "set" : "sum",
  });
}

/** Sums of truth values count, and counts are true. */
function summable(type: ScalarType): ScalarType {
  return type === "bool" ? "i32" : type;
}

/** Rules of scattering kernels. */
export const scatterRules: Rules = {
  ScatterNd: (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const updates = lower.cast(input(call, "updates"), summable(type));
    const indices = lower.cast(input(call, "indices"), "i32");
    const zeros = lower.fill(output.shape, updates.type, 0);
    return lower.cast(scatterSlices(call, indices, updates, zeros, "sum"), type);
  },
  TensorScatterUpdate: (call) => {
    const tensor = input(call, "tensor");
    const indices = call.lower.cast(input(call, "indices"), "i32");
    return scatterSlices(call, indices, call.lower.cast(input(call, "updates"), tensor.type), tensor, "set");
  },
  SparseToDense: (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const indices = lower.cast(input(call, "sparseIndices"), "i32");
    const values = lower.cast(input(call, "sparseValues"), type);
    const initial = lower.map(output.shape, type, [lower.cast(input(call, "defaultValue"), type)], (x) => x!);
    return scatterSlices(call, indices, values, initial, "set");
  },
  UnsortedSegmentSum: segmentSum,
  Bincount: bincount,
  DenseBincount: bincount,
};
