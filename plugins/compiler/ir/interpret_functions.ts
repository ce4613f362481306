/**
 * What the interpreter computes with beyond `Math`: in float64, rounded by its caller.
 *
 * @module
 */
import { type RandomKey, threefry } from "../../../core/random.ts";

/** To the nearest integer, halves to the even one; keeps the sign of zero. */
export function roundHalfToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest === 0.5) return low % 2 === 0 ? low : low + 1;
  // What rounds up from below 0 is -0.
  return rest < 0.5 ? low : x < 0 && low === -1 ? -0 : rest > 0.5 ? low + 1 : x;
}

/**
 * The error function, to float64 precision.
 *
 * Source: the series in powers of x² with the factor exp(-x²), Abramowitz and Stegun 7.1.6; all its terms have one sign.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200 && Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** log(1 + exp(x)), exact at both ends. */
export function softplus(x: number): number {
  return x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
}

/** The remainder with the sign of the divisor, as tfjs's Mod computes it. */
export function floorMod(a: number, b: number): number {
  const rest = a % b;
  return a < 0 && b < 0 || a >= 0 && b >= 0 ? rest : (rest + b) % b;
}

/** The quotient of int32 numbers, rounded down; 0 where the divisor is 0. */
export function intFloorDiv(a: number, b: number): number {
  return b === 0 ? 0 : Math.floor(a / b) | 0;
}

/** The remainder of `intFloorDiv`. */
export function intFloorMod(a: number, b: number): number {
  return b === 0 ? 0 : (a - b * Math.floor(a / b)) | 0;
}

/** Element `index` of `uniformValues(key)`. */
export function uniformAt(key: RandomKey, index: number): number {
  return (threefry(key, index >>> 1, 0)[index & 1]! >>> 8) * 2 ** -24;
}

/** Element `index` of `normalValues(key)`. */
export function normalAt(key: RandomKey, index: number): number {
  return Math.fround(boxMuller(key, index, 0));
}

/**
 * Standard normal, redrawn beyond ±2: the first of the normals from counters `[index >> 1, 0]`, `[index >> 1, 1]`,
 * `[index >> 1, 2]` … that lies within.
 */
export function truncatedNormalAt(key: RandomKey, index: number): number {
  for (let attempt = 0;; attempt++) {
    const value = Math.fround(boxMuller(key, index, attempt));
    if (Math.abs(value) <= 2) return value;
  }
}

function boxMuller(key: RandomKey, index: number, attempt: number): number {
  const [a, b] = threefry(key, index >>> 1, attempt);
  const radius = Math.sqrt(-2 * Math.log(((a >>> 8) + 1) * 2 ** -24));
  const angle = 2 * Math.PI * ((b >>> 8) * 2 ** -24);
  return radius * (index & 1 ? Math.sin(angle) : Math.cos(angle));
}
