/**
 * Everything that `fit`, `evaluate` and `predict` take as data, turned into a data set.
 *
 * @module
 */
import type { Arrays, Dataset, HostArray } from "../batch.ts";
import { isPlainObject, type Nested } from "../nested.ts";
import type { RandomKey } from "../random.ts";
import { type Tensor, tf } from "../tf.ts";
import { ArrayDataset } from "./array_dataset.ts";
import { type ArrayInput, describeValue, isArrayInput, isHostArray, sliceRows, toHostArray } from "./host_array.ts";
import { type ClassWeight, withClassWeight } from "./class_weight.ts";
import { mapArrays } from "./map_arrays.ts";
import { countRows, type OpenPass, StreamDataset } from "./stream_dataset.ts";

/** Inputs, targets and sample weights in memory. */
export interface ArraySource {
  /** Inputs: one array, a list, or by input name. */
  readonly x: Nested<ArrayInput>;
  /** Targets: one array, a list, or by output name. */
  readonly y?: Nested<ArrayInput>;
  /** Weights of samples, `[n]` or `[n, time]`: one array for all outputs, a list, or by output name. */
  readonly sampleWeight?: Nested<ArrayInput>;
}

/**
 * One batch as an iterable yields it: inputs; `[x, y]`; `[x, y, sampleWeight]`; or an object with `x`, `y`,
 * `sampleWeight` (or tfjs's `xs`, `ys`). Tensors from a generator or a tf.data pipeline are disposed once read.
 */
export type BatchItem = ArrayInput | readonly Nested<ArrayInput>[] | ArraySource | Readonly<Record<string, unknown>>;

/** A tf.data pipeline, as far as it matters here. */
export interface TfDataset {
  /** Batches, where known; `Infinity` for endless ones. */
  readonly size?: number;
  /** Starts a pass. */
  iterator(): Promise<{ next(): Promise<{ value: unknown; done?: boolean }> }>;
}

/**
 * What may be trained on: arrays in memory, a `Dataset`, an array of batches, an iterable or async iterable of
 * batches (a `ReadableStream` is one), a function that returns a new one for each pass, or a tf.data pipeline.
 */
export type DataSource =
  | ArraySource
  | Dataset
  | TfDataset
  | Iterable<BatchItem>
  | AsyncIterable<BatchItem>
  | (() => Iterable<BatchItem> | AsyncIterable<BatchItem>);

/** How a source becomes batches. */
export interface SourceOptions {
  /** Samples in a batch; arrays only. @default 32 */
  readonly batchSize?: number;
  /** See `ArrayDatasetOptions`. @default false */
  readonly shuffle?: boolean | "batch";
  /** What permutations derive from. */
  readonly key?: RandomKey;
  /** Weights by class, turned into sample weights. */
  readonly classWeight?: ClassWeight;
}

/** Whether data are arrays in memory: what can be split, shuffled and cut into batches. */
export function isArraySource(data: DataSource): data is ArraySource {
  return isPlainObject(data) && "x" in data;
}

function isDataset(data: DataSource): data is Dataset {
  return typeof (data as Dataset).open === "function" && typeof (data as Dataset).peek === "function";
}

function isTfDataset(data: DataSource): data is TfDataset {
  return typeof (data as TfDataset).iterator === "function";
}

/** Arrays in memory, converted and checked. */
export interface LoadedArrays {
  readonly arrays: Arrays<HostArray>;
  readonly rows: number;
}

/**
 * Converts arrays and checks that they fit together.
 *
 * @throws {TypeError} If something is not an array.
 * @throws {RangeError} If the numbers of samples differ, or there are no samples.
 */
export async function loadArrays(source: ArraySource, what = "the data"): Promise<LoadedArrays> {
  const unknown = Object.keys(source).filter((key) => key !== "x" && key !== "y" && key !== "sampleWeight");
  if (unknown.length > 0) {
    throw new TypeError(
      `Cannot use ${what}: unknown ${unknown.join(", ")}; expected { x, y, sampleWeight }. Inputs by name go under x.`,
    );
  }
  const arrays = await toArrays(source, what);
  const rows = countRows(arrays, what);
  if (rows === 0) throw new RangeError(`Cannot use ${what}: it is empty; expected at least one sample.`);
  return { arrays, rows };
}

