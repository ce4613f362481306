/**
 * Adadelta.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { Tensor } from "../../core/tf.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adadelta}. */
export interface AdadeltaOptions extends OptimizerOptions {
  /** The paper's form is 1. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** How much of the means of squares stays at each step, in [0, 1]. @default 0.95 */
  readonly rho?: number;
  /** Keeps roots from zero. @default 1e-7 */
  readonly epsilon?: number;
}

/**
 * Scales steps by the ratio of the root mean squares of past updates and of gradients, so that they need no rate.
 *
 * Source: Zeiler, "ADADELTA: an adaptive learning rate method", 2012; Keras, `optimizers/adadelta.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { adadelta } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(adadelta({ learningRate: 1 }).row(7), [1]);
 * ```
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  const settings = withDefaults("adadelta", options, { learningRate: 0.001, rho: 0.95, epsilon: 1e-7 });
  const { rho, epsilon } = settings;
  checkNumber('create optimizer "adadelta"', "rho", rho, "[0, 1]");
  checkNumber('create optimizer "adadelta"', "epsilon", epsilon, "[0, Infinity)");
  const root = (meanSquare: Tensor): Tensor => meanSquare.add(epsilon).sqrt();
  const mean = (old: Tensor, value: Tensor): Tensor => old.mul(rho).add(value.square().mul(1 - rho));
  return createOptimizer<"accumulated_gradient" | "accumulated_update">({
    name: "adadelta",
    slots: () => [{ name: "accumulated_gradient" }, { name: "accumulated_update" }],
    update({ gradient, weight, slots, scalars: { learningRate } }) {
      const accumulatedGradient = mean(slots.accumulated_gradient, gradient);
      const step = root(slots.accumulated_update).mul(gradient).div(root(accumulatedGradient));
      return {
        weight: weight.sub(step.mul(learningRate)),
        slots: {
          accumulated_gradient: accumulatedGradient,
          accumulated_update: mean(slots.accumulated_update, step),
        },
      };
    },
  }, settings);
}
