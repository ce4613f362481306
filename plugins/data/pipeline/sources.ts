/**
 * Where elements come from.
 *
 * @module
 */
import type { Arrays, HostArray, ResidentSource } from "../../../core/batch.ts";
import { type ArrayInput, describeValue, isHostArray, sliceRows } from "../../../core/data/host_array.ts";
import { type ArraySource, loadArrays } from "../../../core/data/source.ts";
import { leaves, mapNested } from "../../../core/nested.ts";
import { tf } from "../../../core/tf.ts";
import { stored } from "./elements.ts";
import { type Deferred, drop, type Elements, type Stage, through } from "./stage.ts";

/** Samples of arrays in memory. Any position is reached at once. */
export function arraysStage(source: ArraySource): Stage<Arrays<HostArray>> {
  let loaded: Promise<ResidentSource> | undefined;
  return {
    size: countSamples(source.x),
    open: async (_, from) => {
      const resident = await (loaded ??= loadArrays(source, "the data set"));
      return through([], samples(resident, from));
    },
  };
}

async function* samples(source: ResidentSource, from: number): AsyncGenerator<Deferred<Arrays<HostArray>>> {
  for (let index = from; index < source.rows; index++) {
    yield {
      get: () => Promise.resolve(sampleAt(source.arrays, index)),
      origin: index,
      rows: { source, indices: Int32Array.of(index) },
    };
  }
}

function sampleAt(arrays: Arrays<HostArray>, index: number): Arrays<HostArray> {
  const row = (array: HostArray): HostArray => ({
    ...sliceRows(array, index, index + 1),
    shape: array.shape.slice(1),
  });
  return {
    x: mapNested(arrays.x, row),
    ...(arrays.y === undefined ? {} : { y: mapNested(arrays.y, row) }),
    ...(arrays.sampleWeight === undefined ? {} : { sampleWeight: mapNested(arrays.sampleWeight, row) }),
  };
}

/** Samples as far as is known before anything is converted; `loadArrays` checks that all arrays agree. */
function countSamples(x: ArraySource["x"]): number | undefined {
  const grouped = Array.isArray(x) && typeof x[0] === "object" && !Array.isArray(x[0]);
  const first = (Array.isArray(x) && !grouped ? x : leaves(x as Arrays<ArrayInput>["x"])[0]) as ArrayInput | undefined;
  if (first instanceof tf.Tensor || isHostArray(first)) return first.shape[0];
  return Array.isArray(first) || ArrayBuffer.isView(first) ? (first as readonly unknown[]).length : undefined;
}

/** Elements of a list. Any position is reached at once. */
export function listStage<T>(list: ArrayLike<T>): Stage<T> {
  return {
    size: list.length,
    open: (_, from) => Promise.resolve(through([], elementsOf(list, from))),
  };
}

async function* elementsOf<T>(list: ArrayLike<T>, from: number): AsyncGenerator<Deferred<T>> {
  for (let index = from; index < list.length; index++) {
    yield { get: () => stored(list[index]!) as Promise<T>, origin: index };
  }
}

/** What can be iterated over. */
export type AnyIterable<T> = Iterable<T> | AsyncIterable<T>;

/** Elements that a function's iterables give. A position is reached by reading up to it. */
export function functionStage<T>(open: (pass: number) => AnyIterable<T>): Stage<T> {
  return {
    size: undefined,
    open: async (pass, from) => {
      const iterable = open(pass);
      if (!isIterable(iterable)) {
        throw new TypeError(
          `Cannot read the data set: the function returned ${describeValue(iterable)}; expected an iterable.`,
        );
      }
      return await drop(iterated(iteratorOf(iterable)), from);
    },
  };
}

/**
 * Elements that an iterable gives: one that gives itself, as generators do, is read once. A position is reached by
 * reading up to it.
 */
export function iterableStage<T>(iterable: AnyIterable<T>): Stage<T> {
  let opened: unknown;
  return {
    size: undefined,
    open: async (_, from) => {
      if (opened !== undefined && iterable instanceof ReadableStream) return undefined;
      const iterator = iteratorOf(iterable);
      const once = iterator === opened || (iterator as unknown) === iterable;
      if (once && opened !== undefined) return undefined;
      opened = iterator;
      return await drop(iterated(iterator), from);
    },
  };
}

/** Whether a value can be iterated over. */
export function isIterable(value: unknown): value is AnyIterable<unknown> {
  return typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}

function iteratorOf<T>(iterable: AnyIterable<T>): Iterator<T> | AsyncIterator<T> {
  return Symbol.asyncIterator in iterable ? iterable[Symbol.asyncIterator]() : iterable[Symbol.iterator]();
}

function iterated<T>(iterator: Iterator<T> | AsyncIterator<T>): Elements<T> {
  let index = 0;
  let ended = false;
  return {
    async next() {
      if (ended) return { done: true, value: undefined };
      let result: IteratorResult<T>;
      try {
        result = await iterator.next();
      } catch (error) {
        ended = true;
        throw error;
      }
      if (result.done) {
        ended = true;
        return { done: true, value: undefined };
      }
      const { value } = result;
      return { done: false, value: { get: () => stored(value) as Promise<T>, origin: index++ } };
    },
    async return() {
      if (ended) return;
      ended = true;
      await iterator.return?.();
    },
  };
}
