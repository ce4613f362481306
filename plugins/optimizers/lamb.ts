/**
 * Lamb.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { movingMean } from "./adam.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode lamb}. */
export interface LambOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the mean of gradients stays at each step, in [0, 1). @default 0.9 */
  readonly beta1?: number;
  /** How much of the mean of their squares stays, in [0, 1). @default 0.999 */
  readonly beta2?: number;
  /** Keeps the denominator from zero. @default 1e-7 */
  readonly epsilon?: number;
}

/**
 * Adam whose step for each weight is scaled by the ratio of the norms of weight and step: for large batches.
 *
 * Source: You et al., "Large batch optimization for deep learning", 2020; Keras, `optimizers/lamb.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { lamb } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lamb({ beta1: 0.5, beta2: 0.75 }).row(0), [0.001, 2, 4]);
 * ```
 */
export function lamb(options: LambOptions = {}): Optimizer {
  const settings = withDefaults("lamb", options, { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
  const { beta1, beta2, epsilon } = settings;
  const what = 'create optimizer "lamb"';
  checkNumber(what, "beta1", beta1, "[0, 1)");
  checkNumber(what, "beta2", beta2, "[0, 1)");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  return createOptimizer<"momentum" | "velocity", "momentumCorrection" | "velocityCorrection">({
    name: "lamb",
    slots: () => [{ name: "momentum" }, { name: "velocity" }],
    columns: ["momentumCorrection", "velocityCorrection"],
    row: (step) => [1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step)],
    update({ gradient, weight, slots, scalars: { learningRate, momentumCorrection, velocityCorrection } }) {
      const momentum = movingMean(slots.momentum, gradient, beta1);
      const velocity = movingMean(slots.velocity, gradient.square(), beta2);
      const step = momentum.mul(momentumCorrection).div(velocity.mul(velocityCorrection).sqrt().add(epsilon));
      return {
        weight: weight.sub(step.mul(trustRatio(weight, step).mul(learningRate))),
        slots: { momentum, velocity },
      };
    },
  }, settings);
}

/** The norm of a weight over that of its step, or 1 where either is 0; a scalar. */
function trustRatio(weight: Tensor, step: Tensor): Tensor {
  const weightNorm = weight.square().sum().sqrt();
  const stepNorm = step.square().sum().sqrt();
  const defined = weightNorm.greater(0).logicalAnd(stepNorm.greater(0));
  return tf.where(defined, weightNorm.div(stepNorm), tf.onesLike(weightNorm));
}
