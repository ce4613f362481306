import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { learningRateScheduler, reduceLROnPlateau, type ReduceLROnPlateauOptions } from "@stride/stride/callbacks";
import { CallbackError, type Logs } from "@stride/stride/core";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";
import { capture } from "./capture.ts";

callbackContract("learningRateScheduler()", () => learningRateScheduler({ schedule: (_, rate) => rate / 2 }));
callbackContract(
  "reduceLROnPlateau()",
  () => reduceLROnPlateau({ monitor: "val_loss", patience: 2, cooldown: 1, factor: 0.5 }),
);

/** The learning rates that are reported. */
async function rates(options: ReduceLROnPlateauOptions, losses: readonly number[]): Promise<number[]> {
  const run = fakeRun();
  const logs = await driveFit(reduceLROnPlateau(options), run, losses.map((loss): Logs => ({ loss, val_loss: loss })));
  run.dispose();
  return logs.map((values) => values.learning_rate!);
}

function assertClose(actual: readonly number[], expected: readonly number[]): void {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, index) => assertAlmostEquals(value, expected[index]!, 1e-12));
}

Deno.test("reduceLROnPlateau() gives Keras's history when no change is large enough", async () => {
  assertClose(await rates({ factor: 0.1, patience: 1, minDelta: 100 }, [4, 3, 2, 1]), [0.1, 0.1, 0.01, 0.001]);
});

// Validation losses and learning rates of goldens/training/cb_reduce_lr_on_plateau.json, from 0.3 on.
Deno.test("reduceLROnPlateau() gives Keras's history with a cooldown and a least rate", async () => {
  const losses = [7.155958652496338, 7.9487762451171875, 8.17370319366455, 8.25226879119873, 8.284273147583008];
  losses.push(8.299638748168945, 8.313972473144531, 8.32731819152832);
  const run = fakeRun({ learningRate: 0.3 });
  const callback = reduceLROnPlateau({ factor: 0.5, patience: 1, minDelta: 0.02, cooldown: 1, minLr: 0.02 });
  const logs = await driveFit(callback, run, losses.map((value): Logs => ({ val_loss: value })));
  assertClose(logs.map((values) => values.learning_rate!), [0.3, 0.3, 0.15, 0.075, 0.0375, 0.02, 0.02, 0.02]);
  run.dispose();
});

Deno.test("reduceLROnPlateau() does not count epochs of the cooldown when it is longer", async () => {
  // Reduced after epochs 1 and 4: the two epochs between are the cooldown, the last of which counts.
  assertClose(
    await rates({ factor: 0.5, patience: 1, cooldown: 2 }, [1, 1, 1, 1, 1]),
    [0.1, 0.1, 0.05, 0.05, 0.025],
  );
});

Deno.test("reduceLROnPlateau() refuses a factor of 1 or more, and negative numbers", () => {
  assertThrows(() => reduceLROnPlateau({ factor: 1 }), RangeError, "factor is 1");
  assertThrows(() => reduceLROnPlateau({ factor: 0 }), RangeError, "factor is 0");
  assertThrows(() => reduceLROnPlateau({ minLr: -1 }), RangeError, "minLr is -1");
});

Deno.test("reduceLROnPlateau() warns once when the value is missing, and reports the rate", async () => {
  const run = fakeRun();
  const { value, warnings } = await capture(() => driveFit(reduceLROnPlateau(), run, [{ loss: 1 }, { loss: 1 }]));
  assertEquals(warnings.length, 1);
  assertEquals(value[1], { loss: 1, learning_rate: 0.1 });
  run.dispose();
});

Deno.test("learningRateScheduler() sets the rate of each epoch from the one before, and reports it", async () => {
  const run = fakeRun();
  const seen: [number, number][] = [];
  const schedule = (epoch: number, rate: number): number => {
    seen.push([epoch, rate]);
    return epoch > 0 ? rate * 0.5 : rate;
  };
  const logs = await driveFit(learningRateScheduler({ schedule }), run, [{}, {}, {}]);
  assertEquals(seen, [[0, 0.1], [1, 0.1], [2, 0.05]]);
  assertEquals(logs.map((values) => values.learning_rate), [0.1, 0.05, 0.025]);
  assertEquals(run.optimizer.learningRate, 0.025);
  run.dispose();
});

Deno.test("learning rate callbacks refuse an optimizer that follows a schedule, before the first epoch", async () => {
  for (const callback of [learningRateScheduler({ schedule: () => 1 }), reduceLROnPlateau()]) {
    const run = fakeRun({ learningRate: (step) => 1 / (step + 1) });
    const error = await assertRejects(() => driveFit(callback, run, []), CallbackError);
    assertEquals(error.hook, "onTrainBegin");
    assertEquals(error.message.includes('optimizer "fake" follows a schedule'), true);
    run.dispose();
  }
});

Deno.test("learningRateScheduler() refuses what is no function, and what a function returns that is no number", async () => {
  assertThrows(() => learningRateScheduler(undefined as never), TypeError, "expected { schedule }");
  const run = fakeRun();
  const callback = learningRateScheduler({ schedule: () => NaN });
  await assertRejects(() => driveFit(callback, run, [{}]), CallbackError, "the schedule returned NaN");
  run.dispose();
});
