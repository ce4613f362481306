/**
 * The control block of a module's threads: a cache line for itself, whose first word tells that a thread has failed, and
 * three for each thread, so that what one writes often is not beside what another does.
 *
 * @module
 */

const LINE = 64;

/** Bytes from thread to thread. */
export const THREAD_BYTES: number = 3 * LINE;

/** Where words of the first thread lie, in bytes from the control block. */
export const threadWords = {
  /** How many barriers it has come to. */
  arrived: LINE,
  /** How many threads sleep until it comes to the next. */
  sleepers: 2 * LINE,
  /** An int64: what is left of its part of a kernel. */
  share: 3 * LINE,
} as const;

/** How many bytes the control block of so many threads has. */
export function controlBytes(threads: number): number {
  return LINE + THREAD_BYTES * threads;
}
