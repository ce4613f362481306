/**
 * Several passes as one.
 *
 * @module
 */
import { checkCount, type Deferred, type Elements, type Stage, through } from "./stage.ts";

/**
 * `count` passes, one after the other, each shuffled anew. Where the size of a pass is known, a position is reached
 * by opening the pass that holds it; else by reading up to it.
 */
export function repeatStage<T>(upstream: Stage<T>, count: number): Stage<T> {
  if (count !== Infinity) checkCount(count, "the number of passes", 0);
  const { size } = upstream;
  return {
    size: count === 0 || size === 0 ? 0 : count === Infinity ? Infinity : size === undefined ? undefined : size * count,
    open: async (pass, from) => {
      const known = size !== undefined && size > 0 && size < Infinity;
      const whole = known ? Math.min(Math.floor(from / size), count) : 0;
      const rest = known ? from - whole * size : from;
      // An endless pass has no end to count from: the one after it begins with the next order.
      const first = count === Infinity ? pass : pass * count;
      if (whole === count) return through([], passes(upstream, [], 0, 0, 0));
      const elements = await upstream.open(first + whole, known ? rest : 0);
      if (elements === undefined) return undefined;
      const current = [elements];
      return through(current, passes(upstream, current, first + whole, first + count, known ? 0 : rest));
    },
  };
}

/** @param current The pass being read, so that it can be closed from outside. */
async function* passes<T>(
  upstream: Stage<T>,
  current: Elements<T>[],
  first: number,
  end: number,
  dropped: number,
): AsyncGenerator<Deferred<T>> {
  let left = dropped;
  for (let pass = first; pass < end; pass++) {
    if (pass > first) {
      const again = await upstream.open(pass, 0);
      if (again === undefined) {
        throw new TypeError(
          "Cannot repeat the data set: its iterable can be read only once. Pass a function that returns a new " +
            "iterable for each pass, or put cache() before repeat().",
        );
      }
      current[0] = again;
    }
    let read = 0;
    for (let result = await current[0]!.next(); !result.done; result = await current[0]!.next()) {
      read++;
      if (left > 0) left--;
      else yield result.value;
    }
    // Nothing in a whole pass means nothing in all of them, which would never end.
    if (read === 0 && pass > first) return;
  }
}
