/**
 * What a compiled step depends on, beside the step: the shapes and types of a batch.
 *
 * @module
 */
import type { Arrays, Batch, HostArray } from "../../core/batch.ts";
import { mapArrays } from "../../core/data/map_arrays.ts";
import { leafNames, leaves, mapNested } from "../../core/nested.ts";
import type { StepTable } from "../../core/step.ts";
import type { ValueInfo } from "./graph.ts";
import type { HostInput } from "./lower/lower_graph.ts";
import type { BatchSignature } from "./trace.ts";

/** Where a batch's values lie on the host: all rows of its source, or its own. */
export function arraysOf(batch: Batch): Arrays<HostArray> {
  return batch.source === undefined ? batch.arrays : batch.source.arrays;
}

/** What a graph of this batch depends on: batches with equal signatures run the same program. */
export function signatureOf(batch: Batch, { columns }: StepTable): BatchSignature {
  const arrays = arraysOf(batch);
  const info = ({ shape, dtype, scale }: HostArray): ValueInfo => ({
    shape: [batch.rows, ...shape.slice(1)],
    dtype: scale !== undefined ? "float32" : dtype === "uint8" ? "int32" : dtype,
  });
  return {
    rows: batch.rows,
    globalRows: batch.globalRows,
    columns: [...columns],
    arrays: {
      x: mapNested(arrays.x, info),
      ...(arrays.y === undefined ? {} : { y: mapNested(arrays.y, info) }),
      ...(arrays.sampleWeight === undefined ? {} : { sampleWeight: mapNested(arrays.sampleWeight, info) }),
    },
  };
}

/** How the leaves of a batch lie on the host, in the order x, y, sample weights. */
export function hostInputs(batch: Batch): readonly HostInput[] {
  const { x, y, sampleWeight } = arraysOf(batch);
  return (["x", "y", "sampleWeight"] as const).flatMap((group) => {
    const nested = { x, y, sampleWeight }[group];
    if (nested === undefined) return [];
    return leaves(nested).map(({ dtype, scale }, index) => ({
      group,
      index,
      dtype,
      ...(scale === undefined ? {} : { scale }),
    }));
  });
}

/** Whether two batches have the same signature, and come from the same source or from none: fast, for every batch. */
export function areAlike(a: Batch, b: Batch): boolean {
  if (a === b) return true;
  if (a.rows !== b.rows || a.globalRows !== b.globalRows || a.source !== b.source) return false;
  if (a.source !== undefined || b.source !== undefined) return true;
  return groupAlike(a.arrays.x, b.arrays.x) && groupAlike(a.arrays.y, b.arrays.y) &&
    groupAlike(a.arrays.sampleWeight, b.arrays.sampleWeight);
}

function groupAlike(a: Arrays<HostArray>["y"], b: Arrays<HostArray>["y"]): boolean {
  if (a === undefined || b === undefined) return a === b;
  const [some, others] = [leaves(a), leaves(b)];
  return some.length === others.length && leafNames(a)?.join() === leafNames(b)?.join() &&
    some.every((leaf, index) => leafAlike(leaf, others[index]!));
}

function leafAlike(a: HostArray, b: HostArray): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis]);
}

/** A batch that is like another and keeps none of its values alive. */
export function withoutValues(batch: Batch): Batch {
  if (batch.source !== undefined) return { ...batch, indices: new Int32Array() };
  return { ...batch, arrays: mapArrays(batch.arrays, (array) => ({ ...array, values: new Uint8Array() })) };
}
