/**
 * The one place through which Stride reaches tfjs.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";

export { tf };

// The CPU backend's first write would print that Node has a faster one, which Deno cannot load. Nothing else is done here.
(tf.engine().backend as { firstUse?: boolean }).firstUse = false;

/** A tfjs tensor of any rank. */
export type Tensor = tf.Tensor;

/** A tfjs variable of any rank. */
export type Variable = tf.Variable;

/** A tfjs layer. */
export type Layer = tf.layers.Layer;

/** A tfjs model of layers: sequential or functional. */
export type LayersModel = tf.LayersModel;

/** A shape; `null` stands for a dimension that may vary, as the batch axis does. */
export type Shape = readonly (number | null)[];

/**
 * Formats a shape for messages: `[null, 10]`.
 *
 * ```ts
 * import { formatShape } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatShape([null, 28, 28]), "[null, 28, 28]");
 * ```
 */
export function formatShape(shape: Shape): string {
  return `[${shape.map((size) => size === null ? "null" : String(size)).join(", ")}]`;
}
