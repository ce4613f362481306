import { assertEquals, assertStringIncludes } from "@std/assert";
import { type BatchItem, type Callback, type FitOptions, Model, type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import { assertClose, column, hookTrace, onesData, onesModel, warningsOf } from "./helpers.ts";

/** A model whose loss is the mean of its inputs. */
function meanModel(): Model {
  class Mean extends Model {
    override call(x: Tensor): Tensor {
      return tf.mul(x, 1);
    }
  }
  const model = new Mean();
  model.compile({ optimizer: sgd(), loss: (_yTrue, yPred) => yPred });
  return model;
}

function items(count: number, first = 0): BatchItem[] {
  return Array.from({ length: count }, (_, i) => [column(1, () => first + i), column(1)]);
}

Deno.test("fit() gives the last, unshuffled samples to validation and carries sample weights along", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", weightedMetrics: ["mse"] });
  const data = { x: column(10), y: column(10, () => 0), sampleWeight: Float32Array.from({ length: 10 }, (_, i) => i) };
  const { history } = await model.fit(data, { validationSplit: 0.25, verbose: 0 });
  // floor(10 · 0.75) = 7 train; 7, 8, 9 validate: Σ i³ / 3 and Σ i³ / Σ i.
  assertClose(history.loss, [441 / 7]);
  assertClose(history.val_loss, [(343 + 512 + 729) / 3]);
  assertClose(history.val_mse, [(343 + 512 + 729) / 24]);
});

for (const [validationFreq, epochs] of [[2, [2, 4]], [[1, 4], [1, 4]], [3, [3]], [1, [1, 2, 3, 4, 5]]] as const) {
  Deno.test(`fit() validates after epochs ${epochs} of 5 when validationFreq is ${validationFreq}`, async () => {
    const model = onesModel(1);
    model.compile({ optimizer: sgd(), loss: "mse" });
    const after: number[] = [];
    const { history } = await model.fit(onesData(4, 1), {
      epochs: 5,
      validationData: onesData(4, 1),
      validationFreq,
      callbacks: [{
        onEpochEnd({ epoch, logs }) {
          if ("val_loss" in logs) after.push(epoch + 1);
        },
      }],
      verbose: 0,
    });
    assertEquals(after, [...epochs]);
    assertEquals(history.val_loss!.length, epochs.length);
  });
}

Deno.test("fit() starts validation data afresh each epoch, for validationSteps batches", async () => {
  const model = meanModel();
  const options = { epochs: 2, validationData: items(3, 5), validationSteps: 2, verbose: 0 } as const;
  const { history } = await model.fit(items(1), options);
  assertClose(history.val_loss, [5.5, 5.5]);
});

Deno.test("fit() warns and leaves validation out when its data can be read only once", async () => {
  const model = meanModel();
  const warnings = await warningsOf(async () => {
    const { history } = await model.fit(items(1), { epochs: 2, validationData: items(2, 5).values(), verbose: 0 });
    assertClose(history.val_loss, [5.5]);
    assertEquals(history.loss!.length, 2);
  });
  assertStringIncludes(warnings.join(), "Validation ends here");
});

Deno.test("fit() still validates and ends the epoch when a callback stops it in mid-epoch", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  const trace = hookTrace();
  const stop: Callback = { onTrainBatchEnd: (_event, { stop }) => stop() };
  const { history } = await model.fit(onesData(8, 1), {
    batchSize: 2,
    epochs: 3,
    validationData: onesData(4, 1),
    validationBatchSize: 3,
    callbacks: [stop, trace],
    verbose: 0,
  });
  assertEquals(Object.keys(history), ["loss", "val_loss"]);
  assertEquals(trace.hooks.slice(2), [
    "onTrainBatchBegin(0)",
    "onTrainBatchEnd(0)",
    "onTestBegin",
    "onTestBatchBegin(0)",
    "onTestBatchEnd(0)",
    "onTestBatchBegin(1)",
    "onTestBatchEnd(1)",
    "onTestEnd",
    "onEpochEnd(0)",
    "onTrainEnd",
  ]);
});

Deno.test("fit() takes validation data as [x, y] and [x, y, sampleWeight], and an array of batches as batches", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  const train = { x: column(2), y: column(2) };
  const fit = async (options: FitOptions): Promise<number> =>
    (await model.fit(train, { verbose: 0, ...options })).history.val_loss![0]!;
  const [x, y] = [column(4), column(4, () => 0)];
  const expected = (0 + 1 + 4 + 9) / 4;
  assertClose([await fit({ validationData: [x, y] })], [expected]);
  assertClose([await fit({ validationData: [[[0], [1], [2], [3]], [[0], [0], [0], [0]]] })], [expected]);
  assertClose([await fit({ validationData: [x, y, Float32Array.of(2, 2, 2, 2)] })], [2 * expected]);
  assertClose([await fit({ validationData: [[x, y], [x, y]] })], [expected]);
});
