/**
 * Adam and AMSGrad.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { Tensor } from "../../core/tf.ts";
import { checkNumber } from "./check.ts";
import type { Algorithm } from "./algorithm.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adam}. */
export interface AdamOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the mean of gradients stays at each step, in [0, 1). @default 0.9 */
  readonly beta1?: number;
  /** How much of the mean of their squares stays, in [0, 1). @default 0.999 */
  readonly beta2?: number;
  /** Keeps the denominator from zero; "epsilon hat" in the paper. @default 1e-7 */
  readonly epsilon?: number;
  /** Whether to divide by the largest mean of squares so far: AMSGrad. @default false */
  readonly amsgrad?: boolean;
}

/**
 * Adam: steps along the mean of gradients, divided by the root of the mean of their squares.
 *
 * Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014; Reddi et al., "On the convergence of Adam
 * and beyond", 2018; Keras, `optimizers/adam.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { adam } from "@stride/stride/optimizers";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const optimizer = adam({ learningRate: 0.1 });
 * const step = optimizer.row(0)[optimizer.columns.indexOf("stepSize")]!;
 * assertAlmostEquals(step, 0.1 * Math.sqrt(1 - 0.999) / (1 - 0.9), 1e-12);
 * ```
 */
export function adam(options: AdamOptions = {}): Optimizer {
  const settings = withDefaults("adam", options, {
    learningRate: 0.001,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    amsgrad: false,
  });
  return createOptimizer(adamAlgorithm("adam", settings), settings);
}

/** The slots that Adam keeps. */
export type AdamSlots = "momentum" | "velocity" | "velocity_hat";

/**
 * The rule that {@linkcode adam} and `adamW` share.
 *
 * @throws {RangeError} If an option is out of range.
 */
export function adamAlgorithm(
  name: string,
  { beta1, beta2, epsilon, amsgrad }: Required<Pick<AdamOptions, "beta1" | "beta2" | "epsilon" | "amsgrad">>,
): Algorithm<AdamSlots, "stepSize"> {
  const what = `create optimizer "${name}"`;
  checkNumber(what, "beta1", beta1, "[0, 1)");
  checkNumber(what, "beta2", beta2, "[0, 1)");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  return {
    name,
    slots: () => [{ name: "momentum" }, { name: "velocity" }, ...(amsgrad ? [{ name: "velocity_hat" } as const] : [])],
    columns: ["stepSize"],
    row: (step, learningRate) => [adamStepSize(step, learningRate, beta1, beta2)],
    update({ gradient, weight, slots, scalars: { stepSize } }) {
      const momentum = movingMean(slots.momentum, gradient, beta1);
      const velocity = movingMean(slots.velocity, gradient.square(), beta2);
      if (!amsgrad) {
        return {
          weight: weight.sub(momentum.mul(stepSize).div(velocity.sqrt().add(epsilon))),
          slots: { momentum, velocity },
        };
      }
      const largest = slots.velocity_hat.maximum(velocity);
      return {
        weight: weight.sub(momentum.mul(stepSize).div(largest.sqrt().add(epsilon))),
        slots: { momentum, velocity, velocity_hat: largest },
      };
    },
  };
}

/** Adam's step size with both bias corrections in it. */
export function adamStepSize(step: number, learningRate: number, beta1: number, beta2: number): number {
  return learningRate * Math.sqrt(1 - beta2 ** step) / (1 - beta1 ** step);
}

/** A mean of which `keep` stays and the rest comes from `value`. */
export function movingMean(mean: Tensor, value: Tensor, keep: number): Tensor {
  return mean.add(value.sub(mean).mul(1 - keep));
}
