import { assert, assertEquals, assertInstanceOf, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { eager } from "@stride/stride/executors";
import { cpu } from "@stride/stride/devices";
import { Model, type Tensor, tf } from "@stride/stride";
import { adam, sgd } from "@stride/stride/optimizers";
import { twoReplicas } from "../contracts/two_replicas.ts";
import {
  assertClose,
  assertLogs,
  assertNoLeak,
  column,
  filled,
  onesData,
  onesLayers,
  valuesOf,
  weightValues,
} from "./helpers.ts";

const quiet = { verbose: 0 } as const;

Deno.test("Model.from() takes sequential and functional models only", () => {
  assertThrows(
    () => Model.from(tf.layers.dense({ units: 1 }) as unknown as tf.LayersModel),
    TypeError,
    "tf.sequential",
  );
  assertThrows(() => Model.from(tf.sequential()), TypeError, "it has no layers");
  assertInstanceOf(Model.from(onesLayers(1)), Model);
});

Deno.test("Model.from() trains nested models, with paths that tell where a variable stands", async () => {
  const inner = tf.sequential({
    name: "body",
    layers: [
      tf.layers.dense({ units: 3, inputShape: [2], activation: "tanh" }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 2 }),
    ],
  });
  const model = Model.from(tf.sequential({
    layers: [tf.layers.dense({ units: 2, inputShape: [1] }), inner, tf.layers.dense({ units: 1, name: "head" })],
  }));
  model.compile({ optimizer: "adam", loss: "mse" });
  await model.fit({ x: column(8), y: column(8) }, { batchSize: 4, epochs: 2, verbose: 0 });
  assertEquals(model.variables.map(({ path }) => path), [
    "dense/kernel",
    "dense/bias",
    "body/dense/kernel",
    "body/dense/bias",
    "body/batch_normalization/gamma",
    "body/batch_normalization/beta",
    "body/batch_normalization/moving_mean",
    "body/batch_normalization/moving_variance",
    "body/dense_1/kernel",
    "body/dense_1/bias",
    "head/kernel",
    "head/bias",
  ]);
  const moving = model.variables.find(({ path }) => path.endsWith("moving_mean"))!.variable;
  assert([...await moving.data()].some((value) => value !== 0));
});

