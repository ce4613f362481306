/**
 * The metric contract: a metric is a sum.
 *
 * @module
 */
import type { HostArray } from "./batch.ts";
import type { Shape, Tensor } from "./tf.ts";

/** A metric before it has seen shapes. It holds no state: state is the vector of sums. */
export interface Metric {
  /** The name under which it is reported. */
  readonly name: string;
  /** Whether smaller or larger is better, for callbacks that compare. */
  readonly direction: "min" | "max";
  /**
   * Binds to shapes; called once before the first update.
   *
   * @throws {TypeError} If the metric cannot be computed from these shapes.
   */
  build(yTrue: Shape, yPred: Shape): BoundMetric;
}

/** A metric bound to shapes. */
export interface BoundMetric {
  /** How many numbers its state has. */
  readonly size: number;
  /** How states of several batches, or of several replicas, become one. */
  readonly combine: "sum" | "max" | "min";
  /** Whether the mask that a prediction carries counts as weights, as in Keras's mean metrics. @default false */
  readonly masked?: boolean;
  /**
   * The state of one batch, computed on the device inside a `tidy` of the caller's.
   *
   * @param yTrue `[batch, …]`, any dtype.
   * @param yPred `[batch, …]`, float32.
   * @param sampleWeight Broadcast over the trailing axes. @default 1 each
   * @returns float32 `[size]`.
   */
  update(yTrue: Tensor, yPred: Tensor, sampleWeight?: Tensor): Tensor;
  /** The value of a combined state; on the host. Several named values are reported under their own names. */
  result(state: Float64Array): number | Record<string, number>;
}

/** Everything that one output predicted over an epoch or an evaluation, on the host. */
export interface HostPredictions {
  /** Targets, `[n, …]`. */
  readonly yTrue: HostArray;
  /** Predictions, `[n, …]`. */
  readonly yPred: HostArray;
  /** Weights of samples, where the metric is weighted and there are any. */
  readonly sampleWeight?: HostArray;
}

/**
 * A metric that is no sum: computed on the host from all predictions at once, as a median is. It has them all read from the
 * device and kept, and is reported for whole epochs and evaluations, not for batches.
 */
export interface HostMetric {
  /** The name under which it is reported. */
  readonly name: string;
  /** Whether smaller or larger is better. */
  readonly direction: "min" | "max";
  /** Computes the value. */
  compute(all: HostPredictions): number;
}

/** A function that serves as a metric: values for each sample, averaged. */
export type MetricFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;
