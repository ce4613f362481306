import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Model, type Strategy, tf } from "../../mod.ts";
import { type Executor, setRandomSeed } from "../../core/mod.ts";
import { cpu } from "../../plugins/devices/mod.ts";
import { eager } from "../../plugins/executors/mod.ts";
import { wasm } from "../../plugins/executors/wasm/mod.ts";
import { wasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { oneDevice } from "../../strategies/mod.ts";
import { twoReplicas } from "../contracts/two_replicas.ts";

const FEATURES = 6;

function sine(count: number, shape: readonly number[], offset: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.sin(offset + i * 1.7 + (i % shape.at(-1)!)));
}

/** 21 samples: batches of 4 leave a ragged one. */
const X = tf.tensor2d(sine(21 * FEATURES, [FEATURES], 0), [21, FEATURES]).arraySync();
const Y = tf.tensor2d(sine(21, [1], 2), [21, 1]).arraySync();

interface Fitted {
  readonly history: Readonly<Record<string, readonly number[]>>;
  readonly weights: readonly number[];
  readonly predicted: readonly number[];
  readonly losses: readonly number[];
}

/** A model with dropout, moving statistics and momentum, trained in three ways. */
async function fit(executor: Executor, strategy: Strategy, stepsPerExecution: number | "auto"): Promise<Fitted> {
  // Not every seed will do: with two rows that are nearly alike, a replica's normalization makes differences of roundings.
  setRandomSeed(8);
  const initializer = () => tf.initializers.glorotUniform({ seed: 3 });
  const model = strategy.scope(() =>
    Model.from(tf.sequential({
      layers: [
        tf.layers.dense({ units: 8, inputShape: [FEATURES], activation: "relu", kernelInitializer: initializer() }),
        tf.layers.batchNormalization({}),
        tf.layers.dropout({ rate: 0.3 }),
        tf.layers.dense({ units: 1, kernelInitializer: initializer() }),
      ],
    }))
  );
  model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"], executor, stepsPerExecution });
  const { history } = await model.fit({ x: X, y: Y }, {
    epochs: 3,
    batchSize: 4,
    validationData: { x: X.slice(0, 5), y: Y.slice(0, 5) },
    verbose: 0,
  });
  const losses: number[] = [];
  for (let i = 0; i < 3; i++) {
    losses.push((await model.trainOnBatch({ x: X.slice(0, 8), y: Y.slice(0, 8) })).loss!);
  }
  // The two replicas are for training only.
  const predicted = strategy.replicas > 1 ? tf.tensor1d([]) : await model.predict({ x: X }, { verbose: 0 });
  const weights = await Promise.all(model.getWeights().map((weight) => weight.data()));
  return {
    history: history as Fitted["history"],
    weights: weights.flatMap((values) => [...values]),
    predicted: [...await predicted.data()],
    losses,
  };
}

function assertClose(actual: Fitted, expected: Fitted): void {
  assertEquals(Object.keys(actual.history), Object.keys(expected.history));
  const flat = ({ history, weights, predicted, losses }: Fitted): number[] => [
    ...Object.values(history).flat(),
    ...weights,
    ...predicted,
    ...losses,
  ];
  const [found, wanted] = [flat(actual), flat(expected)];
  assertEquals(found.length, wanted.length);
  // Adam's first steps turn on the signs of gradients, so that roundings show.
  found.forEach((value, index) => assertAlmostEquals(value, wanted[index]!, 1e-3 * (1 + Math.abs(wanted[index]!))));
}

Deno.test("fit, trainOnBatch and predict give with wasm what they give eagerly, whatever stepsPerExecution", async () => {
  const expected = await fit(eager(), oneDevice({ device: cpu() }), 1);
  assert(expected.losses[0] !== expected.losses[2]);
  const results = [];
  for (const stepsPerExecution of [1, 4, "auto"] as const) {
    results.push(await fit(wasm(), oneDevice({ device: cpu() }), stepsPerExecution));
  }
  assertClose(results[0]!, expected);
  assertEquals(results[1]!.weights, results[0]!.weights);
  assertEquals(results[2]!.weights, results[0]!.weights);
});

Deno.test("two replicas train with wasm as they do eagerly: gradients, moving statistics, uneven parts", async () => {
  const device = cpu();
  const expected = await fit(eager(), twoReplicas(device), 1);
  assertClose(await fit(wasm(), twoReplicas(device), 1), expected);
});

Deno.test("the number of threads does not change a bit", async () => {
  const data = { x: tf.tensor2d(sine(128 * 64, [64], 1), [128, 64]), y: tf.tensor2d(sine(128, [1], 2), [128, 1]) };
  const results: Float32Array[] = [];
  for (const threads of [1, 2, 3]) {
    setRandomSeed(5);
    const model = oneDevice({ device: cpu() }).scope(() =>
      Model.from(tf.sequential({
        layers: [
          tf.layers.dense({
            units: 200,
            inputShape: [64],
            activation: "tanh",
            kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }),
          }),
          tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
        ],
      }))
    );
    model.compile({ optimizer: "adam", loss: "mse", executor: wasm({ threads }), stepsPerExecution: 3 });
    await model.fit(data, { epochs: 2, batchSize: 48, verbose: 0 });
    assert(wasmRuntime().pool.threads >= threads);
    const weights = model.getWeights().map((weight) => weight.flatten());
    results.push(await tf.concat1d(weights as tf.Tensor1D[]).data<"float32">());
  }
  assertEquals(results[1], results[0]);
  assertEquals(results[2], results[0]);
});

Deno.test("programs of a fit that has ended hold no memory", async () => {
  const { memory, variables } = wasmRuntime();
  const model = oneDevice({ device: cpu() }).scope(() =>
    Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [FEATURES] })] }))
  );
  model.compile({ optimizer: "sgd", loss: "mse", executor: wasm() });
  const before = [memory.taken, variables.size];
  for (let i = 0; i < 3; i++) await model.fit({ x: X, y: Y }, { epochs: 1, batchSize: 4, verbose: 0 });
  assertEquals([memory.taken, variables.size], before);
});
