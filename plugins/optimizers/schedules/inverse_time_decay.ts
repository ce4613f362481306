/**
 * Inverse time decay.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber } from "../check.ts";

/** Options of {@linkcode inverseTimeDecay}. */
export interface InverseTimeDecayOptions {
  /** The rate at step 0. */
  readonly initialLearningRate: number;
  /** After how many steps the divisor has grown by `decayRate` once. */
  readonly decaySteps: number;
  /** What the divisor grows by. */
  readonly decayRate: number;
  /** Whether the rate changes only every `decaySteps` steps. @default false */
  readonly staircase?: boolean;
}

/**
 * `initialLearningRate / (1 + decayRate * step / decaySteps)`.
 *
 * Source: Keras, `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no number.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { inverseTimeDecay } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const schedule = inverseTimeDecay({ initialLearningRate: 0.5, decaySteps: 10, decayRate: 1 });
 * assertEquals(schedule(10), 0.25);
 * ```
 */
export function inverseTimeDecay(options: InverseTimeDecayOptions): LearningRateSchedule {
  const what = "create schedule inverseTimeDecay";
  checkNames(what, options, ["initialLearningRate", "decaySteps", "decayRate", "staircase"]);
  const { initialLearningRate, decaySteps, decayRate, staircase = false } = options;
  checkNumber(what, "initialLearningRate", initialLearningRate, "[0, Infinity)");
  checkNumber(what, "decaySteps", decaySteps, "(0, Infinity)");
  checkNumber(what, "decayRate", decayRate, "[0, Infinity)");
  return (step) => {
    const periods = step / decaySteps;
    return initialLearningRate / (1 + decayRate * (staircase ? Math.floor(periods) : periods));
  };
}
