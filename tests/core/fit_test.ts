import { assertEquals, assertStrictEquals } from "@std/assert";
import { type Callback, Model, type Tensor, tf } from "@stride/stride";
import { meanSquaredError } from "@stride/stride/losses";
import { sgd } from "@stride/stride/optimizers";
import {
  assertClose,
  assertLogs,
  batchLogs,
  column,
  filled,
  hookTrace,
  onesData,
  onesLayers,
  onesModel,
  warningsOf,
  weightValues,
} from "./helpers.ts";

// Numbers are Keras's, from keras-semantics.md §7 and §8.

Deno.test("fit() reports the epoch means of Keras for Dense(3) with SGD and mse", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", metrics: ["mse"] });
  const { history, epoch } = await model.fit(onesData(100, 3), { batchSize: 20, epochs: 3, verbose: 0 });
  assertEquals(Object.keys(history), ["loss", "mse"]);
  assertClose(history.loss, [14.402393, 10.991340, 8.388158]);
  assertClose(history.mse, [14.402393, 10.991340, 8.388158]);
  assertEquals(epoch, [0, 1, 2]);
});

Deno.test("fit() trains on the first part and validates on the last when validationSplit is .2", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
  const { history } = await model.fit(onesData(100, 3), {
    batchSize: 20,
    epochs: 3,
    validationSplit: 0.2,
    verbose: 0,
  });
  assertClose(history.loss, [14.780789, 11.906672, 9.591426]);
  assertClose(history.val_loss, [12.888807, 10.382586, 8.363698]);
});

for (const stepsPerExecution of [1, 3, 101, "auto"] as const) {
  Deno.test(`fit() and evaluate() give the same numbers when stepsPerExecution is ${stepsPerExecution}`, async () => {
    const model = onesModel(1);
    model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", stepsPerExecution });
    const { history } = await model.fit(onesData(100, 1, 1), { batchSize: 16, epochs: 2, verbose: 0 });
    assertClose(history.loss, [6.060487, 1.885980]);
    assertClose(await weightValues(model), Array(4).fill(0.483395));
    assertClose([(await model.evaluate(onesData(100, 1, 1), { batchSize: 16, verbose: 0 })).loss!], [0.871569]);
    assertEquals(model.optimizer!.iterations, 14);
  });
}

for (
  const [stepsPerExecution, losses, indices] of [
    [1, [9, 8.3088, 7.68838, 7.13058, 6.62826, 6.17513, 6.06049], [0, 1, 2, 3, 4, 5, 6]],
    [3, [7.68838, 6.17513, 6.06049], [2, 5, 6]],
  ] as const
) {
  Deno.test(`fit() gives batch hooks the running mean and the true last index when stepsPerExecution is ${stepsPerExecution}`, async () => {
    const model = onesModel(1);
    model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", stepsPerExecution });
    const seen = batchLogs();
    await model.fit(onesData(100, 1, 1), { batchSize: 16, callbacks: [seen], verbose: 0 });
    assertClose(seen.logs.map(({ loss }) => loss!), losses);
    assertEquals(seen.batches, [...indices]);
  });
}

for (const stepsPerExecution of [1, 5, 7]) {
  Deno.test(`fit() gives the walkthrough's corrected numbers when stepsPerExecution is ${stepsPerExecution}`, async () => {
    const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [10] })] }));
    const loss = meanSquaredError({ reduction: "sum" });
    model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss, metrics: ["mape"], stepsPerExecution });
    const data = { x: filled([1000, 10], 0), y: filled([1000, 1], 1) };
    assertLogs(await model.evaluate(data, { batchSize: 10, verbose: 0 }), { loss: 10, mape: 100 });
    const { history } = await model.fit(data, { batchSize: 10, epochs: 3, verbose: 0 });
    assertClose(history.loss, [0.27777776, 1.4210855e-13, 1.4210855e-13], 1e-6);
    assertClose(history.mape, [5, 1.1920929e-5, 1.1920929e-5], 1e-5);
  });
}

Deno.test("fit() accumulates batch values over unequal batches as a weighted mean", async () => {
  const model = Model.from(onesLayers(1, 1));
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  const data = { x: column(10), y: filled([10, 1], 0) };
  const seen = batchLogs();
  await model.fit(data, { batchSize: 4, shuffle: false, callbacks: [seen], verbose: 0 });
  await model.evaluate(data, { batchSize: 4, callbacks: [seen], verbose: 0 });
  assertClose(seen.logs.map(({ loss }) => loss!), [3.5, 17.5, 28.5, 3.5, 17.5, 28.5]);
});

Deno.test("fit() weights losses, and reports outputs' losses and metrics unweighted, when there are two heads", async () => {
  const model = twoHeads();
  model.compile({
    optimizer: sgd({ learningRate: 0.01 }),
    loss: ["mse", "mae"],
    lossWeights: [0.1, 0.2],
    metrics: [["mae"], ["mse"]],
  });
  const data = { x: filled([8, 4], 1), y: { a: filled([8, 3], 0), b: filled([8, 1], 0) } };
  assertLogs(await model.evaluate(data, { verbose: 0 }), {
    loss: 2.4,
    a_loss: 16,
    b_loss: 4,
    a_mae: 4,
    b_mse: 16,
  });
  const { history } = await model.fit(data, { verbose: 0 });
  assertEquals(Object.keys(history), ["loss", "a_loss", "b_loss", "a_mae", "b_mse"]);
});

