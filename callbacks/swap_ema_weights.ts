/**
 * Evaluates with the moving averages of the weights.
 *
 * @module
 */
import type { Callback, CallbackContext } from "../core/callback.ts";
import { type Tensor, tf } from "../core/tf.ts";

/** When averages stand in for weights. */
export interface SwapEMAWeightsOptions {
  /** Whether they also do so between epochs, for callbacks after this one that save the model. @default false */
  readonly swapOnEpoch?: boolean;
}

/**
 * Puts the moving averages of the weights in their place while the model is tested or predicts, and puts the weights
 * back after. The optimizer must keep averages: `useEma: true`.
 *
 * Weights must not be set by other callbacks while averages stand in for them: they would be overwritten.
 *
 * Source: Keras, `callbacks/swap_ema_weights.py`; other than there, the weights are back after predict too, and training
 * that is stopped early ends with averages.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { swapEMAWeights } from "@stride/stride/callbacks";
 * import { adam } from "@stride/stride/optimizers";
 * import { assert } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: adam({ useEma: true }), loss: "mse" });
 * const data = { x: [[1], [2]], y: [[1], [2]] };
 * const { history } = await model.fit(data, { validationData: data, verbose: 0, callbacks: [swapEMAWeights()] });
 * assert(history.val_loss!.length === 1);
 * ```
 */
export function swapEMAWeights(options: SwapEMAWeightsOptions = {}): Callback {
  return new SwapEMAWeights(options);
}

class SwapEMAWeights implements Callback {
  readonly name: string = "swapEMAWeights";
  readonly #swapOnEpoch: boolean;
  /** The weights, while averages stand in for them; in the order of `trained`. Owned by this callback. */
  #weights: readonly (Tensor | null)[] | undefined;

  constructor({ swapOnEpoch = false }: SwapEMAWeightsOptions) {
    this.#swapOnEpoch = swapOnEpoch;
  }

  onTrainBegin(_: unknown, context: CallbackContext): void {
    // Left from a run that failed in between.
    this.#putBack(context);
    this.#averages(context);
  }

  onEpochBegin(_: unknown, context: CallbackContext): void {
    this.#putBack(context);
  }

  onEpochEnd(_: unknown, context: CallbackContext): void {
    if (this.#swapOnEpoch) this.#standIn(context);
  }

  onTrainEnd(): void {
    // The optimizer has made averages the final weights.
    this.#release();
  }

  onTestBegin(_: unknown, context: CallbackContext): void {
    this.#standIn(context);
  }

  onTestEnd(_: unknown, context: CallbackContext): void {
    this.#putBack(context);
  }

  onPredictBegin(_: unknown, context: CallbackContext): void {
    this.#standIn(context);
  }

  onPredictEnd(_: unknown, context: CallbackContext): void {
    this.#putBack(context);
  }

  /** Averages into weights. Nothing is copied: a clone shares its data. */
  #standIn(context: CallbackContext): void {
    if (this.#weights !== undefined) return;
    const averages = this.#averages(context);
    this.#weights = context.model.trained.map(({ variable }, index) => {
      const average = averages[index];
      if (!average) return null;
      const weight = variable.clone();
      tf.tidy(() => variable.assign(average.variable.clone()));
      return weight;
    });
  }

  #putBack({ model }: CallbackContext): void {
    model.trained.forEach(({ variable }, index) => {
      const weight = this.#weights?.[index];
      if (weight) tf.tidy(() => variable.assign(weight.clone()));
    });
    this.#release();
  }

  #release(): void {
    for (const weight of this.#weights ?? []) weight?.dispose();
    this.#weights = undefined;
  }

  #averages({ model }: CallbackContext): NonNullable<NonNullable<typeof model.optimizer>["averages"]> {
    const averages = model.optimizer?.averages;
    if (averages === undefined) {
      throw new TypeError(
        `${this.name} cannot swap weights: found ${
          model.optimizer === undefined ? "no optimizer" : `optimizer "${model.optimizer.name}" without moving averages`
        }; expected one that was made with useEma: true and has trained the model.`,
      );
    }
    return averages;
  }
}
