/**
 * A pipeline being read by one replica.
 *
 * @module
 */
import type { Arrays, Batch, Feed, HostArray, Position, Shard } from "../../../core/batch.ts";
import { sliceRows } from "../../../core/data/host_array.ts";
import { shardRange } from "../../../core/data/shard.ts";
import { countRows } from "../../../core/data/stream_dataset.ts";
import { mapNested } from "../../../core/nested.ts";
import { type Deferred, drop, type Elements, type Stage } from "./stage.ts";

/** The first pass as peeking left it, from its beginning on. */
export interface Peeked {
  /** All elements, the one that was peeked at included. */
  readonly elements: Elements<Arrays<HostArray>>;
}

/**
 * Reads a pipeline. Opening happens with the first `next()`; calls take effect one after the other.
 *
 * @param peeked What peeking opened; the feed closes it.
 */
export function pipelineFeed(
  stage: Stage<Arrays<HostArray>>,
  shard: Shard,
  from: Position,
  peeked?: Promise<Peeked | undefined>,
): Feed {
  let { pass, batch } = from;
  let opened = peeked;
  // Failing is reported by whoever peeked.
  opened?.catch(() => {});
  /** `null`: not opened yet. */
  let elements: Elements<Arrays<HostArray>> | undefined | null = null;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(body: () => Promise<T>): Promise<T> => {
    const result = last.then(body);
    last = result.catch(() => {});
    return result;
  };
  const close = async (): Promise<void> => {
    const open = elements;
    elements = undefined;
    await open?.return();
    const peeking = opened;
    opened = undefined;
    await (await peeking?.catch(() => undefined))?.elements.return();
  };
  const openFirst = async (): Promise<Elements<Arrays<HostArray>> | undefined> => {
    const first = (await opened)?.elements;
    opened = undefined;
    if (first === undefined) return await stage.open(pass, batch);
    if (pass === 0 && batch === 0) return first;
    const there = await stage.open(pass, batch).catch(async (error) => {
      await first.return();
      throw error;
    });
    // Data that can be read only once were opened by peeking: there is no other way than on from there.
    if (there === undefined) return await drop(first, batch);
    await first.return();
    return there;
  };
  const take = async (): Promise<Batch | undefined> => {
    if (elements === null) elements = await openFirst();
    if (elements === undefined) return undefined;
    try {
      const result = await elements.next();
      if (!result.done) {
        const taken = await cut(result.value, shard);
        batch++;
        return taken;
      }
      elements = undefined;
      return undefined;
    } catch (error) {
      await close();
      throw error;
    }
  };
  return {
    next: (count) =>
      inTurn(async () => {
        const taken: Batch[] = [];
        while (taken.length < count) {
          const next = await take();
          if (next === undefined) break;
          taken.push(next);
        }
        return taken;
      }),
    rewind: () =>
      inTurn(async () => {
        await close();
        elements = await stage.open(pass + 1, 0);
        pass++;
        batch = 0;
        return elements !== undefined;
      }),
    position: () => ({ pass, batch }),
    [Symbol.asyncDispose]: () => inTurn(close),
  };
}

/** A replica's part of a batch. */
export async function cut(element: Deferred<Arrays<HostArray>>, shard: Shard): Promise<Batch> {
  if (element.rows !== undefined) {
    const { source, indices } = element.rows;
    const [from, to] = shardRange(indices.length, shard);
    return { rows: to - from, globalRows: indices.length, source, indices: indices.subarray(from, to) };
  }
  const arrays = await element.get();
  const globalRows = countRows(arrays, "a batch");
  const [from, to] = shardRange(globalRows, shard);
  if (from === 0 && to === globalRows) return { rows: to, globalRows, arrays };
  const part = (array: HostArray): HostArray => sliceRows(array, from, to);
  return {
    rows: to - from,
    globalRows,
    arrays: {
      x: mapNested(arrays.x, part),
      ...(arrays.y === undefined ? {} : { y: mapNested(arrays.y, part) }),
      ...(arrays.sampleWeight === undefined ? {} : { sampleWeight: mapNested(arrays.sampleWeight, part) }),
    },
  };
}

/** Elements whose first one has been read already. */
export function withFirst<T>(
  first: IteratorResult<Deferred<T>, undefined>,
  rest: Elements<T>,
): Elements<T> {
  let waiting: typeof first | undefined = first;
  return {
    next() {
      const result = waiting ?? rest.next();
      waiting = undefined;
      return Promise.resolve(result);
    },
    return: () => rest.return(),
  };
}
