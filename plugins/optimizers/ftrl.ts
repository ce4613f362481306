/**
 * Follow the regularized leader.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { Tensor } from "../../core/tf.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { type OptimizerOptions, withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode ftrl}. */
export interface FtrlOptions extends OptimizerOptions {
  /** Larger than 0 at each step. @default 0.001 */
  readonly learningRate?: OptimizerOptions["learningRate"];
  /** The power of the sum of squares that steps shrink with, 0 or less; 0 keeps the rate fixed. @default -0.5 */
  readonly learningRatePower?: number;
  /** What sums of squares start from, 0 or more. @default 0.1 */
  readonly initialAccumulatorValue?: number;
  /** Makes weights exactly zero, 0 or more. @default 0 */
  readonly l1RegularizationStrength?: number;
  /** Shrinks weights, 0 or more. @default 0 */
  readonly l2RegularizationStrength?: number;
  /** A penalty on the size of weights, added to gradients, 0 or more. @default 0 */
  readonly l2ShrinkageRegularizationStrength?: number;
  /** The paper's beta. @default 0 */
  readonly beta?: number;
}

/**
 * Follow the regularized leader, for wide sparse linear models.
 *
 * A step with learning rate 0 is undefined, and an error.
 *
 * Source: McMahan et al., "Ad click prediction: a view from the trenches", 2013; Keras, `optimizers/ftrl.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { ftrl } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = ftrl({ learningRate: 0.5, beta: 1, l2RegularizationStrength: 0.25 });
 * assertEquals(optimizer.row(0), [0.5, 2.5]);
 * ```
 */
export function ftrl(options: FtrlOptions = {}): Optimizer {
  const settings = withDefaults("ftrl", options, {
    learningRate: 0.001,
    learningRatePower: -0.5,
    initialAccumulatorValue: 0.1,
    l1RegularizationStrength: 0,
    l2RegularizationStrength: 0,
    l2ShrinkageRegularizationStrength: 0,
    beta: 0,
  });
  const {
    learningRatePower: power,
    initialAccumulatorValue,
    l1RegularizationStrength: l1,
    l2RegularizationStrength: l2,
    l2ShrinkageRegularizationStrength: shrinkage,
    beta,
  } = settings;
  const what = 'create optimizer "ftrl"';
  checkNumber(what, "learningRatePower", power, "(-Infinity, 0]");
  checkNumber(what, "initialAccumulatorValue", initialAccumulatorValue, "[0, Infinity)");
  checkNumber(what, "l1RegularizationStrength", l1, "[0, Infinity)");
  checkNumber(what, "l2RegularizationStrength", l2, "[0, Infinity)");
  checkNumber(what, "l2ShrinkageRegularizationStrength", shrinkage, "[0, Infinity)");
  checkNumber(what, "beta", beta, "finite");
  const scale = (sumOfSquares: Tensor): Tensor => power === -0.5 ? sumOfSquares.sqrt() : sumOfSquares.pow(-power);
  return createOptimizer<"accumulator" | "linear", "quadraticTerm">({
    name: "ftrl",
    slots: () => [{ name: "accumulator", value: initialAccumulatorValue }, { name: "linear" }],
    columns: ["quadraticTerm"],
    row(step, learningRate) {
      if (learningRate === 0) {
        throw new RangeError(
          `Cannot take update ${step} of optimizer "ftrl": its learning rate is 0; expected a number > 0, which it ` +
            "divides by. Start warm-up above 0, or freeze the layers.",
        );
      }
      return [2 * l2 + beta / learningRate];
    },
    update({ gradient, weight, slots, scalars: { learningRate, quadraticTerm } }) {
      const accumulator = slots.accumulator.add(gradient.square());
      const scaled = scale(accumulator);
      const sigma = scaled.sub(scale(slots.accumulator)).div(learningRate);
      const shrunk = shrinkage === 0 ? gradient : gradient.add(weight.mul(2 * shrinkage));
      const linear = slots.linear.add(shrunk.sub(sigma.mul(weight)));
      const quadratic = scaled.div(learningRate).add(quadraticTerm);
      return {
        weight: linear.clipByValue(-l1, l1).sub(linear).div(quadratic),
        slots: { accumulator, linear },
      };
    },
  }, settings);
}
