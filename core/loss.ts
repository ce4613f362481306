/**
 * The loss contract.
 *
 * @module
 */
import type { Tensor } from "./tf.ts";

/** How a loss's values become one number. `mean` is another name for `sum_over_batch_size`. */
export type Reduction = "sum_over_batch_size" | "mean" | "sum" | "mean_with_sample_weight" | "none";

/** A loss: values for each sample, and how they are reduced. Weights and reduction are applied by the trainer. */
export interface Loss {
  /** Keras's name in snake case. */
  readonly name: string;
  /** How the values are reduced. */
  readonly reduction: Reduction;
  /**
   * The unreduced values, differentiable in `yPred`, inside a `tidy` of the caller's.
   *
   * @param yTrue `[batch, …]`, any dtype.
   * @param yPred `[batch, …]`, float32.
   * @returns float32, without the axis that the loss averages over: `[batch]` for `[batch, classes]`.
   */
  values(yTrue: Tensor, yPred: Tensor): Tensor;
  /**
   * Which of the values count, for a loss that leaves some out (an ignored class): means divide by as many as there are.
   *
   * @param values What `values` returned for the same arguments.
   * @returns bool, in the shape of `values`. @default all count
   */
  valid?(yTrue: Tensor, yPred: Tensor, values: Tensor): Tensor;
  /** Whether targets may have a shape that predictions do not tell, as label sequences have. @default false */
  readonly ownTargetShape?: boolean;
}

/** A function that serves as a loss: values for each sample, averaged over the batch. */
export type LossFunction = (yTrue: Tensor, yPred: Tensor) => Tensor;
