/**
 * What makes one optimizer differ from another: a rule for one weight.
 *
 * @module
 */
import type { StepVariable } from "../../core/step.ts";
import type { Tensor } from "../../core/tf.ts";
import type { Slot } from "./slot_store.ts";

/** What an algorithm is given to update one weight. All tensors are float32 and belong to the caller. */
export interface UpdateInput<Slots extends string, Columns extends string> {
  /** Unscaled, averaged over accumulated steps and clipped; the weight's shape. */
  readonly gradient: Tensor;
  /** The weight, already decayed. */
  readonly weight: Tensor;
  /** This weight's slots as they were before the step. */
  readonly slots: Readonly<Record<Slots, Tensor>>;
  /** This step's values of the algorithm's columns, scalars. */
  readonly scalars: Readonly<Record<Columns | "learningRate", Tensor>>;
  /** Which weight it is: its path and static shape may matter, its value may not. */
  readonly variable: StepVariable;
}

/** New values. A slot that is left out keeps its value. */
export interface Update<Slots extends string> {
  /** The new weight, of its old shape. */
  readonly weight: Tensor;
  /** The new slots, of their old shapes. */
  readonly slots?: Readonly<Partial<Record<Slots, Tensor>>>;
}

/** The rule by which an optimizer updates one weight. Slots and columns are known by name. */
export interface Algorithm<Slots extends string = never, Columns extends string = never> {
  /** The name it is registered under. */
  readonly name: string;
  /** The slots that a weight needs. @default none */
  slots?(variable: StepVariable): readonly Slot<Slots>[];
  /** Host-known scalars that change from step to step, beside `learningRate`. @default none */
  readonly columns?: readonly Columns[];
  /**
   * The values of the columns, computed in float64: a pure function, so that training can resume anywhere.
   *
   * @param step The number of this update, counted from 1.
   */
  row?(step: number, learningRate: number): readonly number[];
  /** How fast a weight decays, where that is not the same for all. @default the option `weightDecay` */
  weightDecay?(variable: StepVariable): number | null | undefined;
  /** Computes the new values. Synchronous, traceable, inside a `tidy` of the caller's. */
  update(input: UpdateInput<Slots, Columns>): Update<Slots>;
}
