/**
 * Lion.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode lion}. */
export interface LionOptions extends OptimizerOptions {
  /** Three to ten times less than Adam's. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much momentum has a say in a step, beside the gradient, in (0, 1]. @default 0.9 */
  readonly beta1?: number;
  /** How much momentum stays at each step, in [0, 1]. @default 0.99 */
  readonly beta2?: number;
}

/**
 * Steps of one size in the direction of the sign of gradient and momentum.
 *
 * Source: Chen et al., "Symbolic discovery of optimization algorithms", 2023; Keras, `optimizers/lion.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { lion } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lion({ learningRate: 1e-4 }).learningRate, 1e-4);
 * ```
 */
export function lion(options: LionOptions = {}): Optimizer {
  const settings = withDefaults("lion", options, { learningRate: 0.001, beta1: 0.9, beta2: 0.99 });
  const { beta1, beta2 } = settings;
  checkNumber('create optimizer "lion"', "beta1", beta1, "(0, 1]");
  checkNumber('create optimizer "lion"', "beta2", beta2, "[0, 1]");
  return createOptimizer<"momentum">({
    name: "lion",
    slots: () => [{ name: "momentum" }],
    update({ gradient, weight, slots, scalars: { learningRate } }) {
      const direction = slots.momentum.mul(beta1).add(gradient.mul(1 - beta1)).sign();
      return {
        weight: weight.sub(direction.mul(learningRate)),
        slots: { momentum: slots.momentum.mul(beta2).add(gradient.mul(1 - beta2)) },
      };
    },
  }, settings);
}
