import { assertEquals, assertMatch } from "@std/assert";
import type { Callback, Logs } from "@stride/stride";
import { type CallbackContext, CallbackList } from "@stride/stride/core";

const context = {} as CallbackContext;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What is said after seven executions of `stepMs` with this callback. */
async function warnings(callback: Callback, stepMs: number, logs: () => Promise<Logs>): Promise<string[]> {
  const said: string[] = [];
  const list = new CallbackList([callback], context, (message) => said.push(message));
  for (let batch = 0; batch < 7; batch++) {
    await list.call("onTrainBatchBegin", { batch });
    await wait(stepMs);
    await list.call("onTrainBatchEnd", { batch, logs: { read: logs } });
  }
  return said;
}

Deno.test("CallbackList() names a callback that is slower than the steps, once", async () => {
  const slow: Callback = { name: "sleepy", onTrainBatchEnd: () => wait(25) as Promise<void> };
  const said = await warnings(slow, 2, () => Promise.resolve({}));
  assertEquals(said.length, 1);
  assertMatch(
    said[0]!,
    /^Callback "sleepy" in onTrainBatchEnd is slow compared to training: it takes \d+ ms each time/,
  );
});

Deno.test("CallbackList() says nothing of a callback that waits for logs, or is faster than the steps", async () => {
  const reading: Callback = {
    name: "reading",
    onTrainBatchEnd: async ({ logs }) => {
      await logs.read();
    },
  };
  assertEquals(await warnings(reading, 2, () => wait(25) as Promise<Logs>), []);
  const fast: Callback = { name: "fast", onTrainBatchEnd: () => wait(6) as Promise<void> };
  assertEquals(await warnings(fast, 40, () => Promise.resolve({})), []);
});
