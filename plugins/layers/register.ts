/**
 * Making layers known to tfjs, so that saved models of layers can be loaded.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";

/** A class of layers. */
export type LayerClass = tf.serialization.SerializableConstructor<tf.layers.Layer>;

const known = new WeakSet<LayerClass>();

/** Registers a class with tfjs, once. */
export function registerClass(layerClass: LayerClass): void {
  if (known.has(layerClass)) return;
  known.add(layerClass);
  tf.serialization.registerClass(layerClass, "Stride");
}
