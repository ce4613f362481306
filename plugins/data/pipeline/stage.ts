/**
 * What operators are made of: streams of elements that are computed when asked for.
 *
 * An element that nobody asks for is never computed: skipping to a position costs nothing but counting, and a buffer
 * to shuffle in holds promises to compute rather than decoded images.
 *
 * @module
 */
import type { ResidentSource } from "../../../core/batch.ts";

/** An element that has not been computed yet. */
export interface Deferred<T> {
  /** Computes it. Called at most once, unless what made it says otherwise. */
  get(): Promise<T>;
  /** Its number in the source, for messages; absent where several elements make one. */
  readonly origin?: number;
  /** Which rows of arrays in memory it is, as long as nothing has changed them. */
  readonly rows?: Rows;
}

/** Rows of arrays in memory. */
export interface Rows {
  /** Where they lie. */
  readonly source: ResidentSource;
  /** Their numbers. */
  readonly indices: Int32Array;
}

/** Elements in order. `return` closes what is open; it may be called at any time, and again. */
export interface Elements<T> {
  /** The next one. After the last, and after an error, everything is closed. */
  next(): Promise<IteratorResult<Deferred<T>, undefined>>;
  /** Closes everything that is open. */
  return(): Promise<void>;
}

/** A recipe for elements. */
export interface Stage<T> {
  /** Elements in a pass: a number, `Infinity`, or `undefined` where only reading tells. */
  readonly size: number | undefined;
  /**
   * Starts a pass.
   *
   * @param pass Its number from 0: random orders derive from it.
   * @param from How many elements to leave out.
   * @returns `undefined` where the data can be read only once, and have been.
   */
  open(pass: number, from: number): Promise<Elements<T> | undefined>;
}

/** Elements as a generator makes them from others, which are closed when it ends, fails or is told to stop. */
export function through<T>(
  upstream: readonly Elements<unknown>[],
  generator: AsyncGenerator<Deferred<T>, void, void>,
): Elements<T> {
  const close = async (): Promise<void> => {
    for (const elements of upstream) await elements.return();
  };
  return {
    async next() {
      let result: IteratorResult<Deferred<T>, void>;
      try {
        result = await generator.next();
      } catch (error) {
        await close();
        throw error;
      }
      if (!result.done) return result;
      await close();
      return { done: true, value: undefined };
    },
    async return() {
      try {
        await generator.return();
      } finally {
        await close();
      }
    },
  };
}

/** Elements with the first `count` left out. */
export async function drop<T>(elements: Elements<T>, count: number): Promise<Elements<T>> {
  for (let i = 0; i < count; i++) if ((await elements.next()).done) break;
  return elements;
}

/** The same element, computed once however often it is asked for; again only if that failed. */
export function memoized<T>(element: Deferred<T>): Deferred<T> {
  let value: Promise<T> | undefined;
  return {
    ...element,
    get() {
      if (value === undefined) {
        const computing = element.get();
        computing.catch(() => value = undefined);
        value = computing;
      }
      return value;
    },
  };
}

/**
 * Checks an option that counts something.
 *
 * @throws {RangeError} If it is not an integer of at least `least`.
 */
export function checkCount(value: number, what: string, least: 0 | 1): void {
  if (!Number.isInteger(value) || value < least) {
    throw new RangeError(`Cannot build the data set: ${what} is ${value}; expected an integer of at least ${least}.`);
  }
}
