/**
 * Lowers the learning rate when training has ceased to improve.
 *
 * @module
 */
import type { Callback, CallbackContext, Hooks, Json } from "../core/callback.ts";
import { settableOptimizer } from "./learning_rate.ts";
import { Monitor, type MonitorOptions, numberFromJson, numberToJson } from "./monitor.ts";
import { Resumable, savedFields } from "./resumable.ts";

/** When the learning rate is lowered, and how far. */
export interface ReduceLROnPlateauOptions extends MonitorOptions {
  /** What the learning rate is multiplied by, below 1. @default 0.1 */
  readonly factor?: number;
  /** Epochs without improvement after which it is lowered. @default 10 */
  readonly patience?: number;
  /** Changes smaller than this are no improvement; the sign is ignored. @default 1e-4 */
  readonly minDelta?: number;
  /** Epochs after it was lowered that are not counted. @default 0 */
  readonly cooldown?: number;
  /** It is not lowered below this. @default 0 */
  readonly minLr?: number;
  /** Whether to say what is done. @default 0 */
  readonly verbose?: 0 | 1;
}

/**
 * Multiplies the learning rate by `factor` when a value has not improved for `patience` epochs. Reports the rate that
 * the epoch was trained with as `learning_rate`. Starts afresh with each fit.
 *
 * Source: Keras, `callbacks/reduce_lr_on_plateau.py`.
 *
 * @throws {RangeError} If an option is out of range.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { reduceLROnPlateau } from "@stride/stride/callbacks";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const plateau = reduceLROnPlateau({ monitor: "loss", patience: 1, minDelta: 1e6 });
 * const { history } = await model.fit({ x: [[1]], y: [[1]] }, { epochs: 3, verbose: 0, callbacks: [plateau] });
 * assertAlmostEquals(history.learning_rate![1]!, 0.01);
 * assertAlmostEquals(history.learning_rate![2]!, 0.001);
 * ```
 */
export function reduceLROnPlateau(options: ReduceLROnPlateauOptions = {}): Callback {
  return new ReduceLROnPlateau(options);
}

interface Counters {
  /** Epochs since the last improvement. */
  wait: number;
  best: number | undefined;
  /** Epochs to come that are not counted. */
  cooldown: number;
}

class ReduceLROnPlateau implements Callback {
  readonly name: string = "reduceLROnPlateau";
  readonly #options: ReduceLROnPlateauOptions;
  readonly #monitor: Monitor;
  readonly #counters = new Resumable<Counters>(() => ({ wait: 0, best: undefined, cooldown: 0 }));

  readonly state = {
    save: (): Json => {
      const { wait, best, cooldown } = this.#counters.current;
      return { wait, best: numberToJson(best), cooldown };
    },
    load: (value: Json): void => {
      const { wait, best, cooldown } = savedFields(this.name, value);
      this.#counters.load({ wait: Number(wait), best: numberFromJson(best), cooldown: Number(cooldown) });
    },
  };

  constructor(options: ReduceLROnPlateauOptions) {
    const { factor = 0.1, minDelta = 1e-4 } = options;
    if (!(factor > 0 && factor < 1)) {
      throw new RangeError(`Cannot make ${this.name}: factor is ${factor}; expected a number above 0 and below 1.`);
    }
    for (const option of ["patience", "cooldown", "minLr"] as const) {
      const value = options[option];
      if (value !== undefined && !(value >= 0)) {
        throw new RangeError(`Cannot make ${this.name}: ${option} is ${value}; expected a number of at least 0.`);
      }
    }
    this.#options = options;
    this.#monitor = new Monitor(this.name, "decide when to lower the learning rate", { ...options, minDelta });
  }

  onTrainBegin(_: Hooks["onTrainBegin"], context: CallbackContext): void {
    settableOptimizer(this.name, context);
    this.#monitor.reset();
    this.#counters.begin();
  }

  onEpochEnd({ epoch, logs }: Hooks["onEpochEnd"], context: CallbackContext): void {
    const counters = this.#counters.use();
    const optimizer = settableOptimizer(this.name, context);
    logs.learning_rate = optimizer.learningRate;
    const value = this.#monitor.value(logs);
    if (value === undefined) return;
    if (counters.cooldown > 0) {
      counters.cooldown--;
      counters.wait = 0;
    }
    if (this.#monitor.improves(value, counters.best, context)) {
      counters.best = value;
      counters.wait = 0;
    } else if (counters.cooldown === 0) {
      counters.wait++;
      const { factor = 0.1, patience = 10, cooldown = 0, minLr = 0 } = this.#options;
      if (counters.wait < patience || optimizer.learningRate <= minLr) return;
      optimizer.learningRate = Math.max(optimizer.learningRate * factor, minLr);
      counters.cooldown = cooldown;
      counters.wait = 0;
      if (this.#options.verbose && context.chief) {
        console.log(`Epoch ${epoch + 1}: learning rate reduced to ${optimizer.learningRate}.`);
      }
    }
  }
}
