/**
 * Standing in for a batch without rows.
 *
 * @module
 */
import type { Batch, HostArray } from "../batch.ts";
import { mapArrays } from "./map_arrays.ts";

/** A batch of one row of zeros, shaped like an empty one: what a step does with it is laid out as with any other. */
export function oneRow(batch: Batch): Batch {
  const arrays = batch.source === undefined ? batch.arrays : batch.source.arrays;
  const zero = (array: HostArray): HostArray => ({
    ...array,
    shape: [1, ...array.shape.slice(1)],
    values: new (array.values.constructor as new (length: number) => HostArray["values"])(
      array.shape.slice(1).reduce((product, size) => product * size, 1),
    ),
  });
  return { rows: 1, globalRows: batch.globalRows, arrays: mapArrays(arrays, zero) };
}
