/**
 * Counter-based random numbers: Threefry-2x32, from a key and a counter, the same on every executor.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 * @module
 */
import { type Tensor, tf } from "./tf.ts";

/** A key of two 32-bit words. */
export type RandomKey = readonly [number, number];

/**
 * Threefry-2x32 with 20 rounds: two 32-bit words from a key and a counter.
 *
 * ```ts
 * import { threefry } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * // A known answer of the authors' Random123 library.
 * assertEquals(threefry([0, 0], 0, 0), [0x6b200159, 0x99ba4efe]);
 * ```
 */
export function threefry(key: RandomKey, counter0: number, counter1: number): [number, number] {
  drawWords(key, counter0, counter1);
  return [words[0]!, words[1]!];
}

/** What `drawWords` drew last. Loops that draw millions would spend a third of their time on arrays for pairs. */
const words = new Uint32Array(2);

function drawWords(key: RandomKey, counter0: number, counter1: number): void {
  // Written out: half the time of a loop over the rotations. See bench/LOG.md.
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  let x0 = (counter0 + k0) | 0;
  let x1 = (counter1 + k1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 2) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k0) | 0;
  x1 = (x1 + k1 + 3) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 4) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 5) | 0;
  words[0] = x0;
  words[1] = x1;
}

/**
 * A key derived from another and a number, for a stream of its own.
 *
 * ```ts
 * import { foldIn, type RandomKey, threefry } from "@stride/stride/core";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const key: RandomKey = [1, 2];
 * assertEquals(foldIn(key, 2 ** 32 + 5), threefry(key, 1, 5));
 * assertNotEquals(foldIn(key, 0), foldIn(key, 1));
 * ```
 */
export function foldIn(key: RandomKey, data: number): RandomKey {
  return threefry(key, Math.floor(data / 0x100000000) >>> 0, data >>> 0);
}

/** Uniform float32 values in [0, 1): 24 bits each, element `i` from counter `[i >> 1, 0]`, word `i & 1`. */
export function uniformValues(key: RandomKey, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    drawWords(key, i >>> 1, 0);
    values[i] = (words[0]! >>> 8) * 2 ** -24;
    if (i + 1 < count) values[i + 1] = (words[1]! >>> 8) * 2 ** -24;
  }
  return values;
}

