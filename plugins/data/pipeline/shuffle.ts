/**
 * Elements in random order.
 *
 * @module
 */
import { foldIn, type RandomKey, threefry } from "../../../core/random.ts";
import { randomKey } from "./random_key.ts";
import { checkCount, type Deferred, drop, type Elements, type Stage, through } from "./stage.ts";

/** How elements are shuffled. */
export interface ShuffleOptions {
  /** What orders derive from. @default drawn at first use; follows `setRandomSeed` */
  readonly seed?: number;
  /** Whether each pass has an order of its own. @default true */
  readonly reshuffle?: boolean;
}

/**
 * Draws each element from the next `bufferSize`. An order is a function of the key and the pass, so a position is
 * reached by drawing up to it; elements drawn on the way are not computed.
 */
export function shuffleStage<T>(
  upstream: Stage<T>,
  bufferSize: number,
  { seed, reshuffle = true }: ShuffleOptions,
): Stage<T> {
  if (bufferSize !== Infinity) checkCount(bufferSize, "the buffer to shuffle in", 1);
  const key = randomKey(seed);
  return {
    size: upstream.size,
    open: async (pass, from) => {
      const elements = await upstream.open(pass, 0);
      if (elements === undefined) return undefined;
      const passKey = foldIn(key(), reshuffle ? pass : 0);
      return await drop(through([elements], drawn(elements, bufferSize, passKey)), from);
    },
  };
}

async function* drawn<T>(elements: Elements<T>, bufferSize: number, key: RandomKey): AsyncGenerator<Deferred<T>> {
  const buffer: Deferred<T>[] = [];
  let draws = 0;
  let ended = false;
  while (true) {
    while (!ended && buffer.length < bufferSize) {
      const result = await elements.next();
      if (result.done) ended = true;
      else buffer.push(result.value);
    }
    if (buffer.length === 0) return;
    const chosen = Math.floor((threefry(key, draws++, 0)[0] * buffer.length) / 0x100000000);
    const element = buffer[chosen]!;
    const last = buffer.pop()!;
    if (chosen < buffer.length) buffer[chosen] = last;
    yield element;
  }
}