Deno.test("fit() multiplies the loss alone by lossWeights", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", lossWeights: 0.2, metrics: ["mse"] });
  const { history } = await model.fit(onesData(40, 3), { batchSize: 20, epochs: 3, verbose: 0 });
  assertClose(history.loss, [3.182979, 3.115617, 3.049681]);
  assertClose(history.mse, history.loss!.map((loss) => loss / 0.2));
});

Deno.test("fit() runs call() with training, and evaluate() without", async () => {
  class Training extends Model {
    override call(x: Tensor, { training }: { training: boolean }): Tensor {
      return training ? tf.mul(x, 1) : tf.zerosLike(x);
    }
  }
  const model = new Training();
  model.compile({ optimizer: sgd(), loss: (_yTrue, yPred) => yPred });
  const data = { x: filled([8, 1], 1), y: filled([8, 1], 0) };
  assertClose((await model.fit(data, { verbose: 0 })).history.loss, [1]);
  assertLogs(await model.evaluate(data, { verbose: 0 }), { loss: 0 });
});

Deno.test("fit() calls the hooks in Keras's order with Keras's logs", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse", metrics: ["mae"] });
  const trace = hookTrace();
  await model.fit(onesData(4, 1), {
    batchSize: 2,
    validationData: onesData(2, 1),
    callbacks: [trace],
    verbose: 0,
  });
  assertEquals(trace.hooks, [
    "onTrainBegin",
    "onEpochBegin(0)",
    "onTrainBatchBegin(0)",
    "onTrainBatchEnd(0)",
    "onTrainBatchBegin(1)",
    "onTrainBatchEnd(1)",
    "onTestBegin",
    "onTestBatchBegin(0)",
    "onTestBatchEnd(0)",
    "onTestEnd",
    "onEpochEnd(0)",
    "onTrainEnd",
  ]);
  const values = "loss,mae";
  const all = "loss,mae,val_loss,val_mae";
  assertEquals(trace.keys, ["", "", "", values, "", values, "", "", values, values, all, all]);
});

Deno.test("fit() calls batch hooks with the first and the true last step when stepsPerExecution is 3", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse", stepsPerExecution: 3 });
  const trace = hookTrace();
  await model.fit(onesData(7, 1), { batchSize: 1, callbacks: [trace], verbose: 0 });
  assertEquals(trace.hooks.filter((hook) => hook.includes("Batch")), [
    "onTrainBatchBegin(0)",
    "onTrainBatchEnd(2)",
    "onTrainBatchBegin(3)",
    "onTrainBatchEnd(5)",
    "onTrainBatchBegin(6)",
    "onTrainBatchEnd(6)",
  ]);
});

Deno.test("fit() trains epochs initialEpoch to epochs - 1, and none when there are none left", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  assertEquals((await model.fit(onesData(4, 1), { epochs: 5, initialEpoch: 3, verbose: 0 })).epoch, [3, 4]);
  const trace = hookTrace();
  const none = await model.fit(onesData(4, 1), { epochs: 3, initialEpoch: 3, callbacks: [trace], verbose: 0 });
  assertEquals([none.epoch, none.history], [[], {}]);
  assertEquals(trace.hooks, ["onTrainBegin", "onTrainEnd"]);
});

Deno.test("fit() returns a History that the model keeps, with what was asked for", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  const history = await model.fit(onesData(10, 1), { batchSize: 4, epochs: 2, verbose: 0 });
  assertStrictEquals(model.history, history);
  const { epochs, steps, verbose } = history.params;
  assertEquals({ epochs, steps, verbose }, { epochs: 2, steps: 3, verbose: 0 });
});

Deno.test("fit() records the logs as the callbacks leave them", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  const change: Callback = {
    onEpochEnd({ epoch, logs }) {
      logs.learning_rate = 0.1 / (epoch + 1);
      delete logs.loss;
    },
    onTrainEnd({ logs }) {
      assertEquals(logs, { learning_rate: 0.05 });
    },
  };
  const { history } = await model.fit(onesData(4, 1), { epochs: 2, callbacks: [change], verbose: 0 });
  assertEquals(history, { learning_rate: [0.1, 0.05] });
});

Deno.test("fit() warns of nothing when the data suffice", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  assertEquals(await warningsOf(() => model.fit(onesData(10, 1), { batchSize: 4, epochs: 2, verbose: 0 })), []);
});

function twoHeads(): Model {
  const x = tf.input({ shape: [4] });
  const head = (name: string, units: number): tf.SymbolicTensor =>
    tf.layers.dense({ name, units, useBias: false, kernelInitializer: "ones" }).apply(x) as tf.SymbolicTensor;
  return Model.from(tf.model({ inputs: x, outputs: [head("a", 3), head("b", 1)] }));
}
