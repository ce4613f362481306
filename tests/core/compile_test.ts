import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { type CompileOptions, Model, type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import { assertClose, assertLogs, assertNoLeak, filled, onesData, onesModel, weightValues } from "./helpers.ts";

/** A functional model with heads a(3) and b(1) of ones. */
function twoHeads(): Model {
  const x = tf.input({ shape: [4] });
  const head = (name: string, units: number): tf.SymbolicTensor =>
    tf.layers.dense({ name, units, useBias: false, kernelInitializer: "ones" }).apply(x) as tf.SymbolicTensor;
  return Model.from(tf.model({ inputs: x, outputs: [head("a", 3), head("b", 1)] }));
}

const headData = { x: filled([8, 4], 1), y: { a: filled([8, 3], 0), b: filled([8, 1], 0) } };
const quiet = { verbose: 0 } as const;

/** A model that returns its input. */
class Identity extends Model {
  override call(x: Tensor): Tensor {
    return tf.mul(x, 1);
  }
}

Deno.test("compile() defaults to rmsprop and one step an execution", () => {
  const model = onesModel(1);
  assertEquals(model.optimizer, undefined);
  model.compile({ loss: "mse" });
  assertEquals(model.optimizer!.name, "rmsprop");
});

for (
  const [options, name] of [
    [
      { optimizer: "adamm" },
      /Unknown optimizer "adamm"\. Known: .*adam.*sgd|Unknown optimizer "adamm"\. Known: .*sgd.*adam/,
    ],
    [{ loss: "msee" }, /Unknown loss "msee"\. Known: .*mse/],
    [{ loss: { a: "mse", b: "msee" } }, /Unknown loss "msee"/],
    [{ metrics: ["acuracy"] }, /Unknown metric "acuracy"\. Known: accuracy, .*mae/],
    [{ weightedMetrics: [["acuracy"]] }, /Unknown metric "acuracy"/],
    [{ executor: "cuda" }, /Unknown executor "cuda"\. Known: .*eager/],
  ] as [CompileOptions, RegExp][]
) {
  Deno.test(`compile() lists the known names when given ${JSON.stringify(options)}`, () => {
    const error = assertThrows(() => onesModel(1).compile({ loss: "mse", ...options }), RangeError);
    assertMatch(error.message, name);
  });
}

for (const stepsPerExecution of [0, -1, 1.5, NaN, Infinity]) {
  Deno.test(`compile() refuses stepsPerExecution ${stepsPerExecution}`, () => {
    assertThrows(() => onesModel(1).compile({ stepsPerExecution }), RangeError, "at least 1");
  });
}

Deno.test("compile() refuses what is of the wrong kind, and says what it expects", () => {
  const compile = (options: unknown): () => void => () => onesModel(1).compile(options as CompileOptions);
  assertThrows(compile({ optimizer: tf.train.sgd(0.1) }), TypeError, "tf.train optimizers");
  assertThrows(compile({ loss: 3 }), TypeError, "expected a loss by name");
  assertThrows(compile({ loss: ["mse", 3] }), TypeError, "expected a loss by name");
  assertThrows(compile({ metrics: "mae" }), TypeError, "metrics must be a list");
  assertThrows(compile({ metrics: [3] }), TypeError, "expected a metric by name");
  assertThrows(compile({ loss: "mse", steps_per_execution: 3 }), TypeError, "unknown steps_per_execution");
});

Deno.test("compile() leaves the model as it was when it throws", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd(), loss: "mse" });
  assertThrows(() => model.compile({ loss: "nothing" }), RangeError);
  assertLogs(await model.evaluate(onesData(4, 1), quiet), { loss: 16 });
});

for (
  const [what, x, y, expected] of [
    ["binary", [[0.9], [0.2], [0.7]], [[1], [0], [0]], 2 / 3],
    ["binary with targets of lower rank", [[0.9], [0.2], [0.7]], [1, 0, 0], 2 / 3],
    ["sparse categorical", [[0.9, 0.1, 0], [0, 0.2, 0.8], [0.4, 0.6, 0]], [0, 2, 0], 2 / 3],
    ["sparse categorical with a last axis of one", [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], [[0], [1], [0]], 2 / 3],
    ["categorical", [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]], [[1, 0], [0, 1], [1, 0]], 2 / 3],
  ] as [string, number[][], number[] | number[][], number][]
) {
  Deno.test(`compile() takes "accuracy" and "crossentropy" for ${what} ones by their shapes`, async () => {
    for (const name of ["accuracy", "acc"]) {
      const model = new Identity();
      model.compile({ loss: "crossentropy", metrics: [name] });
      const logs = await model.evaluate({ x, y }, quiet);
      assertEquals(Object.keys(logs), ["loss", name]);
      assertClose([logs[name]!], [expected]);
      const probabilities = x.map((row, i) => {
        const label = [y[i]!].flat();
        if (row.length === 1) return label[0] === 1 ? row[0]! : 1 - row[0]!;
        const total = row.reduce((sum, p) => sum + p, 0);
        return row[label.length === 1 ? label[0]! : label.indexOf(1)]! / total;
      });
      assertClose([logs.loss!], [probabilities.reduce((sum, p) => sum - Math.log(p), 0) / x.length]);
    }
  });
}

