import { assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type BatchItem, type Callback, type Dataset, type DataSource, Model, type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import { assertClose, column, filled, hookTrace, onesData, onesModel, warningsOf } from "./helpers.ts";

/** A model that shows which rows it is trained on: its mean output is the loss, and each batch's x is written down. */
function probe(): { model: Model; seen: number[][] } {
  const seen: number[][] = [];
  class Probe extends Model {
    override call(x: Tensor, { training }: { training: boolean }): Tensor {
      if (training) seen.push(Array.from(x.dataSync()));
      return tf.mul(x, 1);
    }
  }
  const model = new Probe();
  // What a step is given is noted while it runs, which a compiled step does not allow.
  model.compile({ optimizer: sgd(), loss: (_yTrue, yPred) => yPred, executor: "eager" });
  return { model, seen };
}

function items(count: number, first = 0): BatchItem[] {
  return Array.from({ length: count }, (_, i) => [column(1, () => first + i), column(1)]);
}

function* once(batches: readonly BatchItem[]): Generator<BatchItem> {
  yield* batches;
}

function* endless(): Generator<BatchItem> {
  for (let i = 0;; i++) yield [column(1, () => i), column(1)];
}

/** Endless data that say so, as `tf.data.repeat()` does. */
const endlessDataset: DataSource = Object.assign(() => endless(), {});

for (
  const [stepsPerEpoch, batches] of [
    [10, [10, 10, 10, 10]],
    [5, [5, 5, 5, 5]],
    [9, [9, 1, 9, 1]],
    [11, [10, 10, 10, 10]],
  ] as const
) {
  Deno.test(`fit() runs ${batches} batches an epoch when 80 samples in batches of 8 get stepsPerEpoch ${stepsPerEpoch}`, async () => {
    const model = onesModel(1);
    model.compile({ optimizer: sgd(), loss: "mse" });
    const trace = hookTrace();
    const warnings = await warningsOf(() =>
      model.fit(onesData(80, 1), { batchSize: 8, epochs: 4, stepsPerEpoch, callbacks: [trace], verbose: 0 })
    );
    const counts: number[] = [];
    for (const hook of trace.hooks) {
      if (hook.startsWith("onEpochBegin")) counts.push(0);
      if (hook.startsWith("onTrainBatchEnd")) counts[counts.length - 1]!++;
    }
    assertEquals(counts, [...batches]);
    assertEquals(model.optimizer!.iterations, batches.reduce((sum, count) => sum + count, 0));
    assertEquals(warnings.length > 0, batches.some((count) => count < stepsPerEpoch));
    if (warnings.length > 0) assertStringIncludes(warnings[0]!, "Your input ran out of data");
  });
}

Deno.test("fit() goes on with the data from epoch to epoch when stepsPerEpoch is given", async () => {
  const data = { x: column(10), y: column(10) };
  const first = probe();
  await first.model.fit(data, { batchSize: 1, epochs: 3, stepsPerEpoch: 5, shuffle: false, verbose: 0 });
  assertEquals(first.seen.flat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4]);
  const second = probe();
  await warningsOf(() =>
    second.model.fit(data, { batchSize: 1, epochs: 4, stepsPerEpoch: 9, shuffle: false, verbose: 0 })
  );
  assertEquals(second.seen.flat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("fit() ends the epoch and warns when stepsPerEpoch is more than there is", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
  const warnings = await warningsOf(async () => {
    const { history } = await model.fit(onesData(100, 3), { batchSize: 20, epochs: 3, stepsPerEpoch: 7, verbose: 0 });
    assertClose(history.loss, [14.402393, 10.991340, 8.388158]);
  });
  assertEquals(warnings.length, 3);
  for (const warning of warnings) assertStringIncludes(warning, "5 of 7 steps");
  assertEquals(model.optimizer!.iterations, 15);
});

Deno.test("fit() truncates the last execution when stepsPerEpoch is no multiple of stepsPerExecution", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse", stepsPerExecution: 3 });
  const trace = hookTrace();
  await model.fit(() => once(batchesOf(20)), { epochs: 2, stepsPerEpoch: 4, callbacks: [trace], verbose: 0 });
  const ends = trace.hooks.filter((hook) => hook.startsWith("onTrainBatchEnd"));
  assertEquals(ends, ["onTrainBatchEnd(2)", "onTrainBatchEnd(3)", "onTrainBatchEnd(2)", "onTrainBatchEnd(3)"]);
});

Deno.test("fit() stops with a warning, and repeats nothing, when a generator has ended", async () => {
  const { model, seen } = probe();
  const warnings = await warningsOf(async () => {
    const trace = hookTrace();
    const history = await model.fit(once(items(3)), { epochs: 5, callbacks: [trace], verbose: 0 });
    assertEquals(history.epoch, [0]);
    assertEquals(trace.hooks.slice(-3), ["onTrainBatchEnd(2)", "onEpochEnd(0)", "onTrainEnd"]);
  });
  assertEquals(seen.flat(), [0, 1, 2]);
  assertStringIncludes(warnings[0]!, "ran out of data");
});

Deno.test("fit() reads a generator to its end over several epochs when stepsPerEpoch is given", async () => {
  const { model, seen } = probe();
  const warnings = await warningsOf(async () => {
    const history = await model.fit(once(items(5)), { epochs: 4, stepsPerEpoch: 2, verbose: 0 });
    assertEquals(history.epoch, [0, 1, 2]);
  });
  assertEquals(seen.flat(), [0, 1, 2, 3, 4]);
  assertStringIncludes(warnings[0]!, "ran out of data");
});

Deno.test("fit() begins an epoch, and ends none, when a generator has ended with the one before", async () => {
  const { model } = probe();
  const trace = hookTrace();
  const warnings = await warningsOf(async () => {
    const options = { epochs: 3, stepsPerEpoch: 2, callbacks: [trace], verbose: 0 } as const;
    assertEquals((await model.fit(once(items(4)), options)).epoch, [0, 1]);
  });
  // Only reading tells, and what a hook of the beginning changes must count for the first batch that is read.
  assertEquals(trace.hooks.slice(-4), ["onTrainBatchEnd(1)", "onEpochEnd(1)", "onEpochBegin(2)", "onTrainEnd"]);
  assertStringIncludes(warnings[0]!, "ran out of data");
});

Deno.test("fit() says nothing when a generator ends with the last epoch", async () => {
  const { model } = probe();
  const fit = () => model.fit(once(items(4)), { epochs: 2, stepsPerEpoch: 2, verbose: 0 });
  assertEquals(await warningsOf(async () => assertEquals((await fit()).epoch, [0, 1])), []);
});

Deno.test("fit() reads a new iterable each epoch when given an array, a function, a stream or an async iterable", async () => {
  const twice = [0, 1, 2, 0, 1, 2];
  const again = { [Symbol.asyncIterator]: () => asynchronous(items(3)) };
  for (const data of [items(3), () => once(items(3)), () => asynchronous(items(3)), again] as DataSource[]) {
    const { model, seen } = probe();
    assertEquals(await warningsOf(() => model.fit(data, { epochs: 2, verbose: 0 })), []);
    assertEquals(seen.flat(), twice);
  }
  const { model, seen } = probe();
  await warningsOf(() => model.fit(ReadableStream.from(items(3)), { epochs: 2, verbose: 0 }));
  assertEquals(seen.flat(), [0, 1, 2]);
});

Deno.test("fit() takes tf.data pipelines and disposes what they yield", async () => {
  const { model, seen } = probe();
  const pipeline = tf.data.array([0, 1, 2, 3]).map((value) => ({
    xs: tf.tensor2d([[value as number]]),
    ys: tf.tensor2d([[0]]),
  }));
  const before = tf.memory().numTensors;
  await model.fit(pipeline as unknown as DataSource, { epochs: 2, verbose: 0 });
  assertEquals(seen.flat(), [0, 1, 2, 3, 0, 1, 2, 3]);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("fit() refuses endless data without stepsPerEpoch, and takes them with it", async () => {
  const { model, seen } = probe();
  const dataset: Dataset = Object.assign(Object.create(null), { batches: Infinity, ...recipe() });
  await assertRejects(() => model.fit(dataset, { verbose: 0 }), RangeError, "stepsPerEpoch");
  await assertRejects(() => model.evaluate(dataset, { verbose: 0 }), RangeError, "steps");
  await model.fit(endlessDataset, { epochs: 2, stepsPerEpoch: 2, verbose: 0 });
  assertEquals(seen.flat(), [0, 1, 2, 3]);
});

for (const stepsPerExecution of [1, 5]) {
  Deno.test(`fit(), evaluate() and predict() stop at the fifth step of endless data when stepsPerExecution is ${stepsPerExecution}`, async () => {
    const { model } = probe();
    model.compile({ optimizer: sgd(), loss: (_yTrue, yPred) => yPred, stepsPerExecution, executor: "eager" });
    const counts = { train: 0, test: 0, predict: 0 };
    const stopAt5 = (kind: keyof typeof counts) => ({ batch }: { batch: number }, { stop }: { stop(): void }): void => {
      counts[kind] = batch + 1;
      if (batch === 4) stop();
    };
    const callback: Callback = {
      onTrainBatchEnd: stopAt5("train"),
      onTestBatchEnd: stopAt5("test"),
      onPredictBatchEnd: stopAt5("predict"),
    };
    const options = { callbacks: [callback], verbose: 0 as const };
    assertEquals((await model.fit(() => endless(), { epochs: 3, ...options })).epoch, [0]);
    await model.evaluate(() => endless(), options);
    const predicted = await model.predict(() => endless(), options);
    assertEquals([predicted.shape, counts], [[5, 1], { train: 5, test: 5, predict: 5 }]);
    predicted.dispose();
  });
}

Deno.test("fit() shuffles arrays anew each epoch, within batches when asked to, and not at all when told not to", async () => {
  const data = { x: column(12), y: column(12) };
  const run = async (shuffle: boolean | "batch" | undefined): Promise<number[][]> => {
    const { model, seen } = probe();
    await model.fit(data, { batchSize: 4, epochs: 2, verbose: 0, ...(shuffle === undefined ? {} : { shuffle }) });
    return seen;
  };
  const ordered = Array.from({ length: 12 }, (_, i) => i);
  for (const choice of [true, undefined]) {
    const seen = await run(choice);
    const [first, second] = [seen.slice(0, 3).flat(), seen.slice(3).flat()];
    assertEquals([first.toSorted((a, b) => a - b), second.toSorted((a, b) => a - b)], [ordered, ordered]);
    assertNotEquals(first, second);
    assertNotEquals(first, ordered);
  }
  const again = probe();
  for (let i = 0; i < 2; i++) await again.model.fit(data, { batchSize: 4, verbose: 0 });
  assertNotEquals(again.seen.slice(0, 3), again.seen.slice(3));
  const within = await run("batch");
  assertEquals(
    within.map((batch) => batch.toSorted((a, b) => a - b)),
    [0, 4, 8, 0, 4, 8].map((i) => [i, i + 1, i + 2, i + 3]),
  );
  assertNotEquals(within.flat(), [...ordered, ...ordered]);
  assertEquals((await run(false)).flat(), [...ordered, ...ordered]);
});

Deno.test("fit() ignores shuffle with a warning when data come in batches", async () => {
  const { model, seen } = probe();
  const warnings = await warningsOf(() => model.fit(items(3), { shuffle: true, verbose: 0 }));
  assertStringIncludes(warnings.join(), "shuffle");
  assertEquals(seen.flat(), [0, 1, 2]);
});

function batchesOf(count: number): BatchItem[] {
  return Array.from({ length: count }, () => [filled([2, 4], 1), filled([2, 1], 0)]);
}

async function* asynchronous(batches: readonly BatchItem[]): AsyncGenerator<BatchItem> {
  yield* batches;
}

function recipe(): Pick<Dataset, "peek" | "open"> {
  return {
    peek: () => Promise.reject(new Error("must not be read")),
    open: () => {
      throw new Error("must not be opened");
    },
  };
}
