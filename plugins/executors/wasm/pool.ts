/**
 * Worker threads that run jobs in order, and how the host waits for them.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Block, SharedMemory } from "./memory.ts";
import {
  controlWords,
  ENTRIES,
  errorText,
  KINDS,
  TICKETS,
  WORDS,
  type WorkerSetting,
  workerSource,
} from "./worker_source.ts";

/** More threads than this a pool does not have. */
export const MOST_THREADS = 256;

/**
 * How often a worker looks for the next job before it sleeps: some 100 µs, in which an epoch's next execution comes. Much
 * longer would take a core from the host; much shorter would make each execution wait to be woken. With one core, looking
 * only keeps the host from posting.
 */
const WORKER_SPINS = 7000;
const WORKER_SPINS_ON_ONE_CORE = 10;

/** How often the host looks before it waits on its event loop: some 10 µs. */
const HOST_SPINS = 250;

/** How long the host waits for a job before it looks again whether a thread has failed. */
const MOST_WAIT_MS = 1000;

/** `Atomics.waitAsync`, which TypeScript's library does not have yet. */
interface AsyncAtomics {
  waitAsync(
    words: Int32Array,
    index: number,
    value: number,
    ms: number,
  ): { readonly value: Promise<string> | string };
}

/** A job's number. Wraps as int32 does. */
export type Job = number;

/** A module that workers have. */
export interface LoadedModule {
  /** Threads that run it. */
  readonly threads: number;
  /**
   * Gives it to more threads, and starts those that are missing. Jobs queued before go on meanwhile, on as many as before;
   * none of it may be queued until it has them: its barriers begin anew.
   */
  widen(threads: number): Promise<void>;
  /** Queues steps of it, without waiting. Blocks only where 64 jobs are waiting already. */
  run(firstStep: number, steps: number): Job;
  /** Makes the workers forget it, after all jobs queued before. Its barriers' memory may be freed then. */
  drop(): void;
}

/**
 * Runs jobs one after the other, each on as many threads as it needs.
 *
 * Workers do not keep the process alive, spinning or asleep. The host is never blocked but by `waitSync`.
 */
export class WorkerPool {
  readonly #memory: SharedMemory;
  readonly #block: Block;
  readonly #control: number;
  readonly #workers: Worker[] = [];
  #starting: Promise<void> = Promise.resolve();
  #posted = 0;
  #modules = 0;
  #failure: Error | undefined;

