/**
 * Reading ahead.
 *
 * @module
 */
import { checkCount, type Deferred, type Elements, type Stage, through } from "./stage.ts";

/**
 * Reads and computes up to `count` elements in the background, one after the other, while those before are used. An
 * error is thrown where its element would have come; nothing is read after it. Positions are those of what it reads.
 */
export function prefetchStage<T>(upstream: Stage<T>, count: number): Stage<T> {
  checkCount(count, "the number of elements to read ahead", 1);
  return {
    size: upstream.size,
    open: async (pass, from) => {
      const elements = await upstream.open(pass, from);
      return elements && through([elements], readAhead(elements, count));
    },
  };
}

async function* readAhead<T>(elements: Elements<T>, count: number): AsyncGenerator<Deferred<T>> {
  const queue: Promise<Deferred<T> | undefined>[] = [];
  let last: Promise<unknown> = Promise.resolve();
  let ended = false;
  const readNext = async (): Promise<Deferred<T> | undefined> => {
    if (ended) return undefined;
    const result = await elements.next();
    if (result.done) {
      ended = true;
      return undefined;
    }
    const element = result.value;
    // Rows of arrays in memory have nothing to wait for.
    if (element.rows !== undefined) return element;
    const value = await element.get();
    return { ...element, get: () => Promise.resolve(value) };
  };
  const fill = (): void => {
    while (!ended && queue.length < count) {
      const reading = last.then(readNext);
      // Failing is reported when the element is asked for.
      last = reading.catch(() => ended = true);
      queue.push(reading);
    }
  };
  try {
    while (true) {
      fill();
      const element = await queue.shift();
      if (element === undefined) return;
      fill();
      yield element;
    }
  } finally {
    ended = true;
    await last;
  }
}
