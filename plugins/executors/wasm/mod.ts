/**
 * The executor "wasm": memory, threads and state here, generated code in codegen/. Imports from core and from the
 * compiler.
 *
 * @module
 */
import type { Executor } from "../../../core/executor.ts";
import { planPhase, planStep } from "../../compiler/compile.ts";
import { keeping, reporting } from "../../compiler/planner.ts";
import { generateModule, prepare } from "./codegen/mod.ts";
import { wasmExecutor, type WasmOptions } from "./executor.ts";
import type { Compiler } from "./program.ts";

export type { WasmOptions } from "./executor.ts";
export { type WasmFeatures, wasmFeatures } from "./features.ts";

const compiler: Compiler = {
  ...keeping({
    plan: (...given) => prepare(planStep(...given)),
    planPhase: (...given) => {
      const { compute, apply } = planPhase(...given);
      return { compute: prepare(compute), ...(apply && { apply: prepare(apply) }) };
    },
  }),
  generate: generateModule,
};

/**
 * Compiles steps to WebAssembly, and runs many of them without coming back to JavaScript, on worker threads that share
 * memory. For machines without a GPU: device "cpu".
 *
 * Eager code sees current values of variables, and assigns them, as ever. `await variable.data()` leaves the event loop
 * free while steps run; what reads synchronously waits for them.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { wasm } from "@stride/stride/executors";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertEquals } from "@std/assert";
 *
 * const strategy = oneDevice({ device: "cpu" });
 * const dense = tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: "ones" });
 * const model = strategy.scope(() => Model.from(tf.sequential({ layers: [dense] })));
 * model.compile({ loss: "mse", executor: wasm({ threads: 1 }) });
 * assertEquals((await model.evaluate({ x: [[1], [2]], y: [[1], [4]] }, { verbose: 0 })).loss, 2);
 * ```
 *
 * @throws {RangeError} If `threads` is no integer from 1 to 256.
 */
export function wasm(options?: WasmOptions): Executor {
  return wasmExecutor({ ...compiler, ...reporting(compiler, options?.onPlan) }, options);
}
