/**
 * Cosine decay with warm-up.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber } from "../check.ts";

/** Options of {@linkcode cosineDecay}. */
export interface CosineDecayOptions {
  /** The rate at step 0. */
  readonly initialLearningRate: number;
  /** How many steps the decay takes, after those of the warm-up. */
  readonly decaySteps: number;
  /** The rate at the end, as a fraction of the rate from which it decays. @default 0 */
  readonly alpha?: number;
  /** The rate that warm-up reaches and decay starts from; `null` for no warm-up. @default null */
  readonly warmupTarget?: number | null;
  /** How many steps the warm-up takes. @default 0 */
  readonly warmupSteps?: number;
}

/**
 * A line up to the target, then half a cosine down.
 *
 * Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017; Keras,
 * `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no number.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { cosineDecay } from "@stride/stride/optimizers";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const schedule = cosineDecay({ initialLearningRate: 0, warmupTarget: 0.1, warmupSteps: 10, decaySteps: 100 });
 * assertAlmostEquals(schedule(5), 0.05, 1e-12);
 * assertAlmostEquals(schedule(10), 0.1, 1e-12);
 * assertAlmostEquals(schedule(60), 0.05, 1e-12);
 * ```
 */
export function cosineDecay(options: CosineDecayOptions): LearningRateSchedule {
  const what = "create schedule cosineDecay";
  checkNames(what, options, ["initialLearningRate", "decaySteps", "alpha", "warmupTarget", "warmupSteps"]);
  const { initialLearningRate, decaySteps, alpha = 0, warmupTarget = null } = options;
  const warmupSteps = options.warmupSteps ?? 0;
  checkNumber(what, "initialLearningRate", initialLearningRate, "[0, Infinity)");
  checkNumber(what, "decaySteps", decaySteps, "(0, Infinity)");
  checkNumber(what, "alpha", alpha, "[0, Infinity)");
  checkNumber(what, "warmupSteps", warmupSteps, "[0, Infinity)");
  if (warmupTarget !== null) checkNumber(what, "warmupTarget", warmupTarget, "[0, Infinity)");
  // As in Keras, steps without a target are no warm-up.
  const warmup = warmupTarget === null ? 0 : warmupSteps;
  const highest = warmupTarget ?? initialLearningRate;
  return (step) => {
    if (step < warmup) return initialLearningRate + (highest - initialLearningRate) * (step / warmup);
    const completed = Math.min(step - warmup, decaySteps) / decaySteps;
    return highest * ((1 - alpha) * 0.5 * (1 + Math.cos(Math.PI * completed)) + alpha);
  };
}
