import { assert, assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import {
  CallbackError,
  type CompileOptions,
  type DataSource,
  DeviceError,
  Model,
  type Tensor,
  tf,
} from "@stride/stride";
import { oneDevice } from "@stride/stride/strategies";
import { filled, onesData, onesLayers, onesModel } from "./helpers.ts";

const quiet = { verbose: 0 } as const;
const good = onesData(8, 1);

/** A model that has trained once, so that its weights and slots exist. */
async function trained(options: CompileOptions = {}): Promise<Model> {
  const model = onesModel(1);
  model.compile({ optimizer: "adam", loss: "mse", ...options });
  await model.fit(good, quiet);
  return model;
}

/** Checks class and message of what `run` throws, that it holds nothing, and that the model still trains. */
async function refused(
  model: Model,
  run: () => Promise<unknown>,
  errorClass: new (...args: never[]) => Error,
  ...parts: readonly string[]
): Promise<void> {
  const before = tf.memory();
  const error = await assertRejects(run);
  assertInstanceOf(error, errorClass, String(error));
  for (const part of parts) assertStringIncludes((error as Error).message, part);
  const after = tf.memory();
  assertEquals([after.numTensors, after.numBytes], [before.numTensors, before.numBytes], "tensors and bytes held");
  const { history } = await model.fit(good, { epochs: 2, verbose: 0 });
  assertEquals(history.loss!.length, 2);
  assert(history.loss!.every(Number.isFinite));
}

function fits(data: unknown): (model: Model) => Promise<unknown> {
  return (model) => model.fit(data as DataSource, quiet);
}

const cases: Record<
  string,
  readonly [(model: Model) => Promise<unknown>, new (...args: never[]) => Error, ...string[]]
> = {
  "arrays of different lengths": [
    fits({ x: filled([8, 4], 1), y: filled([7, 1], 0) }),
    RangeError,
    "Data cardinality is ambiguous",
    "x has 8 samples; y has 7 samples",
  ],
  "sample weights of another length": [
    fits({ ...good, sampleWeight: [1, 2] }),
    RangeError,
    "sampleWeight has 2 samples",
  ],
  "inputs of the wrong shape": [fits({ ...good, x: filled([8, 5], 1) }), TypeError, "[8, 5]", "[null, 4]"],
  "targets of the wrong shape": [
    fits({ ...good, y: filled([8, 3], 0) }),
    TypeError,
    "targets have shape [null, 3]",
    "predictions [null, 1]",
    "[batch, 1]",
  ],
  "too few inputs": [fits({ x: [], y: good.y }), Error, "x"],
  "unknown inputs by name": [fits({ x: { wrong: good.x }, y: good.y }), TypeError, "are missing; found wrong"],
  "unknown targets by name": [fits({ x: good.x, y: { wrong: good.y } }), TypeError, "unknown wrong", "dense"],
  "no targets": [fits({ x: good.x }), TypeError, "there are no targets", "Pass y"],
  "a tensor of strings": [
    async (model) => {
      const x = tf.tensor(["a", "b"]);
      try {
        await model.fit({ x, y: [0, 1] }, quiet);
      } finally {
        x.dispose();
      }
    },
    TypeError,
    'dtype is "string"',
    "float32, int32",
  ],
  "an array of strings": [fits({ x: [["a", "b", "c", "d"]], y: [0] }), TypeError, "expected numbers", 'string "a"'],
  "an unsupported typed array": [
    fits({ x: new BigInt64Array(4), y: [0, 0, 0, 0] }),
    TypeError,
    "BigInt64Array is not supported",
    "Float32Array",
  ],
  "a host array of an unknown dtype": [
    fits({ x: { shape: [2, 4], dtype: "float64", values: new Float64Array(8) }, y: [0, 1] }),
    TypeError,
    '"float64"',
    "float32",
  ],
  "a host array with too few values": [
    fits({ x: { shape: [2, 4], dtype: "float32", values: new Float32Array(7) }, y: [0, 1] }),
    TypeError,
    "shape [2, 4] has 8 elements, but there are 7 values",
  ],
  "a ragged array": [fits({ x: [[1, 2, 3, 4], [1]], y: [0, 1] }), TypeError, "ragged", "expected 4 elements"],
  "no data": [fits(undefined), TypeError, "Cannot read data from undefined"],
  "a number as data": [fits(3), TypeError, "Cannot read data from the number 3", "{ x, y }"],
  "a number as x": [fits({ x: 3, y: 3 }), TypeError, "x of the training data", "the number 3"],
  "an iterable beside y": [fits({ x: (function* () {})(), y: good.y }), TypeError, "iterable", "y must not be given"],
  "targets under another name": [fits({ x: good.x, target: good.y }), TypeError, "unknown target", "{ x, y,"],
  "empty arrays": [fits({ x: filled([0, 4], 0), y: filled([0, 1], 0) }), RangeError, "empty"],
  "an empty list of batches": [fits([]), RangeError, "empty data"],
  "a generator that was read before": [
    async (model) => {
      const once = (function* () {
        yield [good.x, good.y];
      })();
      await model.fit(once, quiet);
      await model.fit(once, quiet);
    },
    RangeError,
    "empty data",
    "read only once: pass a function",
  ],
  "an empty generator": [fits((function* () {})()), RangeError, "empty data"],
  "empty data to evaluate": [(model) => model.evaluate([], quiet), RangeError, "empty data"],
  "empty data to predict": [(model) => model.predict([], quiet), RangeError, "empty data"],
  "a batch of four parts": [
    fits([[good.x, good.y, [1, 1, 1, 1, 1, 1, 1, 1], good.x]]),
    TypeError,
    "4 elements",
    "[x, y, sampleWeight]",
  ],
  "a generator that throws": [
    fits((function* () {
      yield [good.x, good.y];
      throw new SyntaxError("no more");
    })()),
    SyntaxError,
    "no more",
  ],
  "batchSize 0": [(model) => model.fit(good, { batchSize: 0, verbose: 0 }), RangeError, "batches of 0", "at least 1"],
  "batchSize for batches": [
    (model) => model.fit([[good.x, good.y]], { batchSize: 2, verbose: 0 }),
    TypeError,
    "batchSize",
    "batches already",
  ],
  "epochs -1": [(model) => model.fit(good, { epochs: -1, verbose: 0 }), RangeError, "epochs is -1", "at least 0"],
  "epochs 1.5": [(model) => model.fit(good, { epochs: 1.5, verbose: 0 }), RangeError, "epochs is 1.5"],
  "stepsPerEpoch 0": [(model) => model.fit(good, { stepsPerEpoch: 0, verbose: 0 }), RangeError, "0 steps"],
  "validationFreq 0": [
    (model) => model.fit(good, { validationFreq: 0, verbose: 0 }),
    RangeError,
    "validationFreq is 0",
  ],
  "a validationSplit of 1": [
    (model) => model.fit(good, { validationSplit: 1, verbose: 0 }),
    RangeError,
    "between 0 and 1",
  ],
  "a validationSplit that leaves nothing": [
    (model) => model.fit(onesData(1, 1), { validationSplit: 0.5, verbose: 0 }),
    RangeError,
    "1 samples",
    "both need at least one",
  ],
  "a validationSplit of a generator": [
    (model) => model.fit([[good.x, good.y]], { validationSplit: 0.5, verbose: 0 }),
    TypeError,
    "validationSplit takes arrays",
  ],
  "validation data that do not fit": [
    (model) => model.fit(good, { validationData: { x: filled([2, 5], 1), y: filled([2, 1], 1) }, verbose: 0 }),
    TypeError,
    "[2, 5]",
  ],
  "class weights by name": [
    (model) => model.fit(good, { classWeight: { cat: 2 } as unknown as Record<number, number>, verbose: 0 }),
    TypeError,
    'key "cat"',
    "class numbers",
  ],
  "class weights beside sample weights": [
    (model) => model.fit({ ...good, sampleWeight: Array(8).fill(1) }, { classWeight: { 0: 2 }, verbose: 0 }),
    TypeError,
    "together with sampleWeight",
  ],
};

for (const [what, [run, errorClass, ...parts]] of Object.entries(cases)) {
  Deno.test(`a model refuses ${what} and stays usable`, async () => {
    const model = await trained();
    await refused(model, () => run(model), errorClass, ...parts);
  });
}

for (const hook of ["onTrainBegin", "onEpochBegin", "onTrainBatchEnd", "onTestBatchEnd", "onEpochEnd"] as const) {
  Deno.test(`fit() names callback and hook, skips onTrainEnd and stays usable when ${hook} throws`, async () => {
    const model = await trained();
    let ended = false;
    const cause = new SyntaxError("out of paper");
    const printer = {
      name: "printer",
      [hook]: () => {
        throw cause;
      },
      onTrainEnd: () => {
        ended = true;
      },
    };
    const run = (): Promise<unknown> =>
      model.fit(good, { batchSize: 4, validationData: good, callbacks: [printer], verbose: 0 });
    await refused(model, run, CallbackError, `"printer" failed in ${hook}`, "out of paper");
    const error = await assertRejects(run) as CallbackError;
    assertEquals([error.callback, error.hook, error.cause, ended], ["printer", hook, cause, false]);
  });
}

Deno.test("fit() releases what a tensor generator holds when a callback throws", async () => {
  const model = await trained();
  let closed = false;
  async function* tensors(): AsyncGenerator<[Tensor, Tensor]> {
    try {
      for (let i = 0; i < 9; i++) yield [tf.ones([2, 4]), tf.zeros([2, 1])];
    } finally {
      closed = true;
    }
  }
  const failing = { onTrainBatchEnd: () => Promise.reject(new Error("stop here")) };
  await refused(model, () => model.fit(tensors(), { callbacks: [failing], verbose: 0 }), CallbackError, "stop here");
  assert(closed);
  closed = false;
  async function* wrong(): AsyncGenerator<[Tensor, Tensor]> {
    try {
      yield [tf.ones([2, 5]), tf.zeros([2, 1])];
    } finally {
      closed = true;
    }
  }
  await refused(model, () => model.fit(wrong(), quiet), TypeError, "[2, 5]");
  assert(closed);
  const fresh = onesModel(1);
  fresh.compile({ loss: "mse" });
  closed = false;
  await assertRejects(() => fresh.fit(wrong(), quiet), TypeError, "[2, 5]");
  assert(closed);
});

Deno.test("fit() rejects with the signal's reason when it aborts, before and while it runs", async () => {
  const model = await trained();
  const reason = new Error("enough");
  await refused(model, () => model.fit(good, { signal: AbortSignal.abort(reason), verbose: 0 }), Error, "enough");
  const controller = new AbortController();
  let batches = 0;
  const callbacks = [{
    onTrainBatchEnd: () => {
      if (++batches === 3) controller.abort(reason);
    },
  }];
  const options = { batchSize: 1, callbacks, signal: controller.signal, ...quiet };
  await refused(model, () => model.fit(good, options), Error, "enough");
  assertEquals(batches, 3);
});

Deno.test("a model on a device that is not there says so, by name, and lists those that are", async () => {
  const model = oneDevice({ device: "abacus" }).scope(() => Model.from(onesLayers(1)));
  model.compile({ loss: "mse" });
  const before = tf.memory().numTensors;
  const error = await assertRejects(() => model.fit(good, quiet));
  assertStringIncludes((error as Error).message, "abacus");
  assertStringIncludes((error as Error).message, "cpu");
  assertEquals(tf.memory().numTensors, before);
  const absent = {
    name: "absent",
    backend: "cpu",
    probe: () => Promise.resolve({ available: false, software: false, description: "unplugged" }),
    open: () => Promise.reject(new DeviceError("Cannot open device absent: unplugged.")),
    activate: () => {},
    check: () => {},
  };
  const unplugged = oneDevice({ device: absent }).scope(() => Model.from(onesLayers(1)));
  unplugged.compile({ loss: "mse" });
  await assertRejects(() => unplugged.fit(good, quiet), DeviceError, "unplugged");
});

Deno.test("a model takes good data after bad ones came first", async () => {
  const layers = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4], activation: "softmax" })] });
  const model = Model.from(layers);
  model.compile({ loss: "crossentropy", metrics: ["accuracy"] });
  const x = filled([4, 4], 1);
  await assertRejects(() => model.fit({ x, y: filled([4, 5], 1) }, quiet), TypeError, "[null, 5]");
  const { history } = await model.fit({ x, y: [0, 1, 2, 0] }, quiet);
  assertEquals(Object.keys(history), ["loss", "accuracy"]);
});
