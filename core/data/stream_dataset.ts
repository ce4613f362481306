/**
 * Batches from iterables, generators and tf.data pipelines.
 *
 * @module
 */
import type { Arrays, Batch, Dataset, Feed, HostArray, Position, Shard } from "../batch.ts";
import { mapNested } from "../nested.ts";
import { sliceRows } from "./host_array.ts";
import { mapArrays } from "./map_arrays.ts";
import { shardRange, WHOLE } from "./shard.ts";

/** Opens one pass over the data; `undefined` when they can be read only once, and have been. */
export type OpenPass = () => AsyncIterator<Arrays<HostArray>> | undefined;

/**
 * A data set that is read item by item; each item is a batch.
 *
 * ```ts
 * import { type Arrays, type HostArray, StreamDataset } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * async function* read(): AsyncGenerator<Arrays<HostArray>> {
 *   yield { x: { shape: [3], dtype: "float32", values: Float32Array.of(1, 2, 3) } };
 *   yield { x: { shape: [2], dtype: "float32", values: Float32Array.of(4, 5) } };
 * }
 * await using feed = new StreamDataset(read, { reopens: true }).open({ index: 0, count: 2 });
 * assertEquals((await feed.next(3)).map(({ rows, globalRows }) => [rows, globalRows]), [[2, 3], [1, 2]]);
 * assertEquals(await feed.rewind(), true);
 * ```
 */
export class StreamDataset implements Dataset {
  readonly batches?: number;
  readonly #openPass: OpenPass;
  readonly #reopens: boolean;
  /** The pass that `peek` opened, with the item that it read: the first feed goes on with it. */
  #peeked:
    | { readonly iterator: AsyncIterator<Arrays<HostArray>>; readonly first: IteratorResult<Arrays<HostArray>> }
    | undefined;

  /**
   * A data set over passes.
   *
   * @param openPass Called once for each pass.
   * @param options `batches`: batches in a pass, where known. `reopens`: whether there is always another pass, so that it
   * need not be opened to know. @default false
   */
  constructor(openPass: OpenPass, options: { readonly batches?: number; readonly reopens?: boolean } = {}) {
    this.#openPass = openPass;
    this.#reopens = options.reopens ?? false;
    this.batches = options.batches;
  }

  async peek(): Promise<Batch | undefined> {
    if (this.#peeked === undefined) {
      const iterator = this.#openPass();
      if (iterator === undefined) return undefined;
      try {
        this.#peeked = { iterator, first: await iterator.next() };
      } catch (error) {
        await iterator.return?.();
        throw error;
      }
    }
    return this.#peeked.first.done ? undefined : cut(this.#peeked.first.value, WHOLE);
  }

  async release(): Promise<void> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    await peeked?.iterator.return?.();
  }

  open(shard: Shard, from: Position = { pass: 0, batch: 0 }): Feed {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    let iterator = peeked?.iterator ?? this.#openPass();
    let waiting = peeked?.first;
    let { pass } = from;
    let batch = 0;
    let toOpen = false;
    let reading = false;
    const take = async (): Promise<Arrays<HostArray> | undefined> => {
      if (toOpen) iterator = this.#openPass();
      toOpen = false;
      if (iterator === undefined) return undefined;
      reading = true;
      const result = waiting ?? await iterator.next();
      reading = false;
      waiting = undefined;
      if (result.done) {
        iterator = undefined;
        return undefined;
      }
      batch++;
      return result.value;
    };
    const next = async (count: number): Promise<readonly Batch[]> => {
      while (batch < from.batch && pass === from.pass) if (await take() === undefined) break;
      const taken: Batch[] = [];
      while (taken.length < count) {
        const item = await take();
        if (item === undefined) break;
        taken.push(cut(item, shard));
      }
      return taken;
    };
    return {
      next,
      rewind: async () => {
        await iterator?.return?.();
        waiting = undefined;
        pass++;
        batch = 0;
        // What can be opened again is opened when it is read: there may be no next epoch.
        toOpen = this.#reopens;
        iterator = toOpen ? undefined : this.#openPass();
        return toOpen || iterator !== undefined;
      },
      position: () => ({ pass, batch }),
      [Symbol.asyncDispose]: async () => {
        const ended = iterator?.return?.();
        // What still waits for data ends when they come: waiting for that could last for ever.
        if (reading) ended?.catch(() => {});
        else await ended;
        iterator = undefined;
      },
    };
  }
}

function cut(arrays: Arrays<HostArray>, shard: Shard): Batch {
  const globalRows = countRows(arrays, "a batch");
  if (globalRows === 0) {
    throw new RangeError("Cannot use a batch without samples: expected at least one in each batch.");
  }
  const [from, to] = shardRange(globalRows, shard);
  if (from === 0 && to === globalRows) return { rows: to, globalRows, arrays };
  return { rows: to - from, globalRows, arrays: mapArrays(arrays, (array) => sliceRows(array, from, to)) };
}

/**
 * The number of samples, the same in all arrays.
 *
 * @throws {RangeError} If arrays have different numbers of samples, or no batch axis.
 */
export function countRows(arrays: Arrays<HostArray>, what: string): number {
  const sizes: [string, number][] = [];
  for (const part of ["x", "y", "sampleWeight"] as const) {
    const nested = arrays[part];
    if (nested === undefined) continue;
    mapNested(nested, (array) => {
      if (array.shape.length === 0) {
        throw new RangeError(
          `Cannot use ${part} of ${what}: it is a single number; expected an array with a batch axis.`,
        );
      }
      sizes.push([part, array.shape[0]!]);
    });
  }
  const rows = sizes[0]![1];
  if (sizes.some(([, size]) => size !== rows)) {
    const bySource = new Map<string, number[]>();
    for (const [part, size] of sizes) bySource.set(part, [...bySource.get(part) ?? [], size]);
    throw new RangeError(
      `Data cardinality is ambiguous in ${what}: ` +
        [...bySource].map(([part, found]) => `${part} has ${found.join(", ")} samples`).join("; ") +
        ". All arrays must have the same number of samples.",
    );
  }
  return rows;
}
