/**
 * The one place through which Stride reaches tfjs.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";

export { tf };

/** A tfjs tensor of any rank. */
export type Tensor = tf.Tensor;

/** A shape; `null` stands for a dimension that may vary, as the batch axis does. */
export type Shape = readonly (number | null)[];

/** Formats a shape for messages: `[null, 10]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.map((size) => size === null ? "null" : String(size)).join(", ")}]`;
}
