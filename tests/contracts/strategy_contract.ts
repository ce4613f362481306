/**
 * What every strategy must do. A strategy's own test calls `strategyContract` with a factory.
 *
 * @module
 */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { Model, stride, tf } from "@stride/stride";
import { ArrayDataset, type Batch, getStrategy, type HostArray, type Strategy } from "@stride/stride/core";
import { sgd } from "@stride/stride/optimizers";

const vector = (values: readonly number[]): HostArray => ({
  shape: [values.length, 1],
  dtype: "float32",
  values: Float32Array.from(values),
});

/** Ten samples of four features, as in keras-semantics §8, case 11. */
export const SEVEN_OF_TEN = {
  x: tfFree(10, 4, (i) => i / 40),
  y: tfFree(10, 1, (i) => i),
};

function tfFree(rows: number, columns: number, value: (index: number) => number): HostArray {
  return {
    shape: [rows, columns],
    dtype: "float32",
    values: Float32Array.from({ length: rows * columns }, (_, index) => value(index)),
  };
}

function firstRows(array: HostArray, rows: number): HostArray {
  const size = array.values.length / array.shape[0]!;
  return { ...array, shape: [rows, ...array.shape.slice(1)], values: array.values.slice(0, rows * size) };
}

/** A linear model whose weights start as ones. */
function ones(options: { regularizer?: boolean } = {}): tf.LayersModel {
  return tf.sequential({
    layers: [
      tf.layers.dense({
        units: 1,
        inputShape: [4],
        useBias: false,
        kernelInitializer: "ones",
        ...(options.regularizer ? { kernelRegularizer: tf.regularizers.l2({ l2: 0.1 }) } : {}),
      }),
    ],
  });
}

/** A copy of all weights as numbers. */
async function numbers(model: Model): Promise<number[][]> {
  const weights = model.getWeights();
  const values = await Promise.all(weights.map(async (weight) => [...await weight.data()]));
  weights.forEach((weight) => weight.dispose());
  return values;
}

function assertClose(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  assertEquals(actual.length, expected.length);
  actual.forEach((value, index) => assertAlmostEquals(value, expected[index]!, tolerance));
}

