import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { explain, type Plan } from "@stride/stride/compiler";
import { webgpu as gpu } from "@stride/stride/devices";
import { wasm, webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
import { measureKernels } from "../../plugins/compiler/ir/measure.ts";
import { repetitionsOf } from "../../plugins/compiler/ir/repetitions.ts";
import { structureOf } from "../../plugins/compiler/ir/structure.ts";
import { formatCount } from "../../plugins/compiler/units.ts";
import { webGpuCounts } from "../../plugins/executors/webgpu/mod.ts";
import { webgpuTest } from "../webgpu.ts";

async function explained(device: string, executor: ReturnType<typeof wasm>, plans: readonly Plan[]): Promise<void> {
  const layers = [
    tf.layers.dense({ units: 4, inputShape: [3], activation: "relu" }),
    tf.layers.dense({ units: 2, activation: "softmax" }),
  ];
  const model = oneDevice({ device }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({ optimizer: "adam", loss: "sparseCategoricalCrossentropy", executor });
  const x = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];
  await model.fit({ x, y: [0, 1, 0] }, { batchSize: 3, epochs: 2, verbose: 0 });
  assertEquals(plans.length, 1);
  const text = explain(plans[0]!);
  // The hidden layer is one kernel, and so is the second kernel's gradient with Adam's update.
  assertStringIncludes(text, "BatchMatMul + Add + Relu");
  assertStringIncludes(text, "dense/kernel, adam/dense/kernel/momentum");
}

Deno.test("explain() shows fused kernels of what wasm() compiles", async () => {
  const plans: Plan[] = [];
  await explained("cpu", wasm({ onPlan: (plan) => plans.push(plan) }), plans);
});

webgpuTest("explain() shows fused kernels of what webgpu() compiles", async () => {
  const plans: Plan[] = [];
  await explained("webgpu", webgpu({ onPlan: (plan) => plans.push(plan) }), plans);
});

webgpuTest("explain() says whether webgpu() does whole steps in one dispatch, and why", async () => {
  const noted = async (layers: tf.LayersModel, inputs: number): Promise<string> => {
    const plans: Plan[] = [];
    const model = oneDevice({ device: "webgpu" }).scope(() => Model.from(layers));
    model.compile({ loss: "mse", stepsPerExecution: 3, executor: webgpu({ onPlan: (plan) => plans.push(plan) }) });
    const before = webGpuCounts(gpu()).dispatches;
    await model.fit({ x: tf.ones([30, inputs]), y: tf.ones([30, 1]) }, {
      batchSize: 10,
      verbose: 0,
    });
    const dispatches = webGpuCounts(gpu()).dispatches - before;
    const [plan] = plans as [Plan];
    const text = explain(plan).split("\n").at(-1)!;
    // What is said is what was done, and the numbers are those of the table above it.
    assertEquals(dispatches === 1, text.includes("steps: yes"), text);
    const { flops, bytesRead, bytesWritten } = measureKernels(plan.kernels);
    assertStringIncludes(text, formatCount(flops + (bytesRead + bytesWritten) / 4));
    model.dispose();
    return text.replace(/[\d.]+[kM]? (<=|>)/, "N $1");
  };
  const dense = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [10] })] });
  const perceptron = tf.sequential({
    layers: [tf.layers.dense({ units: 128, inputShape: [784] }), tf.layers.dense({ units: 1 })],
  });
  const rule = "250k operations and numbers moved a step";
  assertEquals(await noted(perceptron, 784), `one dispatch for whole steps: no, N > ${rule}`);
  assertMatch(await noted(dense, 10), new RegExp(`: yes, N <= ${rule}; one workgroup of \\d+ invocations$`));
});

Deno.test("explain() shows the time steps of a recurrent layer once", async () => {
  const plans: Plan[] = [];
  const layers = [tf.layers.lstm({ units: 4, inputShape: [12, 3] }), tf.layers.dense({ units: 1 })];
  const model = oneDevice({ device: "cpu" }).scope(() => Model.from(tf.sequential({ layers })));
  model.compile({ loss: "mse", executor: wasm({ onPlan: (plan) => plans.push(plan) }) });
  await model.fit({ x: tf.ones([2, 12, 3]), y: tf.zeros([2, 1]) }, { batchSize: 2, verbose: 0 });
  const { kernels } = plans[0]!;
  const repeated = repetitionsOf(kernels).filter(({ times }) => times > 1);
  // Forwards and backwards; the first and the last step have less to do.
  assertEquals(repeated.length, 2);
  const lines = explain(plans[0]!).split("\n");
  for (const { first, length, times } of repeated) {
    assert(times >= 10);
    const keys = kernels.slice(first, first + length * times).map((kernel) => structureOf(kernel).key);
    keys.forEach((key, at) => assertEquals(key, keys[at % length]));
    const alike = repeated.filter((other) => other.length === length && other.times === times);
    assertEquals(lines.filter((line) => line.includes(`${length} kernels x ${times}`)).length, alike.length);
    assert(!lines.some((line) => line.startsWith(`${first + length} `)));
  }
});