  /** A pool without threads: they are started when a module needs them. */
  constructor(memory: SharedMemory) {
    this.#memory = memory;
    const words = controlWords(MOST_THREADS);
    this.#block = memory.allocate(words * 4, "the thread pool");
    this.#control = this.#block.address / 4;
    memory.i32.fill(0, this.#control, this.#control + words);
  }

  /** Threads that have been started. */
  get threads(): number {
    return this.#workers.length;
  }

  /** Why the pool is of no use any more. */
  get failure(): Error | undefined {
    const thread = Atomics.load(this.#memory.i32, this.#control + WORDS.failed) - 1;
    if (thread >= 0) this.#failure ??= new Error(this.#report(thread));
    return this.#failure;
  }

  /** The last job that was queued. */
  get last(): Job {
    return this.#posted;
  }

  /** Whether a job has finished. @throws {Error} If a thread has failed. */
  done(job: Job): boolean {
    // A job that finished before the failure has done what it should.
    if (((Atomics.load(this.#memory.i32, this.#control + WORDS.finished) - job) | 0) >= 0) return true;
    if (this.failure !== undefined) throw this.failure;
    return false;
  }

  /** Waits for a job without blocking the event loop. @throws {Error} If a thread has failed. */
  async wait(job: Job): Promise<void> {
    for (let spins = 0; spins < HOST_SPINS; spins++) if (this.done(job)) return;
    const word = this.#control + WORDS.finished;
    // Waiting for memory alone would not keep the process alive.
    const alive = setInterval(() => {}, 60_000);
    try {
      while (true) {
        const held = Atomics.load(this.#memory.i32, word);
        if (this.done(job)) return;
        // A thread that fails just before this wakes nobody, and leaves the word as it is.
        await (Atomics as unknown as AsyncAtomics).waitAsync(this.#memory.i32, word, held, MOST_WAIT_MS).value;
      }
    } finally {
      clearInterval(alive);
    }
  }

  /** Waits for a job, blocking the thread: for values that somebody reads synchronously. @throws {Error} If a thread has failed. */
  waitSync(job: Job): void {
    for (let spins = 0; spins < HOST_SPINS; spins++) if (this.done(job)) return;
    const word = this.#control + WORDS.finished;
    while (!this.done(job)) {
      const held = Atomics.load(this.#memory.i32, word);
      if (!this.done(job)) Atomics.wait(this.#memory.i32, word, held, MOST_WAIT_MS);
    }
  }

  /** Waits until nothing is queued. @throws {Error} If a thread has failed. */
  idle(): Promise<void> {
    return this.wait(this.#posted);
  }

  /**
   * Gives workers a module, and starts as many as it needs. Starting one blocks the host for some 65 ms, once.
   *
   * @param bytes The binary: it imports `env.memory` and exports `run(firstStep, steps, thread, threads)`.
   * @param options.barriers The module's control block, which the pool fills with 0.
   */
  async load(bytes: Uint8Array, { threads, barriers }: { threads: number; barriers: Block }): Promise<LoadedModule> {
    const module = this.#modules++;
    await this.#give(module, bytes, { threads, barriers });
    let given = threads;
    return {
      get threads() {
        return given;
      },
      widen: async (wanted) => {
        if (wanted <= given) return;
        await this.#give(module, bytes, { threads: wanted, barriers });
        given = wanted;
      },
      run: (first, count) => this.#post(KINDS.run, { module, first, count, threads: given }),
      drop: () => {
        if (this.failure === undefined) this.#post(KINDS.drop, { module, first: 0, count: 0, threads: given });
      },
    };
  }

  /** Has a module compiled by those of its threads that do not have it yet. */
  async #give(
    module: number,
    bytes: Uint8Array,
    { threads, barriers }: { threads: number; barriers: Block },
  ): Promise<void> {
    await this.#start(threads);
    // Threads that are new to the module have come to fewer barriers than the others: all begin to count anew.
    await this.idle();
    const control = barriers.address / 4;
    this.#memory.i32.fill(0, control, control + barriers.bytes / 4);
    // The address and words of its barriers, then the binary.
    const block = this.#memory.allocate(64 + bytes.length, "a module");
    this.#memory.i32.set([barriers.address | 0, barriers.bytes / 4], block.address / 4);
    this.#memory.u8.set(bytes, block.address + 64);
    try {
      await this.wait(this.#post(KINDS.load, { module, first: block.address | 0, count: bytes.length, threads }));
    } finally {
      block.free();
    }
  }

  /** Ends all workers that do not run generated code; the others end with the process. */
  async dispose(): Promise<void> {
    this.#failure ??= new Error("The thread pool was disposed.");
    // Terminating a worker wakes its event loop, which those that wait for jobs never come back to: they are told to end.
    const { i32 } = this.#memory;
    Atomics.compareExchange(i32, this.#control + WORDS.failed, 0, 1 + MOST_THREADS);
    for (let thread = 0; thread < this.#workers.length; thread++) {
      Atomics.notify(i32, this.#control + TICKETS + thread * 16);
    }
    Atomics.notify(i32, this.#control + WORDS.finished);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#workers.length = 0;
  }

  #post(
    kind: number,
    { module, first, count, threads }: Record<"module" | "first" | "count" | "threads", number>,
  ): Job {
    if (this.failure !== undefined) throw this.failure;
    const job = (this.#posted + 1) | 0;
    this.waitSync((job - ENTRIES) | 0);
    this.#posted = job;
    const { i32 } = this.#memory;
    const { entry, entries, entryStride } = WORDS;
    const at = this.#control + entries + (job & (ENTRIES - 1)) * entryStride;
    i32[at + entry.kind] = kind;
    i32[at + entry.module] = module;
    i32[at + entry.first] = first;
    i32[at + entry.count] = count;
    i32[at + entry.threads] = threads;
    for (let thread = 0; thread < threads; thread++) {
      const ticket = this.#control + TICKETS + thread * 16;
      Atomics.store(i32, ticket, job);
      Atomics.notify(i32, ticket);
    }
    return job;
  }

  #start(threads: number): Promise<void> {
    this.#starting = this.#starting.catch(() => {}).then(async () => {
      while (this.#workers.length < threads) {
        this.#startOne();
        // Each takes a while: the event loop has its turn in between.
        if (this.#workers.length < threads) await new Promise((resolve) => setTimeout(resolve, 0));
      }
    });
    return this.#starting;
  }

  #startOne(): void {
    const thread = this.#workers.length;
    Atomics.store(this.#memory.i32, this.#control + TICKETS + thread * 16, this.#posted);
    const workerData: WorkerSetting = {
      memory: this.#memory.memory,
      control: this.#control,
      thread,
      threads: MOST_THREADS,
      seen: this.#posted,
      spins: navigator.hardwareConcurrency > 1 ? WORKER_SPINS : WORKER_SPINS_ON_ONE_CORE,
    };
    const source = `data:text/javascript,${encodeURIComponent(workerSource())}`;
    const worker = new Worker(new URL(source), { workerData });
    worker.unref();
    worker.on("error", (cause: unknown) => this.#lost(thread, cause));
    this.#workers.push(worker);
  }

  /** A thread ended by itself, or could not start: whoever waits hears of it. */
  #lost(thread: number, cause: unknown): void {
    this.#failure ??= new Error(failed(thread, String((cause as Error)?.message ?? cause)), { cause });
    Atomics.compareExchange(this.#memory.i32, this.#control + WORDS.failed, 0, 1 + thread);
    Atomics.notify(this.#memory.i32, this.#control + WORDS.finished);
  }

  #report(thread: number): string {
    const { i32, u8 } = this.#memory;
    const begin = (this.#control + errorText(MOST_THREADS)) * 4;
    const text = u8.slice(begin, begin + i32[this.#control + WORDS.errorBytes]!);
    return failed(thread, new TextDecoder().decode(text));
  }
}

function failed(thread: number, why: string): string {
  return `A thread of the WebAssembly executor failed (thread ${thread}: ${why}). Weights may hold part of an update: ` +
    'go on from the last checkpoint, or with executor "eager".';
}
