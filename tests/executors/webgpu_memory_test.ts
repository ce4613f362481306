import { assert, assertEquals } from "@std/assert";
import { Model, tf } from "@stride/stride";
import type { Plan } from "@stride/stride/compiler";
import { webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { bytesOf } from "../../plugins/compiler/ir/buffers.ts";
import { leastScratch } from "../../plugins/compiler/passes/allocate.ts";
import { webgpuTest } from "../webgpu.ts";
import { DeviceMemory } from "./device_memory.ts";

webgpuTest(
  "fit() on WebGPU holds no more than 1.3 times parameters, slots, gradients and live activations, data sets apart",
  async () => {
    const memory = DeviceMemory.watch();
    const plans: Plan[] = [];
    const layers = [
      tf.layers.dense({ units: 128, activation: "relu", inputShape: [784] }),
      tf.layers.dense({ units: 10, activation: "softmax" }),
    ];
    const model = oneDevice({ device: "webgpu" }).scope(() => Model.from(tf.sequential({ layers })));
    model.compile({
      optimizer: "adam",
      loss: "sparseCategoricalCrossentropy",
      executor: webgpu({ onPlan: (plan) => plans.push(plan) }),
      stepsPerExecution: 2,
    });
    const rows = 300;
    const x = { shape: [rows, 784], dtype: "float32" as const, values: new Float32Array(rows * 784).fill(0.1) };
    const y = { shape: [rows], dtype: "int32" as const, values: Int32Array.from({ length: rows }, (_, i) => i % 10) };
    let dataSets = 0;
    const look = {
      name: "look",
      onTrainBatchEnd: () => {
        dataSets = memory.dataSets;
      },
    };
    // The last batch has fewer rows, and validation has plans of its own.
    const fit = () => model.fit({ x, y }, { batchSize: 64, verbose: 0, validationData: { x, y }, callbacks: [look] });
    await fit();
    assertEquals(dataSets, rows * 785 * 4);
    const bytes = ({ variables }: Plan) => [...variables.values()].reduce((sum, buffer) => sum + bytesOf(buffer), 0);
    const gradients = model.getWeights().reduce((sum, { size }) => sum + 4 * size, 0);
    const needed = Math.max(...plans.map(bytes)) + gradients + Math.max(...plans.map(leastScratch));
    assert(needed > 1_800_000, `${needed} bytes needed`);
    const first = memory.most;
    assert(first > needed - gradients, `${first} bytes, less than the ${needed - gradients} without gradients`);
    assert(
      first <= 1.3 * needed,
      `${first} bytes, ${first / needed} times what is needed: ${[...memory.atMost].join(" ")}`,
    );
    // Weights have copies, which are as large as their gradients: a little more than these would be is left.
    assert(first <= 1.4 * (needed - gradients), `${first} bytes, ${first / (needed - gradients)} times what is stored`);
    // A second call finds variables in tfjs's tensors, and moves them.
    await fit();
    assert(memory.most <= 1.3 * needed, `${memory.most} bytes: ${[...memory.atMost].join(" ")}`);
    model.dispose();
  },
);
