/**
 * Exponential decay.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber } from "../check.ts";

/** Options of {@linkcode exponentialDecay}. */
export interface ExponentialDecayOptions {
  /** The rate at step 0. */
  readonly initialLearningRate: number;
  /** After how many steps the rate has been multiplied by `decayRate` once. */
  readonly decaySteps: number;
  /** What the rate is multiplied by. */
  readonly decayRate: number;
  /** Whether the rate changes only every `decaySteps` steps. @default false */
  readonly staircase?: boolean;
}

/**
 * `initialLearningRate * decayRate ** (step / decaySteps)`.
 *
 * Source: Keras, `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no number.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { exponentialDecay } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const schedule = exponentialDecay({ initialLearningRate: 0.1, decaySteps: 1000, decayRate: 0.5, staircase: true });
 * assertEquals(schedule(999), 0.1);
 * assertEquals(schedule(1000), 0.05);
 * ```
 */
export function exponentialDecay(options: ExponentialDecayOptions): LearningRateSchedule {
  const what = "create schedule exponentialDecay";
  checkNames(what, options, ["initialLearningRate", "decaySteps", "decayRate", "staircase"]);
  const { initialLearningRate, decaySteps, decayRate, staircase = false } = options;
  checkNumber(what, "initialLearningRate", initialLearningRate, "[0, Infinity)");
  checkNumber(what, "decaySteps", decaySteps, "(0, Infinity)");
  checkNumber(what, "decayRate", decayRate, "[0, Infinity)");
  return (step) => {
    const periods = step / decaySteps;
    return initialLearningRate * decayRate ** (staircase ? Math.floor(periods) : periods);
  };
}
