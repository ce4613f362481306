/**
 * Keys of random operators.
 *
 * @module
 */
import { newRandomKey, type RandomKey } from "../../../core/random.ts";

/**
 * A key made from a seed; without one, drawn at its first use: then it follows `setRandomSeed`.
 *
 * @throws {RangeError} If the seed is not an integer.
 */
export function randomKey(seed: number | undefined): () => RandomKey {
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot build the data set: seed is ${seed}; expected an integer.`);
  }
  let key: RandomKey | undefined = seed === undefined ? undefined : [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
  return () => key ??= newRandomKey();
}
