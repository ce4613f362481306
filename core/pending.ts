/**
 * Values that are computed elsewhere.
 *
 * @module
 */

/** A value computed elsewhere. Reading is the only thing that makes the host wait; it never talks to other replicas. */
export interface Pending<T> {
  /** Waits for the value; the same promise each time. */
  read(): Promise<T>;
}

/**
 * A pending value from a function that is called at the first read.
 *
 * ```ts
 * import { pending } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * let reads = 0;
 * const loss = pending(() => Promise.resolve(++reads));
 * assertEquals(reads, 0);
 * assertEquals([await loss.read(), await loss.read()], [1, 1]);
 * ```
 */
export function pending<T>(read: () => Promise<T>): Pending<T> {
  let value: Promise<T> | undefined;
  return { read: () => value ??= read() };
}
