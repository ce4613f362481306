/**
 * Telling, fast, whether batches run the same program.
 *
 * @module
 */
import type { Arrays, Batch, HostArray } from "../../../core/batch.ts";
import { leafNames, leaves } from "../../../core/nested.ts";

/** Whether two batches have the same rows, source, shapes and types. Their tables have the same columns. */
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
