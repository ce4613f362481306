/**
 * Elements kept in memory.
 *
 * @module
 */
import { type Deferred, type Elements, memoized, type Stage } from "./stage.ts";

/**
 * Keeps the elements of the first pass, and gives the same in every pass: each is read and computed once. A position
 * is reached at once as far as the elements have been read; in a new process they are read again, as in pass 0.
 */
export function cacheStage<T>(upstream: Stage<T>): Stage<T> {
  const kept: Deferred<T>[] = [];
  let complete = false;
  let reading: Elements<T> | undefined;
  let readers = 0;
  let last: Promise<unknown> = Promise.resolve();

  /** Several feeds share one reading: one call after the other. */
  const inTurn = <U>(body: () => Promise<U>): Promise<U> => {
    const result = last.then(body);
    last = result.catch(() => {});
    return result;
  };
  const read = async (): Promise<void> => {
    if (reading === undefined) throw new Error("Cannot read on in the cached data set: reading it failed before.");
    let result;
    try {
      result = await reading.next();
    } catch (error) {
      reading = undefined;
      throw error;
    }
    if (!result.done) {
      kept.push(result.value.rows === undefined ? memoized(result.value) : result.value);
      return;
    }
    complete = true;
    reading = undefined;
  };
  const leave = (): Promise<void> =>
    inTurn(async () => {
      if (--readers > 0) return;
      const open = reading;
      reading = undefined;
      await open?.return();
    });

  return {
    size: upstream.size,
    open: (_, from) =>
      inTurn(async () => {
        if (!complete && reading === undefined) {
          reading = await upstream.open(0, kept.length);
          if (reading === undefined) {
            if (kept.length === 0) return undefined;
            throw new TypeError(
              `Cannot read the cached data set again: its iterable can be read only once, and reading stopped after ${kept.length} ` +
                "elements. Pass a function that returns a new iterable for each pass.",
            );
          }
        }
        readers++;
        let index = from;
        let left = false;
        const close = async (): Promise<void> => {
          if (left) return;
          left = true;
          await leave();
        };
        return {
          async next() {
            if (left) return { done: true, value: undefined };
            const position = index++;
            try {
              await inTurn(async () => {
                while (!complete && kept.length <= position) await read();
              });
            } catch (error) {
              await close();
              throw error;
            }
            const element = kept[position];
            if (element !== undefined) return { done: false, value: element };
            await close();
            return { done: true, value: undefined };
          },
          return: close,
        };
      }),
  };
}
