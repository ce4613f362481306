/**
 * Executor "webgpu": steps as compute shaders. Imports core and plugins/compiler.
 *
 * @module
 */
import type { Executor } from "../../../core/executor.ts";
import { planPhase, planStep } from "../../compiler/compile.ts";
import { keeping } from "../../compiler/planner.ts";
import { webGpuExecutor, type WebGpuExecutorOptions } from "./executor.ts";
import { printKernel } from "./wgsl/mod.ts";

export { webGpuCounts, type WebGpuExecutorOptions } from "./executor.ts";
export type { QueueCounts } from "./counted_queue.ts";
export type { RuntimeCounts } from "./runtime.ts";
export type { TunerOptions } from "./tuner.ts";
export type { AdapterKind } from "./wgsl/mod.ts";

const kept = keeping({ plan: planStep, planPhase });

/**
 * Compiles steps to WebGPU compute shaders, many steps to a submission. Needs a WebGPU device.
 *
 * Weights stay on the device between executions, and tfjs sees current values whenever it looks. Data sets in memory are
 * uploaded once; batches of them are row numbers.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { webgpu as device } from "@stride/stride/devices";
 * import { webgpu } from "@stride/stride/executors";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * if ((await device().probe()).available) {
 *   const dense = tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: "ones" });
 *   const model = oneDevice({ device: device() }).scope(() => Model.from(tf.sequential({ layers: [dense] })));
 *   model.compile({ loss: "mse", executor: webgpu() });
 *   const { loss } = await model.evaluate({ x: [[1], [2]], y: [[1], [4]] }, { verbose: 0 });
 *   assertAlmostEquals(loss!, 2, 1e-6);
 * }
 * ```
 *
 * @throws {TypeError} From fit, evaluate and predict, if the device is not a WebGPU device.
 * @throws {TraceError} From fit, evaluate and predict, if a step does what cannot be compiled.
 */
export function webgpu(options: WebGpuExecutorOptions = {}): Executor {
  return webGpuExecutor({ ...kept, print: printKernel }, options);
}
