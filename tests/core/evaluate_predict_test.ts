import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type Callback, Model, type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import {
  assertClose,
  assertLogs,
  assertNoLeak,
  column,
  filled,
  hookTrace,
  onesData,
  onesModel,
  valuesOf,
  weightValues,
} from "./helpers.ts";

/** A model of one weight, 1, that returns its input. */
function identity(): Model {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  return model;
}

Deno.test("evaluate() gives Keras's loss and metric for 100 samples in batches of 16", async () => {
  const model = onesModel(3);
  model.compile({ loss: "mse", metrics: ["mse"] });
  assertLogs(await model.evaluate(onesData(100, 3), { batchSize: 16, verbose: 0 }), { loss: 16, mse: 16 });
});

Deno.test("evaluate() accumulates once over all data, however they are cut into batches", async () => {
  const model = identity();
  const data = { x: column(10), y: column(10, () => 0) };
  for (const batchSize of [1, 3, 4, 10, 32]) {
    assertLogs(await model.evaluate(data, { batchSize, verbose: 0 }), { loss: 28.5 });
  }
});

Deno.test("evaluate() leaves the weights as they are", async () => {
  const model = onesModel(3);
  model.compile({ optimizer: sgd({ learningRate: 1 }), loss: "mse" });
  await model.evaluate(onesData(10, 3), { verbose: 0 });
  assertEquals(await weightValues(model), Array(12).fill(1));
});

Deno.test("evaluate() weights losses and weighted metrics as Keras does", async () => {
  for (const batchSize of [4, 3]) {
    const model = identity();
    model.compile({ loss: "mse", metrics: ["mse"], weightedMetrics: ["mse"] });
    const data = {
      x: [[1], [1], [1], [2]],
      y: [[0], [0], [3], [0]],
      sampleWeight: [1, 2, 0, 0.5],
    };
    assertLogs(await model.evaluate(data, { batchSize, verbose: 0 }), { loss: 1.25, mse: 2.5, weighted_mse: 10 / 7 });
  }
});

Deno.test("evaluate() takes temporal sample weights", async () => {
  class Sequence extends Model {
    override call(x: Tensor): Tensor {
      return tf.expandDims(x, -1);
    }
  }
  const model = new Sequence();
  model.compile({ loss: "mse", metrics: ["mse"], weightedMetrics: ["mse"] });
  const data = { x: [[1, 2], [3, 4]], y: filled([2, 2, 1], 0), sampleWeight: [[1, 0], [0.5, 2]] };
  assertLogs(await model.evaluate(data, { verbose: 0 }), { loss: 9.375, mse: 7.5, weighted_mse: 10.714286 });
});

Deno.test("evaluate() weights each output by its own sample weights when they are given by name", async () => {
  const x = tf.input({ shape: [1] });
  const head = (name: string): tf.SymbolicTensor =>
    tf.layers.dense({ name, units: 1, useBias: false, kernelInitializer: "ones" }).apply(x) as tf.SymbolicTensor;
  const model = Model.from(tf.model({ inputs: x, outputs: [head("a"), head("b")] }));
  model.compile({ loss: "mse" });
  const data = {
    x: [[1], [1]],
    y: { a: [[0], [0]], b: [[0], [0]] },
    sampleWeight: { a: [1, 3], b: [0, 1] },
  };
  assertLogs(await model.evaluate(data, { verbose: 0 }), { loss: 2.5, a_loss: 2, b_loss: 0.5 });
});

Deno.test("fit() turns class weights into sample weights, for class numbers and one-hot targets alike", async () => {
  const unit: () => Model = () => {
    class Unit extends Model {
      override call(x: Tensor): Tensor {
        return tf.mul(x, 1);
      }
    }
    const model = new Unit();
    model.compile({ loss: (_yTrue, yPred) => tf.mean(yPred, -1) });
    return model;
  };
  const classWeight = { 0: 2, 1: 0.5 };
  const x = filled([4, 1], 1);
  const oneHot = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]];
  for (const y of [[0, 1, 2, 1], [[0], [1], [2], [1]], oneHot]) {
    const model = unit();
    // (2 + 0.5 + 1 + 0.5) / 4: a class that is not named weighs 1.
    const { history } = await model.fit({ x, y }, { classWeight, validationData: { x, y }, verbose: 0 });
    assertClose(history.loss, [1]);
    assertClose(history.val_loss, [1]);
  }
  const quarter = { x, y: [0, 1, 2, 1] };
  assertClose((await unit().fit(quarter, { classWeight: { 0: 2, 1: 0.25 }, verbose: 0 })).history.loss, [0.875]);
});

Deno.test("evaluate() calls the test hooks, and can be given a number of steps", async () => {
  const model = identity();
  const trace = hookTrace();
  const data = { x: column(10), y: column(10, () => 0) };
  const logs = await model.evaluate(data, { batchSize: 2, steps: 2, callbacks: [trace], verbose: 0 });
  assertLogs(logs, { loss: (0 + 1 + 4 + 9) / 4 });
  assertEquals(trace.hooks, [
    "onTestBegin",
    "onTestBatchBegin(0)",
    "onTestBatchEnd(0)",
    "onTestBatchBegin(1)",
    "onTestBatchEnd(1)",
    "onTestEnd",
  ]);
});

