/**
 * The control block of a module's threads: a cache line for itself, whose first word tells that a thread has failed, and
 * three for each thread, so that what one writes often is not beside what another does.
 *
 * @module
 */
import { type Code, i32, int } from "./instructions.ts";

const LINE = 64;

/** Bytes from thread to thread. */
const THREAD_BYTES = 3 * LINE;

/** Where words of the first thread lie, in bytes from the control block. */
const WORDS = {
  /** How many barriers it has come to. */
  arrived: LINE,
  /** How many threads sleep until it comes to the next. */
  sleepers: 2 * LINE,
  /** An int64: what is left of its part of a kernel. */
  share: 3 * LINE,
} as const;

/** From how many barriers a thread has come to, to how many sleep until it comes to the next. */
export const SLEEPERS: number = WORDS.sleepers - WORDS.arrived;

/** The address of a thread's word. @param control Where the control block begins. */
export function threadWord(control: number, word: "arrived" | "share", thread: Code): Code {
  return i32.add(int(control + WORDS[word]), i32.mul(thread, int(THREAD_BYTES)));
}

/** How many bytes the control block of so many threads has. */
export function controlBytes(threads: number): number {
  return LINE + THREAD_BYTES * threads;
}
