/**
 * RMSprop.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { Tensor } from "../../core/tf.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode rmsprop}. */
export interface RmspropOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the mean of squares stays at each step, in [0, 1]. @default 0.9 */
  readonly rho?: number;
  /** How much of the last update is taken again, in [0, 1]. @default 0 */
  readonly momentum?: number;
  /** Keeps the denominator from zero. @default 1e-7 */
  readonly epsilon?: number;
  /** Whether to divide by the variance rather than by the mean of squares. @default false */
  readonly centered?: boolean;
}

type Slots = "velocity" | "momentum" | "average_gradient";

/**
 * Divides gradients by the root of a moving mean of their squares.
 *
 * Source: Hinton, "Neural networks for machine learning", lecture 6, 2012; Keras, `optimizers/rmsprop.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { rmsprop } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(rmsprop({ rho: 0.95, centered: true }).learningRate, 0.001);
 * ```
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  const settings = withDefaults("rmsprop", options, {
    learningRate: 0.001,
    rho: 0.9,
    momentum: 0,
    epsilon: 1e-7,
    centered: false,
  });
  const { rho, momentum, epsilon, centered } = settings;
  const what = 'create optimizer "rmsprop"';
  checkNumber(what, "rho", rho, "[0, 1]");
  checkNumber(what, "momentum", momentum, "[0, 1]");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  const mean = (old: Tensor, value: Tensor): Tensor => old.mul(rho).add(value.mul(1 - rho));
  return createOptimizer<Slots>({
    name: "rmsprop",
    slots: () => [
      { name: "velocity" },
      ...(momentum > 0 ? [{ name: "momentum" } as const] : []),
      ...(centered ? [{ name: "average_gradient" } as const] : []),
    ],
    update({ gradient, weight, slots, scalars: { learningRate } }) {
      const velocity = mean(slots.velocity, gradient.square());
      const average = centered ? mean(slots.average_gradient, gradient) : undefined;
      const denominator = average === undefined ? velocity : velocity.sub(average.square());
      const increment = gradient.mul(learningRate).div(denominator.add(epsilon).sqrt());
      const step = momentum > 0 ? slots.momentum.mul(momentum).add(increment) : increment;
      return {
        weight: weight.sub(step),
        slots: {
          velocity,
          ...(momentum > 0 ? { momentum: step } : {}),
          ...(average === undefined ? {} : { average_gradient: average }),
        },
      };
    },
  }, settings);
}
