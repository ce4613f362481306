/**
 * Executors: how a replica runs steps. Imports from core and from the compiler that compiled executors share.
 *
 * @module
 */
import type { Executor } from "../../core/executor.ts";
import type { Factories } from "../../core/registry.ts";
import { auto } from "./auto.ts";
import { eager } from "./eager.ts";
import { trace } from "./trace.ts";
import { wasm } from "./wasm/mod.ts";
import { webgpu } from "./webgpu/mod.ts";

export { auto } from "./auto.ts";
export { eager } from "./eager.ts";
export { trace, type TraceOptions } from "./trace.ts";
export { wasm, type WasmFeatures, wasmFeatures, type WasmOptions } from "./wasm/mod.ts";
export {
  type AdapterKind,
  type QueueCounts,
  type RuntimeCounts,
  type TunerOptions,
  webgpu,
  webGpuCounts,
  type WebGpuExecutorOptions,
} from "./webgpu/mod.ts";

/** The built-in executors by name. `auto` takes the fastest one that the device has. */
export const executors: Factories<Executor> = {
  auto,
  eager,
  trace: () => trace({ inner: eager() }),
  wasm,
  webgpu,
};
