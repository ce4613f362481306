/**
 * Sets the learning rate by epoch.
 *
 * @module
 */
import type { Callback } from "../core/callback.ts";
import { settableOptimizer } from "./learning_rate.ts";

/** How the learning rate goes from epoch to epoch. */
export interface LearningRateSchedulerOptions {
  /**
   * The learning rate of an epoch; called when the epoch begins.
   *
   * @param epoch From 0. @param learningRate The one before.
   */
  readonly schedule: (epoch: number, learningRate: number) => number;
  /** Whether to say what is set. @default 0 */
  readonly verbose?: 0 | 1;
}

/**
 * Sets the learning rate at the beginning of each epoch, and reports it as `learning_rate`.
 *
 * Source: Keras, `callbacks/learning_rate_scheduler.py`.
 *
 * @throws {TypeError} If there is no schedule.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { learningRateScheduler } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const halve = learningRateScheduler({ schedule: (epoch, rate) => epoch > 0 ? rate / 2 : rate });
 * const { history } = await model.fit({ x: [[1]], y: [[1]] }, { epochs: 3, verbose: 0, callbacks: [halve] });
 * assertEquals(history.learning_rate, [0.01, 0.005, 0.0025]);
 * ```
 */
export function learningRateScheduler(options: LearningRateSchedulerOptions): Callback {
  const name = "learningRateScheduler";
  if (typeof options?.schedule !== "function") {
    throw new TypeError(
      `Cannot make ${name}: expected { schedule }, a function of epoch and learning rate; found ${typeof options
        ?.schedule}.`,
    );
  }
  return {
    name,
    onTrainBegin(_, context) {
      settableOptimizer(name, context);
    },
    onEpochBegin({ epoch }, context) {
      const optimizer = settableOptimizer(name, context);
      const next: unknown = options.schedule(epoch, optimizer.learningRate);
      if (typeof next !== "number" || !Number.isFinite(next)) {
        throw new TypeError(
          `${name} cannot set the learning rate of epoch ${epoch}: the schedule returned ${String(next)}; expected a ` +
            "finite number.",
        );
      }
      optimizer.learningRate = next;
      if (options.verbose && context.chief) console.log(`Epoch ${epoch + 1}: learning rate set to ${next}.`);
    },
    onEpochEnd({ logs }, context) {
      logs.learning_rate = settableOptimizer(name, context).learningRate;
    },
  };
}
