/**
 * A pipeline of samples.
 *
 * @module
 */
import type { HostArray } from "../../../core/batch.ts";
import { describeValue } from "../../../core/data/host_array.ts";
import type { ArraySource } from "../../../core/data/source.ts";
import { isPlainObject } from "../../../core/nested.ts";
import { type BatchOptions, batchStage } from "./batch.ts";
import { Batches, toBatch } from "./batches.ts";
import { cacheStage } from "./cache.ts";
import type { BatchOf, SampleOf, Stored } from "./elements.ts";
import { type MapFunction, type MapOptions, mapStage } from "./map.ts";
import { prefetchStage } from "./prefetch.ts";
import { repeatStage } from "./repeat.ts";
import { type ShuffleOptions, shuffleStage } from "./shuffle.ts";
import { type AnyIterable, arraysStage, functionStage, isIterable, iterableStage, listStage } from "./sources.ts";
import type { Stage } from "./stage.ts";
import { skipStage, takeStage } from "./take_skip.ts";
import { zipStage } from "./zip.ts";

/**
 * Samples on their way into batches. Immutable: every operator returns a new pipeline. A sample is computed when a
 * batch needs it; one that is skipped on the way to a position never is.
 *
 * ```ts
 * import { dataset, type Samples } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const squares: Samples<number> = dataset([1, 2, 3, 4, 5]).map((value) => value * value).skip(1);
 * assertEquals(squares.size, 4);
 * for await (const { x } of squares.batch(4)) assertEquals([...x.values], [4, 9, 16, 25]);
 * ```
 */
export class Samples<T> {
  readonly #stage: Stage<T>;

  /** Made by functions and operators, not by hand. @param stage Gives the samples. */
  constructor(stage: Stage<T>) {
    this.#stage = stage;
  }

  /** Samples in one pass; `undefined` where only reading tells. */
  get size(): number | undefined {
    return this.#stage.size;
  }

