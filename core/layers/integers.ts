/**
 * Integer inputs, as images of bytes are: layers that compute in float32 convert them, as in Keras 3. tfjs refuses
 * them in most, and in Conv3D and some activations cuts the results down to integers.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { className, internals, toList } from "./internals.ts";

const CLASSES: ReadonlySet<string> = new Set([
  "AveragePooling1D",
  "AveragePooling2D",
  "AveragePooling3D",
  "Conv1D",
  "Conv2D",
  "Conv3D",
  "ConvLSTM2D",
  "DepthwiseConv2D",
  "ELU",
  "SeparableConv2D",
]);

/** Activations that give integers for integers. */
const EXACT: ReadonlySet<unknown> = new Set(["linear", "relu"]);

/** Has a layer that computes in float32 convert inputs of another dtype. */
export function adoptIntegers(layer: tf.layers.Layer): void {
  const name = className(layer);
  const converts = name === "Activation" ? !EXACT.has(layer.getConfig().activation) : CLASSES.has(name);
  if (!converts) return;
  const own = internals(layer);
  const { call } = own;
  own.call = (inputs, args) => {
    const given = toList(inputs);
    if (!given.some(isInteger)) return call.call(own, inputs, args);
    return tf.tidy(() => {
      const converted = given.map((input) => isInteger(input) ? input.cast("float32") : input);
      return call.call(own, Array.isArray(inputs) ? converted : converted[0]!, args);
    });
  };
}

function isInteger({ dtype }: Tensor): boolean {
  return dtype === "int32" || dtype === "bool";
}
