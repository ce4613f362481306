/**
 * How much device memory does training take on WebGPU, next to what it cannot do without?
 *
 * ```sh
 * deno run -A --no-lock bench/webgpu_memory.ts WORKLOAD [--steps 20]
 * ```
 *
 * WORKLOAD is one of `workloads.ts`, or `lstm`: 40 time steps of 128 units, batches of 32. A process measures one workload, as
 * tfjs keeps the memory of models that are gone. The peak is of two epochs of `fit`, from its call to its end, over every
 * buffer and texture that anybody makes on the device; data sets are counted apart. Gradients count as much as parameters,
 * though most are stored nowhere; what is stored of them is scratch memory, and so among what is live too.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { Model, tf } from "@stride/stride";
import type { Executor, HostArray } from "@stride/stride/core";
import type { Plan } from "@stride/stride/compiler";
import { webgpu } from "@stride/stride/executors";
import { lstm } from "@stride/stride/layers";
import { oneDevice } from "@stride/stride/strategies";
import { bytesOf } from "../plugins/compiler/ir/buffers.ts";
import { leastScratch } from "../plugins/compiler/passes/allocate.ts";
import { formatBytes } from "../plugins/compiler/units.ts";
import { DeviceMemory } from "../tests/executors/device_memory.ts";
import { strideModel } from "./stride_model.ts";
import { batchSizeOf, trainingData } from "./workloads.ts";

const args = parseArgs(Deno.args, { string: ["steps"], default: { steps: "20" } });
const name = String(args._[0] ?? "mlp");
const steps = Number(args.steps);

/** A model, and data for `steps` steps of it. */
interface Training {
  readonly model: Model;
  readonly batchSize: number;
  readonly data: { readonly x: HostArray; readonly y: HostArray };
}

function trainingOf(executor: Executor): Training {
  if (name !== "lstm") {
    const batchSize = batchSizeOf(name);
    const model = strideModel(name, { executor, device: "webgpu", stepsPerExecution: steps });
    return { model, batchSize, data: trainingData(name, batchSize * steps) };
  }
  const [batchSize, length, vocabulary] = [32, 40, 80];
  const layers = [
    tf.layers.embedding({ inputDim: vocabulary, outputDim: 32, inputLength: length }),
    lstm({ units: 128 }),
    tf.layers.dense({ units: vocabulary, activation: "softmax" }),
  ];
  const model = oneDevice({ device: "webgpu" }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", executor, stepsPerExecution: steps });
  const characters = (...shape: number[]): HostArray => {
    const size = shape.reduce((product, each) => product * each);
    return { shape, dtype: "int32", values: Int32Array.from({ length: size }, (_, i) => (i * i) % vocabulary) };
  };
  return { model, batchSize, data: { x: characters(batchSize * steps, length), y: characters(batchSize * steps) } };
}

const memory = DeviceMemory.watch();
const plans: Plan[] = [];
const { model, data, batchSize } = trainingOf(webgpu({ onPlan: (plan) => plans.push(plan) }));
let dataSets = 0;
let within = 0;
const look = {
  name: "look",
  onTrainBatchEnd: () => {
    dataSets = memory.dataSets;
    within = memory.now;
  },
};
await model.fit(data, { batchSize, epochs: 2, verbose: 0, callbacks: [look] });

const [plan] = plans as [Plan];
const parameters = model.getWeights().reduce((sum, { size }) => sum + 4 * size, 0);
const variables = [...plan.variables.values()].reduce((sum, buffer) => sum + bytesOf(buffer), 0);
const live = leastScratch(plan);
const needed = variables + parameters + live;
const rows: readonly (readonly [string, number])[] = [
  ["parameters", parameters],
  ["slots", variables - parameters],
  ["gradients", parameters],
  ["live activations", live],
  ["needed", needed],
  ["held between steps", within],
  ["held at most", memory.most],
  ["data sets, apart", dataSets],
];
const times = (of: number): string => (memory.most / of).toFixed(3);
console.log(
  `${name}: held at most ${times(needed)} times what is needed, ${times(variables + live)} without gradients`,
);
for (const [what, bytes] of rows) console.log(`  ${what.padEnd(32)}${formatBytes(bytes)}`);
console.log("At most:");
for (const [label, bytes] of memory.atMost) {
  if (bytes > 0) console.log(`  ${(label || "tfjs").padEnd(60)}${formatBytes(bytes)}`);
}
