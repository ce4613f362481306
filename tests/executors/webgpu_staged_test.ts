import { assertAlmostEquals, assertEquals, assertGreater } from "@std/assert";
import { Model, setRandomSeed, tf } from "@stride/stride";
import type { Executor } from "@stride/stride/core";
import { webgpu as device } from "@stride/stride/devices";
import { eager, webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { planPhase, planStep } from "../../plugins/compiler/compile.ts";
import { webGpuExecutor } from "../../plugins/executors/webgpu/executor.ts";
import { printKernel } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { STAGED, staged } from "./webgpu_staged.ts";

const ROWS = 50;
const SIDE = 10;
const DATA = {
  x: tf.tensor4d(Float32Array.from({ length: ROWS * SIDE * SIDE }, (_, i) => Math.sin(i * i)), [ROWS, SIDE, SIDE, 1]),
  y: tf.tensor2d(Float32Array.from({ length: ROWS * 3 }, (_, i) => Number(Math.floor(i / 3) % 3 === i % 3)), [ROWS, 3]),
};

/** Trains a small network of convolutions. @returns Its losses and its weights. */
async function train(executor: Executor, stepsPerExecution: number): Promise<readonly number[]> {
  setRandomSeed(5);
  const kernelInitializer = (seed: number) => tf.initializers.glorotUniform({ seed });
  const layers = tf.sequential({
    layers: [
      tf.layers.conv2d({
        filters: 9,
        kernelSize: 3,
        activation: "relu",
        padding: "same",
        inputShape: [SIDE, SIDE, 1],
        kernelInitializer: kernelInitializer(1),
      }),
      tf.layers.conv2d({ filters: 12, kernelSize: 3, strides: 2, kernelInitializer: kernelInitializer(2) }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, activation: "softmax", kernelInitializer: kernelInitializer(3) }),
    ],
  });
  const model = oneDevice({ device: device() }).scope(() => Model.from(layers));
  model.compile({ optimizer: "adam", loss: "crossentropy", executor, stepsPerExecution });
  const { history } = await model.fit(DATA, { batchSize: 16, epochs: 2, verbose: 0 });
  const weights = await Promise.all(model.getWeights().map(async (weight) => [...await weight.data()]));
  model.dispose();
  return [...history.loss as number[], ...weights.flat()];
}

webgpuTest("webgpu() with a GPU's kernels trains as eager does, and gives the same bits every time", async () => {
  const labels: string[] = [];
  const watched = webGpuExecutor({
    plan: planStep,
    planPhase,
    print: (...given) => {
      const shaders = printKernel(...given);
      labels.push(...shaders.map(({ label }) => label));
      return shaders;
    },
    tuning: STAGED,
  });
  const first = await train(watched, 1);
  // Both convolutions and the dense layer, forward and backward, but for the first one's input; in two sizes of batches.
  assertEquals(labels.filter((label) => label.includes("in blocks of")).length, 16);
  const reference = await train(eager(), 1);
  assertGreater(first.length, 1000);
  first.forEach((value, i) => assertAlmostEquals(value, reference[i]!, 2e-3, `number ${i}`));
  assertEquals(await train(staged(), 4), first);
});

webgpuTest("webgpu({ kernelsFor }) runs kernels made for another kind of adapter", async () => {
  const own = await train(webgpu(), 4);
  for (const kernelsFor of ["discrete", "integrated"] as const) {
    const other = await train(webgpu({ kernelsFor }), 4);
    own.forEach((value, i) => assertAlmostEquals(value, other[i]!, 2e-3, `number ${i}`));
  }
  assertEquals(await train(webgpu({ kernelsFor: "software" }), 4), own);
});
