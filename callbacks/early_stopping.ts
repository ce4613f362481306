/**
 * Stops training that has ceased to improve.
 *
 * @module
 */
import type { Callback, CallbackContext, Hooks, Json } from "../core/callback.ts";
import type { Tensor } from "../core/tf.ts";
import { Monitor, type MonitorOptions, numberFromJson, numberToJson } from "./monitor.ts";
import { Resumable, savedFields } from "./resumable.ts";
import { disposeAll, weightsFromJson, weightsToJson } from "./weights.ts";

/** When training stops. */
export interface EarlyStoppingOptions extends MonitorOptions {
  /** Changes smaller than this are no improvement; the sign is ignored. @default 0 */
  readonly minDelta?: number;
  /** Epochs without improvement after which training stops. @default 0 */
  readonly patience?: number;
  /** What the value must also improve on, for patience to start anew. @default none */
  readonly baseline?: number;
  /** Whether training ends with the weights of the best epoch, however it ends. @default false */
  readonly restoreBestWeights?: boolean;
  /** The first epoch, from 0, that is watched. @default 0 */
  readonly startFromEpoch?: number;
  /** Whether to say what is done. @default 0 */
  readonly verbose?: 0 | 1;
}

/**
 * Stops training when a value has not improved for `patience` epochs. Starts afresh with each fit.
 *
 * The best weights are kept on the device until training ends.
 *
 * Source: Keras, `callbacks/early_stopping.py`.
 *
 * @throws {RangeError} If an option is out of range.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { earlyStopping } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const stopping = earlyStopping({ monitor: "loss", patience: 2, minDelta: 1e6 });
 * const history = await model.fit({ x: [[0], [1]], y: [[1], [1]] }, { epochs: 9, verbose: 0, callbacks: [stopping] });
 * assertEquals(history.epoch, [0, 1, 2]);
 * ```
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  return new EarlyStopping(options);
}

interface Counters {
  /** Epochs since the last improvement. */
  wait: number;
  best: number | undefined;
  bestEpoch: number;
  stoppedEpoch: number | undefined;
}

class EarlyStopping implements Callback {
  readonly name: string = "earlyStopping";
  readonly #options: EarlyStoppingOptions;
  readonly #monitor: Monitor;
  readonly #counters = new Resumable<Counters>(() => ({
    wait: 0,
    best: undefined,
    bestEpoch: 0,
    stoppedEpoch: undefined,
  }));
  /** Owned by this callback. */
  #bestWeights: readonly Tensor[] | undefined;

  readonly state = {
    save: async (): Promise<Json> => {
      const { wait, best, bestEpoch } = this.#counters.current;
      const weights = this.#bestWeights === undefined ? null : await weightsToJson(this.#bestWeights);
      return { wait, best: numberToJson(best), bestEpoch, weights };
    },
    load: (value: Json): void => {
      const { wait, best, bestEpoch, weights } = savedFields(this.name, value);
      this.#counters.load({
        wait: Number(wait),
        best: numberFromJson(best),
        bestEpoch: Number(bestEpoch),
        stoppedEpoch: undefined,
      });
      this.#keep(weights === null || weights === undefined ? undefined : weightsFromJson(weights));
    },
  };

  constructor(options: EarlyStoppingOptions) {
    const { patience = 0, startFromEpoch = 0, minDelta = 0 } = options;
    this.#options = options;
    this.#monitor = new Monitor(this.name, "decide when to stop", { ...options, minDelta });
    for (const [option, value] of [["patience", patience], ["startFromEpoch", startFromEpoch]] as const) {
      if (!(value >= 0)) {
        throw new RangeError(
          `Cannot make ${this.name}: ${option} is ${value}; expected a number of epochs, at least 0.`,
        );
      }
    }
  }

  onTrainBegin(): void {
    this.#monitor.reset();
    if (!this.#counters.begin()) this.#keep(undefined);
  }

  onEpochEnd({ epoch, logs }: Hooks["onEpochEnd"], context: CallbackContext): void {
    const { patience = 0, baseline, restoreBestWeights = false, startFromEpoch = 0 } = this.#options;
    const counters = this.#counters.use();
    if (epoch < startFromEpoch) return;
    const value = this.#monitor.value(logs);
    if (value === undefined) return;
    counters.wait++;
    if (this.#monitor.improves(value, counters.best, context)) {
      counters.best = value;
      counters.bestEpoch = epoch;
      if (restoreBestWeights) this.#keep(context.model.getWeights());
      if (baseline === undefined || this.#monitor.improves(value, baseline, context)) counters.wait = 0;
    } else if (counters.wait >= patience && epoch > 0) {
      counters.stoppedEpoch = epoch;
      context.stop();
    }
  }

  onTrainEnd(_: Hooks["onTrainEnd"], context: CallbackContext): void {
    const { bestEpoch, stoppedEpoch } = this.#counters.current;
    const say = (message: string): void => {
      if (this.#options.verbose && context.chief) console.log(message);
    };
    if (stoppedEpoch !== undefined) say(`Epoch ${stoppedEpoch + 1}: early stopping`);
    if (this.#bestWeights === undefined) return;
    say(`Restoring model weights from the end of the best epoch: ${bestEpoch + 1}.`);
    try {
      context.model.setWeights(this.#bestWeights);
    } finally {
      this.#keep(undefined);
    }
  }

  #keep(weights: readonly Tensor[] | undefined): void {
    disposeAll(this.#bestWeights);
    this.#bestWeights = weights;
  }
}
