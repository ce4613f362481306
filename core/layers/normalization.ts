/**
 * Batch and layer normalization.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { first, internals, methodOwner, type NormalizationInternals } from "./internals.ts";

/** Keras's fuzz factor, which keeps the mean of a batch without unmasked positions finite. */
const EPSILON = 1e-7;

/** Replaces the call of a batch or layer normalization. */
export function adoptNormalization(layer: tf.layers.Layer): void {
  const own = internals<NormalizationInternals>(layer);
  switch (methodOwner(layer, "call")) {
    case "BatchNormalization":
      own.call = (inputs, args) => {
        const mask = first<Tensor | null>(args.mask ?? null);
        // Keras: a frozen layer runs in inference mode, also while the model around it trains.
        return tf.tidy(() => batchNormalization(own, first(inputs), args.training === true && layer.trainable, mask));
      };
      break;
    case "LayerNormalization":
      own.call = (inputs) => tf.tidy(() => layerNormalization(own, first(inputs)));
      break;
  }
}

function batchNormalization(layer: NormalizationInternals, x: Tensor, training: boolean, mask: Tensor | null): Tensor {
  const given = first(layer.axis);
  const axis = given < 0 ? given + x.rank : given;
  const others = x.shape.map((_, index) => index).filter((index) => index !== axis);
  const shape = x.shape.map((size, index) => index === axis ? size : 1);
  let mean: Tensor;
  let variance: Tensor;
  if (training) {
    ({ mean, variance } = moments(x, others, mask));
    moveTowards(layer.movingMean, mean, layer.momentum);
    moveTowards(layer.movingVariance, variance, layer.momentum);
  } else {
    mean = tf.reshape(layer.movingMean.read(), shape);
    variance = tf.reshape(layer.movingVariance.read(), shape);
  }
  return normalize(layer, x, mean, variance, shape);
}

function layerNormalization(layer: NormalizationInternals, x: Tensor): Tensor {
  const axes = (typeof layer.axis === "number" ? [layer.axis] : layer.axis)
    .map((axis) => axis < 0 ? axis + x.rank : axis);
  const shape = x.shape.map((size, index) => axes.includes(index) ? size : 1);
  const { mean, variance } = moments(x, axes, null);
  return normalize(layer, x, mean, variance, shape);
}

function normalize(
  layer: NormalizationInternals,
  x: Tensor,
  mean: Tensor,
  variance: Tensor,
  shape: number[],
): Tensor {
  let scale = tf.rsqrt(tf.add(variance, layer.epsilon));
  if (layer.gamma) scale = tf.mul(scale, tf.reshape(layer.gamma.read(), shape));
  const scaled = tf.mul(tf.sub(x, mean), scale);
  return layer.beta ? tf.add(scaled, tf.reshape(layer.beta.read(), shape)) : scaled;
}

/**
 * Mean and biased variance, with the reduced axes kept. The variance is that of the centred values: the difference of
 * two large numbers would lose it.
 *
 * @param mask Positions that count, of one dimension less than `x`.
 */
function moments(x: Tensor, axes: number[], mask: Tensor | null): { mean: Tensor; variance: Tensor } {
  if (mask === null) {
    const mean = tf.mean(x, axes, true);
    return { mean, variance: tf.mean(tf.square(tf.sub(x, mean)), axes, true) };
  }
  if (mask.rank !== x.rank - 1) {
    throw new TypeError(
      `Cannot normalize a batch of shape [${x.shape}] with a mask of shape [${mask.shape}]: a mask has one dimension ` +
        "less than what it masks. Reduce it before this layer.",
    );
  }
  const weights = tf.mul(tf.expandDims(mask.cast("float32"), -1), tf.onesLike(x));
  const count = tf.add(tf.sum(weights, axes, true), EPSILON);
  const mean = tf.div(tf.sum(tf.mul(x, weights), axes, true), count);
  const squares = tf.mul(tf.square(tf.sub(x, mean)), weights);
  return { mean, variance: tf.div(tf.sum(squares, axes, true), count) };
}

/** `moving · momentum + value · (1 − momentum)`, written where it is read. */
function moveTowards(moving: tf.LayerVariable, value: Tensor, momentum: number): void {
  const variable = moving.read() as tf.Variable;
  variable.assign(tf.add(tf.mul(variable, momentum), tf.mul(tf.reshape(value, variable.shape), 1 - momentum)));
}