/** Rows `from` to `to` of all arrays. */
export function sliceArrays({ arrays }: LoadedArrays, from: number, to: number): LoadedArrays {
  const slice = (array: HostArray): HostArray => sliceRows(array, from, to);
  return { arrays: mapArrays(arrays, slice), rows: to - from };
}

/** Cuts arrays into batches. */
export function arrayDataset(loaded: LoadedArrays, options: SourceOptions): Dataset {
  const { batchSize = 32, shuffle, key, classWeight } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(
      `Cannot cut the data into batches of ${batchSize}: batchSize must be an integer of at least 1.`,
    );
  }
  const arrays = classWeight === undefined ? loaded.arrays : withClassWeight(loaded.arrays, classWeight);
  return new ArrayDataset(arrays, loaded.rows, { batchSize, shuffle, key });
}

/**
 * Turns any source but arrays into a data set.
 *
 * @throws {TypeError} If it is none of the kinds of `DataSource`.
 */
export function streamDataset(data: Exclude<DataSource, ArraySource>, options: SourceOptions): Dataset {
  if (options.batchSize !== undefined) {
    throw new TypeError(
      "Cannot apply batchSize to data that come in batches already; batch the data set, or pass arrays as { x, y }.",
    );
  }
  const { classWeight } = options;
  if (data === null || data === undefined) throw unreadable(data);
  if (isDataset(data)) {
    if (classWeight !== undefined) {
      throw new TypeError("Cannot apply classWeight to a Dataset: give its batches sampleWeight instead.");
    }
    return data;
  }
  const convert = async (item: unknown, dispose: boolean): Promise<Arrays<HostArray>> => {
    const arrays = await toArrays(itemSource(item), "a batch");
    if (dispose) disposeTensors(item);
    return classWeight === undefined ? arrays : withClassWeight(arrays, classWeight);
  };
  if (isTfDataset(data)) {
    const size = typeof data.size === "number" && !Number.isNaN(data.size) ? data.size : undefined;
    return new StreamDataset(() => tfPass(data, (item) => convert(item, true)), {
      ...(size === undefined ? {} : { batches: size }),
      reopens: true,
    });
  }
  if (Array.isArray(data)) {
    return new StreamDataset(() => pass(data, (item) => convert(item, false)), { batches: data.length, reopens: true });
  }
  if (typeof data === "function") {
    return new StreamDataset(() => pass(data(), (item) => convert(item, true)), { reopens: true });
  }
  if (isIterable(data)) {
    return new StreamDataset(reopen(data, (item) => convert(item, true)));
  }
  throw unreadable(data);
}

function unreadable(data: unknown): TypeError {
  return new TypeError(
    `Cannot read data from ${describeValue(data)}: expected { x, y } with arrays, a Dataset, an iterable of batches, ` +
      "a function that returns one, or a tf.data pipeline.",
  );
}

type Converter = (item: unknown) => Promise<Arrays<HostArray>>;

function isIterable(data: unknown): data is Iterable<unknown> | AsyncIterable<unknown> {
  return typeof data === "object" && data !== null && (Symbol.iterator in data || Symbol.asyncIterator in data);
}

/** Passes over an object that may give a new iterator each time, or, as generators do, itself. */
function reopen(data: Iterable<unknown> | AsyncIterable<unknown>, convert: Converter): OpenPass {
  let opened: unknown;
  return () => {
    // A stream that is being read cannot be asked again.
    if (opened !== undefined && data instanceof ReadableStream) return undefined;
    const iterator = Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator]();
    if (opened !== undefined && (iterator === opened || (iterator as unknown) === data)) return undefined;
    opened = iterator;
    return convertPass(iterator, convert);
  };
}

function pass(
  data: Iterable<unknown> | AsyncIterable<unknown>,
  convert: Converter,
): AsyncIterator<Arrays<HostArray>> {
  if (!isIterable(data)) {
    throw new TypeError(
      `Cannot read data: the function returned ${describeValue(data)}; expected an iterable of batches.`,
    );
  }
  return convertPass(Symbol.asyncIterator in data ? data[Symbol.asyncIterator]() : data[Symbol.iterator](), convert);
}