Deno.test("compile() names metrics as Keras does", async () => {
  const model = onesModel(1);
  const largest = (_yTrue: Tensor, yPred: Tensor): Tensor => tf.max(yPred, -1);
  model.compile({ loss: "mse", metrics: ["mae", largest], weightedMetrics: ["mae", "mse"] });
  const logs = await model.evaluate(onesData(4, 1), quiet);
  assertLogs(logs, { loss: 16, mae: 4, largest: 4, weighted_mae: 4, mse: 16 });
});

Deno.test("compile() gives each of two outputs its metrics: in order, by name, or none", async () => {
  const model = twoHeads();
  const names = async (options: CompileOptions): Promise<string[]> => {
    model.compile({ loss: "mse", ...options });
    return Object.keys(await model.evaluate(headData, quiet));
  };
  const losses = ["loss", "a_loss", "b_loss"];
  assertEquals(await names({ metrics: ["mae", "mse"] }), [...losses, "a_mae", "b_mse"]);
  assertEquals(await names({ metrics: [["mae", "mse"], []] }), [...losses, "a_mae", "a_mse"]);
  assertEquals(await names({ metrics: { b: "mae" } }), [...losses, "b_mae"]);
  assertEquals(await names({ metrics: [null, ["mae"]], weightedMetrics: { b: ["mae"] } }), [
    ...losses,
    "b_mae",
    "b_weighted_mae",
  ]);
  await assertRejects(() => names({ metrics: ["mae"] }), RangeError, "one for each of a, b");
  await assertRejects(() => names({ metrics: { c: "mae" } }), RangeError, "expected some of a, b");
});

Deno.test("compile() trains no output that has no loss, and demands the exact names of a loss object", async () => {
  const model = twoHeads();
  model.compile({ loss: { a: "mse", b: null } });
  assertLogs(await model.evaluate({ x: headData.x, y: { a: headData.y.a } }, quiet), { loss: 16 });
  model.compile({ loss: { a: "mse", c: "mse" } });
  await assertRejects(() => model.evaluate(headData, quiet), RangeError, "found a, c; expected exactly a, b");
  model.compile({ loss: ["mse", "mse", "mse"] });
  await assertRejects(() => model.evaluate(headData, quiet), RangeError, "found a list of 3; expected 2");
  model.compile({ loss: "mse", lossWeights: [1] });
  await assertRejects(() => model.evaluate(headData, quiet), RangeError, "`lossWeights`");
  model.compile({ loss: "mse", lossWeights: { a: 2, b: 3 } });
  assertLogs(await model.evaluate(headData, quiet), { loss: 80, a_loss: 16, b_loss: 16 });
});

Deno.test("fit() and evaluate() ask for compile() where there is none, and for a loss where there is none", async () => {
  const model = onesModel(1);
  for (const run of [() => model.fit(onesData(2, 1), quiet), () => model.evaluate(onesData(2, 1), quiet)]) {
    await assertRejects(run, Error, "You must call `compile()` before using the model.");
  }
  model.compile();
  await assertRejects(
    () => model.fit(onesData(2, 1), quiet),
    TypeError,
    "No loss to compute. Provide a `loss` argument in `compile()`.",
  );
});

Deno.test("compile() again gives new metrics, a new optimizer and the weights as they are", async () => {
  const model = onesModel(1);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse", metrics: ["mae"] });
  assertEquals(Object.keys((await model.fit(onesData(4, 1), quiet)).history), ["loss", "mae"]);
  const before = await weightValues(model);
  model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mae", metrics: ["mse"] });
  assertEquals([await weightValues(model), model.optimizer!.iterations], [before, 0]);
  assertEquals(Object.keys((await model.fit(onesData(4, 1), quiet)).history), ["loss", "mse"]);
  assertNotEquals(await weightValues(model), before);
});

Deno.test("compile() again releases the slots of the optimizer before", async () => {
  const model = onesModel(1);
  const train = async (): Promise<void> => {
    model.compile({ optimizer: "adam", loss: "mse" });
    await model.fit(onesData(4, 1), quiet);
  };
  await train();
  await assertNoLeak(async () => {
    for (let i = 0; i < 3; i++) await train();
  });
});

Deno.test("a frozen layer keeps its weights bit for bit, and trains again when it is thawed and compiled", async () => {
  const frozen = tf.layers.dense({ units: 3, inputShape: [4], activation: "tanh" });
  const model = Model.from(tf.sequential({ layers: [frozen, tf.layers.dense({ units: 1 })] }));
  const train = async (): Promise<number[][]> => {
    model.compile({ optimizer: "adam", loss: "mse" });
    await model.fit(onesData(8, 1), { batchSize: 4, epochs: 2, verbose: 0 });
    return await Promise.all(model.variables.map(async ({ variable }) => [...await variable.data()]));
  };
  const first = await train();
  frozen.trainable = false;
  const second = await train();
  assertEquals(model.variables.map(({ trainable }) => trainable), [false, false, true, true]);
  assertEquals(second.slice(0, 2), first.slice(0, 2));
  assertNotEquals(second[2], first[2]);
  frozen.trainable = true;
  const third = await train();
  assertNotEquals(third[0], second[0]);
  assert(model.variables.every(({ trainable }) => trainable));
});

Deno.test("a model whose layers are all frozen fits without changing anything", async () => {
  const model = onesModel(1);
  for (const layer of model.layers) layer.trainable = false;
  model.compile({ optimizer: "adam", loss: "mse" });
  assertClose((await model.fit(onesData(4, 1), { epochs: 2, verbose: 0 })).history.loss, [16, 16]);
  assertEquals(await weightValues(model), [1, 1, 1, 1]);
});
