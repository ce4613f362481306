/**
 * Layers of Keras 3 that `tf.layers` lacks or has with other defaults. They are layers of tfjs: they work in
 * `tf.sequential`, `tf.model` and `model.apply`, and are saved and loaded with models of layers. Imports core only.
 *
 * @module
 */
import { KerasActivation } from "./activation.ts";
import { activationIdentifier, activationNames } from "./activations.ts";
import { GroupNormalization } from "./group_normalization.ts";
import { ResetAfterGRU } from "./gru.ts";
import { ResetAfterGRUCell } from "./gru_cell.ts";
import { MultiHeadAttention } from "./multi_head_attention.ts";
import { PositionalEmbedding } from "./positional_embedding.ts";
import { registerClass } from "./register.ts";
import { RmsNormalization } from "./rms_normalization.ts";

export type { Layer, Tensor } from "../../core/tf.ts";
export { activation } from "./activation.ts";
export {
  activationFunction,
  type ActivationIdentifier,
  activationIdentifier,
  type ActivationName,
  activationNames,
} from "./activations.ts";
export { groupNormalization, type GroupNormalizationOptions } from "./group_normalization.ts";
export { gru, type GruOptions, type RecurrentLayer } from "./gru.ts";
export { type GruCell, gruCell, type GruCellOptions } from "./gru_cell.ts";
export { lstm, type LstmOptions } from "./lstm.ts";
export { multiHeadAttention, type MultiHeadAttentionOptions } from "./multi_head_attention.ts";
export type { Constraint, Initializer, LayerOptions, Regularizer } from "./options.ts";
export {
  positionalEmbedding,
  type PositionalEmbeddingOptions,
  sinusoidalPositions,
  type SinusoidalPositionsOptions,
} from "./positional_embedding.ts";
export { rmsNormalization, type RmsNormalizationOptions } from "./rms_normalization.ts";

/**
 * Makes these layers and activations known to tfjs. Making one does so for its class; call this before
 * `tf.loadLayersModel` loads a saved model that has them.
 *
 * @example
 * ```ts
 * import { registerLayers, rmsNormalization } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * registerLayers();
 * const model = tf.sequential({ layers: [rmsNormalization({ inputShape: [3] })] });
 * const copy = await tf.models.modelFromJSON({ modelTopology: model.toJSON(null, false) } as never);
 * assertEquals(copy.layers[0]!.getClassName(), "RMSNormalization");
 * ```
 */
export function registerLayers(): void {
  for (
    const layerClass of [
      GroupNormalization,
      KerasActivation,
      MultiHeadAttention,
      PositionalEmbedding,
      ResetAfterGRU,
      ResetAfterGRUCell,
      RmsNormalization,
    ]
  ) {
    registerClass(layerClass as unknown as Parameters<typeof registerClass>[0]);
  }
  activationNames().forEach((name) => void activationIdentifier(name));
}
