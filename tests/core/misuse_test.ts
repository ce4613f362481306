import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { type Callback, type FitOptions, Model, type Nested, type Tensor, tf, type TrainPhase } from "@stride/stride";
import { adam } from "@stride/stride/optimizers";
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

const quiet = { verbose: 0 } as const;
const good = onesData(8, 1);

function compiled(metrics: Parameters<Model["compile"]>[0] = {}): Model {
  const model = onesModel(1);
  model.compile({ optimizer: "adam", loss: "mse", ...metrics });
  return model;
}

Deno.test("fit() refuses a second fit, compile() and dispose() while one is running", async () => {
  const model = compiled();
  const running = model.fit(good, { epochs: 3, verbose: 0 });
  await assertRejects(() => model.fit(good, quiet), Error, "its fit() is running. Await it first");
  await assertRejects(() => model.trainOnBatch(good), Error, "its fit() is running");
  assertThrows(() => model.compile({ loss: "mae" }), Error, "Cannot compile");
  assertThrows(() => model.recompile(), Error, "Cannot recompile");
  assertThrows(() => model.dispose(), Error, "Cannot dispose");
  assertEquals((await running).epoch, [0, 1, 2]);
  await model.fit(good, quiet);
});

Deno.test("fit() lets its hooks evaluate and predict, which changes nothing, but not train", async () => {
  const train = async (look: boolean): Promise<number[]> => {
    const model = compiled({ metrics: ["mae"] });
    const losses: number[] = [];
    const hook: Callback = {
      async onTrainBatchEnd() {
        losses.push((await model.evaluate(good, quiet)).loss!);
        (await model.predict({ x: good.x }, quiet)).dispose();
        await model.testOnBatch(good);
      },
    };
    const options: FitOptions = {
      batchSize: 4,
      epochs: 2,
      validationData: good,
      callbacks: look ? [hook] : [],
      ...quiet,
    };
    const { history } = await model.fit(good, options);
    if (look) assertClose([losses[1]!, losses[3]!], history.val_loss!, 1e-6);
    return [...history.loss!, ...history.mae!, ...await weightValues(model)];
  };
  assertEquals(await train(true), await train(false));
  const model = compiled();
  const nested: Callback = { onEpochEnd: async () => void await model.fit(good, quiet) };
  await assertRejects(
    () => model.fit(good, { callbacks: [nested], ...quiet }),
    Error,
    "hooks may evaluate and predict",
  );
});

Deno.test("dispose() ends a model, and may be called again", async () => {
  const model = compiled();
  await model.fit(good, quiet);
  model.dispose();
  model.dispose();
  await assertRejects(() => model.fit(good, quiet), Error, "it was disposed. Make a new one.");
  await assertRejects(() => model.predict({ x: good.x }, quiet), Error, "it was disposed");
});

Deno.test("compile() refuses an optimizer that serves another model, until that one lets go of it", async () => {
  const optimizer = adam();
  const [first, second] = [compiled({ optimizer }), onesModel(1)];
  assertThrows(() => second.compile({ optimizer, loss: "mse" }), TypeError, "serves model");
  first.compile({ optimizer, loss: "mae" });
  first.compile({ optimizer: "sgd", loss: "mae" });
  second.compile({ optimizer, loss: "mse" });
  await second.fit(good, quiet);
});

for (
  const [what, callbacks, found] of [
    ["an object", { onEpochEnd() {} }, "an object with keys onEpochEnd"],
    ["a name", ["terminateOnNaN"], 'the string "terminateOnNaN"'],
    ["undefined in the list", [undefined], "undefined"],
  ] as [string, unknown, string][]
) {
  Deno.test(`fit() refuses callbacks that are ${what}`, async () => {
    const options = { callbacks, ...quiet } as FitOptions;
    await assertRejects(() => compiled().fit(good, options), TypeError, `found ${found}; expected a list`);
  });
}

Deno.test("fit() refuses an unknown verbose", async () => {
  await assertRejects(
    () => compiled().fit(good, { verbose: true } as unknown as FitOptions),
    RangeError,
    "verbose true",
  );
});

for (
  const [what, returned] of [
    ["undefined", undefined],
    ["a Promise", Promise.resolve(1)],
    ["the number 3", 3],
    ["an array of 0", []],
  ] as [string, unknown][]
) {
  Deno.test(`a model whose call() returns ${what} is told so`, async () => {
    class Wrong extends Model {
      override call(): Nested<Tensor> {
        return returned as Tensor;
      }
    }
    const model = new Wrong();
    model.compile({ loss: "mse" });
    await assertNoLeak(() =>
      assertRejects(() => model.fit(good, quiet), TypeError, `found ${what}; expected a tensor`)
    );
  });
}

Deno.test("a loss that returns nothing, or leaves a shape, is refused by name", async () => {
  const nothing = compiled({ loss: (() => undefined) as unknown as () => Tensor });
  await assertRejects(() => nothing.fit(good, quiet), TypeError, "it returned undefined; expected a tensor");
  const unreduced = { name: "unreduced", reduction: "none" as const, values: (a: Tensor, b: Tensor) => tf.sub(b, a) };
  await assertRejects(() => compiled({ loss: unreduced }).fit(good, quiet), TypeError, 'loss "unreduced"');
});

