import { assertEquals } from "@std/assert";
import { lambdaCallback } from "@stride/stride/callbacks";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";

callbackContract("lambdaCallback()", () => lambdaCallback({ onEpochEnd: () => {} }));

Deno.test("lambdaCallback() calls the functions that it was given", async () => {
  const run = fakeRun();
  const seen: (string | number)[] = [];
  const callback = lambdaCallback({
    onTrainBegin: () => void seen.push("begin"),
    onEpochEnd: ({ logs }, { stop }) => {
      seen.push(logs.loss!);
      if (logs.loss! < 2) stop();
    },
  });
  await driveFit(callback, run, [{ loss: 3 }, { loss: 1 }, { loss: 0 }]);
  assertEquals(seen, ["begin", 3, 1]);
  run.dispose();
});
