import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Model, randomNormal, setRandomSeed, type Tensor, tf } from "@stride/stride";
import { sgd } from "@stride/stride/optimizers";
import { assertClose, column, filled, weightValues } from "./helpers.ts";

/** Runs `body` with a seed, and leaves random numbers unseeded. */
async function seeded<T>(seed: number, body: () => T | Promise<T>): Promise<T> {
  setRandomSeed(seed);
  try {
    return await body();
  } finally {
    setRandomSeed(null);
  }
}

/** Initial weights, shuffling, dropout, noise and random ops of the model's own, all in one. */
class Random extends Model {
  #hidden = tf.layers.dense({ units: 6, activation: "relu" });
  #dropout = tf.layers.dropout({ rate: 0.5 });
  #noise = tf.layers.gaussianNoise({ stddev: 0.1 });
  #head = tf.layers.dense({ units: 1 });
  override call(x: Tensor, { training }: { training: boolean }): Tensor {
    const hidden = this.apply(this.#dropout, this.apply(this.#noise, this.apply(this.#hidden, x)));
    const head = this.apply(this.#head, hidden);
    return training ? tf.add(head, tf.mul(0.01, tf.add(tf.randomNormal(head.shape), randomNormal(head.shape)))) : head;
  }
}

const data = { x: column(20, (row) => row / 20), y: column(20, (row) => Math.sin(row)) };

interface Trained {
  readonly loss: readonly number[];
  readonly validation: readonly number[];
  readonly weights: readonly number[];
}

async function train(stepsPerExecution: number | "auto" = 1): Promise<Trained> {
  const model = new Random();
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], stepsPerExecution });
  const { history } = await model.fit(data, { batchSize: 4, epochs: 3, validationSplit: 0.2, verbose: 0 });
  const weights = await weightValues(model);
  model.dispose();
  return { loss: history.loss!, validation: history.val_loss!, weights };
}

Deno.test("setRandomSeed() makes initial weights, shuffling, dropout and noise repeatable", async () => {
  const first = await seeded(7, () => train());
  assertEquals(await seeded(7, () => train()), first);
  assertNotEquals((await seeded(8, () => train())).weights, first.weights);
});

for (const stepsPerExecution of [3, 7, "auto"] as const) {
  Deno.test(`setRandomSeed() gives the same weights when stepsPerExecution is ${stepsPerExecution}`, async () => {
    const one = await seeded(7, () => train(1));
    const many = await seeded(7, () => train(stepsPerExecution));
    assertEquals(many.weights, one.weights);
    assertClose(many.loss, one.loss, 1e-6);
    assertClose(many.validation, one.validation, 1e-6);
  });
}

Deno.test("setRandomSeed(null) makes training unpredictable again", async () => {
  setRandomSeed(1);
  setRandomSeed(null);
  const [first, second] = [await train(), await train()];
  assertNotEquals(first.weights, second.weights);
});

Deno.test("fit() draws other masks in each step, epoch and fit", async () => {
  const masks: string[] = [];
  class Dropped extends Model {
    #dropout = tf.layers.dropout({ rate: 0.5 });
    override call(x: Tensor, { training }: { training: boolean }): Tensor {
      const y = this.apply(this.#dropout, x);
      if (training) masks.push(y.dataSync().join());
      return y;
    }
  }
  const model = new Dropped();
  model.compile({ optimizer: sgd(), loss: (_yTrue, yPred) => tf.mean(yPred, -1), executor: "eager" });
  const ones = { x: filled([4, 32], 1), y: filled([4, 1], 0) };
  for (let i = 0; i < 2; i++) await model.fit(ones, { batchSize: 2, epochs: 2, verbose: 0 });
  assertEquals(masks.length, 8);
  assertEquals(new Set(masks).size, 8);
});

Deno.test("fit() leaves Math.random and the random numbers of others as they are", async () => {
  const own = Math.random;
  await train();
  assert(Math.random === own);
  const draw = (): Promise<number> =>
    seeded(3, async () => {
      await train();
      return Math.random();
    });
  assertEquals(await draw(), await draw());
});

Deno.test("evaluate() and predict() in between do not change what fit() draws", async () => {
  const run = (look: boolean): Promise<number[]> =>
    seeded(5, async () => {
      const model = new Random();
      model.compile({ optimizer: "adam", loss: "mse" });
      await model.fit(data, { batchSize: 4, verbose: 0 });
      if (look) {
        await model.evaluate(data, { verbose: 0 });
        (await model.predict({ x: data.x }, { verbose: 0 })).dispose();
      }
      await model.fit(data, { batchSize: 4, verbose: 0 });
      return await weightValues(model);
    });
  assertEquals(await run(true), await run(false));
});

Deno.test("layers models start from the same weights under the same seed", async () => {
  const weights = (): Promise<number[]> =>
    seeded(11, async () => {
      const model = Model.from(tf.sequential({
        layers: [
          tf.layers.dense({ units: 4, inputShape: [3] }),
          tf.layers.dense({ units: 2, kernelInitializer: "orthogonal" }),
        ],
      }));
      return await weightValues(model);
    });
  const first = await weights();
  assertEquals(await weights(), first);
});
