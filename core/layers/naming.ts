/**
 * Names of layers in paths.
 *
 * @module
 */
import type { tf } from "../tf.ts";
import { className, isContainer } from "./internals.ts";

/**
 * The path segment for a layer: the name that the user gave it, or its class in snake case where tfjs made the name
 * up (`dense_Dense1`), so that paths are the same in every process. `_1`, `_2`, … keep segments apart.
 *
 * @param layer The layer.
 * @param taken Segments in use beside it; the new one is added.
 */
export function layerPath(layer: tf.layers.Layer, taken: Set<string>): string {
  const base = isMadeUp(layer) ? snakeCase(className(layer)) : layer.name.replaceAll("/", "_");
  let path = base;
  for (let index = 1; taken.has(path); index++) path = `${base}_${index}`;
  taken.add(path);
  return path;
}

/** Keras's snake case: `MaxPooling2D` is `max_pooling2d`. */
function snakeCase(name: string): string {
  return name.replaceAll(/\W+/g, "")
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}

/** tfjs ends a made-up name with the class name and a count: `dense_Dense1`, `input1`, `sequential_1`, `model1`. */
function isMadeUp(layer: tf.layers.Layer): boolean {
  const name = className(layer);
  const ending = layer.name.match(/\d+$/)?.[0];
  if (ending === undefined) return false;
  const stem = layer.name.slice(0, -ending.length);
  if (stem.endsWith(`_${name}`)) return true;
  if (name === "InputLayer") return stem === "input";
  return isContainer(layer) && (stem === name.toLowerCase() || stem === `${name.toLowerCase()}_`);
}