  /**
   * Applies a function to each sample, when a batch asks for it. Tensors that it returns are read and disposed: what
   * comes next sees `HostArray`s.
   *
   * Positions are exact: skipped samples are not computed. The function's result may depend on its arguments only:
   * for random numbers derive them from `context.key`, which is the same again when training is resumed.
   *
   * @throws {Error} While reading, with the number of the sample, if the function throws.
   */
  map<U>(apply: MapFunction<T, U>, options: MapOptions = {}): Samples<Stored<U>> {
    return new Samples(mapStage(this.#stage, apply, options));
  }

  /**
   * Draws each sample at random from the next `bufferSize`; with a buffer for all, every order is as likely. Before a
   * costly `map` the buffer holds samples that are not computed yet.
   *
   * Positions are exact where the order is: give a seed here or to `setRandomSeed`. Orders derive from it and from the
   * pass; those of several processes agree when their seeds do. A position is reached by drawing up to it.
   *
   * @param bufferSize Samples to draw from. @default Infinity
   */
  shuffle(bufferSize: number = Infinity, options: ShuffleOptions = {}): Samples<T> {
    return new Samples(shuffleStage(this.#stage, bufferSize, options));
  }

  /** The first `count` samples of each pass. Positions are exact, and reached as those of what it takes from. */
  take(count: number): Samples<T> {
    return new Samples(takeStage(this.#stage, count));
  }

  /** All but the first `count` samples of each pass. Positions are exact, and reached as those of what it skips in. */
  skip(count: number): Samples<T> {
    return new Samples(skipStage(this.#stage, count));
  }

  /**
   * Several passes as one, each shuffled anew by a `shuffle` before it. Positions are exact, and reached at once where
   * the size of a pass is known.
   *
   * @param count Passes in one. @default Infinity
   * @throws {TypeError} While reading, if the source can be read only once.
   */
  repeat(count: number = Infinity): Samples<T> {
    return new Samples(repeatStage(this.#stage, count));
  }

  /**
   * Keeps samples in memory, and gives those of the first pass in every pass: what is random before it stays as it was
   * first. Positions are exact; a new process reads and computes what it needs again.
   */
  cache(): Samples<T> {
    return new Samples(cacheStage(this.#stage));
  }

  /**
   * Reads and computes samples in the background, at most `count` ahead. Positions are exact, and count what was
   * taken, not what was read ahead. Prefetching batches is usually better.
   */
  prefetch(count: number): Samples<T> {
    return new Samples(prefetchStage(this.#stage, count));
  }

  /**
   * Puts consecutive samples together. A sample is `{ x, y, sampleWeight }`, or anything else as `x` alone: a number,
   * a typed array, nested numbers, a `HostArray`, or several of them by name. All samples of a batch have the same
   * shapes and types. Rows of arrays in memory are not copied: executors may keep the arrays on their device.
   *
   * Positions are exact.
   *
   * @param batchSize Samples in a batch, over all replicas.
   * @throws {TypeError} While reading, if a sample differs from the others; the message names it.
   */
  batch(batchSize: number, options: BatchOptions = {}): Batches<BatchOf<T>> {
    return new Batches(batchStage(this.#stage, batchSize, options) as Stage<BatchOf<T>>);
  }

  /**
   * Takes the elements for batches as they are: `{ x, y, sampleWeight }` of arrays with a first axis of samples.
   *
   * @throws {RangeError} While reading, if arrays of a batch have different numbers of samples, or none.
   */
  asBatches(): Batches<BatchOf<T>> {
    return new Batches(mapStage(this.#stage, toBatch, {}) as Stage<BatchOf<T>>);
  }

  /** Puts data sets side by side; see the function `zip`. */
  static zip<T extends Readonly<Record<string, unknown>>>(
    parts: { readonly [K in keyof T]: Samples<T[K]> },
  ): Samples<T> {
    const stages = Object.entries(parts).map(([name, part]) => [name, (part as Samples<unknown>).#stage]);
    return new Samples(zipStage<T>(Object.fromEntries(stages)));
  }
}

/**
 * Begins a pipeline, which ends in a data set for `fit`:
 *
 * ```ts
 * import { dataset } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const data = dataset({ x: [[1, 2], [3, 4], [5, 6]], y: [0, 1, 0] })
 *   .shuffle(1000, { seed: 1 })
 *   .map(({ x, y }) => ({ x: x.values.map((value) => value / 6), y }))
 *   .batch(2)
 *   .prefetch(2);
 * assertEquals(data.batches, 2);
 * for await (const { x, y } of data) assertEquals(x.shape[0], y.shape[0]);
 * ```
 *
 * Samples of arrays in memory, each a row: any position is reached at once.
 *
 * @param source `{ x, y, sampleWeight }`, all with the same number of samples. Tensors stay the caller's.
 */
export function dataset<T extends ArraySource>(source: T): Samples<SampleOf<T>>;
/**
 * Samples of a list or a typed array (any position is reached at once), of an iterable, or of a function that returns a
 * new iterable for each pass (a position is reached by reading up to it). Tensors among them are read and disposed.
 *
 * A generator can be read once: training ends with its last batch. The function is told the number of the pass. For
 * exact positions it must give the same again for the same pass.
 */
export function dataset<T>(
  source: AnyIterable<T> | ((pass: number) => AnyIterable<T>),
): Samples<Stored<T>>;
export function dataset(
  source: ArraySource | AnyIterable<unknown> | ((pass: number) => AnyIterable<unknown>),
): Samples<HostArray | unknown> {
  if (isPlainObject(source) && "x" in source) return new Samples(arraysStage(source as unknown as ArraySource));
  if (typeof source === "function") return new Samples(functionStage(source));
  if (Array.isArray(source) || ArrayBuffer.isView(source)) return new Samples(listStage(source as ArrayLike<unknown>));
  if (isIterable(source)) return new Samples(iterableStage(source));
  throw new TypeError(
    `Cannot read a data set from ${
      describeValue(source)
    }: expected { x, y } with arrays, a list, an iterable of samples ` +
      "or a function that returns one. A tensor goes under x: dataset({ x: tensor }).",
  );
}

/**
 * Puts data sets side by side: samples by name, up to the end of the shortest. Positions are exact where those of all
 * parts are.
 *
 * ```ts
 * import { dataset, zip } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const data = zip({ x: dataset([[1, 2], [3, 4]]), y: dataset(new Uint8Array([1, 0])) }).batch(2);
 * for await (const { x, y } of data) {
 *   assertEquals(x.shape, [2, 2]);
 *   assertEquals(y, { shape: [2], dtype: "float32", values: new Float32Array([1, 0]) });
 * }
 * ```
 *
 * @throws {TypeError} If there are no parts.
 */
export function zip<T extends Readonly<Record<string, unknown>>>(
  parts: { readonly [K in keyof T]: Samples<T[K]> },
): Samples<T> {
  return Samples.zip<T>(parts);
}
