/**
 * Masks, as Keras 3.15 passes them on. A layer without a rule drops its mask.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import {
  type AxisInternals,
  bare,
  className,
  first,
  internals,
  type Masks,
  methodOwner,
  type Tensors,
  toList,
} from "./internals.ts";

/** Layers that hand the mask on in Keras 3 and not in tfjs. */
const PASS_ON: ReadonlySet<string> = new Set(["ELU", "LeakyReLU", "PReLU", "Rescaling", "Softmax", "ThresholdedReLU"]);

/** Gives a layer Keras's rules for masks, where tfjs's differ. */
export function adoptMasks(layer: tf.layers.Layer): void {
  const own = internals(layer);
  // tfjs computes masks without the input's own, and ties their lives to the tensors that they hang on.
  own.setMaskMetadata = () => {};
  if (PASS_ON.has(className(layer)) && methodOwner(layer, "computeMask") === "") own.supportsMasking = true;
  switch (methodOwner(layer, "computeMask")) {
    case "Merge":
      own.computeMask = (_inputs, mask) => anyOf(toList(mask ?? null));
      break;
    case "Concatenate":
      own.computeMask = (inputs, mask) =>
        concatenated(toList(inputs), toList(mask ?? null), first(internals<AxisInternals>(layer).axis));
      break;
    case "":
      // Merge has no name of its own in tfjs's registry.
      if (MERGES.has(className(layer)) && className(layer) !== "Concatenate") {
        own.computeMask = (_inputs, mask) => anyOf(toList(mask ?? null));
      }
  }
  if (methodOwner(layer, "call") === "GlobalAveragePooling1D") adoptGlobalAveragePooling(layer);
}

const MERGES: ReadonlySet<string> = new Set(["Add", "Average", "Maximum", "Minimum", "Multiply"]);

/**
 * The masks of what a layer gave, one for each output.
 *
 * A class of the user's own takes part by overriding `computeMask`, or by `supportsMasking = true`.
 */
export function outputMasks(
  layer: tf.layers.Layer,
  inputs: readonly Tensor[],
  masks: readonly (Tensor | null)[],
  outputs: readonly Tensor[],
): readonly (Tensor | null)[] {
  const own = internals(layer);
  const computed = own.supportsMasking || overridesMask(layer)
    ? toList(own.computeMask(bare(inputs), bare(masks)) ?? null)
    : [];
  return outputs.map((_, index) => computed[index] ?? null);
}

function overridesMask(layer: tf.layers.Layer): boolean {
  const own = internals(layer).computeMask;
  return own !== tf.layers.Layer.prototype.computeMask as unknown && !PASSIVE.has(methodOwner(layer, "computeMask"));
}

/** tfjs classes that override `computeMask` and say by `supportsMasking` whether it counts. */
const PASSIVE: ReadonlySet<string> = new Set(["Embedding"]);

/** Keras joins the masks of merged inputs with "or"; an input without one takes the mask away. */
function anyOf(masks: readonly (Tensor | null)[]): Tensor | null {
  let joined: Tensor | null = null;
  for (const mask of masks) {
    if (mask === null) return null;
    joined = joined === null ? mask.cast("bool") : tf.logicalOr(joined, mask.cast("bool"));
  }
  return joined;
}

/** Keras concatenates the masks like the inputs, then asks whether any feature counts. */
function concatenated(inputs: readonly Tensor[], masks: readonly (Tensor | null)[], axis: number): Tensor | null {
  if (masks.every((mask) => mask === null)) return null;
  const full = inputs.map((input, index) => {
    const mask = masks[index] ?? null;
    const ones = tf.ones(input.shape);
    if (mask === null) return ones;
    return mask.rank < input.rank ? tf.mul(tf.expandDims(mask.cast("float32"), -1), ones) : mask.cast("float32");
  });
  return tf.greater(tf.max(tf.concat(full, axis), -1), 0.5);
}

function adoptGlobalAveragePooling(layer: tf.layers.Layer): void {
  const own = internals(layer);
  const original = own.call.bind(layer);
  own.call = (inputs: Tensors, args): Tensors => {
    const mask: Masks = first<Tensor | null>(args.mask ?? null);
    if (mask === null) return original(inputs, {});
    return tf.tidy(() => {
      const weights = tf.expandDims(mask.cast("float32"), 2); // [batch, time, 1]
      return tf.div(tf.sum(tf.mul(first(inputs), weights), 1), tf.sum(weights, 1));
    });
  };
}
