/**
 * Cosine decay with warm restarts.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber } from "../check.ts";

/** Options of {@linkcode cosineDecayRestarts}. */
export interface CosineDecayRestartsOptions {
  /** The rate at step 0. */
  readonly initialLearningRate: number;
  /** How many steps the first period takes. */
  readonly firstDecaySteps: number;
  /** How many times longer each period is than the one before, 1 or more. @default 2 */
  readonly tMul?: number;
  /** How many times higher each period starts than the one before. @default 1 */
  readonly mMul?: number;
  /** The lowest rate, as a fraction of the initial one. @default 0 */
  readonly alpha?: number;
}

/**
 * Half a cosine down, again and again.
 *
 * Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017; Keras,
 * `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no number.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { cosineDecayRestarts } from "@stride/stride/optimizers";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const schedule = cosineDecayRestarts({ initialLearningRate: 0.1, firstDecaySteps: 10, mMul: 0.5 });
 * assertAlmostEquals(schedule(5), 0.05, 1e-12);
 * assertAlmostEquals(schedule(10), 0.05, 1e-12); // the second period, 20 steps, starts at half the rate
 * assertAlmostEquals(schedule(20), 0.025, 1e-12);
 * ```
 */
export function cosineDecayRestarts(options: CosineDecayRestartsOptions): LearningRateSchedule {
  const what = "create schedule cosineDecayRestarts";
  checkNames(what, options, ["initialLearningRate", "firstDecaySteps", "tMul", "mMul", "alpha"]);
  const { initialLearningRate, firstDecaySteps, tMul = 2, mMul = 1, alpha = 0 } = options;
  checkNumber(what, "initialLearningRate", initialLearningRate, "[0, Infinity)");
  checkNumber(what, "firstDecaySteps", firstDecaySteps, "(0, Infinity)");
  checkNumber(what, "mMul", mMul, "[0, Infinity)");
  checkNumber(what, "alpha", alpha, "[0, Infinity)");
  checkNumber(what, "tMul", tMul, "finite");
  if (tMul < 1) {
    throw new RangeError(
      `Cannot ${what}: tMul is ${tMul}; expected 1 or more. Periods that shrink come to an end, after which the rate is ` +
        "undefined.",
    );
  }
  return (step) => {
    const { restarts, completed } = period(step / firstDecaySteps, tMul);
    const cosine = 0.5 * mMul ** restarts * (1 + Math.cos(Math.PI * completed));
    return initialLearningRate * ((1 - alpha) * cosine + alpha);
  };
}

/** How many periods are over, and which part of the current one; `time` in units of the first period. */
function period(time: number, tMul: number): { readonly restarts: number; readonly completed: number } {
  if (tMul === 1) return { restarts: Math.floor(time), completed: time % 1 };
  const start = (restarts: number): number => (tMul ** restarts - 1) / (tMul - 1);
  let restarts = Math.floor(Math.log(1 + time * (tMul - 1)) / Math.log(tMul));
  // A quotient of logarithms may fall just short of a whole number; the step of a restart must not miss it.
  if (start(restarts + 1) <= time) restarts++;
  return { restarts, completed: (time - start(restarts)) / tMul ** restarts };
}
