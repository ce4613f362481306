/**
 * Dropout and noise. Every call draws anew, from the random source of the running step.
 *
 * @module
 */
import { randomNormal, randomUniform, threefry } from "../random.ts";
import { type Tensor, tf } from "../tf.ts";
import { first, internals, methodOwner, type NoiseInternals } from "./internals.ts";

/** SELU's constants, whose product is the value that dropped units take in alpha dropout. */
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** Replaces what a dropout or noise layer does in training. */
export function adoptNoise(layer: tf.layers.Layer): void {
  const own = internals<NoiseInternals>(layer);
  const perturb = PERTURBATIONS[methodOwner(layer, "call")];
  if (perturb === undefined) return;
  own.call = (inputs, args) => {
    const x = first(inputs);
    return args.training ? tf.tidy(() => perturb(x, own, layer)) : x;
  };
}

type Perturbation = (x: Tensor, layer: NoiseInternals, self: tf.layers.Layer) => Tensor;

const PERTURBATIONS: Readonly<Record<string, Perturbation>> = {
  Dropout: (x, layer, self) => {
    if (layer.rate <= 0) return x.clone();
    return tf.mul(x, dropoutMask(noiseShape(x, layer, self), layer.rate, layer.seed));
  },
  GaussianNoise: (x, { stddev }) => stddev > 0 ? tf.add(x, tf.mul(randomNormal(x.shape), stddev)) : x.clone(),
  GaussianDropout: (x, { rate }) => {
    if (rate <= 0 || rate >= 1) return x.clone();
    return tf.mul(x, tf.add(tf.mul(randomNormal(x.shape), Math.sqrt(rate / (1 - rate))), 1));
  },
  AlphaDropout: (x, layer, self) => {
    const { rate } = layer;
    if (rate <= 0 || rate >= 1) return x.clone();
    const dropped = -SELU_ALPHA * SELU_SCALE;
    const scale = ((1 - rate) * (1 + rate * dropped ** 2)) ** -0.5;
    const kept = tf.greaterEqual(randomUniform(noiseShape(x, layer, self)), rate).cast("float32");
    const mixed = tf.add(tf.mul(x, kept), tf.mul(tf.sub(1, kept), dropped));
    return tf.add(tf.mul(mixed, scale), -scale * dropped * rate);
  },
};

/**
 * Zeros, and `1 / (1 - rate)` where a unit is kept.
 *
 * @param shape The shape of the mask.
 * @param rate The share that is dropped, 0 to 1.
 * @param seed Moves the numbers drawn, so that layers with different seeds differ; it does not pin them.
 */
export function dropoutMask(shape: readonly number[], rate: number, seed?: number | null): Tensor {
  if (rate >= 1) return tf.zeros([...shape]);
  let uniform = randomUniform(shape);
  if (seed !== undefined && seed !== null) {
    // A rotation of [0, 1) keeps the numbers uniform and needs no state that would have to be saved.
    const rotated = tf.add(uniform, (threefry([seed | 0, 0], 0, 0)[0] >>> 9) * 2 ** -23);
    uniform = tf.sub(rotated, tf.floor(rotated));
  }
  return tf.div(tf.greaterEqual(uniform, rate).cast("float32"), 1 - rate);
}

function noiseShape(x: Tensor, layer: NoiseInternals, self: tf.layers.Layer): number[] {
  if (self.getClassName() === "SpatialDropout1D") return [x.shape[0]!, 1, x.shape[2]!];
  return layer.noiseShape?.map((size, axis) => size ?? x.shape[axis]!) ?? x.shape;
}
