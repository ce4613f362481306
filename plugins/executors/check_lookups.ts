/**
 * Refusing batches whose numbers point beyond a table, such as words that an embedding does not have.
 *
 * @module
 */
import type { Arrays, Batch, HostArray, ResidentSource } from "../../core/batch.ts";
import { leaves } from "../../core/nested.ts";
import type { TableLookup } from "../compiler/lookups.ts";

/** What of a data set in memory was found right: all of it is looked at, once. */
const checked = new WeakMap<ResidentSource, Set<string>>();

/**
 * @param batches From one source, or none from any.
 * @throws {RangeError} If a number of a batch is no place in the table that it is looked up in.
 */
export function checkLookups(lookups: readonly TableLookup[], batches: readonly Batch[]): void {
  // Batches of a data set in memory have its numbers.
  for (const batch of batches[0]?.source === undefined ? batches : batches.slice(0, 1)) checkBatch(lookups, batch);
}

function checkBatch(lookups: readonly TableLookup[], batch: Batch): void {
  for (const lookup of lookups) {
    if (batch.source === undefined) {
      checkLeaf(lookup, batch.arrays);
      continue;
    }
    const done = checked.get(batch.source) ?? new Set<string>();
    const key = `${lookup.group} ${lookup.index} ${lookup.size}`;
    if (done.has(key)) continue;
    checkLeaf(lookup, batch.source.arrays);
    checked.set(batch.source, done.add(key));
  }
}

function checkLeaf({ group, index, size }: TableLookup, arrays: Arrays<HostArray>): void {
  const { values, shape, scale = 1 } = leaves(arrays[group]!)[index]!;
  for (let at = 0; at < values.length; at++) {
    const place = Math.trunc(values[at]! * scale);
    if (place >= 0 && place < size || Number.isNaN(place)) continue;
    const sampleSize = shape.slice(1).reduce((product, each) => product * each, 1);
    throw new RangeError(
      `Cannot run the step: ${group}[${index}] has ${values[at]! * scale} in sample ${
        Math.floor(at / sampleSize)
      }, and is ` +
        `looked up in a table of ${size}, such as an embedding's: expected numbers from 0 to ${
          size - 1
        }. Map what is ` +
        "unknown to a number of its own, or make the table larger.",
    );
  }
}
