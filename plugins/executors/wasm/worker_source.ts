/**
 * What worker threads run: a loop that waits for jobs and never returns to an event loop.
 *
 * @module
 */

/**
 * Words of the pool's control block, as offsets from its first. Each that several threads write has a cache line.
 *
 * Jobs are numbered from 1, wrapping as int32 does. Job `n` stands in entry `n mod ENTRIES`.
 */
export const WORDS = {
  /** 0; -1 while a thread that failed writes why; then 1 + its number. A disposed pool has that of a thread that is none. */
  failed: 0,
  /** How many bytes of text say why. */
  errorBytes: 1,
  /** The last job that all of its threads have finished. */
  finished: 16,
  /** Where the entries begin. */
  entries: 32,
  /** Words of an entry: what to do, module, address or first step, bytes or steps, threads, threads that have finished. */
  entry: { kind: 0, module: 1, first: 2, count: 3, threads: 4, arrived: 5 },
  /** Words from entry to entry. */
  entryStride: 16,
} as const;

/** How many jobs may be waiting or running. */
export const ENTRIES = 64;

/** Bytes for the text of an error. */
export const ERROR_BYTES = 4096;

/** What jobs do. `load`: compile the module at an address, unless it is there, and know it by its number from then on. */
export const KINDS = { run: 0, load: 1, drop: 2 } as const;

/** Where tickets begin: for each thread a cache line with the number of the last job that it is to look at. */
export const TICKETS: number = WORDS.entries + ENTRIES * WORDS.entryStride;

/** Where the text of an error begins, in words. */
export function errorText(threads: number): number {
  return TICKETS + threads * 16;
}

/** Words in the control block. */
export function controlWords(threads: number): number {
  return errorText(threads) + ERROR_BYTES / 4;
}

/** What a worker is given when it starts. */
export interface WorkerSetting {
  /** The shared memory. */
  readonly memory: WebAssembly.Memory;
  /** Where the pool's control block begins, in words. */
  readonly control: number;
  /** Which thread this is, from 0. */
  readonly thread: number;
  /** How many threads the control block has room for. */
  readonly threads: number;
  /** The last job that the worker has nothing to do with. */
  readonly seen: number;
  /** How often it looks for a job before it sleeps. */
  readonly spins: number;
}

/**
 * The worker's module. It is text, and imported from a data URL, because a file of its own would need a permission to be
 * read, and would not be there where Stride is bundled.
 *
 * Modules come through the shared memory: a thread that waits for jobs receives no messages.
 */
export function workerSource(): string {
  const { failed, errorBytes, finished, entries, entry, entryStride } = WORDS;
  return `
import { workerData } from "node:worker_threads";
const { memory, control, thread, threads, seen: start, spins } = workerData;
const words = new Int32Array(memory.buffer);
const modules = new Map();
const ticket = control + ${TICKETS} + thread * 16;
const finished = control + ${finished};
const failed = control + ${failed};

// Spins, then sleeps, while the word holds what it held; false where a thread has failed.
function wait(word, held) {
  for (let i = 0; i < spins; i++) if (Atomics.load(words, word) !== held) return true;
  while (Atomics.load(words, word) === held) {
    if (Atomics.load(words, failed) !== 0) return false;
    Atomics.wait(words, word, held, 1000);
  }
  return true;
}

function fail(error) {
  // Who looks must not find a thread named before its text is there.
  if (Atomics.compareExchange(words, failed, 0, -1) !== 0) return;
  const text = new TextEncoder().encode(String(error?.message ?? error)).subarray(0, ${ERROR_BYTES});
  new Uint8Array(memory.buffer).set(text, (control + ${errorText(0)} + threads * 16) * 4);
  Atomics.store(words, control + ${errorBytes}, text.length);
  Atomics.store(words, failed, 1 + thread);
  // Others may wait for this thread in a barrier: the first word of a module's control block tells them.
  for (const { barriers, words: length } of modules.values()) {
    Atomics.store(words, barriers, 1);
    for (let i = 0; i < length; i++) Atomics.notify(words, barriers + i);
  }
  for (let i = 0; i < threads; i++) Atomics.notify(words, control + ${TICKETS} + i * 16);
  Atomics.notify(words, finished);
}

function work(at) {
  const kind = words[at + ${entry.kind}], number = words[at + ${entry.module}];
  const first = words[at + ${entry.first}], count = words[at + ${entry.count}];
  if (kind === ${KINDS.run}) modules.get(number).run(first, count, thread, words[at + ${entry.threads}]);
  else if (kind === ${KINDS.drop}) modules.delete(number);
  else if (!modules.has(number)) {
    const begin = first >>> 0;
    const barriers = words[begin >>> 2], length = words[(begin >>> 2) + 1];
    const bytes = new Uint8Array(memory.buffer, begin + 64, count).slice();
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    modules.set(number, { run: exports.run, barriers: barriers >>> 2, words: length });
  }
}

// The function that calls generated code is not the one that loops, so that it is compiled well.
function job(number) {
  const at = control + ${entries} + (number & ${ENTRIES - 1}) * ${entryStride};
  const needed = words[at + ${entry.threads}];
  if (thread >= needed) return true;
  for (let last; (((last = Atomics.load(words, finished)) - number) | 0) < -1;) if (!wait(finished, last)) return false;
  try {
    work(at);
  } catch (error) {
    fail(error);
    return false;
  }
  if (Atomics.add(words, at + ${entry.arrived}, 1) === needed - 1) {
    Atomics.store(words, at + ${entry.arrived}, 0);
    Atomics.store(words, finished, number);
    Atomics.notify(words, finished);
  }
  return Atomics.load(words, failed) === 0;
}

function loop() {
  for (let seen = start; wait(ticket, seen);) {
    const until = Atomics.load(words, ticket);
    // Jobs of others may have come and gone since.
    const next = Atomics.load(words, finished);
    let number = ((next - seen) | 0) > 0 ? next : seen;
    while (number !== until) if (!job(number = (number + 1) | 0)) return;
    seen = until;
  }
}
loop();
`;
}
