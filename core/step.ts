/**
 * What one batch does, cut where strategies differ: computing gradients, applying them.
 *
 * @module
 */
import type { HostArray, TensorBatch } from "./batch.ts";
import type { Nested } from "./nested.ts";
import type { RandomKey } from "./random.ts";
import type { Tensor, Variable } from "./tf.ts";

/** Reported values by name: `loss`, metrics, `val_*`, `learning_rate`. */
export type Logs = Record<string, number>;

/** The three things that a model does with a batch. */
export type StepKind = "train" | "test" | "predict";

/** A variable that a step reads or writes, known by its path in the model, such as `dense/kernel`. */
export interface StepVariable {
  /** Where it stands in the model or optimizer: `dense_1/kernel`, `adam/dense_1/kernel/momentum`. */
  readonly path: string;
  /** The tfjs variable that holds the value. */
  readonly variable: Variable;
  /** `weight`: trained; `state`: written by a layer; `slot`: the optimizer's. */
  readonly role: "weight" | "slot" | "state";
  /** How replicas agree on it: all compute the same, they average what each wrote, or the first one's counts. */
  readonly acrossReplicas: "mirrored" | "mean" | "first";
  /**
   * Set for a moving variance: the moving mean that it goes with, and the part that a batch contributes to both. Replicas
   * that agree then count how far their means lie apart, so that the agreed variance is that of the whole batch.
   */
  readonly spread?: { readonly mean: Variable; readonly rate: number };
  /** Projects a weight after each update, as tfjs's `constraints` do. */
  readonly constraint?: (value: Tensor) => Tensor;
}

/** What a phase is told beside its batch. */
export interface StepContext {
  /** Samples in this replica's part of the batch. */
  readonly rows: number;
  /** Samples in the batch over all replicas; `rows / globalRows` is this replica's share. */
  readonly globalRows: number;
  /** This step's row of the step table, by column: float32 scalars, owned by the executor. */
  readonly scalars: Readonly<Record<string, Tensor>>;
}

/** What computing a phase gives. All tensors belong to the caller. */
export interface PhaseOutput {
  /** One for each of the phase's variables, in order; `null` where the loss does not depend on it. */
  readonly gradients?: readonly (Tensor | null)[];
  /** This phase's part of the metric and loss sums of this batch, `[size]`; the parts of all phases, one after the other, are laid out as the step's `sums` says. */
  readonly sums?: Tensor;
  /** What predict returns. */
  readonly outputs?: Nested<Tensor>;
}

/** One forward and backward pass. Synchronous, without reading back, with fixed shapes, so that it can be compiled. */
export interface Phase {
  /** `train`, or the phase's own name where a step has several (`discriminator`, `generator`). */
  readonly name: string;
  /** What its gradients belong to, in order. */
  readonly variables: readonly StepVariable[];
  /** Everything up to the gradients. Writes only variables whose role is `state`. */
  compute(batch: TensorBatch, context: StepContext): PhaseOutput;
  /** Applies gradients, already summed over all replicas. Absent where there is nothing to update. */
  apply?(gradients: readonly (Tensor | null)[], context: StepContext): void;
}

/** How sums of several batches become one: a run of elements and what is done to them. */
export interface SumsSegment {
  /** How many elements. */
  readonly size: number;
  /** What happens over steps and replicas. */
  readonly combine: "sum" | "max" | "min";
}

/** Host-known values that change from step to step: one row a step, one column a name. Kernels index it by step. */
export interface StepTable {
  /** The names of the columns. */
  readonly columns: readonly string[];
  /** `rows[i][j]` is column `j` in step `i`. */
  readonly rows: readonly (readonly number[])[];
  /** The number of the first step, from 0 at the start of training. */
  readonly first: number;
  /** What random numbers derive from: step `i` of the table draws from `foldIn(key, first + i)`. */
  readonly key: RandomKey;
}

/** One batch's work in all its phases, and how to read what it reports. */
export interface Step {
  /** What the step is for. */
  readonly kind: StepKind;
  /** In the order in which they run; each is computed and applied before the next is computed. */
  readonly phases: readonly Phase[];
  /** Every variable that any phase reads or writes. */
  readonly variables: readonly StepVariable[];
  /** The layout of `PhaseOutput.sums`. Known once a phase has been computed or traced; empty before. */
  readonly sums: readonly SumsSegment[];
  /** Rows of the table for the next `steps` steps, from the optimizer's current state. */
  table(steps: number): StepTable;
  /** Called once for every execution, when its steps have been queued: counts them as done. */
  advance(steps: number): void;
  /** Sums over any number of steps and replicas as reported values. */
  decode(sums: Float64Array): Logs;
  /**
   * Values computed on the host from what all steps of an epoch returned. Absent where no metric needs it; where it is
   * there, the run reads and keeps every step's outputs.
   */
  hostLogs?(outputs: readonly Nested<HostArray>[]): Logs;
}
