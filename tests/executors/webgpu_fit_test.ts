import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { Model, setRandomSeed, tf } from "@stride/stride";
import { swapEMAWeights } from "@stride/stride/callbacks";
import type { Device, Executor } from "@stride/stride/core";
import { cpu, webgpu as gpu } from "@stride/stride/devices";
import { eager } from "@stride/stride/executors";
import { adam } from "@stride/stride/optimizers";
import { oneDevice } from "@stride/stride/strategies";
import { webgpu, webGpuCounts } from "../../plugins/executors/webgpu/mod.ts";
import { webgpuTest } from "../webgpu.ts";

const ROWS = 70;
const DATA = {
  x: Array.from({ length: ROWS }, (_, i) => Array.from({ length: 8 }, (_, j) => Math.sin(i * 8 + j))),
  y: Array.from({ length: ROWS }, (_, i) => [0, 1, 2].map((k) => Number(i % 3 === k))),
};

/** Moving statistics, random masks, slots and averages: all kinds of variables. */
function network(device: Device, executor: Executor, stepsPerExecution: number | "auto", useEma = false): Model {
  const initializer = (seed: number) => tf.initializers.glorotUniform({ seed });
  const layers = tf.sequential({
    layers: [
      tf.layers.dense({ units: 16, activation: "relu", inputShape: [8], kernelInitializer: initializer(1) }),
      tf.layers.batchNormalization(),
      tf.layers.dropout({ rate: 0.2 }),
      tf.layers.dense({ units: 3, activation: "softmax", kernelInitializer: initializer(2) }),
    ],
  });
  const model = oneDevice({ device }).scope(() => Model.from(layers));
  const optimizer = adam({ learningRate: 0.01, useEma, emaMomentum: 0.9 });
  model.compile({ optimizer, loss: "crossentropy", metrics: ["accuracy"], executor, stepsPerExecution });
  return model;
}

async function train(device: Device, executor: Executor, stepsPerExecution: number | "auto") {
  setRandomSeed(5);
  const model = network(device, executor, stepsPerExecution, true);
  const seen: number[] = [];
  const look = {
    name: "look",
    async onEpochEnd() {
      const first = model.getWeights()[0]!;
      seen.push((await first.data())[3]!);
    },
  };
  const { history } = await model.fit(DATA, {
    batchSize: 16,
    epochs: 3,
    verbose: 0,
    validationData: DATA,
    callbacks: [swapEMAWeights(), look],
  });
  const predicted = await model.predict({ x: DATA.x }, { batchSize: 32, verbose: 0 }) as tf.Tensor;
  const values = [...await predicted.data()];
  predicted.dispose();
  const weights = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  model.dispose();
  return { history, seen, values, weights };
}

webgpuTest("fit() with executor webgpu gives eager's history, weights and predictions", async () => {
  const expected = await train(cpu(), eager(), 1);
  for (const stepsPerExecution of [1, 3, "auto"] as const) {
    const found = await train(gpu(), webgpu(), stepsPerExecution);
    for (const [name, values] of Object.entries(expected.history)) {
      values!.forEach((value, epoch) => assertAlmostEquals(found.history[name]![epoch]!, value!, 2e-4, name));
    }
    found.seen.forEach((value, index) => assertAlmostEquals(value, expected.seen[index]!, 2e-4));
    found.values.forEach((value, index) => assertAlmostEquals(value, expected.values[index]!, 5e-4));
    found.weights.flat().forEach((value, index) => assertAlmostEquals(value, expected.weights.flat()[index]!, 5e-4));
  }
  cpu().activate();
});

webgpuTest("fit() with executor webgpu sees setWeights() of a callback, and saves what it trained", async () => {
  const model = network(gpu(), webgpu(), 2);
  await model.evaluate(DATA, { verbose: 0 });
  const start = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  const shapes = model.getWeights().map(({ shape }) => shape);
  const back = {
    name: "back",
    onEpochEnd: () => tf.tidy(() => model.setWeights(start.map((values, index) => tf.tensor(values, shapes[index]!)))),
  };
  await model.fit(DATA, { batchSize: 16, epochs: 2, verbose: 0, callbacks: [back] });
  const end = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  assertEquals(end, start);
  await model.fit(DATA, { batchSize: 16, epochs: 1, verbose: 0 });
  const trained = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  assert(trained.flat().some((value, index) => value !== start.flat()[index]));
  model.dispose();
  assertEquals(webGpuCounts(gpu()).stateBytes, 0);
  cpu().activate();
});

webgpuTest("fit() with executor webgpu keeps tensors and device memory flat over fits", async () => {
  const model = network(gpu(), webgpu(), 4);
  const fit = () => model.fit(DATA, { batchSize: 16, epochs: 1, verbose: 0, validationData: DATA });
  for (let i = 0; i < 2; i++) await fit();
  const counts = (): number[] => {
    const { stateBytes, residentBytes, sharedBytes, programs, pipelines } = webGpuCounts(gpu());
    const { numTensors, numBytes, numDataBuffers } = tf.memory();
    return [stateBytes, residentBytes, sharedBytes, programs, pipelines, numTensors, numBytes, numDataBuffers];
  };
  const before = counts();
  for (let i = 0; i < 5; i++) await fit();
  assertEquals(counts(), before);
  model.dispose();
  cpu().activate();
});

webgpuTest("fit() with executor webgpu refuses another device", async () => {
  const model = network(cpu(), webgpu(), 1);
  await assertRejects(() => model.fit(DATA, { verbose: 0 }), TypeError, 'oneDevice({ device: "webgpu" })');
  model.dispose();
});

webgpuTest("fit() with executor webgpu adds gradients of more time steps than a shader may have buffers", async () => {
  const steps = 40;
  const values = (length: number, by: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * by));
  const data = {
    x: { shape: [8, steps, 3], dtype: "float32" as const, values: values(8 * steps * 3, 0.7) },
    y: { shape: [8, 1], dtype: "float32" as const, values: values(8, 1.3) },
  };
  const losses = async (device: Device, executor: Executor): Promise<readonly number[]> => {
    const initializer = (seed: number) => tf.initializers.glorotUniform({ seed });
    const lstm = { units: 5, kernelInitializer: initializer(1), recurrentInitializer: initializer(2) };
    const layers = [
      tf.layers.lstm({ ...lstm, inputShape: [steps, 3] }),
      tf.layers.dense({ units: 1, kernelInitializer: initializer(3) }),
    ];
    const model = oneDevice({ device }).scope(() => Model.from(tf.sequential({ layers })));
    model.compile({ optimizer: "adam", loss: "mse", executor });
    const { history } = await model.fit(data, { batchSize: 4, epochs: 3, shuffle: false, verbose: 0 });
    model.dispose();
    return history.loss as number[];
  };
  const expected = await losses(cpu(), eager());
  const found = await losses(gpu(), webgpu());
  found.forEach((loss, epoch) => assertAlmostEquals(loss, expected[epoch]!, 1e-5));
  cpu().activate();
});
