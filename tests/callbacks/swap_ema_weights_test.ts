import { assertEquals, assertRejects } from "@std/assert";
import { swapEMAWeights, type SwapEMAWeightsOptions } from "@stride/stride/callbacks";
import { CallbackError, CallbackList, type HookName, tf } from "@stride/stride/core";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";

callbackContract("swapEMAWeights()", () => swapEMAWeights(), { average: [5, 6] });
callbackContract("swapEMAWeights({ swapOnEpoch })", () => swapEMAWeights({ swapOnEpoch: true }), { average: [5, 6] });

/** The weight after each hook; the weight itself is [1, 2], its average [5, 6]. */
async function trace(options: SwapEMAWeightsOptions, hooks: readonly HookName[]): Promise<number[]> {
  const run = fakeRun({ average: [5, 6] });
  const list = new CallbackList([swapEMAWeights(options)], run.context);
  const seen: number[] = [];
  for (const hook of hooks) {
    await list.call(hook, { epoch: 0, logs: {} } as never);
    seen.push((await run.weight.data())[0]!);
  }
  assertEquals([...await run.optimizer.averages![0]!.variable.data()], [5, 6], "averages are left alone");
  run.dispose();
  return seen;
}

Deno.test("swapEMAWeights() swaps averages in around test and predict, and keeps no tensors", async () => {
  const before = tf.memory().numTensors;
  assertEquals(
    await trace({}, ["onTrainBegin", "onEpochBegin", "onTestBegin", "onTestEnd", "onEpochEnd", "onTrainEnd"]),
    [1, 1, 5, 1, 1, 1],
  );
  assertEquals(await trace({}, ["onPredictBegin", "onPredictEnd"]), [5, 1]);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("swapEMAWeights() has averages in place between epochs when swapOnEpoch is set", async () => {
  const before = tf.memory().numTensors;
  assertEquals(
    await trace({ swapOnEpoch: true }, [
      "onTrainBegin",
      "onEpochBegin",
      "onTestBegin",
      "onTestEnd",
      "onEpochEnd",
      "onEpochBegin",
      "onEpochEnd",
      "onTrainEnd",
    ]),
    [1, 1, 5, 1, 5, 1, 5, 5],
  );
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("swapEMAWeights() puts weights back when the run before failed in between", async () => {
  assertEquals(await trace({}, ["onTestBegin", "onTrainBegin", "onEpochBegin"]), [5, 1, 1]);
});

Deno.test("swapEMAWeights() refuses an optimizer without averages, before the first epoch", async () => {
  const run = fakeRun();
  const error = await assertRejects(() => driveFit(swapEMAWeights(), run, []), CallbackError, "useEma: true");
  assertEquals(error.hook, "onTrainBegin");
  run.dispose();
});