function convertPass(
  iterator: Iterator<unknown> | AsyncIterator<unknown>,
  convert: Converter,
): AsyncIterator<Arrays<HostArray>> {
  return {
    async next() {
      const result = await iterator.next();
      return result.done ? { done: true, value: undefined } : { done: false, value: await convert(result.value) };
    },
    async return() {
      await iterator.return?.();
      return { done: true, value: undefined };
    },
  };
}

async function* tfPass(data: TfDataset, convert: Converter): AsyncGenerator<Arrays<HostArray>> {
  const iterator = await data.iterator();
  for (let result = await iterator.next(); !result.done; result = await iterator.next()) {
    yield await convert(result.value);
  }
}

function itemSource(item: unknown): ArraySource {
  if (isPlainObject(item) && !isHostArray(item)) {
    if ("x" in item) return item as unknown as ArraySource;
    if ("xs" in item) {
      return { x: item.xs as ArrayInput, ...("ys" in item ? { y: item.ys as ArrayInput } : {}) };
    }
    return { x: item as Record<string, ArrayInput> };
  }
  if (Array.isArray(item) && item.length > 0 && typeof item[0] !== "number") {
    if (item.length > 3) {
      throw new TypeError(
        `Cannot use a batch with ${item.length} elements: expected x, [x, y] or [x, y, sampleWeight]. ` +
          "Several inputs go into an object or list in place of x.",
      );
    }
    const [x, y, sampleWeight] = item as [Nested<ArrayInput>, Nested<ArrayInput>?, Nested<ArrayInput>?];
    return { x, ...(y === undefined ? {} : { y }), ...(sampleWeight === undefined ? {} : { sampleWeight }) };
  }
  return { x: item as ArrayInput };
}

async function toArrays(source: ArraySource, what: string): Promise<Arrays<HostArray>> {
  const part = async (name: "x" | "y" | "sampleWeight"): Promise<Nested<HostArray>> => {
    const value = source[name]!;
    if (isArrayInput(value) && !isListOfArrays(value)) return await toHostArray(value, `${name} of ${what}`);
    if (Array.isArray(value)) {
      return await Promise.all(value.map((leaf, i) => toHostArray(leaf as ArrayInput, `${name}[${i}] of ${what}`)));
    }
    if (isPlainObject(value)) {
      const entries = Object.entries(value as Record<string, ArrayInput>);
      return Object.fromEntries(
        await Promise.all(
          entries.map(async ([key, leaf]) => [key, await toHostArray(leaf, `${name}.${key} of ${what}`)]),
        ),
      );
    }
    if (isIterable(value) || typeof value === "function") {
      throw new TypeError(
        `Cannot use ${name} of ${what}: it is ${describeValue(value)}. Pass an iterable in place of { x, y }; its ` +
          "items hold x and y both, so y must not be given beside it.",
      );
    }
    throw new TypeError(
      `Cannot use ${name} of ${what}: expected an array, a list of arrays or arrays by name; found ${
        describeValue(value)
      }.`,
    );
  };
  return {
    x: await part("x"),
    ...(source.y === undefined || source.y === null ? {} : { y: await part("y") }),
    ...(source.sampleWeight === undefined || source.sampleWeight === null
      ? {}
      : { sampleWeight: await part("sampleWeight") }),
  };
}

/** A list of arrays as several inputs have it, rather than an array of numbers. */
export function isListOfArrays(value: unknown): boolean {
  if (!Array.isArray(value) || value.length === 0) return false;
  const first = value[0];
  return first instanceof tf.Tensor || isHostArray(first) || ArrayBuffer.isView(first);
}

function disposeTensors(item: unknown): void {
  if (item instanceof tf.Tensor) {
    const tensor = item as Tensor & { kept: boolean };
    if (!tensor.kept && !tensor.isDisposed) tensor.dispose();
  } else if (Array.isArray(item)) item.forEach(disposeTensors);
  else if (isPlainObject(item) && !isHostArray(item)) Object.values(item).forEach(disposeTensors);
}
