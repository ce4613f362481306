/**
 * What a model's methods take and return.
 *
 * @module
 */
import type { TensorBatch } from "../batch.ts";
import type { Nested } from "../nested.ts";
import type { Optimizer } from "../optimizer.ts";
import type { StepContext, StepVariable } from "../step.ts";
import type { Layer, Tensor, Variable } from "../tf.ts";
import type { StepResult } from "./model_step.ts";
import type { Prediction } from "./step_scope.ts";

/** What `call` is told. */
export interface CallOptions {
  /** Whether dropout drops and batch normalization uses the batch's own statistics. */
  readonly training: boolean;
}

/** What `apply` may be told beside the input. */
export interface ApplyOptions {
  /** Whether the layer runs in training mode. @default what the running step says; `false` outside of steps */
  readonly training?: boolean;
  /** A mask in place of the one that the input carries. */
  readonly mask?: Tensor | null;
  /** Initial states of a recurrent layer, `[batch, units]` each. @default zeros */
  readonly initialState?: readonly Tensor[];
}

/** What a prediction is judged by: what `computeLoss` and `computeMetrics` take. */
export interface LossArguments extends Prediction {
  /** The inputs. */
  readonly x?: Nested<Tensor>;
}

/** One of several phases of a train step, as a GAN has them. */
export interface TrainPhase {
  /** Its name: names its optimizer in `compile`, its variables' slots and its loss. */
  readonly name: string;
  /** The layers and variables that it trains. */
  readonly trains: readonly (Layer | Variable)[];
  /** Computes its gradients, with `this.gradients`. */
  step(batch: TensorBatch, context: StepContext): StepResult;
}

/** What a phase updates. */
export interface GradientUpdate {
  /** `train`, or the phase's name. */
  readonly phase: string;
  /** The phase's trainable variables. */
  readonly variables: readonly StepVariable[];
  /** One for each of them, summed over all replicas; `null` where the loss does not depend on it. */
  readonly gradients: readonly (Tensor | null)[];
  /** The phase's optimizer. */
  readonly optimizer: Optimizer;
  /** This step's values of the optimizer's columns. */
  readonly scalars: Readonly<Record<string, Tensor>>;
}

/** How `Model.from` may be told more about layers. */
export interface FromOptions {
  /** The model's name. @default the layers model's name */
  readonly name?: string;
}
