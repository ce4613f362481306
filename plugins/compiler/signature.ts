/**
 * What a compiled step depends on, beside the step: the shapes and types of a batch.
 *
 * @module
 */
import type { Arrays, Batch, HostArray } from "../../core/batch.ts";
import { leaves, mapNested } from "../../core/nested.ts";
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
