/**
 * The executor that suits the device.
 *
 * @module
 */
import type { Device } from "../../core/device.ts";
import type { Executor } from "../../core/executor.ts";
import { deferring } from "../compiler/deferring.ts";
import { eager } from "./eager.ts";
import { wasm } from "./wasm/mod.ts";
import { webgpu } from "./webgpu/mod.ts";

/** Compiled executors by the name of the device that they run on. */
const COMPILED: Readonly<Record<string, () => Executor>> = { cpu: wasm, webgpu };

/**
 * Compiles steps where the device has a compiled executor, `wasm` for the CPU and `webgpu` for WebGPU, and runs them as
 * they are written on any other.
 *
 * A step that cannot be compiled is an error that says why, not a slower run: ask for `"eager"` then.
 *
 * ```ts
 * import { auto } from "@stride/stride/executors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(auto().name, "auto");
 * ```
 */
export function auto(): Executor {
  const on = (device: Device): Executor => (COMPILED[device.name] ?? eager)();
  return { name: "auto", load: (step, options) => on(options.device).load(step, options), on, sketch: deferring };
}