Deno.test("a loss that depends on no variable is refused, unless there is nothing to train", async () => {
  const model = compiled({ loss: (yTrue) => tf.mean(yTrue, -1) });
  await assertRejects(() => model.fit(good, quiet), TypeError, "depends on none of the 1 variables");
  assertLogs(await model.evaluate(good, quiet), { loss: 0 });
});

Deno.test("a metric of the wrong shape is refused by name, and the model stays usable", async () => {
  const wrong = {
    name: "wrong",
    direction: "min" as const,
    build: () => ({ size: 2, combine: "sum" as const, update: () => tf.zeros([3]), result: () => 0 }),
  };
  const throwing = (): Tensor => {
    throw new RangeError("no such axis");
  };
  const model = compiled();
  await model.fit(good, quiet);
  for (
    const [metric, message] of [
      [wrong, 'Metric "wrong" gave sums of shape [3]; expected [2]'],
      [throwing, 'metric "throwing" of targets [null, 1] and predictions [null, 1]: no such axis'],
    ] as const
  ) {
    model.compile({ optimizer: "sgd", loss: "mse", metrics: [metric] });
    await assertNoLeak(async () => {
      await assertRejects(() => model.fit(good, quiet), TypeError, message);
    });
  }
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mse"] });
  const { history } = await model.fit(good, quiet);
  assertClose(history.mse, history.loss!);
});

Deno.test("accuracy and crossentropy follow targets that change between class numbers and one-hot", async () => {
  const layers = [tf.layers.dense({ units: 3, inputShape: [4], activation: "softmax" })];
  const model = Model.from(tf.sequential({ layers }));
  model.compile({ loss: "crossentropy", metrics: ["accuracy"] });
  const x = Array.from({ length: 3 }, (_, row) => [row, 1, -row, 2]);
  const oneHot = await model.evaluate({ x, y: [[1, 0, 0], [0, 1, 0], [0, 0, 1]] }, quiet);
  assertLogs(await model.evaluate({ x, y: [0, 1, 2] }, quiet), oneHot, 1e-6);
});

Deno.test("trainPhases() refuses no phases, two of one name, and layers whose weights cannot be made", async () => {
  class Phased extends Model {
    readonly phases: (dense: tf.layers.Layer) => TrainPhase[];
    readonly dense = tf.layers.dense({ units: 1 });
    constructor(phases: (dense: tf.layers.Layer) => TrainPhase[]) {
      super("phased");
      this.phases = phases;
    }
    override call(x: Tensor): Tensor {
      return this.apply(this.dense, x);
    }
    override trainPhases(): TrainPhase[] {
      return this.phases(this.dense);
    }
  }
  const fit = (phases: (dense: tf.layers.Layer) => TrainPhase[]): () => Promise<unknown> => {
    const model = new Phased(phases);
    model.compile({ loss: "mse" });
    return () => model.fit(good, quiet);
  };
  const phase = (name: string, layer: tf.layers.Layer): TrainPhase => ({
    name,
    trains: [layer],
    step: () => ({ gradients: new Map() }),
  });
  await assertRejects(fit(() => []), TypeError, "returned no phases");
  await assertRejects(fit((dense) => [phase("a", dense), phase("a", dense)]), TypeError, "returned a, a; expected");
  const unseen = tf.layers.dense({ units: 2, name: "unseen" });
  await assertRejects(
    fit((dense) => [phase("a", dense), phase("b", unseen)]),
    TypeError,
    'phase "b" trains layer "unseen"',
  );
});

Deno.test("a layers model takes inputs without a last axis of one, as Keras does", async () => {
  const model = onesModel(1, 1);
  assertEquals(await valuesOf(await model.predict({ x: [1, 2, 3] }, quiet)), [1, 2, 3]);
  assertEquals(model.layers.map((layer) => layer.getClassName()), ["Dense"]);
  const before = await weightValues(model);
  model.compile({ optimizer: "sgd", loss: "mse" });
  await model.fit({ x: [1, 2, 3], y: [0, 0, 0] }, quiet);
  assertNotEquals(await weightValues(model), before);
  assert((await model.evaluate({ x: filled([2, 1], 0), y: [0, 0] }, quiet)).loss === 0);
});

Deno.test("fit(), evaluate() and predict() refuse options that would be ignored", async () => {
  const model = onesModel(1, 1);
  model.compile({ loss: "mse" });
  const misspelt = { batch_size: 3, verbose: 0 } as object;
  const data = { x: column(2), y: column(2) };
  const text = "unknown option batch_size; expected some of batchSize";
  await assertRejects(() => model.fit(data, misspelt), TypeError, text);
  await assertRejects(() => model.evaluate(data, misspelt), TypeError, text);
  await assertRejects(() => model.predict(data, misspelt), TypeError, text);
});

Deno.test("fit() refuses a callback whose hook is misspelt, in an object and in a class", async () => {
  const model = onesModel(1, 1);
  model.compile({ loss: "mse" });
  class Watcher {
    onEpochEnds(): void {}
  }
  const fit = (callback: object) => model.fit({ x: column(2), y: column(2) }, { verbose: 0, callbacks: [callback] });
  const text = '"onEpochEnds", which is no hook';
  await assertRejects(() => fit({ onEpochEnds: () => {} }), TypeError, `Callback "callback" has ${text}`);
  await assertRejects(() => fit(new Watcher()), TypeError, `Callback "Watcher" has ${text}`);
});
