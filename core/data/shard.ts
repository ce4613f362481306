/**
 * Cutting a global batch into the parts of its replicas.
 *
 * @module
 */
import type { Shard } from "../batch.ts";

/**
 * The rows of a batch that belong to a replica: consecutive, larger parts first. 5 over 2: [0, 3) and [3, 5).
 *
 * ```ts
 * import { shardRange } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([0, 1, 2].map((index) => shardRange(8, { index, count: 3 })), [[0, 3], [3, 6], [6, 8]]);
 * ```
 */
export function shardRange(rows: number, shard: Shard): readonly [number, number] {
  const size = Math.floor(rows / shard.count);
  const larger = rows % shard.count;
  const from = shard.index * size + Math.min(shard.index, larger);
  return [from, from + size + (shard.index < larger ? 1 : 0)];
}

/** One process that has all the data. */
export const WHOLE: Shard = { index: 0, count: 1 };
