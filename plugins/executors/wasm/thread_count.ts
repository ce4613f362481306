/**
 * How many threads run a plan: more of them as there is more work.
 *
 * @module
 */
import { measureKernels } from "../../compiler/ir/measure.ts";
import type { Kernel } from "../../compiler/ir/types.ts";

/** Work that one more thread is worth: some 20 µs of it, next to a barrier or two for each kernel. */
const FLOPS_PER_THREAD = 200_000;

/** Work that takes one thread as long as starting another one blocks the host: some 65 ms. */
const FLOPS_PER_START = 650_000_000;

/** What bounds the number of threads. */
export interface ThreadOptions {
  /** The most to use. */
  readonly threads: number;
  /** Whether they are all started for the first step, however little there is to do. @default false */
  readonly allAtOnce?: boolean;
}

/**
 * Counts what a plan has been asked for, and says how many threads that is worth.
 *
 * Starting a thread takes as long as many small steps do, so short runs would pay for threads that they hardly use. One is
 * started when the work so far would have been done sooner with it by what its start takes: whatever comes, at most about
 * as much is lost as by starting it at once or never, whichever would have been right.
 */
export class ThreadCount {
  /** The most that are ever worth it: waking and waiting for more would take longer in each step than they save. */
  readonly most: number;
  readonly #flops: number;
  readonly #allAtOnce: boolean;
  #asked = 0;

  /** Nothing has been asked for yet. */
  constructor(kernels: readonly Kernel[], { threads, allAtOnce = false }: ThreadOptions) {
    this.#flops = measureKernels(kernels).flops;
    this.#allAtOnce = allAtOnce;
    this.most = Math.max(1, Math.min(threads, Math.floor(this.#flops / FLOPS_PER_THREAD)));
  }

  /**
   * How many threads are to run so many steps more.
   *
   * @param running How many have been started, for whatever: these are used.
   */
  next(steps: number, running: number): number {
    this.#asked += steps * this.#flops;
    if (this.#allAtOnce) return this.most;
    let threads = Math.max(1, Math.min(running, this.most));
    // With one more, each thread would have had 1 / (threads · (threads + 1)) of the work less to do.
    while (threads < this.most && this.#asked >= FLOPS_PER_START * threads * (threads + 1)) threads++;
    return threads;
  }
}
