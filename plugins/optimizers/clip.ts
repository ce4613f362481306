/**
 * Clipping of gradients.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";
import type { OptimizerOptions } from "./optimizer_options.ts";

/** Clips gradients as the options ask, inside a `tidy` of the caller's. Source: Keras, `optimizers/base_optimizer.py`. */
export function clipGradients(
  gradients: readonly (Tensor | null)[],
  { clipnorm, globalClipnorm, clipvalue }: OptimizerOptions,
): readonly (Tensor | null)[] {
  const each = (clip: (gradient: Tensor) => Tensor): readonly (Tensor | null)[] =>
    gradients.map((gradient) => gradient === null ? null : clip(gradient));
  if (clipnorm) return each((gradient) => gradient.mul(clipnorm).div(tf.maximum(norm([gradient]), clipnorm)));
  if (clipvalue) return each((gradient) => gradient.clipByValue(-clipvalue, clipvalue));
  if (!globalClipnorm) return gradients;
  const total = norm(gradients.filter((gradient) => gradient !== null));
  const scale = tf.minimum(tf.div(1, total), 1 / globalClipnorm).mul(globalClipnorm);
  // Zero unless the norm is infinite or NaN: then every gradient must become NaN, not some of them zero.
  const poison = total.sub(total);
  const factor = scale.add(poison);
  return each((gradient) => gradient.mul(factor));
}

/** The L2 norm of several tensors together, a scalar. */
function norm(tensors: readonly Tensor[]): Tensor {
  return tensors.map((tensor) => tensor.square().sum()).reduce((sum, square) => sum.add(square)).sqrt();
}
