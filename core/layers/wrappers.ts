/**
 * TimeDistributed: the same layer at every time step.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { className, first, internals, isRecurrent, methodOwner, type WrapperInternals } from "./internals.ts";

/** Layers that treat each row alike and draw and keep nothing, so that time steps may be rows of one call. */
const ROWWISE: ReadonlySet<string> = new Set([
  "Activation",
  "AveragePooling1D",
  "AveragePooling2D",
  "Conv1D",
  "Conv2D",
  "Conv2DTranspose",
  "Dense",
  "DepthwiseConv2D",
  "Embedding",
  "Flatten",
  "GlobalAveragePooling2D",
  "GlobalMaxPooling1D",
  "GlobalMaxPooling2D",
  "LayerNormalization",
  "MaxPooling1D",
  "MaxPooling2D",
  "ReLU",
  "Reshape",
  "SeparableConv2D",
]);

/** Gives the wrapped layer `training` and its step's mask, as Keras does. */
export function adoptTimeDistributed(layer: tf.layers.Layer): void {
  if (methodOwner(layer, "call") !== "TimeDistributed") return;
  const own = internals<WrapperInternals>(layer);
  own.call = (inputs, { training, mask }) => {
    const x = first(inputs);
    const inner = internals(own.layer);
    const [batch, time] = [x.shape[0]!, x.shape[1]!];
    return tf.tidy(() => {
      if (ROWWISE.has(className(own.layer))) {
        const rows = tf.reshape(x, [batch * time, ...x.shape.slice(2)]);
        const output = first(inner.call(rows, { training }));
        return tf.reshape(output, [batch, time, ...output.shape.slice(1)]);
      }
      const sequence = first<Tensor | null>(mask ?? null);
      // A mask of whole steps says nothing about the steps of a sequence inside each.
      const applies = sequence !== null && (sequence.rank > 2 || !isRecurrent(own.layer));
      const masks = applies ? tf.unstack(sequence, 1) : undefined;
      const outputs = tf.unstack(x, 1).map((step, index) =>
        first(inner.call(step, { training, mask: masks?.[index] }))
      );
      return tf.stack(outputs, 1);
    });
  };
}
