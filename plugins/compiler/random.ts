/**
 * Recognizing what tfjs's random ops made: each calls `Math.random` once and grows its values from the answer.
 *
 * @module
 */
import { threefry } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { withBackend } from "./engine.ts";
import type { Distribution } from "./graph.ts";
import { type CandidateNode, TRACE_BACKEND } from "./trace_backend.ts";

/** Random numbers, described: `offset + scale · sample`. */
export interface Recognized {
  readonly distribution: Distribution;
  readonly scale: number;
  readonly offset: number;
}

/** How many values are needed before a line through them says anything: two determine it, two more confirm it. */
export const SAMPLES_NEEDED = 4;

const markers: number[][] = [];

/**
 * What `Math.random` answers in a trace: a number of its own for each call in each trace. In [0, 1).
 *
 * Only numbers from which tfjs grows a first normal value beyond ±2: there alone a truncated normal is told from a normal.
 */
export function marker(trace: number, stream: number): number {
  const known = markers[trace] ??= [];
  while (known.length <= stream) {
    let tries = 0;
    let found: number;
    do {
      found = (threefry([trace, known.length], tries++, 0x53747269)[0] + 0.5) / 0x100000000;
    } while (Math.abs(hostValues(() => tf.randomNormal([1], 0, 1, "float32", found))[0]!) < 2.1);
    known.push(found);
  }
  return known[stream]!;
}

/**
 * The distribution that the same values follow in several traces, or `undefined`.
 *
 * Each distribution is grown again from the markers, by tfjs itself; the right one lies on a line with the values.
 *
 * @param candidates The same node of several traces, at least `SAMPLES_NEEDED` values in all.
 */
export function recognize(candidates: readonly CandidateNode[]): Recognized | undefined {
  const [{ outputs: [info] }] = candidates as readonly [CandidateNode];
  if (info?.dtype !== "float32") return undefined;
  const values = candidates.flatMap((candidate) => [...candidate.values]);
  for (const [distribution, grow] of GROWERS) {
    const grown = candidates.map(grow);
    if (grown.some((samples) => samples === undefined)) continue;
    const line = fit(grown.flatMap((samples) => [...samples!]), values);
    if (line !== undefined) return { distribution, ...line };
  }
  return undefined;
}

type Grow = (candidate: CandidateNode) => ArrayLike<number> & Iterable<number> | undefined;

const GROWERS: readonly (readonly [Distribution, Grow])[] = [
  ["uniform", seeded((shape, seed) => tf.randomUniform(shape, 0, 1, "float32", seed))],
  ["normal", seeded((shape, seed) => tf.randomNormal(shape, 0, 1, "float32", seed))],
  ["truncatedNormal", seeded((shape, seed) => tf.truncatedNormal(shape, 0, 1, "float32", seed))],
  // `Math.random` itself, once an element, as tf.rand(shape, Math.random) calls it.
  ["uniform", ({ draws, values }) => draws.length === values.length ? draws.map(({ marker }) => marker) : undefined],
];

function seeded(make: (shape: number[], seed: number) => Tensor): Grow {
  return ({ draws, values }) =>
    draws.length === 1 ? hostValues(() => make([values.length], draws[0]!.marker)) : undefined;
}

/** A backend that takes host values and nothing else. */
class HostBackend extends tf.KernelBackend {
  values: Float32Array = new Float32Array();
  override write(values: tf.backend_util.BackendValues): object {
    this.values = values as Float32Array;
    return {};
  }
  override disposeData(): boolean {
    return true;
  }
}

function hostValues(make: () => Tensor): Float32Array {
  const backend = new HostBackend();
  withBackend(TRACE_BACKEND, backend, {}, () => make().dispose());
  return backend.values;
}

/** The line on which all points lie to float32 precision, with as few decimals as tell it; `undefined` where none does. */
function fit(xs: readonly number[], ys: readonly number[]): Omit<Recognized, "distribution"> | undefined {
  let low = 0;
  let high = 0;
  xs.forEach((x, i) => {
    if (x < xs[low]!) low = i;
    if (x > xs[high]!) high = i;
  });
  const scale = (ys[high]! - ys[low]!) / (xs[high]! - xs[low]!);
  const offset = ys[low]! - scale * xs[low]!;
  if (!Number.isFinite(scale) || scale === 0) return undefined;
  const tolerance = 2 ** -21 * (Math.abs(offset) + Math.abs(scale) * Math.max(Math.abs(xs[low]!), Math.abs(xs[high]!)));
  const error = (a: number, b: number) => xs.reduce((most, x, i) => Math.max(most, Math.abs(b + a * x - ys[i]!)), 0);
  if (!(error(scale, offset) <= tolerance)) return undefined;
  // The user wrote a lower and an upper bound, or a mean and a deviation: look for short ones.
  const zero = Math.abs(offset) <= tolerance * 4 ? 0 : offset;
  const lowest = Math.max(error(scale, offset), tolerance / 4);
  for (let digits = 1; digits <= 9; digits++) {
    const start = round(zero, digits);
    for (const width of [round(scale, digits), round(zero + scale, digits) - start]) {
      if (error(width, start) <= lowest) return { scale: width, offset: start };
    }
  }
  return { scale, offset };
}

function round(value: number, digits: number): number {
  return Number(value.toPrecision(digits));
}
