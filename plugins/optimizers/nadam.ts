/**
 * Nadam.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { movingMean } from "./adam.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode nadam}. */
export interface NadamOptions extends OptimizerOptions {
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
 * Adam with Nesterov momentum, whose strength grows over the first steps.
 *
 * Source: Dozat, "Incorporating Nesterov momentum into Adam", 2016; Keras, `optimizers/nadam.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { nadam } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = nadam({ learningRate: 0.01 });
 * const later = optimizer.row(1000);
 * optimizer.row(0);
 * assertEquals(optimizer.row(1000), later); // depends on the step alone
 * ```
 */
export function nadam(options: NadamOptions = {}): Optimizer {
  const settings = withDefaults("nadam", options, { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
  const { beta1, beta2, epsilon } = settings;
  const what = 'create optimizer "nadam"';
  checkNumber(what, "beta1", beta1, "[0, 1)");
  checkNumber(what, "beta2", beta2, "[0, 1)");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  const strength = (step: number): number => beta1 * (1 - 0.5 * 0.96 ** step);
  const product = runningProduct(strength);
  return createOptimizer<"momentum" | "velocity", "momentumStep" | "gradientStep" | "velocityCorrection">({
    name: "nadam",
    slots: () => [{ name: "momentum" }, { name: "velocity" }],
    columns: ["momentumStep", "gradientStep", "velocityCorrection"],
    row: (step, learningRate) => [
      learningRate * strength(step + 1) / (1 - product(step + 1)),
      learningRate * (1 - strength(step)) / (1 - product(step)),
      1 / (1 - beta2 ** step),
    ],
    update({ gradient, weight, slots, scalars: { momentumStep, gradientStep, velocityCorrection } }) {
      const momentum = movingMean(slots.momentum, gradient, beta1);
      const velocity = movingMean(slots.velocity, gradient.square(), beta2);
      const step = momentum.mul(momentumStep).add(gradient.mul(gradientStep));
      return {
        weight: weight.sub(step.div(velocity.mul(velocityCorrection).sqrt().add(epsilon))),
        slots: { momentum, velocity },
      };
    },
  }, settings);
}

/** `n` to the product of `factor(1)` to `factor(n)`. Steps come in order, so the last product is remembered. */
function runningProduct(factor: (step: number) => number): (step: number) => number {
  let last = { step: 0, product: 1 };
  return (step) => {
    let { step: at, product } = last.step <= step ? last : { step: 0, product: 1 };
    // Far below the precision of 1 - product, the rest changes nothing: resuming at step 10^9 takes no longer.
    while (at < step && product > 1e-30) product *= factor(++at);
    last = { step: at, product };
    return product;
  };
}
