/**
 * What a call of a layer is told, what it gives, and what it owns.
 *
 * @module
 */
import type { Tensor, Variable } from "../tf.ts";

/** What a call of a layer is told and may report. */
export interface LayerCall {
  /** Whether dropout drops, noise is added and batch normalization uses the batch's own statistics. */
  readonly training: boolean;
  /** One for each input, `[batch, …]`, nonzero where the input counts; `null` = no mask. @default no masks */
  readonly masks?: readonly (Tensor | null)[];
  /** Receives activity losses: float32 scalars, already divided by the rows of the local batch as in Keras 3. */
  addLoss(loss: Tensor): void;
  /** Initial states of a recurrent layer, `[batch, units]` each. @default zeros, or the kept states where stateful */
  readonly initialState?: readonly Tensor[];
}

/** What a call of a layer gives. */
export interface LayerResult {
  /** One for each output. */
  readonly outputs: readonly Tensor[];
  /** One for each output; `null` = no mask. */
  readonly masks: readonly (Tensor | null)[];
}

/** A variable of a layer, and how it is trained and shared. */
export interface LayerVariableInfo {
  /** Where it stands in the model: `dense_1/kernel`. */
  readonly path: string;
  /** The tfjs variable that holds the value. */
  readonly variable: Variable;
  /** Whether an optimizer may change it. */
  readonly trainable: boolean;
  /** `weight`: trained, or frozen; `state`: written by the layer itself. */
  readonly role: "weight" | "state";
  /** How replicas agree on it: all compute the same, they average what each wrote, or the first one's counts. */
  readonly acrossReplicas: "mirrored" | "mean" | "first";
  /** Set for a moving variance: see `StepVariable`. */
  readonly spread?: { readonly mean: Variable; readonly rate: number };
  /** Projects the weight after each update. */
  readonly constraint?: (value: Tensor) => Tensor;
}
