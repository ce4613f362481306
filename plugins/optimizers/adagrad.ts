/**
 * Adagrad.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adagrad}. */
export interface AdagradOptions extends OptimizerOptions {
  /** How far a step goes. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** What sums of squares start from, 0 or more. @default 0.1 */
  readonly initialAccumulatorValue?: number;
  /** Keeps the denominator from zero. @default 1e-7 */
  readonly epsilon?: number;
}

/**
 * Divides each step by the root of the sum of all squared gradients so far: rarely updated weights take larger steps.
 *
 * Source: Duchi et al., "Adaptive subgradient methods", 2011; Keras, `optimizers/adagrad.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { adagrad } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(adagrad({ learningRate: 0.1 }).columns, ["learningRate"]);
 * ```
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  const settings = withDefaults("adagrad", options, {
    learningRate: 0.001,
    initialAccumulatorValue: 0.1,
    epsilon: 1e-7,
  });
  const { initialAccumulatorValue, epsilon } = settings;
  const what = 'create optimizer "adagrad"';
  checkNumber(what, "initialAccumulatorValue", initialAccumulatorValue, "[0, Infinity)");
  checkNumber(what, "epsilon", epsilon, "[0, Infinity)");
  return createOptimizer<"accumulator">({
    name: "adagrad",
    slots: () => [{ name: "accumulator", value: initialAccumulatorValue }],
    update({ gradient, weight, slots, scalars: { learningRate } }) {
      const accumulator = slots.accumulator.add(gradient.square());
      return {
        weight: weight.sub(gradient.mul(learningRate).div(accumulator.add(epsilon).sqrt())),
        slots: { accumulator },
      };
    },
  }, settings);
}
