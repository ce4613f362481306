/**
 * Calling a layer.
 *
 * @module
 */
import type { Tensor, tf } from "../tf.ts";
import { adopted } from "./adopt.ts";
import { withCall } from "./context.ts";
import { runLayer } from "./graph.ts";
import type { LayerCall, LayerResult } from "./types.ts";

/**
 * Builds a layer if it is not built, adopts it, and runs it on tensors. Models of layers are walked node by node, so
 * that masks, activity losses and `training` reach every layer inside.
 *
 * Synchronous and without reading back, inside a tidy of the caller's; the layer's variables survive it.
 *
 * @param layer Any layer or model of layers of tfjs's, or of a class made from them.
 * @param inputs One for each input, in the layer's order.
 * @param call What the layer is told. Without `masks`, the masks count that a layer before attached to the inputs.
 * @throws {TypeError} If the number or shapes of the inputs are not what the model declares.
 */
export function applyLayer(layer: tf.layers.Layer, inputs: readonly Tensor[], call: LayerCall): LayerResult {
  const { training, masks, initialState } = call;
  return withCall(
    { training, addLoss: (loss) => call.addLoss(loss) },
    () =>
      runLayer(layer, inputs, {
        training,
        ...(masks === undefined ? {} : { mask: [...masks] }),
        ...(initialState === undefined ? {} : { initialState: [...initialState] }),
      }, adopted),
  );
}
