import { assert, assertEquals, assertRejects } from "@std/assert";
import { Model, setRandomSeed, tf } from "@stride/stride";
import { adam, sgd } from "@stride/stride/optimizers";
import { column, onesModel } from "./helpers.ts";

function compiled(): Model {
  const model = onesModel(1, 1);
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", executor: "eager" });
  return model;
}

/** Enough steps for timers to be due in between. */
const LONG = { x: column(30_000), y: column(30_000) };

Deno.test("fit() lets timers run and aborts when one aborts the signal", async () => {
  const controller = new AbortController();
  let ticks = 0;
  const timer = setInterval(() => ++ticks === 3 && controller.abort(new Error("enough")), 1);
  try {
    const fit = compiled().fit(LONG, { batchSize: 1, epochs: 1000, verbose: 0, signal: controller.signal });
    await assertRejects(() => fit, Error, "enough");
  } finally {
    clearInterval(timer);
  }
  assertEquals(ticks, 3);
});

Deno.test("fit() ends when it is stopped or aborted while data are waited for", async () => {
  const stalled = async function* () {
    yield [column(1), column(1)];
    await new Promise(() => {});
  };
  const model = compiled();
  const { history } = await model.fit(() => stalled(), {
    verbose: 0,
    callbacks: [{ onTrainBatchEnd: (_, { stop }) => stop() }],
  });
  assertEquals(history.loss!.length, 1);
  const controller = new AbortController();
  const fit = model.fit(() => stalled(), { verbose: 0, signal: controller.signal });
  const timer = setTimeout(() => controller.abort(new Error("no patience")), 20);
  await assertRejects(() => fit, Error, "no patience");
  clearTimeout(timer);
});

Deno.test("fit() does not open data again that no epoch will read", async () => {
  let [opened, closed] = [0, 0];
  const source = () => {
    opened++;
    return (function* () {
      try {
        for (let i = 0; i < 3; i++) yield [column(1), column(1)];
      } finally {
        closed++;
      }
    })();
  };
  await compiled().fit(source, { epochs: 2, verbose: 0 });
  assertEquals([opened, closed], [2, 2]);
});

Deno.test("logs are the same to the last bit of float64 for every stepsPerExecution", async () => {
  const x = column(4000, (i) => Math.sin(i) * 3);
  const losses: number[] = [];
  for (const stepsPerExecution of [1, 7, 100, 5000, "auto"] as const) {
    const model = onesModel(1, 1);
    model.compile({ optimizer: sgd({ learningRate: 1e-3 }), loss: "mse", stepsPerExecution });
    const { history } = await model.fit({ x, y: column(4000, () => 0.1) }, {
      batchSize: 1,
      shuffle: false,
      verbose: 0,
    });
    losses.push(history.loss![0]!);
  }
  for (const loss of losses) assertEquals(loss, losses[0]);
});

Deno.test("fit() that trains nothing leaves weights alone, whatever averages the optimizer keeps", async () => {
  const model = onesModel(1, 1);
  model.compile({ optimizer: adam({ learningRate: 0.1, useEma: true }), loss: "mse" });
  const data = { x: column(4), y: column(4) };
  await model.fit(data, { verbose: 0 });
  const loaded = [tf.tensor2d([[7]])];
  model.setWeights(loaded);
  await model.fit(data, { epochs: 0, verbose: 0 });
  const [weight] = model.getWeights();
  assertEquals([...await weight!.data()], [7]);
  tf.dispose([...loaded, weight!]);
});

Deno.test("optimizers go with their phases, in whatever order compile names them", async () => {
  setRandomSeed(3);
  class Two extends Model {
    #a = tf.layers.dense({ units: 1, name: "a", inputShape: [1] });
    #b = tf.layers.dense({ units: 1, name: "b", inputShape: [1] });
    override call(x: tf.Tensor): tf.Tensor {
      return tf.add(this.apply(this.#a, x), this.apply(this.#b, x));
    }
    override trainPhases() {
      const step = (layer: tf.layers.Layer) => (batch: { readonly x: unknown }) =>
        this.gradients(() => tf.mean(tf.square(this.apply(layer, batch.x as tf.Tensor))));
      return [
        { name: "first", trains: [this.#a], step: step(this.#a) },
        { name: "second", trains: [this.#b], step: step(this.#b) },
      ];
    }
  }
  const [first, second] = [adam({ useEma: true }), sgd()];
  const model = new Two();
  model.compile({ optimizer: { second, first } });
  await model.fit({ x: column(4) }, { verbose: 0 });
  assert(model.optimizer === first);
  setRandomSeed(null);
});

Deno.test("a value that is reported twice under one name is refused", async () => {
  class Twice extends Model {
    #layer = tf.layers.dense({ units: 1, inputShape: [1] });
    override call(x: tf.Tensor): tf.Tensor {
      return this.apply(this.#layer, x);
    }
    override computeMetrics() {
      return { mae: tf.scalar(1) };
    }
  }
  const model = new Twice();
  model.compile({ loss: "mse", metrics: ["mae"] });
  await assertRejects(() => model.fit({ x: column(2), y: column(2) }, { verbose: 0 }), TypeError, 'report "mae" twice');
});
