/**
 * Polynomial decay.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber } from "../check.ts";

/** Options of {@linkcode polynomialDecay}. */
export interface PolynomialDecayOptions {
  /** The rate at step 0. */
  readonly initialLearningRate: number;
  /** After how many steps the rate is `endLearningRate`. */
  readonly decaySteps: number;
  /** The rate at the end. @default 0.0001 */
  readonly endLearningRate?: number;
  /** 1 decays along a line. @default 1 */
  readonly power?: number;
  /** Whether to stretch `decaySteps` to its next multiple instead of ending. @default false */
  readonly cycle?: boolean;
}

/**
 * From the initial rate to the end rate along `(1 - step / decaySteps) ** power`.
 *
 * Source: Keras, `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no number.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { polynomialDecay } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const schedule = polynomialDecay({ initialLearningRate: 1, decaySteps: 10, endLearningRate: 0.5 });
 * assertEquals([0, 5, 10, 100].map(schedule), [1, 0.75, 0.5, 0.5]);
 * ```
 */
export function polynomialDecay(options: PolynomialDecayOptions): LearningRateSchedule {
  const what = "create schedule polynomialDecay";
  checkNames(what, options, ["initialLearningRate", "decaySteps", "endLearningRate", "power", "cycle"]);
  const { initialLearningRate, decaySteps, endLearningRate = 0.0001, power = 1, cycle = false } = options;
  checkNumber(what, "initialLearningRate", initialLearningRate, "[0, Infinity)");
  checkNumber(what, "decaySteps", decaySteps, "(0, Infinity)");
  checkNumber(what, "endLearningRate", endLearningRate, "[0, Infinity)");
  checkNumber(what, "power", power, "[0, Infinity)");
  return (step) => {
    const end = cycle ? decaySteps * Math.max(1, Math.ceil(step / decaySteps)) : decaySteps;
    return (initialLearningRate - endLearningRate) * (1 - Math.min(step, end) / end) ** power + endLearningRate;
  };
}
