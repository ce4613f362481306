import { assertEquals, assertGreater } from "@std/assert";
import { type Callback, type CompileOptions, type FitOptions, Model, type Tensor, tf } from "@stride/stride";
import { assertNoLeak, column, hostReads, onesData, onesModel } from "./helpers.ts";

const quiet = { verbose: 0 } as const;

/** 12 batches of 2. */
const data = onesData(24, 1);

function compiled(options: CompileOptions = {}): Model {
  const model = onesModel(1);
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], executor: "eager", ...options });
  return model;
}

/** Reads of one fit, after a first one that warms up. */
async function readsOf(model: Model, options: FitOptions): Promise<number> {
  const fit = (): Promise<unknown> => model.fit(data, { batchSize: 2, ...quiet, ...options });
  await fit();
  return await hostReads(fit);
}

for (const stepsPerExecution of [1, 5, "auto"] as const) {
  Deno.test(`fit() reads the device once an epoch when nobody looks and stepsPerExecution is ${stepsPerExecution}`, async () => {
    assertEquals(await readsOf(compiled({ stepsPerExecution }), {}), 1);
    assertEquals(await readsOf(compiled({ stepsPerExecution }), { epochs: 3 }), 3);
    assertEquals(await readsOf(compiled({ stepsPerExecution }), { epochs: 3, validationData: data }), 6);
  });
}

Deno.test("fit() reads nothing more for hooks that do not read logs", async () => {
  let calls = 0;
  const idle: Callback = {
    onTrainBatchBegin: () => {},
    onTrainBatchEnd: () => {
      calls++;
    },
    onEpochEnd: () => {},
  };
  assertEquals(await readsOf(compiled(), { callbacks: [idle] }), 1);
  assertEquals(calls, 24);
});

for (const [stepsPerExecution, executions] of [[1, 12], [5, 3], [100, 1]] as const) {
  Deno.test(`fit() reads once an execution when a hook reads logs and stepsPerExecution is ${stepsPerExecution}`, async () => {
    const awaiting: Callback = {
      async onTrainBatchEnd({ logs }) {
        await logs.read();
      },
    };
    // The epoch's end finds everything read.
    assertEquals(
      await readsOf(compiled({ stepsPerExecution }), { callbacks: [awaiting, { ...awaiting }] }),
      executions,
    );
  });
}

Deno.test("fit() reads only the executions that a hook looked at, and the rest at once", async () => {
  const everyFourth: Callback = {
    async onTrainBatchEnd({ batch, logs }) {
      if (batch % 4 === 3) await logs.read();
    },
  };
  assertEquals(await readsOf(compiled(), { callbacks: [everyFourth] }), 3);
});

Deno.test("fit() serves a hook that does not await its logs late, with the values of its time", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: "sgd", loss: (_yTrue, yPred) => yPred, executor: "eager" });
  model.optimizer!.learningRate = 0;
  const late: Promise<number>[] = [];
  const callback: Callback = {
    onTrainBatchEnd({ logs }) {
      late.push(logs.read().then(({ loss }) => loss!));
    },
  };
  await model.fit({ x: column(4), y: column(4) }, { batchSize: 1, shuffle: false, callbacks: [callback], ...quiet });
  assertEquals(await Promise.all(late), [0, 0.5, 1, 1.5]);
});

/** Dropout, batch normalization, a recurrent layer and a loss of its own. */
class Everything extends Model {
  #rnn = tf.layers.simpleRNN({ units: 3 });
  #norm = tf.layers.batchNormalization();
  #dropout = tf.layers.dropout({ rate: 0.5 });
  #head = tf.layers.dense({ units: 1, kernelRegularizer: "l1l2" });
  override call(x: Tensor): Tensor {
    const sequence = tf.expandDims(x, -1);
    const hidden = this.apply(this.#dropout, this.apply(this.#norm, this.apply(this.#rnn, sequence)));
    this.addLoss(tf.mean(tf.square(hidden)));
    this.log("size", tf.mean(tf.abs(hidden)));
    return this.apply(this.#head, hidden);
  }
}

function everything(): Model {
  const model = new Everything();
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], stepsPerExecution: 3 });
  return model;
}

const options: FitOptions = { batchSize: 5, validationSplit: 0.25, verbose: 0 };

Deno.test("fit() holds no more tensors or bytes after 100 steps than after one", async () => {
  const model = everything();
  await model.fit(data, options);
  const held: number[][] = [];
  const watch: Callback = {
    onTrainBatchEnd() {
      const { numTensors, numBytes } = tf.memory();
      held.push([numTensors, numBytes]);
    },
  };
  await assertNoLeak(() => model.fit(data, { ...options, epochs: 25, callbacks: [watch] }));
  assertGreater(held.length, 25);
  // Each execution of an epoch adds one vector of sums, which is read at its end; every epoch looks the same.
  assertEquals(held.slice(2, 4), held.slice(-2));
});

Deno.test("fit(), evaluate() and predict() leave tensors and bytes flat over ten rounds", async () => {
  const model = everything();
  const round = async (): Promise<void> => {
    await model.fit(data, options);
    await model.evaluate(data, quiet);
    (await model.predict({ x: data.x }, { batchSize: 5, verbose: 0 })).dispose();
  };
  await round();
  await assertNoLeak(async () => {
    for (let i = 0; i < 10; i++) await round();
  });
});

Deno.test("fit() leaves tensors flat when a callback stops it early", async () => {
  const model = everything();
  const stop: Callback = { onTrainBatchEnd: (_event, { stop }) => stop() };
  const fit = (): Promise<unknown> => model.fit(data, { ...options, epochs: 3, callbacks: [stop] });
  await fit();
  await assertNoLeak(async () => {
    for (let i = 0; i < 5; i++) await fit();
  });
});