Deno.test("predict() returns all rows in order without compile, whatever the batch size", async () => {
  const model = onesModel(3);
  await model.predict({ x: filled([1, 4], 1) }, { verbose: 0 }).then((warm) => warm.dispose());
  await assertNoLeak(async () => {
    const predicted = await model.predict({ x: filled([100, 4], 1) }, { batchSize: 16, verbose: 0 });
    assertEquals(predicted.shape, [100, 3]);
    assertEquals(await valuesOf(predicted), Array(300).fill(4));
  });
  const rows = onesModel(1, 1);
  assertEquals(await valuesOf(await rows.predict({ x: column(7) }, { batchSize: 3, verbose: 0 })), [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
  ]);
});

Deno.test("predict() takes a tensor, and batches whose y it ignores", async () => {
  const model = onesModel(1, 1);
  const x = tf.tensor2d([[1], [2]]);
  assertEquals(await valuesOf(await model.predict(x, { verbose: 0 })), [1, 2]);
  x.dispose();
  assertEquals(await valuesOf(await model.predict([[[[3]], [[9]]], [[[4]], [[9]]]], { verbose: 0 })), [3, 4]);
});

Deno.test("predict() keeps the grouping of what call() returns", async () => {
  class Grouped extends Model {
    readonly group: (x: Tensor) => Tensor[] | Record<string, Tensor>;
    constructor(group: (x: Tensor) => Tensor[] | Record<string, Tensor>) {
      super();
      this.group = group;
    }
    override call(x: Tensor): Tensor[] | Record<string, Tensor> {
      return this.group(x);
    }
  }
  const list = new Grouped((x) => [tf.add(x, 1), tf.mul(x, 2)]);
  const [sum, product] = await list.predict<Tensor[]>({ x: column(3) }, { batchSize: 2, verbose: 0 });
  assertEquals([await valuesOf(sum!), await valuesOf(product!)], [[1, 2, 3], [0, 2, 4]]);
  const named = new Grouped((x) => ({ sum: tf.add(x, 1), same: x }));
  const { sum: s, same } = await named.predict<Record<string, Tensor>>({ x: column(3) }, { batchSize: 2, verbose: 0 });
  assertEquals([await valuesOf(s!), await valuesOf(same!)], [[1, 2, 3], [0, 1, 2]]);
});

Deno.test("predict() gives its hooks the outputs of each batch, in executions of stepsPerExecution", async () => {
  const model = onesModel(1, 1);
  model.compile({ loss: "mse", stepsPerExecution: 2 });
  const seen: [number, number[]][] = [];
  const callback: Callback = {
    async onPredictBatchEnd({ batch, outputs }) {
      const values = (await outputs.read()).flatMap((output) =>
        Array.from((output as { values: Float32Array }).values)
      );
      seen.push([batch, values]);
    },
  };
  const trace = hookTrace();
  const predicted = await model.predict({ x: column(5) }, { batchSize: 1, callbacks: [callback, trace], verbose: 0 });
  assertEquals(seen, [[1, [0, 1]], [3, [2, 3]], [4, [4]]]);
  assertEquals(await valuesOf(predicted), [0, 1, 2, 3, 4]);
  assertEquals([trace.hooks[0], trace.hooks.at(-1)], ["onPredictBegin", "onPredictEnd"]);
});

Deno.test("fit() takes inputs and targets by name, in any order, or as lists", async () => {
  const a = tf.input({ name: "a", shape: [1] });
  const b = tf.input({ name: "b", shape: [1] });
  const scale = (name: string, factor: number, x: tf.SymbolicTensor): tf.SymbolicTensor =>
    tf.layers.dense({ name, units: 1, useBias: false, kernelInitializer: tf.initializers.constant({ value: factor }) })
      .apply(x) as tf.SymbolicTensor;
  const model = Model.from(tf.model({ inputs: [a, b], outputs: [scale("twice", 2, a), scale("thrice", 3, b)] }));
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: { thrice: "mse", twice: "mae" } });
  const named = { x: { b: [[10]], a: [[1]] }, y: { thrice: [[0]], twice: [[0]] } };
  const listed = { x: [tf.tensor2d([[1]]), tf.tensor2d([[10]])], y: [Float32Array.of(0), Float32Array.of(0)] };
  for (const data of [named, listed]) {
    assertLogs(await model.evaluate(data, { verbose: 0 }), { loss: 902, twice_loss: 2, thrice_loss: 900 });
  }
  const [twice, thrice] = await model.predict<Tensor[]>(named, { verbose: 0 });
  assertEquals([await valuesOf(twice!), await valuesOf(thrice!)], [[2], [30]]);
  tf.dispose(listed.x);
});

Deno.test("a model that adds all its losses itself needs no loss and no targets", async () => {
  class Divergence extends Model {
    readonly weight = tf.variable(tf.scalar(3), true, "weight");
    override call(x: Tensor): Tensor {
      const y = tf.mul(x, this.weight);
      this.addLoss(tf.mean(tf.square(y)));
      return y;
    }
  }
  const model = new Divergence();
  model.compile({ optimizer: sgd({ learningRate: 0.1 }) });
  const { history } = await model.fit({ x: filled([4, 1], 1) }, { epochs: 2, verbose: 0 });
  // w ← w − 0.1 · 2w: 3, then 2.4.
  assertClose(history.loss, [9, 5.76]);
  assertLogs(await model.evaluate({ x: filled([4, 1], 1) }, { verbose: 0 }), { loss: 1.92 ** 2 });
  assert(model.weight.isDisposed === false);
  assertStrictEquals(model.variables[0]!.path, "weight");
});
