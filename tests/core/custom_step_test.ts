import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  type Batch,
  type GradientUpdate,
  type LossArguments,
  Model,
  type Nested,
  type StepResult,
  type Tensor,
  type TensorBatch,
  tf,
  TraceError,
  type TrainPhase,
} from "@stride/stride";
import { adam, sgd } from "@stride/stride/optimizers";
import { assertClose, assertLogs, assertNoLeak, column, filled, valuesOf } from "./helpers.ts";

const quiet = { verbose: 0 } as const;

/** y = w x, with a free variable. */
class Scale extends Model {
  readonly w = tf.variable(tf.scalar(1), true);
  override call(x: Tensor): Tensor {
    return tf.mul(x, this.w);
  }
}

const ones = { x: filled([4, 1], 1), y: filled([4, 1], 0) };

Deno.test("trainStep() may return gradients and only the logs that it wants", async () => {
  class OwnStep extends Scale {
    override trainStep({ x }: Batch): StepResult {
      const { gradients } = this.gradients(() => tf.mean(tf.square(this.call(x))));
      return { gradients, logs: { loss: tf.scalar(7) } };
    }
  }
  const model = new OwnStep();
  model.compile({ optimizer: sgd({ learningRate: 0.1 }), metrics: ["mae"] });
  const { history } = await model.fit({ x: ones.x }, { epochs: 2, verbose: 0 });
  assertEquals(history, { loss: [7, 7] });
  assertClose(await model.w.data(), [0.64]);
});

Deno.test("trainStep() reports what it returns as means over rows", async () => {
  class Logged extends Scale {
    override trainStep({ x, y }: Batch): StepResult {
      const result = this.gradients(() => {
        const yPred = this.call(x);
        this.log("inside", tf.mean(yPred));
        return this.computeLoss({ y, yPred });
      });
      return { ...result, logs: { outside: tf.mean(x) } };
    }
  }
  const model = new Logged();
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", metrics: ["mae"] });
  const data = { x: column(5), y: column(5, () => 0) };
  const { history } = await model.fit(data, { batchSize: 2, verbose: 0 });
  assertEquals(Object.keys(history), ["loss", "inside", "outside", "mae"]);
  assertClose([history.inside![0]!, history.outside![0]!, history.loss![0]!], [2, 2, 6]);
});

Deno.test("testStep() and predictStep() can be overridden", async () => {
  class Doubled extends Scale {
    override testStep({ x, y }: Batch): Record<string, Tensor> {
      const yPred = tf.mul(this.call(x), 2);
      this.computeLoss({ y, yPred });
      return { largest: tf.max(yPred) };
    }
    override predictStep({ x }: TensorBatch): Nested<Tensor> {
      return { doubled: tf.mul(this.call(x as Tensor), 2) };
    }
  }
  const model = new Doubled();
  model.compile({ loss: "mse", metrics: ["mae"] });
  assertLogs(await model.evaluate(ones, quiet), { loss: 4, largest: 2, mae: 2 });
  const { doubled } = await model.predict<Record<string, Tensor>>({ x: ones.x }, quiet);
  assertEquals(await valuesOf(doubled!), [2, 2, 2, 2]);
});

Deno.test("computeLoss() and computeMetrics() can be overridden", async () => {
  class Extended extends Scale {
    override computeLoss(given: LossArguments): Tensor {
      return tf.add(super.computeLoss(given), tf.square(this.w));
    }
    override computeMetrics({ yPred }: LossArguments): Record<string, Tensor> {
      return { mean: tf.mean(yPred as Tensor) };
    }
  }
  const model = new Extended();
  model.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: "mse", metrics: ["mae"] });
  const { history } = await model.fit(ones, quiet);
  assertEquals(history, { loss: [2], mean: [1], mae: [1] });
  assertClose(await model.w.data(), [0.6]);
});

Deno.test("applyGradients() can clip, and be told what to update with", async () => {
  class Clipped extends Scale {
    override applyGradients(update: GradientUpdate): void {
      assertEquals([update.phase, update.variables.map(({ path }) => path)], ["train", ["variable"]]);
      const gradients = update.gradients.map((gradient) => gradient && tf.clipByValue(gradient, -0.5, 0.5));
      super.applyGradients({ ...update, gradients });
    }
  }
  const model = new Clipped();
  model.compile({ optimizer: sgd({ learningRate: 1 }), loss: "mse" });
  await model.fit(ones, quiet);
  assertClose(await model.w.data(), [0.5]);
});

Deno.test("addLoss() and layers' regularizers count once a step, in training and evaluation", async () => {
  class Penalized extends Model {
    #dense = tf.layers.dense({
      units: 1,
      useBias: false,
      kernelInitializer: "ones",
      kernelRegularizer: tf.regularizers.l2({ l2: 0.5 }),
      activityRegularizer: tf.regularizers.l1({ l1: 0.25 }),
    });
    override call(x: Tensor): Tensor {
      const y = this.apply(this.#dense, x);
      this.addLoss(tf.mean(y));
      return y;
    }
  }
  const model = new Penalized();
  model.compile({ optimizer: sgd({ learningRate: 0 }), loss: "mse", metrics: ["mse"] });
  // 1 (mse) + 0.5 · 1² (kernel) + 0.25 · 1 (activity, averaged over rows) + 1 (added).
  const expected = { loss: 2.75, mse: 1 };
  assertLogs(await model.evaluate(ones, quiet), expected);
  assertClose((await model.fit(ones, { batchSize: 3, ...quiet })).history.loss, [expected.loss]);
});

