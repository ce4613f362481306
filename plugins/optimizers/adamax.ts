/**
 * Adamax.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { movingMean } from "./adam.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adamax}. */
export interface AdamaxOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the mean of gradients stays at each step, in [0, 1). @default 0.9 */
  readonly beta1?: number;
  /** How much of the largest gradient stays, in [0, 1). @default 0.999 */
  readonly beta2?: number;
  /** Keeps the denominator from zero. @default 1e-7 */
  readonly epsilon?: number;
}

/**
 * Adam with the decayed largest gradient in place of the root of mean squares.
 *
 * Source: Kingma and Ba, "Adam: a method for stochastic optimization", 2014, section 7; Keras, `optimizers/adamax.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { adamax } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(adamax({ beta1: 0.5, learningRate: 0.1 }).row(0), [0.1, 0.2]);
 * ```
 */
export function adamax(options: AdamaxOptions = {}): Optimizer {
  const settings = withDefaults("adamax", options, { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 });
  const { beta1, beta2, epsilon } = settings;
  const what = 'create optimizer "adamax"';
  checkNumber(what, "beta1", beta1, "[0, 1)");
  checkNumber(what, "beta2", beta2, "[0, 1)");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  return createOptimizer<"momentum" | "norm", "stepSize">({
    name: "adamax",
    slots: () => [{ name: "momentum" }, { name: "norm" }],
    columns: ["stepSize"],
    row: (step, learningRate) => [learningRate / (1 - beta1 ** step)],
    update({ gradient, weight, slots, scalars: { stepSize } }) {
      const momentum = movingMean(slots.momentum, gradient, beta1);
      const norm = slots.norm.mul(beta2).maximum(gradient.abs());
      return { weight: weight.sub(momentum.mul(stepSize).div(norm.add(epsilon))), slots: { momentum, norm } };
    },
  }, settings);
}
