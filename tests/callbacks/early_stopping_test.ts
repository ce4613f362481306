import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { earlyStopping, type EarlyStoppingOptions } from "@stride/stride/callbacks";
import { type Callback, type Logs, tf } from "@stride/stride/core";
import { callbackContract, driveFit, fakeRun } from "../contracts/callback_contract.ts";
import { capture } from "./capture.ts";

callbackContract("earlyStopping()", () => earlyStopping({ patience: 2 }));
callbackContract(
  "earlyStopping({ restoreBestWeights })",
  () => earlyStopping({ monitor: "loss", patience: 9, restoreBestWeights: true }),
);

const LOSSES = [10, 9, 8, 9, 8.9, 8.8, 8.7, 8.6, 8.5];

/** How many epochs are trained. */
async function epochs(options: EarlyStoppingOptions, logs: readonly Logs[]): Promise<number> {
  const run = fakeRun();
  const ended = await driveFit(earlyStopping(options), run, logs);
  run.dispose();
  return ended.length;
}

function named(name: string, values: readonly number[]): Logs[] {
  return values.map((value) => ({ [name]: value }));
}

Deno.test("earlyStopping() stops at epoch max(patience, 1) + 2 when losses are those of Keras's test", async () => {
  for (let patience = 0; patience <= 5; patience++) {
    assertEquals(await epochs({ patience }, named("val_loss", LOSSES)), Math.max(patience, 1) + 2 + 1, `${patience}`);
  }
});

Deno.test("earlyStopping() asks the metric which direction is better when mode is auto", async () => {
  const falling = named("val_accuracy", [0.5, 0.4, 0.3, 0.2]);
  assertEquals(await epochs({ monitor: "val_accuracy" }, falling), 2);
  assertEquals(await epochs({ monitor: "val_accuracy", mode: "min" }, falling), 4);
  assertEquals(await epochs({ monitor: "accuracy" }, named("accuracy", [0.1, 0.2, 0.3])), 3);
});

Deno.test("earlyStopping() asks for a mode when a value has no direction", async () => {
  const error = await assertRejects(() => epochs({ monitor: "drift" }, named("drift", [1])), Error);
  assertEquals((error.cause as Error).message.includes('Pass mode: "min" or mode: "max"'), true);
  assertEquals((error.cause as Error) instanceof RangeError, true);
  assertEquals(await epochs({ monitor: "drift", mode: "max" }, named("drift", [1, 2, 1])), 3);
});

Deno.test("earlyStopping() does not count changes smaller than minDelta, whatever its sign", async () => {
  const slow = named("val_loss", [1, 0.95, 0.9, 0.85]);
  assertEquals(await epochs({ minDelta: 0.1 }, slow), 2);
  assertEquals(await epochs({ minDelta: -0.1 }, slow), 2);
  assertEquals(await epochs({ minDelta: 0.01 }, slow), 4);
});

// Keras's test_early_stopping_with_baseline: accuracies against a baseline.
Deno.test("earlyStopping() starts patience anew only when the best and the baseline are beaten", async () => {
  const values = [0.6, 0.61, 0.62, 0.63];
  assertEquals(await epochs({ monitor: "accuracy", patience: 2, baseline: 0.5 }, named("accuracy", values)), 4);
  // Never above the baseline: every value is an improvement, so none of them stops the run; the first that is not does.
  assertEquals(
    await epochs({ monitor: "accuracy", patience: 2, baseline: 0.9 }, named("accuracy", [0.6, 0.61, 0.62, 0.6, 0.7])),
    4,
  );
});

Deno.test("earlyStopping() watches from startFromEpoch on", async () => {
  assertEquals(await epochs({ patience: 1, startFromEpoch: 3 }, named("val_loss", [1, 2, 3, 4, 5, 6])), 5);
});

Deno.test("earlyStopping() warns once, listing what there is, when the value is missing", async () => {
  const { warnings } = await capture(() => epochs({ monitor: "val_los" }, named("loss", [1, 2, 3])));
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0]!.includes('"val_los" is not among the values'), true);
  assertEquals(warnings[0]!.endsWith("Available: loss."), true);
});

/** Trains with weights that tell the epoch. @returns The first weight at the end. */
async function finalWeight(options: EarlyStoppingOptions, losses: readonly number[]): Promise<number> {
  const run = fakeRun();
  const callback = earlyStopping({ restoreBestWeights: true, ...options });
  const marking: Callback = {
    ...lift(callback),
    onEpochEnd: (event, context) => {
      tf.tidy(() => run.weight.assign(tf.tensor1d([event.epoch, 0])));
      return callback.onEpochEnd!(event, context);
    },
  };
  await driveFit(marking, run, named("val_loss", losses));
  const [weight] = await run.weight.data();
  run.dispose();
  return weight!;
}

function lift(callback: Callback): Callback {
  return {
    onTrainBegin: (event, context) => callback.onTrainBegin!(event, context),
    onTrainEnd: (event, context) => callback.onTrainEnd!(event, context),
  };
}

Deno.test("earlyStopping() ends with the weights of the best epoch, stopped or not, and keeps no tensors", async () => {
  const before = tf.memory().numTensors;
  assertEquals(await finalWeight({ patience: 2 }, [0.2, 0.15, 0.1, 0.11, 0.12]), 2);
  assertEquals(await finalWeight({ patience: 9 }, [0.2, 0.1, 0.15]), 1, "not stopped");
  assertEquals(await finalWeight({ patience: 9, baseline: 0.01 }, [0.2, 0.1, 0.15]), 1, "never below the baseline");
  assertEquals(await finalWeight({ restoreBestWeights: false, patience: 9 }, [0.2, 0.1, 0.15]), 2);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("earlyStopping() says what it does when verbose", async () => {
  const options = { patience: 1, restoreBestWeights: true, verbose: 1 } as const;
  const { logs } = await capture(() => epochs(options, named("val_loss", [1, 2])));
  assertEquals(logs, ["Epoch 2: early stopping", "Restoring model weights from the end of the best epoch: 1."]);
});

Deno.test("earlyStopping() saves the best weights with its state", async () => {
  const run = fakeRun();
  const first = earlyStopping({ monitor: "loss", restoreBestWeights: true });
  await first.onEpochEnd!({ epoch: 0, logs: { loss: 1 } }, run.context);
  const saved = JSON.parse(JSON.stringify(await first.state!.save()));
  await first.onTrainEnd!({ logs: {} }, run.context);

  const second = earlyStopping({ monitor: "loss", restoreBestWeights: true, patience: 5 });
  second.state!.load(saved);
  tf.tidy(() => run.weight.assign(tf.tensor1d([7, 7])));
  await driveFit(second, run, named("loss", [3, 2]), { firstEpoch: 1 });
  assertEquals([...await run.weight.data()], [1, 2]);
  run.dispose();
});

Deno.test("earlyStopping() refuses options that are out of range", () => {
  assertThrows(() => earlyStopping({ patience: -1 }), RangeError, "patience is -1");
  assertThrows(() => earlyStopping({ minDelta: NaN }), RangeError, "minDelta is NaN");
  assertThrows(() => earlyStopping({ mode: "down" as "min" }), RangeError, 'mode is "down"');
});
