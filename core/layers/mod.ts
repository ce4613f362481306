/**
 * tfjs's layers, adopted: they run on real tensors and behave as in Keras 3. Imports from core only.
 *
 * @module
 */
import type { Tensor, tf } from "../tf.ts";
import type { LayerCall, LayerResult, LayerVariableInfo } from "./types.ts";
export type * from "./types.ts";
export function applyLayer(_layer: tf.layers.Layer, _inputs: readonly Tensor[], _call: LayerCall): LayerResult {
  throw new Error("being written");
}
export function adopt(_layer: tf.layers.Layer): void {
  throw new Error("being written");
}
export function layerVariables(_layer: tf.layers.Layer, _path: string): readonly LayerVariableInfo[] {
  throw new Error("being written");
}
export function layerLosses(_layer: tf.layers.Layer): readonly (() => Tensor)[] {
  throw new Error("being written");
}
export function resetStates(_layer: tf.layers.Layer): void {
  throw new Error("being written");
}
export function layerPath(_layer: tf.layers.Layer, _taken: Set<string>): string {
  throw new Error("being written");
}
export function isContainer(_layer: tf.layers.Layer): _layer is tf.LayersModel {
  throw new Error("being written");
}
