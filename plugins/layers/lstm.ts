/**
 * LSTM with Keras 3's defaults.
 *
 * @module
 */
import { type Layer, tf } from "../../core/tf.ts";

/** Options of tfjs's LSTM. */
export type LstmOptions = tf.LSTMLayerArgs;

/**
 * tfjs's LSTM with Keras 3's defaults: `recurrentActivation` is `sigmoid`, where tfjs has Keras 2's `hardSigmoid`, and
 * `kernelInitializer` is `glorotUniform`, where tfjs has `glorotNormal`.
 *
 * @returns A layer from `[batch, time, features]` to `[batch, units]`, or `[batch, time, units]` with
 * `returnSequences`.
 *
 * @example
 * ```ts
 * import { lstm } from "@stride/stride/layers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lstm({ units: 2 }).getConfig().recurrentActivation, "sigmoid");
 * ```
 */
export function lstm(options: LstmOptions): Layer {
  return tf.layers.lstm({ kernelInitializer: "glorotUniform", recurrentActivation: "sigmoid", ...options });
}
