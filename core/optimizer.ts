/**
 * The optimizer contract.
 *
 * @module
 */
import type { StepVariable } from "./step.ts";
import type { Tensor } from "./tf.ts";

/** A learning rate that depends on the number of steps taken. Called on the host, once a step. */
export type LearningRateSchedule = (step: number) => number;

/** Turns gradients into updates. One optimizer serves one model, or one phase of it. */
export interface Optimizer {
  /** The name it is registered under. */
  readonly name: string;
  /** The current learning rate, or the schedule it follows. Assigning takes effect at the next execution. */
  learningRate: number | LearningRateSchedule;
  /** Steps taken so far, counted when they are queued. Schedules and bias corrections depend on it. */
  iterations: number;
  /** The columns that it needs in the step table. */
  readonly columns: readonly string[];
  /** The values of the columns for the step with this number, counted from 0: computed in float64 on the host. */
  row(iteration: number): readonly number[];
  /**
   * Creates slots for these variables, or adopts those it has where paths and shapes are the same.
   *
   * @returns Every variable that `apply` writes beside the weights: role `slot`.
   */
  build(variables: readonly StepVariable[]): readonly StepVariable[];
  /**
   * Updates variables and slots. Synchronous, traceable: no host reads, no branches on values.
   *
   * @param gradients One for each of `variables`, float32, of its shape; `null` leaves a variable alone.
   * @param variables Those passed to `build`, in the same order.
   * @param scalars Float32 scalars by column.
   */
  apply(
    gradients: readonly (Tensor | null)[],
    variables: readonly StepVariable[],
    scalars: Readonly<Record<string, Tensor>>,
  ): void;
  /** Moving averages of the weights, in order of `build`, where the optimizer keeps them. */
  readonly averages?: readonly (StepVariable | null)[];
  /** Called once when training ends: replaces weights by their moving averages where the optimizer keeps them. */
  finalize?(variables: readonly StepVariable[]): void;
  /**
   * What the loss is multiplied by before gradients are taken; `apply` divides again. A scale that changes on the device
   * is a float32 scalar among the slots, read at each step as it is then. Read by steps, after `build`. @default 1
   */
  readonly lossScale?: number | StepVariable;
  /** Releases the slots. */
  dispose(): void;
}
