/**
 * Batches and the data sets that they come from.
 *
 * @module
 */
import type { Nested } from "./nested.ts";
import type { Tensor } from "./tf.ts";

/** The element types that host data may have. `uint8` reaches a model as `int32`, or as `float32` when scaled. */
export type ArrayType = "float32" | "int32" | "uint8" | "bool";

/** A dense, row-major array on the host. The first axis counts samples. */
export interface HostArray {
  /** Its size along each axis. */
  readonly shape: readonly number[];
  /** The type of its elements. */
  readonly dtype: ArrayType;
  /** The elements, row-major; as many as the product of `shape`. */
  readonly values: Float32Array | Int32Array | Uint8Array;
  /** A factor applied on the device, which turns `uint8` into `float32`: 1/255 for images. @default none */
  readonly scale?: number;
}

/** Inputs, and where there are any, targets and sample weights, grouped alike. */
export interface Arrays<T> {
  /** Inputs: one, a list, or by input name. */
  readonly x: Nested<T>;
  /** Targets: one, a list, or by output name. */
  readonly y?: Nested<T>;
  /** Weights of the samples, `[batch]` or `[batch, time]`: one for all outputs, a list, or by output name. */
  readonly sampleWeight?: Nested<T>;
}

/** Data that an executor may keep on its device: a batch of it is a list of row numbers. */
export interface ResidentSource {
  /** How many samples there are. */
  readonly rows: number;
  /** All of them. */
  readonly arrays: Arrays<HostArray>;
}

/** What one step reads, still on the host: values of its own, or rows of a source that may live on the device. */
export type Batch = {
  /** Samples in this replica's part of the batch; 0 when the batch was too small to share out. */
  readonly rows: number;
  /** Samples in the batch over all replicas. */
  readonly globalRows: number;
  /** The values, unless they are rows of `source`. */
  readonly arrays: Arrays<HostArray>;
  readonly source?: undefined;
} | {
  /** Samples in this replica's part of the batch; 0 when the batch was too small to share out. */
  readonly rows: number;
  /** Samples in the batch over all replicas. */
  readonly globalRows: number;
  /** Where the rows lie. */
  readonly source: ResidentSource;
  /** Which rows: one number a sample. */
  readonly indices: Int32Array;
};

/** What a step computes on: the batch as tensors on the current device, owned by the executor. */
export interface TensorBatch<X extends Nested<Tensor> = Nested<Tensor>, Y extends Nested<Tensor> = Nested<Tensor>> {
  /** Inputs: one, a list, or by input name. */
  readonly x: X;
  /** Targets: one, a list, or by output name. */
  readonly y?: Y;
  /** Weights of the samples: one for all outputs, a list, or by output name. */
  readonly sampleWeight?: Nested<Tensor>;
  /** Samples in this batch. */
  readonly rows: number;
}

/** One replica's part of a data set. */
export interface Shard {
  /** Which replica, from 0. */
  readonly index: number;
  /** How many replicas there are. */
  readonly count: number;
}

/** Where a feed stands: which pass over the data, and how many batches of it were taken. */
export interface Position {
  /** Passes begun before this one. */
  readonly pass: number;
  /** Batches taken in this pass. */
  readonly batch: number;
}

/** A recipe for batches, not the batches: each replica opens its own part, at a position when it resumes. */
export interface Dataset {
  /** Batches in one pass: a number, `Infinity` for endless data, `undefined` where only reading tells. */
  readonly batches?: number;
  /** The first batch, to learn shapes and types from; it is not used up. `undefined` where there are no data. */
  peek(): Promise<Batch | undefined>;
  /**
   * Starts reading.
   *
   * @param shard Which replica's part of each batch to return.
   * @param from Where to start. @default the beginning
   */
  open(shard: Shard, from?: Position): Feed;
  /** Called in place of `open` when preparing failed after `peek`: closes what peeking opened. */
  release?(): Promise<void>;
}

/** Data being read by one replica. Whoever opened it disposes it. */
export interface Feed extends AsyncDisposable {
  /**
   * The next batches of this pass, at most `count`. Fewer than `count` means that the pass has ended;
   * from then on the answer is empty until `rewind()`.
   */
  next(count: number): Promise<readonly Batch[]>;
  /** Starts the next pass, reshuffled where the data are shuffled. `false`: the data can be read only once. */
  rewind(): Promise<boolean>;
  /** Where the next batch stands. */
  position(): Position;
}