/** Tests a strategy against the contract. `make` is called once a test. */
export function strategyContract(name: string, make: () => Strategy): void {
  const { registry } = stride();

  Deno.test(`${name}: scope() makes the strategy current, and only within`, async () => {
    await using strategy = make();
    assertEquals(getStrategy(), undefined);
    assertEquals(strategy.scope(() => getStrategy()?.name), strategy.name);
    assertEquals(getStrategy(), undefined);
    assertThrows(() =>
      strategy.scope(() => {
        throw new Error("inside");
      })
    );
    assertEquals(getStrategy(), undefined);
  });

  Deno.test(`${name}: scope() refuses another strategy's scope inside`, async () => {
    await using strategy = make();
    await using other = make();
    assertThrows(() => strategy.scope(() => other.scope(() => 0)), Error, "do not nest");
  });

  Deno.test(`${name}: run() calls the function once for each local replica, with its own arguments`, async () => {
    await using strategy = make();
    const numbered = strategy.run(() => 7).values.map((_, index) => index);
    const results = strategy.run(
      (replica: unknown, same: number) => (replica as number) * same,
      { values: numbered },
      10,
    );
    assertEquals(results.values, numbered.map((index) => index * 10));
  });

  Deno.test(`${name}: reduce() sums and averages over replicas, and counts elements along an axis`, async () => {
    await using strategy = make();
    await strategy.open(registry.devices);
    const before = tf.memory().numTensors;
    const values = strategy.run(() => tf.tensor1d([1, 3]));
    const sum = await strategy.reduce("sum", values, null);
    const mean = await strategy.reduce("mean", values, null);
    const all = await strategy.reduce("mean", values, 0);
    assertEquals([...await sum.data()], [strategy.replicas, 3 * strategy.replicas]);
    assertEquals([...await mean.data()], [1, 3]);
    assertEquals([...await all.data()], [2]);
    tf.dispose([sum, mean, all, [...values.values]]);
    assertEquals(tf.memory().numTensors, before);
  });

  Deno.test(`${name}: distribute() cuts batches into parts, larger first, that add up`, async () => {
    await using strategy = make();
    const data = new ArrayDataset({ x: vector([0, 1, 2, 3, 4, 5]) }, 6, { batchSize: 5 });
    const sizes: number[][] = [];
    for await (const { values } of strategy.distribute(data)) {
      sizes.push(values.map(({ rows }: Batch) => rows));
      assertEquals(
        values.every(({ globalRows }) => globalRows === values.reduce((sum, { rows }) => sum + rows, 0)),
        true,
      );
    }
    assertEquals(sizes, strategy.replicas === 1 ? [[5], [1]] : [[3, 2], [1, 0]]);
  });

  for (const loss of ["mse", "sum"] as const) {
    for (const regularizer of [false, true]) {
      Deno.test(`${name}: an uneven split equals one device (${loss}, regularizer ${regularizer})`, async () => {
        const data = { x: firstRows(SEVEN_OF_TEN.x, 7), y: firstRows(SEVEN_OF_TEN.y, 7) };
        const train = async (model: Model): Promise<{ losses: number[]; weights: number[][]; iterations: number }> => {
          const sum = registry.create("losses", "mse", { reduction: "sum" });
          const optimizer = sgd({ learningRate: 0.01 });
          model.compile({ optimizer, loss: loss === "sum" ? sum : "mse", metrics: ["mae"] });
          const { history } = await model.fit(data, { batchSize: 4, epochs: 3, shuffle: false, verbose: 0 });
          const weights = await numbers(model);
          model.dispose();
          return { losses: [...history.loss!, ...history.mae!], weights, iterations: optimizer.iterations };
        };
        await using strategy = make();
        const distributed = await train(strategy.scope(() => Model.from(ones({ regularizer }))));
        const alone = await train(Model.from(ones({ regularizer })));
        assertClose(distributed.losses, alone.losses, 1e-4);
        assertClose(distributed.weights.flat(), alone.weights.flat(), 1e-5);
        assertEquals(distributed.iterations, alone.iterations, "steps are counted once, not once a replica");
      });
    }
  }

  Deno.test(`${name}: Keras's two-replica run gives Keras's numbers`, async () => {
    await using strategy = make();
    const model = strategy.scope(() => Model.from(ones({ regularizer: true })));
    model.compile({ optimizer: sgd({ learningRate: 0.01 }), loss: "mse" });
    const { history } = await model.fit(SEVEN_OF_TEN, { batchSize: 4, epochs: 2, shuffle: false, verbose: 0 });
    assertClose(history.loss!, [9.5952, 8.1285], 1e-3);
    assertClose((await numbers(model)).flat(), [1.2202, 1.2285, 1.2368, 1.2450], 1e-3);
    model.dispose();
  });

  Deno.test(`${name}: batch normalization's moving statistics equal one device's`, async () => {
    const build = (): tf.LayersModel =>
      tf.sequential({ layers: [tf.layers.batchNormalization({ inputShape: [4], momentum: 0.5 })] });
    const data = { x: firstRows(SEVEN_OF_TEN.x, 7), y: firstRows(SEVEN_OF_TEN.x, 7) };
    const train = async (model: Model): Promise<number[]> => {
      model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse" });
      await model.fit(data, { batchSize: 4, epochs: 2, shuffle: false, verbose: 0 });
      const [, , mean, variance] = await numbers(model);
      model.dispose();
      return [...mean!, ...variance!];
    };
    await using strategy = make();
    assertClose(await train(strategy.scope(() => Model.from(build()))), await train(Model.from(build())), 1e-6);
  });

  Deno.test(`${name}: tensors stay flat over 100 steps`, async () => {
    await using strategy = make();
    const model = strategy.scope(() => Model.from(ones()));
    model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
    const fit = (epochs: number) => model.fit(SEVEN_OF_TEN, { batchSize: 4, epochs, verbose: 0 });
    await fit(1);
    const before = tf.memory();
    await fit(34);
    const after = tf.memory();
    assertEquals(after.numTensors, before.numTensors);
    assertEquals(after.numBytes, before.numBytes);
    model.dispose();
  });
}
