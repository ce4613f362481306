/**
 * Sharing out a range of addresses.
 *
 * @module
 */

/** Blocks begin at multiples of this, so that no two share a cache line. */
export const ALIGNMENT = 64;

interface Gap {
  start: number;
  bytes: number;
}

/**
 * What of a range of addresses is taken and what is free. Takes the smallest gap that is large enough, the lowest of them.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * const list = new FreeList(0, 256);
 * assertEquals([list.take(10), list.take(100), list.take(100)], [0, 64, undefined]);
 * list.give(0, 10);
 * assertEquals([list.free, list.take(64)], [128, 0]);
 * ```
 */
export class FreeList {
  /** In order of addresses; no two touch. */
  readonly #gaps: Gap[];

  /** A range of which all is free. @param start A multiple of 64. */
  constructor(start: number, end: number) {
    this.#gaps = [{ start, bytes: end - start }];
  }

  /** Bytes that are free. */
  get free(): number {
    return this.#gaps.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Takes bytes. @returns Their address; `undefined` where no gap is large enough. */
  take(bytes: number): number | undefined {
    const size = rounded(bytes);
    let best: Gap | undefined;
    for (const gap of this.#gaps) {
      if (gap.bytes >= size && (best === undefined || gap.bytes < best.bytes)) best = gap;
    }
    if (best === undefined) return undefined;
    const { start } = best;
    best.start += size;
    best.bytes -= size;
    if (best.bytes === 0) this.#gaps.splice(this.#gaps.indexOf(best), 1);
    return start;
  }

  /** Gives back what was taken: the same address and the same number of bytes. */
  give(start: number, bytes: number): void {
    const size = rounded(bytes);
    let at = this.#gaps.findIndex((gap) => gap.start > start);
    if (at < 0) at = this.#gaps.length;
    this.#gaps.splice(at, 0, { start, bytes: size });
    this.#join(at);
    this.#join(at - 1);
  }

  /** Makes one of two gaps that touch. */
  #join(at: number): void {
    const gap = this.#gaps[at];
    const next = this.#gaps[at + 1];
    if (gap === undefined || next === undefined || gap.start + gap.bytes !== next.start) return;
    gap.bytes += next.bytes;
    this.#gaps.splice(at + 1, 1);
  }
}

function rounded(bytes: number): number {
  return Math.max(Math.ceil(bytes / ALIGNMENT), 1) * ALIGNMENT;
}
