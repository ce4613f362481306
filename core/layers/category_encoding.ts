/**
 * CategoryEncoding without reading values back: tfjs looks at the largest category first, which no compiled step can.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { type EncodingInternals, first, internals, methodOwner } from "./internals.ts";

/** Encodes by one-hot rows; categories out of range count nothing. */
export function adoptCategoryEncoding(layer: tf.layers.Layer): void {
  if (methodOwner(layer, "call") !== "CategoryEncoding") return;
  const own = internals<EncodingInternals>(layer);
  const original = own.call.bind(layer);
  own.call = (inputs, args) => {
    const x = first(inputs);
    const single = own.outputMode === "oneHot";
    if (single ? x.rank > 2 || (x.rank === 2 && x.shape[1] !== 1) : x.rank !== 2) return original(inputs, args);
    return tf.tidy(() => {
      const rows = tf.oneHot(x.cast("int32").as1D(), own.numTokens).cast("float32");
      if (single) return rows;
      const each = tf.reshape(rows, [...x.shape, own.numTokens]); // [batch, entries, tokens]
      if (own.outputMode === "multiHot") return tf.max(each, 1);
      const weights = args.countWeights as Tensor | undefined;
      return tf.sum(weights === undefined ? each : tf.mul(each, tf.expandDims(weights, -1)), 1);
    });
  };
}
