/**
 * Where scratch buffers lie: those that are not in use at the same time share memory.
 *
 * @module
 */
import { bytesOf, rootOf } from "../ir/buffers.ts";
import type { Plan } from "../ir/plan.ts";
import { reads, writes } from "../ir/shape.ts";
import type { Buffer } from "../ir/types.ts";

/** Options of `allocate`. */
export interface AllocateOptions {
  /** Every buffer begins at a multiple of this many bytes. */
  readonly alignment: number;
  /** Whether buffers share memory. @default true */
  readonly reuse?: boolean;
  /** No buffer lies across a multiple of this many bytes, so that memory can be cut there. @default Infinity */
  readonly capacity?: number;
  /** Memory that a back end needs within one kernel, by the kernel's place in the plan. @default none */
  readonly within?: ReadonlyMap<number, readonly Buffer[]>;
  /** Scratch buffers that lie elsewhere. @default none */
  readonly without?: ReadonlySet<Buffer>;
}

/** Where buffers lie. */
export interface Allocation {
  /** The first byte of each buffer of the plan's `scratch` and of `within`. */
  readonly offsets: ReadonlyMap<Buffer, number>;
  /** Bytes in all. */
  readonly size: number;
}

/** The first and last kernel that uses a buffer. */
export interface Life {
  readonly buffer: Buffer;
  readonly bytes: number;
  first: number;
  last: number;
}

/**
 * Places a plan's scratch buffers. Two share memory only where the one's last kernel comes before the other's first.
 *
 * Large buffers are placed first, each in the smallest gap that is free all its life.
 *
 * @throws {RangeError} If a buffer is larger than `capacity`.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Expressions } from "../ir/expressions.ts";
 * import type { Nest } from "../ir/types.ts";
 * import { allocate } from "./allocate.ts";
 *
 * const ir = new Expressions();
 * const scratch = [0, 1, 2].map(() => ir.buffer("f32", 8, { kind: "scratch" }));
 * const copy = (from: number, to: number): Nest => ({
 *   kind: "nest",
 *   outer: [],
 *   inner: [],
 *   reductions: [],
 *   stores: [{ buffer: scratch[to]!, index: ir.int(0), value: ir.load(scratch[from]!, ir.int(0)) }],
 * });
 * const plan = {
 *   expressions: ir,
 *   kernels: [copy(0, 0), copy(0, 1), copy(1, 2)],
 *   variables: new Map(),
 *   inputs: [],
 *   columns: [],
 *   streams: 0,
 *   outputs: [],
 *   scratch,
 *   constants: [],
 * };
 * assertEquals(allocate(plan, { alignment: 32 }).size, 64);
 * assertEquals(allocate(plan, { alignment: 32, reuse: false }).size, 96);
 * ```
 */
export function allocate(plan: Plan, options: AllocateOptions): Allocation {
  const { alignment, reuse = true, capacity = Infinity } = options;
  const lives = livesOf(plan, options);
  lives.sort((a, b) => b.bytes - a.bytes || a.first - b.first || a.buffer.id - b.buffer.id);
  const offsets = new Map<Buffer, number>();
  const placed: (Life & { readonly start: number; readonly end: number })[] = [];
  let size = 0;
  for (const life of lives) {
    const bytes = roundUp(life.bytes, alignment);
    if (bytes > capacity) {
      throw new RangeError(
        `Cannot place a scratch buffer of ${life.bytes} bytes: at most ${capacity} are possible here. Use smaller batches.`,
      );
    }
    const taken = placed
      .filter(({ first, last }) => !reuse || (first <= life.last && life.first <= last))
      .sort((a, b) => a.start - b.start);
    const start = smallestGap(taken, bytes, capacity);
    placed.push({ ...life, start, end: start + bytes });
    offsets.set(life.buffer, start);
    size = Math.max(size, start + bytes);
  }
  return { offsets, size };
}

/** The most bytes of scratch buffers that are in use at one time: no placement needs less. */
export function leastScratch(plan: Plan): number {
  const lives = livesOf(plan, {});
  return plan.kernels.reduce((most, _, kernel) => {
    const live = lives.filter(({ first, last }) => first <= kernel && kernel <= last);
    return Math.max(most, live.reduce((sum, { bytes }) => sum + bytes, 0));
  }, 0);
}

/** When each scratch buffer is in use. */
export function livesOf(plan: Plan, { within, without }: Pick<AllocateOptions, "within" | "without">): Life[] {
  const lives = new Map<Buffer, Life>();
  const scratch = plan.scratch.filter((buffer) => !without?.has(buffer));
  for (const buffer of scratch) lives.set(buffer, { buffer, bytes: bytesOf(buffer), first: Infinity, last: -1 });
  plan.kernels.forEach((kernel, index) => {
    for (const used of [...reads(kernel), ...writes(kernel)]) {
      const life = lives.get(rootOf(used));
      if (life === undefined) continue;
      life.first = Math.min(life.first, index);
      life.last = Math.max(life.last, index);
    }
    for (const buffer of within?.get(index) ?? []) {
      lives.set(buffer, { buffer, bytes: bytesOf(buffer), first: index, last: index });
    }
  });
  return [...lives.values()].filter(({ last }) => last >= 0);
}

/** Where a buffer fits, among others in order of their starts: the gap that it fills best, or the end. */
function smallestGap(
  taken: readonly { readonly start: number; readonly end: number }[],
  bytes: number,
  capacity: number,
): number {
  /** The first possible place from `start` on. */
  const from = (start: number): number =>
    start % capacity + bytes > capacity ? (Math.floor(start / capacity) + 1) * capacity : start;
  let best: number | undefined;
  let least = Infinity;
  let free = 0;
  for (const { start, end } of taken) {
    const place = from(free);
    if (place + bytes <= start && start - free < least) {
      best = place;
      least = start - free;
    }
    free = Math.max(free, end);
  }
  return best ?? from(free);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
