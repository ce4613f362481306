import { assertEquals, assertRejects } from "@std/assert";
import { EpochSums, type Step } from "@stride/stride/core";

/** A step that reports one sum. */
const step = {
  sums: [{ size: 1, combine: "sum" }],
  decode: (sums: Float64Array) => ({ total: sums[0]! }),
} as unknown as Step;

/** Slots on a pretended device: written by number, cleared when read, after a while. */
function device(capacity: number): { sums: EpochSums; write: (value: number) => Promise<number>; reads: () => number } {
  const slots = new Map<number, number>();
  let reads = 0;
  const sums = new EpochSums(step, async (wanted) => {
    reads++;
    await new Promise((resolve) => setTimeout(resolve, 1));
    return wanted.map((slot) => {
      const value = slots.get(slot);
      if (value === undefined) throw new Error(`slot ${slot} is empty`);
      slots.delete(slot);
      return [value];
    });
  }, capacity);
  return {
    sums,
    write: async (value) => {
      const slot = await sums.allot();
      assertEquals(slots.has(slot), false, `slot ${slot} is written before it was read`);
      slots.set(slot, value);
      return slot;
    },
    reads: () => reads,
  };
}

Deno.test("EpochSums adds up every execution however often the ring goes round, with reads outstanding", async () => {
  for (const readAt of [[], [0], [0, 1, 2], [3, 9, 10, 11, 40]]) {
    const { sums, write } = device(4);
    const outstanding: Promise<unknown>[] = [];
    for (let i = 0; i < 50; i++) {
      await write(i);
      if (readAt.includes(i)) outstanding.push(sums.logs().read());
    }
    assertEquals(await sums.settle(), { total: 49 * 25 });
    await Promise.all(outstanding);
  }
});

Deno.test("EpochSums reads once for an epoch that fits into its ring, and starts the next from zero", async () => {
  const { sums, write, reads } = device(8);
  for (let i = 0; i < 8; i++) await write(1);
  assertEquals(await sums.settle(), { total: 8 });
  assertEquals(reads(), 1);
  sums.reset();
  await write(5);
  assertEquals(await sums.settle(), { total: 5 });
});

Deno.test("EpochSums gives the values up to an execution, and refuses them once the epoch is over", async () => {
  const { sums, write } = device(8);
  await write(1);
  const first = sums.logs();
  const late = sums.logs();
  await write(2);
  assertEquals(await first.read(), { total: 1 });
  assertEquals(await sums.settle(), { total: 3 });
  sums.reset();
  await assertRejects(() => late.read(), Error, "an epoch that is over");
});
