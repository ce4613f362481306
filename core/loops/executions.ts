/**
 * Taking executions from a run, so that the rest of the program lives on.
 *
 * @module
 */
import type { Execution } from "../strategy.ts";

/** How long steps may follow each other without a turn of the event loop, in ms. */
const TURN_MS = 50;

/**
 * The executions of an epoch. Between them the event loop gets a turn now and then: timers fire, signals abort, late
 * read-backs are served. Waiting for data ends when the signal aborts.
 *
 * @throws The signal's reason, when it aborts.
 */
export async function* executionsOf(
  epoch: AsyncIterable<Execution>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Execution> {
  const iterator = epoch[Symbol.asyncIterator]();
  let turned = performance.now();
  let waiting = false;
  try {
    while (true) {
      waiting = true;
      const { done, value } = await untilAborted(iterator.next(), signal);
      waiting = false;
      if (done) return;
      yield value;
      if (performance.now() - turned > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turned = performance.now();
      }
      signal?.throwIfAborted();
    }
  } finally {
    const ended = iterator.return?.();
    // An iterator that still waits for data ends when they come: not awaited, and not heard.
    if (waiting) ended?.catch(() => {});
    else await ended;
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  promise.catch(() => {});
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
