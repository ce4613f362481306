/**
 * Sums of an epoch: each execution writes a slot of its own on the device; the host adds slots in float64.
 *
 * A running float32 sum on the device would drift, and stop counting at 2²⁴.
 *
 * @module
 */
import { type Pending, pending } from "../pending.ts";
import type { Logs, Step } from "../step.ts";

/** Reads slots: one wait, however many. */
export type ReadSlots = (slots: readonly number[]) => Promise<readonly ArrayLike<number>[]>;

/**
 * The sums of one epoch after another.
 *
 * ```ts
 * import { EpochSums, type Step } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const step: Step = {
 *   kind: "test",
 *   phases: [],
 *   variables: [],
 *   sums: [{ size: 2, combine: "sum" }],
 *   table: () => ({ columns: [], rows: [], first: 0, key: [0, 0] }),
 *   advance: () => {},
 *   decode: ([total = 0, count = 0]) => ({ loss: total / count }),
 * };
 * const slots = [[6, 2], [10, 2]];
 * const sums = new EpochSums(step, (numbers) => Promise.resolve(numbers.map((slot) => slots[slot]!)), 2);
 * assertEquals([await sums.allot(), await sums.allot()], [0, 1]);
 * assertEquals(await sums.settle(), { loss: 4 });
 * ```
 */
export class EpochSums {
  readonly #step: Step;
  readonly #read: ReadSlots;
  readonly #capacity: number;
  #total: Float64Array | undefined;
  #unread: number[] = [];
  /** Slots allotted in this epoch. */
  #next = 0;
  /** Slots whose sums are in the total: they may be allotted again. */
  #added = 0;
  #epoch = 0;
  /** Reads happen one after the other. */
  #reading: Promise<void> = Promise.resolve();

  /** Sums that start from zero. @param capacity How many slots there are; when all are taken, they are read at once. */
  constructor(step: Step, read: ReadSlots, capacity: number) {
    this.#step = step;
    this.#read = read;
    this.#capacity = capacity;
  }

  /** Starts from zero. Everything started before must be settled. */
  reset(): void {
    this.#total = undefined;
    this.#unread = [];
    this.#next = 0;
    this.#added = 0;
    this.#epoch++;
    this.#reading = Promise.resolve();
  }

  /** A slot for the next execution. Waits only when all slots are taken. */
  async allot(): Promise<number> {
    while (this.#next - this.#added >= this.#capacity) await this.#fold();
    const slot = this.#next++ % this.#capacity;
    this.#unread.push(slot);
    return slot;
  }

  /**
   * The values of everything started so far, once read; of more, where later ones were read before.
   *
   * @throws {Error} When read after the epoch is over.
   */
  logs(): Pending<Logs> {
    const upTo = this.#next;
    const epoch = this.#epoch;
    return pending(async () => {
      if (this.#epoch !== epoch) {
        throw new Error("These logs belong to an epoch that is over: read them before it ends.");
      }
      if (this.#next - this.#unread.length < upTo) await this.#fold(upTo);
      else await this.#reading;
      return this.#decode();
    });
  }

  /** The values of the whole epoch. */
  async settle(): Promise<Logs> {
    await this.#fold();
    return this.#decode();
  }

  /** Adds unread slots, those allotted before number `upTo`, to the total. */
  #fold(upTo: number = this.#next): Promise<void> {
    const first = this.#next - this.#unread.length;
    const slots = this.#unread.splice(0, Math.max(0, upTo - first));
    if (slots.length > 0) {
      this.#reading = this.#reading.then(async () => {
        for (const sums of await this.#read(slots)) this.#add(sums);
        this.#added += slots.length;
      });
    }
    return this.#reading;
  }

  #add(sums: ArrayLike<number>): void {
    if (this.#total === undefined) {
      this.#total = Float64Array.from(sums);
      return;
    }
    combineSums(this.#step, this.#total, sums);
  }

  #decode(): Logs {
    return this.#total === undefined ? {} : this.#step.decode(this.#total);
  }
}

/**
 * Combines sums into `total` as the step's layout says.
 *
 * ```ts
 * import { combineSums, type Step } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const step = { sums: [{ size: 2, combine: "sum" }, { size: 1, combine: "max" }] } as unknown as Step;
 * const total = Float64Array.of(1, 2, 3);
 * combineSums(step, total, [10, 20, 2]);
 * assertEquals([...total], [11, 22, 3]);
 * ```
 */
export function combineSums(step: Step, total: Float64Array | Float32Array, sums: ArrayLike<number>): void {
  let offset = 0;
  for (const { size, combine } of step.sums) {
    for (const end = offset + size; offset < end; offset++) {
      const value = sums[offset]!;
      if (combine === "sum") total[offset]! += value;
      else total[offset] = combine === "max" ? Math.max(total[offset]!, value) : Math.min(total[offset]!, value);
    }
  }
}
