/**
 * Elements computed from elements.
 *
 * @module
 */
import { foldIn, type RandomKey } from "../../../core/random.ts";
import { type Stored, stored } from "./elements.ts";
import { randomKey } from "./random_key.ts";
import { checkCount, type Deferred, type Elements, type Stage, through } from "./stage.ts";

/** How a function is applied. */
export interface MapOptions {
  /** How many calls may be under way at a time; results keep their order. @default 1 */
  readonly parallel?: number;
  /** What `context.key` derives from. @default drawn at first use; follows `setRandomSeed` */
  readonly seed?: number;
}

/** What a function is told about its element. */
export interface MapContext {
  /** The element's number in this pass, where the function stands in the pipeline. */
  readonly index: number;
  /** The pass over the data before it, from 0. */
  readonly pass: number;
  /**
   * A key for random numbers, another one for each element and pass. Random numbers derived from it are the same when
   * training is resumed; those of `Math.random` are not.
   */
  readonly key: RandomKey;
}

/** A function of one element. It must not change the element, which may be a view of data that are read again. */
export type MapFunction<T, U> = (element: T, context: MapContext) => U | PromiseLike<U>;

/** Applies a function when the result is asked for; with `parallel`, ahead of that. */
export function mapStage<T, U>(
  upstream: Stage<T>,
  apply: MapFunction<T, U>,
  { parallel = 1, seed }: MapOptions,
): Stage<Stored<U>> {
  checkCount(parallel, "parallel", 1);
  const key = randomKey(seed);
  return {
    size: upstream.size,
    open: async (pass, from) => {
      const elements = await upstream.open(pass, from);
      if (elements === undefined) return undefined;
      const mapped = mappedElements(elements, from, (element, index) => {
        const context: MapContext = {
          index,
          pass,
          get key() {
            return foldIn(foldIn(key(), pass), index);
          },
        };
        return applied(element, apply, context);
      });
      return parallel === 1 ? through([elements], mapped) : through([elements], startedAhead(mapped, parallel));
    },
  };
}

async function applied<T, U>(
  element: Deferred<T>,
  apply: MapFunction<T, U>,
  context: MapContext,
): Promise<Stored<U>> {
  const value = await element.get();
  try {
    return await stored(await apply(value, context));
  } catch (cause) {
    const origin = element.origin === undefined ? "" : ` (number ${element.origin} in the source)`;
    throw new Error(
      `Cannot map element ${context.index}${origin} of pass ${context.pass}: ${
        cause instanceof Error ? cause.message : String(cause)
      }`,
      { cause },
    );
  }
}

async function* mappedElements<T, U>(
  elements: Elements<T>,
  from: number,
  compute: (element: Deferred<T>, index: number) => Promise<U>,
): AsyncGenerator<Deferred<U>> {
  let next = from;
  for (let result = await elements.next(); !result.done; result = await elements.next()) {
    const element = result.value;
    const index = next++;
    yield { get: () => compute(element, index), ...(element.origin === undefined ? {} : { origin: element.origin }) };
  }
}

/** The same elements, up to `count` of them being computed at a time. */
async function* startedAhead<T>(elements: AsyncGenerator<Deferred<T>>, count: number): AsyncGenerator<Deferred<T>> {
  const started: { readonly element: Deferred<T>; readonly value: Promise<T> }[] = [];
  let ended = false;
  let failed: { readonly error: unknown } | undefined;
  try {
    while (true) {
      while (!ended && started.length < count) {
        try {
          const result = await elements.next();
          if (result.done) {
            ended = true;
            break;
          }
          const value = result.value.get();
          // Failing is reported where the value is asked for.
          value.catch(() => {});
          started.push({ element: result.value, value });
        } catch (error) {
          failed = { error };
          ended = true;
        }
      }
      const first = started.shift();
      if (first === undefined) {
        if (failed !== undefined) throw failed.error;
        return;
      }
      // The one handed out counts until it is done, so that no more than `count` calls are under way.
      await Promise.allSettled([first.value]);
      yield { ...first.element, get: () => first.value };
    }
  } finally {
    await Promise.allSettled(started.map(({ value }) => value));
  }
}
