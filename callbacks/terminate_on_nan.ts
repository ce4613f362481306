/**
 * Stops training that has gone wrong.
 *
 * @module
 */
import type { Callback } from "../core/callback.ts";

/** How training ends. */
export interface TerminateOnNaNOptions {
  /** Whether to throw, so that `onTrainEnd` is not called and a saved state is kept. @default false */
  readonly raiseError?: boolean;
}

/**
 * Stops training when the loss is NaN or infinite. It reads the loss after every execution, and training waits for it:
 * with more steps in an execution it costs less, and stops later.
 *
 * Source: Keras, `callbacks/terminate_on_nan.py`.
 *
 * @throws {RangeError} With `raiseError`, from the hook, if the loss is not finite.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { terminateOnNaN } from "@stride/stride/callbacks";
 * import { assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const data = { x: [[1], [1]], y: [[Infinity], [1]] };
 * const history = await model.fit(data, { epochs: 9, verbose: 0, callbacks: [terminateOnNaN()] });
 * assertEquals(history.epoch, [0]);
 * ```
 */
export function terminateOnNaN(options: TerminateOnNaNOptions = {}): Callback {
  return {
    name: "terminateOnNaN",
    async onTrainBatchEnd({ batch, logs }, { chief, stop }) {
      const { loss } = await logs.read();
      if (loss === undefined || Number.isFinite(loss)) return;
      if (options.raiseError) {
        throw new RangeError(`Cannot go on training: the loss is ${loss} at batch ${batch}; expected a finite number.`);
      }
      if (chief) console.log(`Batch ${batch}: the loss is ${loss}; training stops.`);
      stop();
    },
  };
}
