/**
 * Batches of samples.
 *
 * @module
 */
import type { Arrays, HostArray } from "../../../core/batch.ts";
import { batchArrays } from "../../../core/data/batch_tensors.ts";
import { collate } from "./collate.ts";
import { checkCount, type Deferred, type Elements, type Rows, type Stage, through } from "./stage.ts";

/** How samples become batches. */
export interface BatchOptions {
  /** Whether to leave out a last batch that is not full. @default false */
  readonly dropRemainder?: boolean;
}

/** Consecutive samples put together. A position of n batches is one of n times `batchSize` samples. */
export function batchStage(
  upstream: Stage<unknown>,
  batchSize: number,
  { dropRemainder = false }: BatchOptions,
): Stage<Arrays<HostArray>> {
  checkCount(batchSize, "the batch size", 1);
  const { size } = upstream;
  return {
    size: size === undefined ? undefined : dropRemainder ? Math.floor(size / batchSize) : Math.ceil(size / batchSize),
    open: async (pass, from) => {
      const elements = await upstream.open(pass, from * batchSize);
      return elements && through([elements], batched(elements, batchSize, dropRemainder, from * batchSize));
    },
  };
}

async function* batched(
  elements: Elements<unknown>,
  batchSize: number,
  dropRemainder: boolean,
  from: number,
): AsyncGenerator<Deferred<Arrays<HostArray>>> {
  let ended = false;
  for (let first = from; !ended; first += batchSize) {
    const samples: Deferred<unknown>[] = [];
    while (samples.length < batchSize) {
      const result = await elements.next();
      if (result.done) {
        ended = true;
        break;
      }
      samples.push(result.value);
    }
    if (samples.length === 0 || ended && dropRemainder) return;
    yield together(samples, first);
  }
}

function together(samples: readonly Deferred<unknown>[], first: number): Deferred<Arrays<HostArray>> {
  const rows = commonRows(samples);
  if (rows !== undefined) {
    const globalRows = rows.indices.length;
    return { get: () => Promise.resolve(batchArrays({ rows: globalRows, globalRows, ...rows })), rows };
  }
  return {
    get: async () => {
      const values: unknown[] = [];
      for (const sample of samples) values.push(await sample.get());
      return await collate(values, (index) => {
        const { origin } = samples[index]!;
        return `sample ${first + index}${origin === undefined ? "" : ` (number ${origin} in the source)`}`;
      });
    },
  };
}

/** Samples that are rows of the same arrays make a batch without being copied: executors may keep the arrays. */
function commonRows(samples: readonly Deferred<unknown>[]): Rows | undefined {
  const source = samples[0]!.rows?.source;
  if (source === undefined || samples.some((sample) => sample.rows?.source !== source)) return undefined;
  const indices = new Int32Array(samples.length);
  samples.forEach((sample, i) => indices[i] = sample.rows!.indices[0]!);
  return { source, indices };
}
