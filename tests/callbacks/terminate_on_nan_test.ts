import { assertEquals, assertRejects } from "@std/assert";
import { terminateOnNaN } from "@stride/stride/callbacks";
import type { Logs } from "@stride/stride/core";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";
import { capture } from "./capture.ts";

callbackContract("terminateOnNaN()", () => terminateOnNaN());

async function epochs(losses: readonly number[]): Promise<number> {
  const run = fakeRun();
  const { value } = await capture(() => driveFit(terminateOnNaN(), run, losses.map((loss): Logs => ({ loss }))));
  run.dispose();
  return value.length;
}

Deno.test("terminateOnNaN() stops when the loss is NaN or infinite, and not when it is merely large", async () => {
  assertEquals(await epochs([1, NaN, 1]), 2);
  assertEquals(await epochs([Infinity, 1]), 1);
  assertEquals(await epochs([1, -Infinity, 1]), 2);
  assertEquals(await epochs([1, 1e300, 0]), 3);
});

Deno.test("terminateOnNaN() makes training wait for the loss of each execution", async () => {
  const run = fakeRun();
  const values = Promise.withResolvers<Logs>();
  const hook = terminateOnNaN().onTrainBatchEnd!({ batch: 0, logs: { read: () => values.promise } }, run.context);
  assertEquals(run.stopped, false);
  values.resolve({ loss: NaN });
  const { logs } = await capture(async () => await hook);
  assertEquals(run.stopped, true);
  assertEquals(logs, ["Batch 0: the loss is NaN; training stops."]);
  run.dispose();
});

Deno.test("terminateOnNaN() throws instead when raiseError is set", async () => {
  const run = fakeRun();
  await assertRejects(
    () => driveFit(terminateOnNaN({ raiseError: true }), run, [{ loss: NaN }]),
    Error,
    "the loss is NaN at batch 0",
  );
  run.dispose();
});
