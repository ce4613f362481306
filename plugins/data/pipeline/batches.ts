/**
 * A pipeline of batches.
 *
 * @module
 */
import type { Arrays, Batch, Dataset, Feed, HostArray, Position, Shard } from "../../../core/batch.ts";
import { WHOLE } from "../../../core/data/shard.ts";
import { type ArraySource, loadArrays } from "../../../core/data/source.ts";
import { cacheStage } from "./cache.ts";
import { type BatchOf, stored } from "./elements.ts";
import { cut, type Peeked, pipelineFeed, withFirst } from "./feed.ts";
import { type MapContext, type MapOptions, mapStage } from "./map.ts";
import { prefetchStage } from "./prefetch.ts";
import { repeatStage } from "./repeat.ts";
import { memoized, type Stage } from "./stage.ts";
import { skipStage, takeStage } from "./take_skip.ts";

/**
 * Batches on their way to `fit`, `evaluate` or `predict`. Immutable: every operator returns a new pipeline.
 *
 * `open(shard, position)` goes on exactly as if nothing had happened in between: see each operator for how it gets
 * there, and what it asks of your functions. Every replica reads whole batches and keeps its part of each.
 *
 * ```ts
 * import { type Batches, dataset } from "@stride/stride/data";
 * import type { HostArray } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const sizes = async (batches: Batches) => (await Array.fromAsync(batches)).map(({ x }) => (x as HostArray).shape[0]);
 * const pairs = dataset({ x: [1, 2, 3, 4, 5] }).batch(2);
 * assertEquals(pairs.repeat(2).batches, 6);
 * assertEquals(await sizes(pairs.skip(1)), [2, 1]);
 * ```
 */
export class Batches<B extends Arrays<HostArray> = Arrays<HostArray>> implements Dataset {
  readonly #stage: Stage<B>;
  #peeked: Promise<{ readonly batch: Batch | undefined; readonly rest: Peeked } | undefined> | undefined;

  /** Made by functions and operators, not by hand. @param stage Gives the batches. */
  constructor(stage: Stage<B>) {
    this.#stage = stage;
  }

  /** Batches in one pass; `undefined` where only reading tells. */
  get batches(): number | undefined {
    return this.#stage.size;
  }

  /**
   * Applies a function to each batch: as `Samples.map`, with arrays that have a first axis of samples. The result is
   * a batch again, of any number of samples.
   *
   * @throws {RangeError} While reading, if arrays of a result have different numbers of samples, or none.
   */
  map<U extends ArraySource>(
    apply: (batch: B, context: MapContext) => U | PromiseLike<U>,
    options: MapOptions = {},
  ): Batches<BatchOf<U>> {
    return new Batches(mapStage(this.#stage, async (batch, context) => {
      return await toBatch(await apply(batch, context)) as BatchOf<U>;
    }, options) as Stage<BatchOf<U>>);
  }

  /** The first `count` batches of each pass. */
  take(count: number): Batches<B> {
    return new Batches(takeStage(this.#stage, count));
  }

  /** All but the first `count` batches of each pass. */
  skip(count: number): Batches<B> {
    return new Batches(skipStage(this.#stage, count));
  }

  /** As `Samples.repeat`. @param count Passes in one. @default Infinity */
  repeat(count: number = Infinity): Batches<B> {
    return new Batches(repeatStage(this.#stage, count));
  }

  /** As `Samples.cache`, of batches. */
  cache(): Batches<B> {
    return new Batches(cacheStage(this.#stage));
  }

  /** As `Samples.prefetch`: usually the last operator. @param count Batches to be ahead. */
  prefetch(count: number): Batches<B> {
    return new Batches(prefetchStage(this.#stage, count));
  }

  /** The first batch; the first feed goes on with what this opened. */
  async peek(): Promise<Batch | undefined> {
    this.#peeked ??= this.#peek();
    try {
      return (await this.#peeked)?.batch;
    } catch (error) {
      this.#peeked = undefined;
      throw error;
    }
  }

  /** Closes what peeking opened. */
  async release(): Promise<void> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    await (await peeked?.catch(() => undefined))?.rest.elements.return();
  }

  /** Starts reading. @param from Where to go on. @default the beginning */
  open(shard: Shard, from: Position = { pass: 0, batch: 0 }): Feed {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    return pipelineFeed(this.#stage, shard, from, peeked?.then((found) => found?.rest));
  }

  /** The batches of the first pass, whole, to look at or to write a loop of one's own; each iteration begins anew. */
  async *[Symbol.asyncIterator](): AsyncGenerator<B, void, void> {
    const elements = await this.#stage.open(0, 0);
    if (elements === undefined) return;
    try {
      for (let result = await elements.next(); !result.done; result = await elements.next()) {
        yield await result.value.get();
      }
    } finally {
      await elements.return();
    }
  }

  async #peek(): Promise<{ readonly batch: Batch | undefined; readonly rest: Peeked } | undefined> {
    const elements = await this.#stage.open(0, 0);
    if (elements === undefined) return undefined;
    try {
      const result = await elements.next();
      if (result.done) return { batch: undefined, rest: { elements: withFirst(result, elements) } };
      const first = memoized(result.value);
      const batch = await cut(first, WHOLE);
      return { batch, rest: { elements: withFirst({ done: false, value: first }, elements) } };
    } catch (error) {
      await elements.return();
      throw error;
    }
  }
}

/** What a function or a source gave, as a batch. */
export async function toBatch(given: unknown): Promise<Arrays<HostArray>> {
  return (await loadArrays(await stored(given) as ArraySource, "the batch")).arrays;
}
