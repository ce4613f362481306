/**
 * What a model's methods share while one step is computed.
 *
 * @module
 */
import { mapNested, type Nested } from "../nested.ts";
import type { StepContext, StepVariable } from "../step.ts";
import { type Tensor, tf } from "../tf.ts";

/** What `computeLoss` saw: metrics are computed from it once the gradients are. */
export interface Prediction {
  /** Targets. */
  readonly y?: Nested<Tensor>;
  /** Predictions. */
  readonly yPred: Nested<Tensor>;
  /** Sample weights. */
  readonly sampleWeight?: Nested<Tensor>;
}

const masks: WeakMap<Tensor, Tensor> = new WeakMap();

/** The mask that a layer attached to its output, `[batch, …]`, nonzero where the output counts. */
export function getMask(tensor: Tensor): Tensor | null {
  return masks.get(tensor) ?? null;
}

/** Attaches a mask to a layer's output. */
export function setMask(tensor: Tensor, mask: Tensor | null): void {
  if (mask !== null) masks.set(tensor, mask);
}

let active: StepScope | undefined;

/** The step being computed, if any. */
export function activeScope(): StepScope | undefined {
  return active;
}

/** One computation of one phase: collects losses, logs and the prediction. Tensors that it keeps are released with it. */
export class StepScope implements Disposable {
  /** What the phase was told. */
  readonly context: StepContext;
  /** Whether layers run in training mode where a call does not say. */
  training: boolean;
  /** What the loss is multiplied by before gradients are taken. */
  readonly lossScale: number | StepVariable;
  /** Losses added by layers and by `addLoss` since the last `computeLoss`. */
  addedLosses: Tensor[] = [];
  /** Extra values to report. */
  readonly logs: Map<string, Tensor> = new Map();
  /** The total of the last `computeLoss`. */
  loss: Tensor | undefined;
  /** Each output's own, unweighted loss. */
  outputLosses: ReadonlyMap<string, Tensor> = new Map();
  /** What the last `computeLoss` was given. */
  prediction: Prediction | undefined;
  readonly #kept: Tensor[] = [];

  /** @param context What the phase was told. */
  constructor(
    context: StepContext,
    options: { readonly training: boolean; readonly lossScale?: number | StepVariable },
  ) {
    this.context = context;
    this.training = options.training;
    this.lossScale = options.lossScale ?? 1;
  }

  /** This replica's share of the batch. */
  get share(): number {
    return this.context.rows / this.context.globalRows;
  }

  /** A copy that outlives the closure in which gradients are taken; it shares the original's data. */
  keep(tensor: Tensor): Tensor {
    const kept = tf.keep(tensor.clone());
    this.#kept.push(kept);
    const mask = masks.get(tensor);
    if (mask !== undefined) masks.set(kept, this.keep(mask));
    return kept;
  }

  /** Records what metrics are computed from. */
  keepPrediction({ y, yPred, sampleWeight }: Prediction): void {
    const keep = (tensor: Tensor): Tensor => this.keep(tensor);
    this.prediction = {
      yPred: mapNested(yPred, keep),
      ...(y === undefined ? {} : { y: mapNested(y, keep) }),
      ...(sampleWeight === undefined ? {} : { sampleWeight: mapNested(sampleWeight, keep) }),
    };
  }

  /** Runs `body` with this scope active. */
  run<T>(body: () => T): T {
    const outer = active;
    active = this;
    try {
      return body();
    } catch (error) {
      releaseTape();
      throw error;
    } finally {
      active = outer;
    }
  }

  [Symbol.dispose](): void {
    for (const tensor of this.#kept) tensor.dispose();
    this.#kept.length = 0;
  }
}

/** tfjs keeps what a forward pass saved for the gradients, and forgets it when the pass throws. */
function releaseTape(): void {
  const { activeTape, gradientDepth } = tf.engine().state;
  if (gradientDepth > 0) return;
  for (const { saved } of activeTape ?? []) saved?.forEach((tensor) => tensor.dispose());
}
