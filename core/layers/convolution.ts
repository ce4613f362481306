/**
 * Convolutions that tfjs cannot train or run: dilated ones have no gradient, causal ones no forward pass, and with
 * channels first Conv1D gives them last and SeparableConv2D adds its bias to rows.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { className, type ConvolutionInternals, first, internals, type LayerInternals } from "./internals.ts";

const CLASSES: ReadonlySet<string> = new Set(["Conv1D", "Conv2D", "Conv3D", "DepthwiseConv2D", "SeparableConv2D"]);

/** Classes that get channels first wrong. */
const MISPLACED: ReadonlySet<string> = new Set(["Conv1D", "SeparableConv2D"]);

/** Runs such convolutions as ones that tfjs can train. */
export function adoptConvolution(layer: tf.layers.Layer): void {
  if (!CLASSES.has(className(layer))) return;
  const own = internals<ConvolutionInternals>(layer);
  const rates = [own.dilationRate].flat();
  const dilated = rates.some((rate) => rate > 1);
  const causal = own.padding === "causal";
  const channelsFirst = own.dataFormat === "channelsFirst" && MISPLACED.has(className(layer));
  if (!dilated && !causal && !channelsFirst) return;
  const original = own.call;
  own.call = (inputs, args) =>
    tf.tidy(() => {
      let x = first(inputs);
      if (channelsFirst) x = tf.transpose(x, [0, ...spatial(x).map((axis) => axis + 1), 1]);
      if (causal) x = tf.pad(x, [[0, 0], [(own.kernelSize[0]! - 1) * rates[0]!, 0], [0, 0]]);
      // The layer as tfjs would have it: everything but what is named here is its own.
      const stand = Object.create(layer) as ConvolutionInternals;
      const define = (name: string, value: unknown) => Object.defineProperty(stand, name, { value });
      if (causal) define("padding", "valid");
      if (channelsFirst) define("dataFormat", "channelsLast");
      if (dilated) {
        const name = own.depthwiseKernel ? "depthwiseKernel" : "kernel";
        define(name, { read: () => dilate(own[name]!.read(), rates) });
        define("dilationRate", rates.map(() => 1));
      }
      const output = first(original.call(stand as LayerInternals, x, args));
      return channelsFirst ? tf.transpose(output, [0, output.rank - 1, ...spatial(output)]) : output;
    });
}

/** The axes between the first and the last. */
function spatial(x: Tensor): number[] {
  return Array.from({ length: x.rank - 2 }, (_, index) => index + 1);
}

/** A kernel with `rate - 1` zeros between neighbours along each spatial axis. */
function dilate(kernel: Tensor, rates: readonly number[]): Tensor {
  return rates.reduce((wide, rate, axis) => {
    if (rate === 1) return wide;
    const size = wide.shape[axis]!;
    const before = wide.shape.slice(0, axis).reduce((product, length) => product * length, 1);
    const after = wide.shape.slice(axis + 1).reduce((product, length) => product * length, 1);
    const spread = tf.pad(tf.reshape(wide, [before, size, 1, after]), [[0, 0], [0, 0], [0, rate - 1], [0, 0]]);
    const length = (size - 1) * rate + 1;
    const cut = tf.slice(tf.reshape(spread, [before, size * rate, after]), [0, 0, 0], [before, length, after]);
    return tf.reshape(cut, wide.shape.map((kept, index) => index === axis ? length : kept));
  }, kernel);
}
