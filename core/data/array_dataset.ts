/**
 * Batches of arrays in memory.
 *
 * @module
 */
import type { Arrays, Batch, Dataset, Feed, HostArray, Position, ResidentSource, Shard } from "../batch.ts";
import { foldIn, inOrder, Permutation, permutation, type RandomKey } from "../random.ts";
import { shardRange, WHOLE } from "./shard.ts";

/** How arrays are cut into batches. */
export interface ArrayDatasetOptions {
  /** Samples in a batch over all replicas; the last batch may have fewer. */
  readonly batchSize: number;
  /** `true`: a new permutation each pass; `"batch"`: within each batch only. @default false */
  readonly shuffle?: boolean | "batch";
  /** What permutations derive from. Needed when shuffling. */
  readonly key?: RandomKey;
}

/** Row numbers of a pass, made as far as they are asked for. */
type Order = Pick<Permutation, "order" | "upTo">;

/**
 * A data set over arrays in memory. Executors may keep them on their device: a batch is a list of row numbers.
 *
 * ```ts
 * import { ArrayDataset, type HostArray } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x: HostArray = { shape: [5], dtype: "float32", values: Float32Array.of(0, 1, 2, 3, 4) };
 * const data = new ArrayDataset({ x }, 5, { batchSize: 4 });
 * await using feed = data.open({ index: 1, count: 2 });
 * const parts = await feed.next(2);
 * assertEquals(parts.map((part) => "indices" in part ? [...part.indices] : []), [[2, 3], []]);
 * ```
 */
export class ArrayDataset implements Dataset {
  readonly batches: number;
  readonly #source: ResidentSource;
  readonly #options: ArrayDatasetOptions;

  /** A data set over arrays. @param arrays All with the same number of samples, at least one. */
  constructor(arrays: Arrays<HostArray>, rows: number, options: ArrayDatasetOptions) {
    this.#source = { rows, arrays };
    this.#options = options;
    this.batches = Math.ceil(rows / options.batchSize);
  }

  peek(): Promise<Batch | undefined> {
    if (this.batches === 0) return Promise.resolve(undefined);
    const order = this.#order(0);
    order.upTo(Math.min(this.#options.batchSize, this.#source.rows));
    return Promise.resolve(this.#batch(order, 0, WHOLE));
  }

  open(shard: Shard, from: Position = { pass: 0, batch: 0 }): Feed {
    let { pass, batch } = from;
    let order = this.#order(pass);
    return {
      next: (count) => {
        const end = Math.min(batch + count, this.batches);
        const taken: Batch[] = [];
        order.upTo(Math.min(end * this.#options.batchSize, this.#source.rows));
        for (; batch < end; batch++) taken.push(this.#batch(order, batch, shard));
        return Promise.resolve(taken);
      },
      rewind: () => {
        order = this.#order(++pass);
        batch = 0;
        return Promise.resolve(true);
      },
      position: () => ({ pass, batch }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  #order(pass: number): Order {
    const { rows } = this.#source;
    const { shuffle = false, key = [0, 0], batchSize } = this.#options;
    const passKey = foldIn(key, pass);
    if (shuffle === true) return new Permutation(passKey, rows);
    const order = inOrder(rows);
    if (shuffle === "batch") {
      for (let start = 0, batch = 0; start < rows; start += batchSize, batch++) {
        const part = permutation(foldIn(passKey, batch), Math.min(batchSize, rows - start));
        for (let i = 0; i < part.length; i++) order[start + i] = start + part[i]!;
      }
    }
    return { order, upTo: () => {} };
  }

  #batch({ order }: Order, index: number, shard: Shard): Batch {
    const start = index * this.#options.batchSize;
    const globalRows = Math.min(this.#options.batchSize, this.#source.rows - start);
    const [from, to] = shardRange(globalRows, shard);
    return { rows: to - from, globalRows, source: this.#source, indices: order.subarray(start + from, start + to) };
  }
}
