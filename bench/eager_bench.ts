/**
 * Is Stride's eager loop as fast as tfjs's own `LayersModel.fit`, on the same backend? `deno bench -A bench`.
 *
 * Each iteration trains a fixed number of steps; divide by it for the time of one. The device comes from the environment
 * variable `STRIDE_BENCH_DEVICE` (`cpu`, the default, or `webgpu`).
 *
 * @module
 */
import { Model, tf } from "@stride/stride";
import { cpu, webgpu } from "@stride/stride/devices";
import { oneDevice } from "@stride/stride/strategies";
import { cnn, dense1, mlp, samples, type Workload } from "./workloads.ts";

const device = Deno.env.get("STRIDE_BENCH_DEVICE") === "webgpu" ? webgpu() : cpu();
await device.open();

/** How many steps one iteration trains. */
const STEPS: Readonly<Record<string, number>> = { dense1: 100, mlp: 10, cnn: device.name === "cpu" ? 1 : 4 };

function benchmark(workload: Workload): void {
  const steps = STEPS[workload.name]!;
  const data = samples(workload, workload.batchSize * steps);
  const group = `${workload.name}, ${device.name}, ${steps} steps`;

  device.activate();
  const theirs = workload.layers();
  theirs.compile({ optimizer: workload.optimizer, loss: workload.loss });
  const x = tf.tensor(data.x.values, [...data.x.shape]);
  const y = tf.tensor(data.y.values, [...data.y.shape]);
  Deno.bench({
    name: `${workload.name}: tfjs LayersModel.fit`,
    group,
    baseline: true,
    fn: async () => {
      await theirs.fit(x, y, { batchSize: workload.batchSize, epochs: 1, verbose: 0 });
    },
  });

  for (const stepsPerExecution of new Set([1, steps])) {
    const ours = oneDevice({ device }).scope(() => Model.from(workload.layers()));
    ours.compile({ optimizer: workload.optimizer, loss: workload.loss, stepsPerExecution, executor: "eager" });
    Deno.bench({
      name: `${workload.name}: Stride eager, stepsPerExecution ${stepsPerExecution}`,
      group,
      fn: async () => {
        await ours.fit(data, { batchSize: workload.batchSize, epochs: 1, verbose: 0 });
      },
    });
  }
}

for (const workload of [dense1, mlp, cnn]) benchmark(workload);
