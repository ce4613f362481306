/**
 * Doing the same to inputs, targets and sample weights.
 *
 * @module
 */
import type { Arrays } from "../batch.ts";
import { mapNested } from "../nested.ts";

/** The same grouping, with every array replaced. */
export function mapArrays<T, U>(arrays: Arrays<T>, map: (array: T) => U): Arrays<U> {
  return {
    x: mapNested(arrays.x, map),
    ...(arrays.y === undefined ? {} : { y: mapNested(arrays.y, map) }),
    ...(arrays.sampleWeight === undefined ? {} : { sampleWeight: mapNested(arrays.sampleWeight, map) }),
  };
}
