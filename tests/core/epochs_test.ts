import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Batch, Epochs, type Feed, type Plan } from "@stride/stride/core";
import { filled } from "./helpers.ts";

/** Executions are large, so that epochs of many batches take few. */
const STEPS = 10_000;

/** The warnings of epochs of these many batches, with what an epoch is told to take and what the data say of themselves. */
async function warnings(
  passes: readonly number[],
  known: { readonly stepsPerEpoch?: number; readonly batches?: number } = {},
): Promise<string[]> {
  const batch: Batch = { rows: 1, globalRows: 1, arrays: { x: filled([1, 1], 0) } };
  let [pass, batchesLeft] = [0, passes[0]!];
  const feed: Feed = {
    next: (count) => {
      const taken = Math.min(count, batchesLeft);
      batchesLeft -= taken;
      return Promise.resolve(Array<Batch>(taken).fill(batch));
    },
    rewind: () => {
      batchesLeft = passes[++pass] ?? 0;
      return Promise.resolve(pass < passes.length);
    },
    position: () => ({ pass, batch: passes[pass]! - batchesLeft }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const { batches, stepsPerEpoch } = known;
  const data = { batches, peek: () => Promise.resolve(batch), open: () => feed };
  const found: string[] = [];
  const plan = { data, stepsPerExecution: STEPS, stepsPerEpoch, warn: (message: string) => void found.push(message) };
  // A step and an executor are the strategy's to use: epochs only count.
  const epochs = new Epochs(plan as unknown as Plan, feed);
  for (const expected of passes) {
    let done = 0;
    for await (const portion of epochs.next()) {
      done += portion.batches.length;
      portion.queued();
    }
    assertEquals(done, expected);
  }
  return found;
}

Deno.test("Epochs warns once, and goes on, when the first epoch of data of unknown length does not end", async () => {
  const found = await warnings([250_000, 250_000]);
  assertEquals(found.length, 1);
  assertStringIncludes(found[0]!, "100000 batches");
  assertStringIncludes(found[0]!, "stepsPerEpoch");
});

Deno.test("Epochs does not warn of endless data when the length is known, given, or found in time", async () => {
  assertEquals(await warnings([250_000], { batches: 250_000 }), []);
  assertEquals(await warnings([250_000], { stepsPerEpoch: 250_000 }), []);
  assertEquals(await warnings([99_999, 250_000]), []);
});
