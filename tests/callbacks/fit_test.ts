import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Model, tf } from "@stride/stride";
import {
  earlyStopping,
  progbarLogger,
  reduceLROnPlateau,
  swapEMAWeights,
  terminateOnNaN,
} from "@stride/stride/callbacks";
import type { Callback, Tensor } from "@stride/stride/core";
import { adam, sgd } from "@stride/stride/optimizers";

/** One dense layer of ones on 4 features, without bias: the model of Keras's own trainer tests. */
function denseOfOnes(units: number): Model {
  return Model.from(tf.sequential({
    layers: [tf.layers.dense({ units, inputShape: [4], useBias: false, kernelInitializer: "ones" })],
  }));
}

function onesToZeros(units: number, rows = 100): { x: Tensor; y: Tensor; dispose(): void } {
  const [x, y] = [tf.ones([rows, 4]), tf.zeros([rows, units])];
  return { x, y, dispose: () => tf.dispose([x, y]) };
}

// Losses printed by Keras: [14.402393, 10.991340, 8.388158].
Deno.test("progbarLogger() prints Keras's lines when fit trains and evaluate runs", async () => {
  const { x, y, dispose } = onesToZeros(3);
  const model = denseOfOnes(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", metrics: ["mse"] });
  let printed = "";
  const logger = progbarLogger({ verbose: 2, write: (text) => printed += text });
  await model.fit({ x, y }, { batchSize: 20, epochs: 3, verbose: 0, callbacks: [logger] });
  assertEquals(
    printed.replaceAll(/\d+s - \d+[mu]?s\/step/g, "0s - 1ms/step"),
    [14.4024, 10.9913, 8.3882].map((loss, epoch) =>
      `Epoch ${epoch + 1}/3\n5/5 - 0s - 1ms/step - loss: ${loss.toFixed(4)} - mse: ${loss.toFixed(4)}\n`
    ).join(""),
  );
  printed = "";
  await model.evaluate({ x, y }, { batchSize: 20, verbose: 0, callbacks: [logger] });
  assert(/^5\/5 - \d+s - \d+[mu]?s\/step - loss: \d\.\d{4} - mse: \d\.\d{4}\n$/.test(printed), printed);
  model.dispose();
  dispose();
});

Deno.test("a bar on a terminal shows what fit reports when its last reading is served late", async () => {
  const { x, y, dispose } = onesToZeros(3);
  const model = denseOfOnes(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
  let printed = "";
  const logger = progbarLogger({ verbose: 1, write: (text) => printed += text, isTerminal: true, color: false });
  await model.fit({ x, y }, { batchSize: 1, epochs: 1, verbose: 0, callbacks: [logger] });
  const lines = printed.trimEnd().split("\r").slice(1);
  assert(lines.length >= 2, "at least the first step and the end");
  assert(lines[0]!.startsWith("  1/100 ━"), lines[0]);
  assert(lines[0]!.includes(" - loss: 16.0000"), lines[0]);
  assert(lines.at(-1)!.startsWith("100/100 ━"), lines.at(-1));
  model.dispose();
  dispose();
});

Deno.test("reduceLROnPlateau() gives Keras's history in fit", async () => {
  const { x, y, dispose } = onesToZeros(1);
  const model = denseOfOnes(1);
  model.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: "mse" });
  const callback = reduceLROnPlateau({ monitor: "val_loss", factor: 0.1, patience: 1, minDelta: 100 });
  const { history } = await model.fit({ x, y }, {
    epochs: 4,
    validationSplit: 0.2,
    verbose: 0,
    callbacks: [callback],
  });
  [0.1, 0.1, 0.01, 0.001].forEach((rate, epoch) => assertAlmostEquals(history.learning_rate![epoch]!, rate, 1e-9));
  model.dispose();
  dispose();
});

Deno.test("earlyStopping() restores in fit the weights of the best epoch, and leaves no tensors", async () => {
  const { x, y, dispose } = onesToZeros(1);
  const model = denseOfOnes(1);
  // Far too large a step: the loss grows from the first epoch on.
  model.compile({ optimizer: sgd({ learningRate: 1 }), loss: "mse" });
  const seen: number[] = [];
  const watch: Callback = {
    async onEpochEnd(_, { model }) {
      const [kernel] = model.getWeights();
      seen.push((await kernel!.data())[0]!);
      kernel!.dispose();
    },
  };
  const fit = () =>
    model.fit({ x, y }, {
      epochs: 9,
      verbose: 0,
      callbacks: [watch, earlyStopping({ monitor: "loss", patience: 2, restoreBestWeights: true })],
    });
  assertEquals((await fit()).epoch, [0, 1, 2]);
  const [kernel] = model.getWeights();
  assertEquals((await kernel!.data())[0], seen[0]);
  kernel!.dispose();
  const before = tf.memory().numTensors;
  await fit();
  assertEquals(tf.memory().numTensors, before);
  model.dispose();
  dispose();
});

Deno.test("terminateOnNaN() ends fit at the execution whose loss is not finite", async () => {
  const model = denseOfOnes(1);
  model.compile({ optimizer: sgd({ learningRate: 1e30 }), loss: "mse" });
  const { x, y, dispose } = onesToZeros(1, 10);
  const batches: number[] = [];
  const { log } = console;
  console.log = () => {};
  try {
    await model.fit({ x, y }, {
      batchSize: 1,
      epochs: 3,
      verbose: 0,
      callbacks: [{ onTrainBatchEnd: ({ batch }) => void batches.push(batch) }, terminateOnNaN()],
    });
  } finally {
    console.log = log;
  }
  assert(batches.length < 5, `${batches}`);
  model.dispose();
  dispose();
});

Deno.test("swapEMAWeights() evaluates with averages and trains on with the weights", async () => {
  const { x, y, dispose } = onesToZeros(1);
  const model = denseOfOnes(1);
  model.compile({ optimizer: adam({ learningRate: 0.05, useEma: true, emaMomentum: 0.5 }), loss: "mse" });
  const seen: Record<string, number> = {};
  const look = (hook: string): Callback["onTestBegin"] => async (_, { model }) => {
    const [kernel] = model.getWeights();
    seen[hook] = (await kernel!.data())[0]!;
    kernel!.dispose();
  };
  const average: Callback = {
    async onTestBegin(_, { model }) {
      seen.average = (await model.optimizer!.averages![0]!.variable.data())[0]!;
    },
  };
  await model.fit({ x, y }, {
    epochs: 1,
    validationSplit: 0.2,
    verbose: 0,
    callbacks: [
      { onTestBegin: look("before"), onTestEnd: look("testing") as Callback["onTestEnd"] },
      swapEMAWeights(),
      average,
      { onTestEnd: look("after") as Callback["onTestEnd"] },
    ],
  });
  assert(seen.average! > seen.before!, "the average lags behind weights that fall");
  assertEquals(seen.testing, seen.average);
  assertEquals(seen.after, seen.before);
  const [kernel] = model.getWeights();
  assertEquals((await kernel!.data())[0], seen.average, "finalized");
  kernel!.dispose();
  model.dispose();
  dispose();
});
