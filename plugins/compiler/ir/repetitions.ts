/**
 * Runs of kernels that come again and again, as the time steps of a recurrent layer and the blocks of a transformer do.
 *
 * @module
 */
import { structureOf } from "./structure.ts";
import type { Kernel } from "./types.ts";

/** Kernels that come several times in a row, each time with other buffers. */
export interface Repetition {
  /** The number of the first kernel. */
  readonly first: number;
  /** How many kernels come again. */
  readonly length: number;
  /** How often they come; 1 where they do not come again. */
  readonly times: number;
}

/** Longer runs are not looked for. */
const LONGEST_RUN = 128;
/** Twice may be chance. */
const FEWEST_TIMES = 3;

/** All kernels, in order, cut where repetitions begin and end. */
export function repetitionsOf(kernels: readonly Kernel[]): readonly Repetition[] {
  const keys = kernels.map((kernel) => structureOf(kernel).key);
  const found: Repetition[] = [];
  for (let first = 0; first < keys.length;) {
    const repetition = repetitionFrom(keys, first);
    found.push(repetition);
    first += repetition.length * repetition.times;
  }
  return found;
}

/** The repetition from a place on that covers most kernels, in the shortest runs. */
function repetitionFrom(keys: readonly string[], first: number): Repetition {
  let best: Repetition = { first, length: 1, times: 1 };
  const longest = Math.min(LONGEST_RUN, Math.floor((keys.length - first) / FEWEST_TIMES));
  for (let length = 1; length <= longest; length++) {
    let end = first + length;
    while (end < keys.length && keys[end] === keys[end - length]) end++;
    const times = Math.floor((end - first) / length);
    if (times >= FEWEST_TIMES && length * times > best.length * best.times) best = { first, length, times };
  }
  return best;
}
