import { assertEquals, assertStringIncludes } from "@std/assert";
import { Model, tf } from "@stride/stride";
import { explain, type Plan } from "@stride/stride/compiler";
import { wasm, webgpu } from "@stride/stride/executors";
import { oneDevice } from "@stride/stride/strategies";
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
