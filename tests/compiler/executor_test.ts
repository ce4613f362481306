import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Batch, type CallOptions, Model, type StepResult, type Tensor, tf, TraceError } from "@stride/stride";
import { eager, trace } from "@stride/stride/executors";
import { type BatchSignature, linkStep, type StepGraph } from "../../plugins/compiler/mod.ts";

const X = Array.from({ length: 10 }, (_, row) => [row / 10, 1 - row / 10, 0.5]);
const Y = X.map(([a, b]) => [a! - b!]);

/** A model whose initial weights are the same each time. */
function makeModel(): Model {
  const kernel = (seed: number) => tf.initializers.glorotUniform({ seed });
  return Model.from(tf.sequential({
    layers: [
      tf.layers.dense({ units: 8, inputShape: [3], activation: "relu", kernelInitializer: kernel(1) }),
      tf.layers.batchNormalization(),
      tf.layers.dense({ units: 1, kernelInitializer: kernel(2) }),
    ],
  }));
}

Deno.test("trace() traces once for each signature and gives the numbers of its inner executor when a model is fitted", async () => {
  const traced: [StepGraph, BatchSignature][] = [];
  const histories = [];
  for (const executor of [eager(), trace({ inner: eager(), onTrace: (...each) => traced.push(each) })]) {
    const model = makeModel();
    model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], executor });
    const { history } = await model.fit({ x: X, y: Y }, { batchSize: 4, epochs: 3, shuffle: false, verbose: 0 });
    histories.push(history);
  }
  assertEquals(histories[1], histories[0]);
  assertEquals(traced.map(([{ kind }, { rows }]) => [kind, rows]), [["train", 4], ["train", 2]]);
  const [[full]] = traced as [[StepGraph, BatchSignature]];
  const written = full.phases[0]!.compute.writes.map(({ path }) => path).sort();
  assertEquals(written.map((path) => path.replace(/.*\//, "")), ["moving_mean", "moving_variance"]);
  assert(linkStep(full).writes.length >= 3 * 6 + 2, "six weights with two slots each, two moving statistics");
});

Deno.test("trace() leaves no tensors behind when epochs go by", async () => {
  const model = makeModel();
  model.compile({ optimizer: "sgd", loss: "mse", executor: trace({ inner: eager() }) });
  const fit = () => model.fit({ x: X, y: Y }, { batchSize: 4, epochs: 2, verbose: 0 });
  await fit();
  const before = tf.memory().numTensors;
  await fit();
  assertEquals(tf.memory().numTensors, before);
});

class Peeking extends Model {
  readonly #dense = tf.layers.dense({ units: 1, kernelInitializer: "ones" });
  override call(x: Tensor, { training }: CallOptions): Tensor {
    return this.apply(this.#dense, x, { training });
  }
  override trainStep(batch: Batch): StepResult {
    const result = this.gradients(() => this.computeLoss({ ...batch, yPred: this.call(batch.x, { training: true }) }));
    if (result.loss!.dataSync()[0]! < 0.01) console.log("converged");
    return result;
  }
}

Deno.test("trace() names the user's line and leaves the weights alone when trainStep reads the loss back", async () => {
  const model = new Peeking();
  model.compile({ optimizer: "sgd", loss: "mse", executor: trace({ inner: eager() }) });
  tf.dispose(await model.predict({ x: X }, { verbose: 0 }));
  const values = () => model.getWeights().map((weight) => [...weight.dataSync()]);
  const before = values();
  const error = await assertRejects(() => model.fit({ x: X, y: Y }, { epochs: 1, verbose: 0 }), TraceError);
  assertEquals(error.code, "host-read");
  for (const part of ["train step", "dataSync()", "executor_test.ts:"]) assertStringIncludes(error.message, part);
  assertEquals(values(), before);
});