/** Standard normal float32 values by Box–Muller, two from each pair of words. */
export function normalValues(key: RandomKey, count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    drawWords(key, i >>> 1, 0);
    const radius = Math.sqrt(-2 * Math.log(((words[0]! >>> 8) + 1) * 2 ** -24));
    const angle = 2 * Math.PI * ((words[1]! >>> 8) * 2 ** -24);
    values[i] = radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** The numbers 0 … count − 1. */
export function inOrder(count: number): Int32Array {
  const numbers = new Int32Array(count);
  // A loop: Int32Array.from takes twice as long as a shuffle.
  for (let i = 0; i < count; i++) numbers[i] = i;
  return numbers;
}

/** A permutation of 0 … count − 1. */
export function permutation(key: RandomKey, count: number): Int32Array {
  const permuted = new Permutation(key, count);
  permuted.upTo(count);
  return permuted.order;
}

/**
 * A permutation of 0 … count − 1 that is made as far as it is asked for: an epoch can begin before all of it is drawn.
 */
export class Permutation {
  /** The numbers: final as far as `upTo` was called. */
  readonly order: Int32Array;
  readonly #key: RandomKey;
  #made = 0;

  /** Nothing is drawn yet. */
  constructor(key: RandomKey, count: number) {
    this.#key = key;
    this.order = inOrder(count);
  }

  /** Makes the first `end` numbers, if they are not. */
  upTo(end: number): void {
    const { order } = this;
    const count = order.length;
    for (let i = this.#made; i < end; i++) {
      if ((i & 1) === 0 || i === this.#made) drawWords(this.#key, i >>> 1, 1);
      const j = i + Math.floor((words[i & 1]! * (count - i)) / 0x100000000);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    this.#made = Math.max(this.#made, end);
  }
}

/** Where random tensors come from while a step runs: the host when eager, a node of the graph when traced. */
export interface RandomSource {
  /** Uniform float32 in [0, 1). */
  uniform(shape: readonly number[]): Tensor;
  /** Standard normal float32. */
  normal(shape: readonly number[]): Tensor;
  /** What `Math.random` returns meanwhile: tfjs's unseeded ops each call it once. In [0, 1). */
  seed(): number;
}

/**
 * Random numbers made on the host from a key: the n-th call draws from stream n.
 *
 * ```ts
 * import { hostRandomSource } from "@stride/stride/core";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const first = hostRandomSource([0, 7]);
 * const again = hostRandomSource([0, 7]);
 * const drawn = await first.uniform([3]).data();
 * assertEquals(await again.uniform([3]).data(), drawn);
 * assertNotEquals(await again.uniform([3]).data(), drawn);
 * ```
 */
export function hostRandomSource(key: RandomKey): RandomSource {
  let stream = 0;
  return {
    uniform: (shape) => tf.tensor(uniformValues(foldIn(key, stream++), size(shape)), [...shape], "float32"),
    normal: (shape) => tf.tensor(normalValues(foldIn(key, stream++), size(shape)), [...shape], "float32"),
    seed: () => (foldIn(key, stream++)[0] >>> 0) / 0x100000000,
  };
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

let source: RandomSource | undefined;

/**
 * Runs `body` synchronously with `Math.random` and Stride's layers drawing from `replacement`.
 *
 * ```ts
 * import { hostRandomSource, randomUniform, tf, withRandomSource } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const source = { ...hostRandomSource([0, 0]), uniform: () => tf.tensor1d([0.25]), seed: () => 0.5 };
 * const [tensor, seed] = withRandomSource(source, () => [randomUniform([1]), Math.random()] as const);
 * assertEquals([...await tensor.data(), seed], [0.25, 0.5]);
 * ```
 */
export function withRandomSource<T>(replacement: RandomSource, body: () => T): T {
  const outer = source;
  const outerRandom = Math.random;
  source = replacement;
  Math.random = () => replacement.seed();
  try {
    return body();
  } finally {
    source = outer;
    Math.random = outerRandom;
  }
}

/**
 * Uniform float32 in [0, 1) from the source in charge: the running step's, or `Math.random` outside of steps.
 *
 * ```ts
 * import { randomUniform } from "@stride/stride/core";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const noise = randomUniform([2, 3]);
 * assertEquals([noise.shape, noise.dtype], [[2, 3], "float32"]);
 * assert((await noise.data()).every((value) => value >= 0 && value < 1));
 * ```
 */
export function randomUniform(shape: readonly number[]): Tensor {
  return (source ?? outsideSource()).uniform(shape);
}

/**
 * Standard normal float32 from the source in charge.
 *
 * ```ts
 * import { hostRandomSource, randomNormal, withRandomSource } from "@stride/stride/core";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const noise = withRandomSource(hostRandomSource([0, 1]), () => randomNormal([10000]));
 * assertAlmostEquals((await noise.mean().data())[0]!, 0, 0.05);
 * assertAlmostEquals((await noise.square().mean().data())[0]!, 1, 0.1);
 * ```
 */
export function randomNormal(shape: readonly number[]): Tensor {
  return (source ?? outsideSource()).normal(shape);
}

function outsideSource(): RandomSource {
  return hostRandomSource([Math.floor(Math.random() * 2 ** 32), Math.floor(Math.random() * 2 ** 32)]);
}

let seedKey: RandomKey | undefined;
let runs = 0;
const unseededRandom: () => number = Math.random;

/**
 * Makes everything random repeatable from here on: initial weights, shuffling, dropout and noise, for every
 * `stepsPerExecution`. Like Keras's `set_random_seed` it seeds the runtime's own generator too: `Math.random`
 * follows the seed until `setRandomSeed(null)`.
 *
 * ```ts
 * import { setRandomSeed } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * setRandomSeed(42);
 * const first = [Math.random(), Math.random()];
 * setRandomSeed(42);
 * assertEquals([Math.random(), Math.random()], first);
 * setRandomSeed(null);
 * ```
 *
 * @param seed An integer, or `null` for unpredictable numbers again.
 * @throws {RangeError} If the seed is not an integer.
 */
export function setRandomSeed(seed: number | null): void {
  if (seed === null) {
    seedKey = undefined;
    Math.random = unseededRandom;
    return;
  }
  if (!Number.isSafeInteger(seed)) {
    throw new RangeError(`Cannot set the random seed to ${seed}: expected an integer, or null to stop seeding.`);
  }
  const key: RandomKey = [seed >>> 0, Math.floor(seed / 0x100000000) >>> 0];
  seedKey = key;
  runs = 0;
  const drawKey = foldIn(key, 0);
  let drawn = 0;
  Math.random = () => {
    const [high, low] = threefry(drawKey, drawn++ >>> 0, 0);
    return (high * 2 ** 21 + (low >>> 11)) * 2 ** -53;
  };
}

/** A key for the next run of training: follows the seed where one is set. */
export function newRandomKey(): RandomKey {
  return seedKey === undefined
    ? [Math.floor(Math.random() * 2 ** 32), Math.floor(Math.random() * 2 ** 32)]
    : foldIn(seedKey, ++runs);
}
