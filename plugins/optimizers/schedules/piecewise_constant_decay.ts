/**
 * Piecewise constant decay.
 *
 * @module
 */
import type { LearningRateSchedule } from "../../../core/optimizer.ts";
import { checkNames, checkNumber, describe } from "../check.ts";

/** Options of {@linkcode piecewiseConstantDecay}. */
export interface PiecewiseConstantDecayOptions {
  /** The last step of each rate but the last one, increasing. */
  readonly boundaries: readonly number[];
  /** The rates, one more than boundaries. */
  readonly values: readonly number[];
}

/**
 * One rate up to and with each boundary, and another after it.
 *
 * Source: Keras, `optimizers/schedules/learning_rate_schedule.py`.
 *
 * @throws {TypeError} If an option is unknown, missing or no list of numbers.
 * @throws {RangeError} If the lists do not match, or boundaries do not increase.
 *
 * @example
 * ```ts
 * import { piecewiseConstantDecay } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const schedule = piecewiseConstantDecay({ boundaries: [100, 200], values: [1, 0.5, 0.1] });
 * assertEquals([100, 101, 200, 201].map(schedule), [1, 0.5, 0.5, 0.1]);
 * ```
 */
export function piecewiseConstantDecay(options: PiecewiseConstantDecayOptions): LearningRateSchedule {
  const what = "create schedule piecewiseConstantDecay";
  checkNames(what, options, ["boundaries", "values"]);
  for (const name of ["boundaries", "values"] as const) {
    if (!Array.isArray(options[name])) {
      throw new TypeError(`Cannot ${what}: ${name} is ${describe(options[name])}; expected an array of numbers.`);
    }
  }
  const boundaries = [...options.boundaries];
  const values = [...options.values];
  boundaries.forEach((boundary, i) => checkNumber(what, `boundaries[${i}]`, boundary, "finite"));
  values.forEach((value, i) => checkNumber(what, `values[${i}]`, value, "[0, Infinity)"));
  if (values.length !== boundaries.length + 1) {
    throw new RangeError(
      `Cannot ${what}: found ${boundaries.length} boundaries and ${values.length} values; expected one more value than ` +
        "boundaries.",
    );
  }
  if (boundaries.some((boundary, i) => i > 0 && boundary <= boundaries[i - 1]!)) {
    throw new RangeError(`Cannot ${what}: boundaries are ${boundaries.join(", ")}; expected increasing numbers.`);
  }
  return (step) => {
    const piece = boundaries.findIndex((boundary) => step <= boundary);
    return values[piece < 0 ? boundaries.length : piece]!;
  };
}