/** A generative adversarial network on single numbers. */
class Gan extends Model {
  readonly generator = tf.layers.dense({ units: 1, inputShape: [2], name: "generator" });
  readonly discriminator = tf.layers.dense({ units: 1, inputShape: [1], name: "discriminator" });
  override call(x: Tensor): Tensor {
    return this.apply(this.discriminator, x);
  }
  #generate(rows: number): Tensor {
    return this.apply(this.generator, tf.randomNormal([rows, 2]));
  }
  override trainPhases(): TrainPhase[] {
    const judge = (x: Tensor, label: number): Tensor =>
      tf.losses.sigmoidCrossEntropy(tf.fill([x.shape[0]!, 1], label), this.call(x));
    return [
      {
        name: "discriminator",
        trains: [this.discriminator],
        step: ({ x, rows }) =>
          this.gradients(() => tf.add(judge(x as Tensor, 1), judge(this.#generate(rows), 0)) as Tensor),
      },
      {
        name: "generator",
        trains: [this.generator],
        step: ({ rows }) => this.gradients(() => judge(this.#generate(rows), 1)),
      },
    ];
  }
}

Deno.test("trainPhases() trains each phase's variables with an optimizer of its own", async () => {
  const run = async (generatorRate: number): Promise<[string[], Map<string, number[]>]> => {
    const model = new Gan();
    const rates = { discriminator: adam({ learningRate: 0.01 }), generator: sgd({ learningRate: generatorRate }) };
    model.compile({ optimizer: rates });
    const before = new Map<string, number[]>();
    const { history } = await model.fit({ x: column(8) }, {
      batchSize: 4,
      epochs: 2,
      verbose: 0,
      callbacks: [{
        async onTrainBegin() {
          for (const { path, variable } of model.variables) before.set(path, [...await variable.data()]);
        },
      }],
    });
    assertEquals([rates.discriminator.iterations, rates.generator.iterations], [4, 4]);
    const changes = new Map<string, number[]>();
    for (const { path, variable } of model.variables) {
      changes.set(path, [...await variable.data()].map((value, i) => value - before.get(path)![i]!));
    }
    return [Object.keys(history), changes];
  };
  const [names, moved] = await run(0.1);
  assertEquals(names, ["loss", "discriminator_loss", "generator_loss"]);
  assertEquals([...moved.keys()].sort(), [
    "discriminator/bias",
    "discriminator/kernel",
    "generator/bias",
    "generator/kernel",
  ]);
  for (const path of ["discriminator/kernel", "generator/kernel"]) {
    assert(moved.get(path)!.some((change) => change !== 0));
  }
  const [, still] = await run(0);
  assertEquals(still.get("generator/kernel"), [0, 0]);
  assertNotEquals(still.get("discriminator/kernel"), [0]);
});

Deno.test("trainPhases() makes an optimizer for each phase when compile gets a name", async () => {
  const model = new Gan();
  model.compile({ optimizer: "adam" });
  await model.fit({ x: column(8) }, quiet);
  await assertNoLeak(() => model.fit({ x: column(8) }, { epochs: 3, verbose: 0 }));
});

Deno.test("trainPhases() refuses one optimizer for two phases, and one that is missing", async () => {
  const shared = new Gan();
  shared.compile({ optimizer: adam() });
  await assertRejects(() => shared.fit({ x: column(8) }, quiet), TypeError, "serves another phase");
  const missing = new Gan();
  missing.compile({ optimizer: { discriminator: "adam" } });
  await assertRejects(() => missing.fit({ x: column(8) }, quiet), RangeError, 'No optimizer for phase "generator"');
});

Deno.test("trainStep() that returns no gradients, or those of other variables, is refused by name", async () => {
  class NoGradients extends Scale {
    override trainStep(): StepResult {
      return { loss: tf.scalar(0) } as unknown as StepResult;
    }
  }
  const none = new NoGradients();
  none.compile({ loss: "mse" });
  await assertRejects(() => none.fit(ones, quiet), TypeError, "returned no gradients");
  class Stranger extends Scale {
    readonly other = tf.variable(tf.scalar(1), true, "stranger");
    override trainStep({ x }: Batch): StepResult {
      return this.gradients(() => tf.mean(tf.mul(this.call(x), this.other)), [this.w, this.other]);
    }
  }
  const stranger = new Stranger();
  stranger.compile({ loss: "mse", executor: "eager" });
  await assertRejects(() => stranger.fit(ones, quiet), RangeError, 'variable "stranger"');
  stranger.compile({ loss: "mse", executor: "auto" });
  await assertRejects(() => stranger.fit(ones, quiet), TraceError, "stranger");
});

Deno.test("trainStep() whose loss is no scalar, or whose logs are none, is refused", async () => {
  class Vector extends Scale {
    override trainStep({ x }: Batch): StepResult {
      return this.gradients(() => this.call(x));
    }
  }
  const vector = new Vector();
  vector.compile({ loss: "mse" });
  await assertRejects(() => vector.fit(ones, quiet), TypeError, "must be a scalar tensor; found shape [4, 1]");
  class BadLog extends Scale {
    override trainStep(batch: Batch): StepResult {
      return { ...super.trainStep(batch, { rows: 4, globalRows: 4, scalars: {} }), logs: { rows: batch.x } };
    }
  }
  const badLog = new BadLog();
  badLog.compile({ loss: "mse" });
  await assertRejects(() => badLog.fit(ones, quiet), TypeError, 'Cannot report "rows": expected a scalar tensor');
});
