/**
 * Stochastic gradient descent.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode sgd}. */
export interface SgdOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.01 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the last update is taken again, in [0, 1]. @default 0 */
  readonly momentum?: number;
  /** Whether momentum looks one step ahead. @default false */
  readonly nesterov?: boolean;
}

/**
 * Gradient descent: `w -= learningRate * g`, with momentum `v = momentum * v - learningRate * g; w += v`.
 *
 * Source: Keras, `optimizers/sgd.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { sgd } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true });
 * assertEquals(optimizer.learningRate, 0.1);
 * ```
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const settings = withDefaults("sgd", options, { learningRate: 0.01, momentum: 0, nesterov: false });
  const { momentum, nesterov } = settings;
  checkNumber('create optimizer "sgd"', "momentum", momentum, "[0, 1]");
  return createOptimizer<"momentum">({
    name: "sgd",
    slots: () => momentum === 0 ? [] : [{ name: "momentum" }],
    update({ gradient, weight, slots, scalars: { learningRate } }) {
      const step = gradient.mul(learningRate);
      if (momentum === 0) return { weight: weight.sub(step) };
      const velocity = slots.momentum.mul(momentum).sub(step);
      return {
        weight: weight.add(nesterov ? velocity.mul(momentum).sub(step) : velocity),
        slots: { momentum: velocity },
      };
    },
  }, settings);
}
