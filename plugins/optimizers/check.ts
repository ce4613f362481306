/**
 * Checks of numbers that users give.
 *
 * @module
 */

/** The ranges that options have, as they are written in messages. */
export type Interval = "[0, 1]" | "[0, 1)" | "(0, 1]" | "[0, Infinity)" | "(0, Infinity)" | "(-Infinity, 0]" | "finite";

const CONTAINS: Readonly<Record<Interval, (value: number) => boolean>> = {
  "[0, 1]": (value) => value >= 0 && value <= 1,
  "[0, 1)": (value) => value >= 0 && value < 1,
  "(0, 1]": (value) => value > 0 && value <= 1,
  "[0, Infinity)": (value) => value >= 0,
  "(0, Infinity)": (value) => value > 0,
  "(-Infinity, 0]": (value) => value <= 0,
  "finite": () => true,
};

/**
 * Checks that an option is a finite number in a range.
 *
 * @param what What cannot be done without it: `create optimizer "sgd"`.
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is outside the range.
 */
export function checkNumber(what: string, option: string, value: unknown, interval: Interval): void {
  const expected = interval === "finite" ? "a finite number" : `a number in ${interval}`;
  if (typeof value !== "number" || Number.isNaN(value)) {
    throw new TypeError(`Cannot ${what}: ${option} is ${describe(value)}; expected ${expected}.`);
  }
  if (!Number.isFinite(value) || !CONTAINS[interval](value)) {
    throw new RangeError(`Cannot ${what}: ${option} is ${value}; expected ${expected}.`);
  }
}

/**
 * Checks that an option is a whole number, `min` or more.
 *
 * @throws {TypeError} If it is not a number.
 * @throws {RangeError} If it is not whole, or too small.
 */
export function checkInteger(what: string, option: string, value: unknown, min: number): void {
  checkNumber(what, option, value, "finite");
  if (!Number.isInteger(value) || (value as number) < min) {
    throw new RangeError(`Cannot ${what}: ${option} is ${value}; expected an integer >= ${min}.`);
  }
}

/**
 * Checks that options are an object without unknown names, so that a misspelt one is not ignored.
 *
 * @throws {TypeError} If they are not; the message lists the known names.
 */
export function checkNames(what: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new TypeError(`Cannot ${what}: the options are ${describe(options)}; expected an object.`);
  }
  const unknown = Object.keys(options).filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new TypeError(
      `Cannot ${what}: unknown ${unknown.length > 1 ? "options" : "option"} ${unknown.join(", ")}; ` +
        `expected some of ${known.join(", ")}.`,
    );
  }
}

/** A value as messages show it. */
export function describe(value: unknown): string {
  if (value === null || value === undefined || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  if (typeof value === "string") return JSON.stringify(value);
  return Array.isArray(value) ? "an array" : `a value of type ${typeof value}`;
}
