import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import {
  assertClose,
  assertLogs,
  assertNoLeak,
  column,
  filled,
  onesData,
  onesModel,
  valuesOf,
  weightValues,
} from "./helpers.ts";

Deno.test("trainOnBatch(), testOnBatch() and predictOnBatch() give Keras's numbers", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
  const data = onesData(100, 3);
  assertLogs(await model.trainOnBatch(data), { loss: 16 });
  assertLogs(await model.trainOnBatch(data), { loss: 15.158 }, 1e-3);
  assertLogs(await model.testOnBatch(data), { loss: 14.360 }, 1e-3);
  const predicted = await valuesOf(await model.predictOnBatch({ x: data.x }));
  assertEquals(predicted.length, 300);
  assertClose(predicted.slice(0, 3), Array(3).fill(3.789511));
  assertEquals(model.optimizer!.iterations, 2);
});

Deno.test("trainOnBatch() and testOnBatch() start metrics afresh and take batches of any size", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", metrics: ["mae"] });
  for (const [rows, mse, mae] of [[3, 5 / 3, 1], [2, 0.5, 0.5], [3, 5 / 3, 1]] as const) {
    const data = { x: column(rows), y: column(rows, () => 0) };
    assertLogs(await model.trainOnBatch(data), { loss: mse, mae });
    assertLogs(await model.testOnBatch(data), { loss: mse, mae });
  }
});

Deno.test("trainOnBatch() takes sample weights and class weights, but not both", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  const data = { x: [[1], [3]], y: [0, 1] };
  assertLogs(await model.trainOnBatch({ ...data, sampleWeight: [2, 0.5] }), { loss: (2 + 2) / 2 });
  assertLogs(await model.trainOnBatch(data, { classWeight: { 0: 4 } }), { loss: (4 + 4) / 2 });
  await assertRejects(
    () => model.trainOnBatch({ ...data, sampleWeight: [1, 1] }, { classWeight: { 0: 4 } }),
    TypeError,
    "classWeight together with sampleWeight",
  );
  assertLogs(await model.trainOnBatch(data), { loss: (1 + 4) / 2 });
});

Deno.test("trainOnBatch() trains as fit() does", async () => {
  const [byHand, byFit] = [onesModel(2), onesModel(2)];
  for (const model of [byHand, byFit]) model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
  for (let step = 0; step < 3; step++) await byHand.trainOnBatch(onesData(8, 2));
  await byFit.fit(onesData(24, 2), { batchSize: 8, verbose: 0 });
  assertEquals(await weightValues(byHand), await weightValues(byFit));
});

Deno.test("trainOnBatch() and its like hold no tensors from call to call", async () => {
  const model = onesModel(2);
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
  const step = async (): Promise<void> => {
    await model.trainOnBatch(onesData(4, 2));
    await model.testOnBatch(onesData(4, 2));
    (await model.predictOnBatch(filledTensor())).dispose();
  };
  const input = tf.ones([4, 4]);
  const filledTensor = (): Tensor => input;
  await step();
  await assertNoLeak(async () => {
    for (let i = 0; i < 20; i++) await step();
  });
  assert(!input.isDisposed);
  input.dispose();
});

Deno.test("trainOnBatch() sees a new optimizer and new metrics after compile()", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  assertLogs(await model.trainOnBatch(onesData(2, 1)), { loss: 16 });
  model.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: "mae", metrics: ["mse"] });
  assertLogs(await model.trainOnBatch(onesData(2, 1)), { loss: 4, mse: 16 });
  assertClose(await weightValues(model), Array(4).fill(0.9));
});

Deno.test("predictOnBatch() works without compile; trainOnBatch() and testOnBatch() do not", async () => {
  const model = onesModel(1);
  assertEquals(await valuesOf(await model.predictOnBatch({ x: filled([2, 4], 1) })), [4, 4]);
  for (const method of ["trainOnBatch", "testOnBatch"] as const) {
    await assertRejects(
      () => model[method](onesData(2, 1)),
      Error,
      "You must call `compile()` before using the model.",
    );
  }
});

Deno.test("a model stays usable by batch when one batch was refused", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  await model.trainOnBatch(onesData(2, 1));
  await assertNoLeak(async () => {
    await assertRejects(() => model.trainOnBatch({ x: filled([2, 5], 1), y: filled([2, 1], 0) }), TypeError, "[2, 5]");
    await assertRejects(() => model.trainOnBatch({ x: filled([2, 4], 1), y: filled([3, 1], 0) }), RangeError, "3");
  });
  assertLogs(await model.trainOnBatch(onesData(2, 1)), { loss: 16 });
});

Deno.test("variables, getWeights() and setWeights() move weights between models", async () => {
  const [from, to] = [onesModel(2), onesModel(2)];
  from.compile({ optimizer: sgd({ learningRate: 0.05 }), loss: "mse" });
  await from.fit(onesData(8, 2), { verbose: 0 });
  const weights = from.getWeights();
  to.setWeights(weights);
  assertEquals(await weightValues(to), await weightValues(from));
  await from.fit(onesData(8, 2), { verbose: 0 });
  assert((await weightValues(to))[0] !== (await weightValues(from))[0]);
  assertThrows(() => to.setWeights([]), TypeError, "found 0 tensors; expected 1");
  const wrong = tf.ones([2, 4]);
  assertThrows(() => to.setWeights([wrong]), TypeError, 'weight "dense/kernel": found shape [2, 4]; expected [4, 2]');
  tf.dispose([...weights, wrong]);
});