Deno.test("variables have the same paths in every model of a class, free ones included", async () => {
  class Net extends Model {
    static made = 0;
    #first = tf.layers.dense({ units: 2 });
    #second = tf.layers.dense({ units: 2 });
    #third = tf.layers.dense({ units: 1, name: "head" });
    #shift = tf.variable(tf.scalar(0));
    #named = tf.variable(tf.scalar(1), true, `temperature_${Net.made++}`);
    override call(x: Tensor): Tensor {
      const hidden = this.apply(this.#second, this.apply(this.#first, x));
      return tf.mul(tf.add(this.apply(this.#third, hidden), this.#shift), this.#named);
    }
  }
  const paths = async (): Promise<string[]> => {
    const model = new Net();
    model.compile({ loss: "mse" });
    await model.fit({ x: column(4), y: column(4) }, quiet);
    return model.variables.map(({ path }) => path);
  };
  const first = await paths();
  assertEquals(await paths(), first);
  assertEquals(first, [
    "dense/kernel",
    "dense/bias",
    "dense_1/kernel",
    "dense_1/bias",
    "head/kernel",
    "head/bias",
    "variable",
    "temperature",
  ]);
});

Deno.test("a layer that is called twice shares its weights", async () => {
  class Shared extends Model {
    #dense = tf.layers.dense({ units: 1, useBias: false, kernelInitializer: "ones" });
    override call(x: Tensor): Tensor {
      return this.apply(this.#dense, this.apply(this.#dense, x));
    }
  }
  const model = new Shared();
  model.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: "mse" });
  await model.fit({ x: [[1]], y: [[0]] }, quiet);
  // d (w²)² / dw = 4 w³ = 4.
  assertClose(await weightValues(model), [0.6]);
});

Deno.test("a layer that is called first after the model was built is refused by name", async () => {
  class Late extends Model {
    #layers = [tf.layers.dense({ units: 1 }), tf.layers.dense({ units: 1, name: "late" })];
    override call(x: Tensor, { training }: { training: boolean }): Tensor {
      return this.apply(this.#layers[training ? 1 : 0]!, x);
    }
  }
  const model = new Late();
  model.compile({ loss: "mse" });
  await assertRejects(() => model.fit({ x: [[1]], y: [[0]] }, quiet), TypeError, '"late"');
});

Deno.test("apply() carries masks from an embedding through a recurrent layer to the loss", async () => {
  class Tagger extends Model {
    #embedding = tf.layers.embedding({ inputDim: 3, outputDim: 2, maskZero: true, embeddingsInitializer: "ones" });
    #rnn = tf.layers.simpleRNN({ units: 1, returnSequences: true });
    #head = tf.layers.dense({ units: 1, kernelInitializer: "zeros", biasInitializer: "ones" });
    override call(x: Tensor): Tensor {
      return this.apply(this.#head, this.apply(this.#rnn, this.apply(this.#embedding, x)));
    }
  }
  const model = new Tagger();
  model.compile({ loss: "mse", weightedMetrics: ["mse"] });
  const x = { shape: [2, 3], dtype: "int32" as const, values: Int32Array.of(1, 2, 0, 1, 0, 0) };
  // Predictions are 1. Unmasked targets: 3, 1, 1, masked ones 100: the mean of 4, 0, 0.
  const y = { shape: [2, 3, 1], dtype: "float32" as const, values: Float32Array.of(3, 1, 100, 1, 100, 100) };
  const { loss } = await model.evaluate({ x, y }, quiet);
  assertClose([loss!], [4 / 3]);
});

Deno.test("fit() leaves masked positions out of metrics, as evaluate() does", async () => {
  const model = Model.from(tf.sequential({
    layers: [
      tf.layers.masking({ inputShape: [3, 1] }),
      tf.layers.dense({ units: 1, kernelInitializer: "ones" }),
    ],
  }));
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", metrics: ["mae"], weightedMetrics: ["mse"] });
  const data = { x: [[[1], [2], [0]], [[3], [0], [0]]], y: [[[2], [2], [5]], [[1], [7], [7]]] };
  // Keras 3.15.1's evaluate. Its fit with JAX gives an mae of 3.667 and an mse of 21.33: of all six positions.
  const expected = { loss: 5 / 3, mae: 1, mse: 5 / 3 };
  assertLogs(await model.evaluate(data, quiet), expected);
  assertLogs(await model.trainOnBatch(data), expected);
  const { history } = await model.fit(data, { ...quiet, validationData: data });
  assertLogs(Object.fromEntries(Object.entries(history).map(([name, [value]]) => [name, value!])), {
    ...expected,
    val_loss: 5 / 3,
    val_mae: 1,
    val_mse: 5 / 3,
  });
});

Deno.test("resetStates() starts stateful recurrent layers afresh", async () => {
  const model = Model.from(tf.sequential({
    layers: [tf.layers.simpleRNN({
      units: 1,
      stateful: true,
      batchInputShape: [2, 1, 1],
      activation: "linear",
      kernelInitializer: "ones",
      recurrentInitializer: "ones",
    })],
  }));
  const x = filled([2, 1, 1], 1);
  const predict = async (): Promise<number[]> => await valuesOf(await model.predict({ x }, quiet));
  assertEquals([await predict(), await predict()], [[1, 1], [2, 2]]);
  await assertNoLeak(predict);
  model.resetStates();
  assertEquals(await predict(), [1, 1]);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
  const data = { x: filled([4, 1, 1], 1), y: filled([4, 1], 0) };
  model.resetStates();
  assertClose((await model.fit(data, { batchSize: 2, shuffle: false, verbose: 0 })).history.loss, [(1 + 4) / 2]);
});

Deno.test("build(), getWeights() and variables need no data set", () => {
  class Net extends Model {
    #dense = tf.layers.dense({ units: 2 });
    override call(x: Tensor): Tensor {
      return this.apply(this.#dense, x);
    }
  }
  const model = new Net();
  assertEquals(model.variables, []);
  assertThrows(() => model.getWeights(), Error, "has no variables yet");
  const x = tf.zeros([1, 3]);
  model.build(x);
  assertEquals(model.variables.map(({ path, variable }) => [path, variable.shape]), [
    ["dense/kernel", [3, 2]],
    ["dense/bias", [2]],
  ]);
  x.dispose();
});

Deno.test("a model whose call() is not overridden says what to do", async () => {
  await assertRejects(
    () => new Model("empty").predict([[1]], quiet),
    TypeError,
    'Model "empty" cannot compute anything',
  );
});

Deno.test("dispose() releases weights, optimizer slots and compiled steps", async () => {
  await assertNoLeak(async () => {
    const model = Model.from(onesLayers(2));
    model.compile({ optimizer: adam(), loss: "mse" });
    await model.fit(onesData(8, 2), quiet);
    await model.trainOnBatch(onesData(8, 2));
    model.dispose();
  });
});

/** Case 11 of keras-semantics.md §8. */
function regression(): { model: Model; data: { x: number[][]; y: number[] } } {
  const model = Model.from(tf.sequential({
    layers: [tf.layers.dense({
      units: 1,
      inputShape: [4],
      useBias: false,
      kernelInitializer: "ones",
      kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }),
    })],
  }));
  const x = Array.from({ length: 10 }, (_, row) => [0, 1, 2, 3].map((column) => (4 * row + column) / 40));
  return { model, data: { x, y: Array.from({ length: 10 }, (_, row) => row) } };
}

for (const replicas of [1, 2]) {
  Deno.test(`fit() gives Keras's numbers for uneven batches on ${replicas} replicas`, async () => {
    const { model, data } = replicas === 1 ? regression() : twoReplicas(cpu()).scope(regression);
    model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", metrics: ["mae"], executor: eager() });
    const { history } = await model.fit(data, { batchSize: 4, epochs: 2, shuffle: false, verbose: 0 });
    assertClose(history.loss, [9.5952, 8.1285]);
    assertClose(await weightValues(model), [1.2202, 1.2285, 1.2368, 1.2450]);
    assertEquals(model.optimizer!.iterations, 6);
    const evaluated = await model.evaluate(data, { batchSize: 4, verbose: 0 });
    const whole = await model.evaluate(data, { batchSize: 10, verbose: 0 });
    assertClose([evaluated.mae!], [whole.mae!], 1e-5);
    assertNotEquals(evaluated.mae, 0);
  });
}
