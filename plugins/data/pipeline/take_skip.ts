/**
 * Parts of a pass.
 *
 * @module
 */
import { checkCount, type Deferred, type Elements, type Stage, through } from "./stage.ts";

/** The first `count` elements. Positions are those of what it takes from. */
export function takeStage<T>(upstream: Stage<T>, count: number): Stage<T> {
  checkCount(count, "the number of elements to take", 0);
  const { size } = upstream;
  return {
    // A stage of unknown size may hold fewer.
    size: count === 0 ? 0 : size === undefined ? undefined : Math.min(size, count),
    open: async (pass, from) => {
      const elements = await upstream.open(pass, Math.min(from, count));
      return elements && through([elements], first(elements, count - from));
    },
  };
}

async function* first<T>(elements: Elements<T>, count: number): AsyncGenerator<Deferred<T>> {
  for (let taken = 0; taken < count; taken++) {
    const result = await elements.next();
    if (result.done) return;
    yield result.value;
  }
}

/** All but the first `count` elements. Positions are those of what it skips in. */
export function skipStage<T>(upstream: Stage<T>, count: number): Stage<T> {
  checkCount(count, "the number of elements to skip", 0);
  const { size } = upstream;
  return {
    size: size === undefined ? undefined : Math.max(size - count, 0),
    open: (pass, from) => upstream.open(pass, count + from),
  };
}
