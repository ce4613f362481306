/**
 * The executor that suits the device.
 *
 * @module
 */
import type { Executor } from "../../core/executor.ts";
import { eager } from "./eager.ts";
import { webgpu } from "./webgpu/mod.ts";

/**
 * Compiles steps where the device has a compiled executor, and runs them as they are written where it has none.
 *
 * A step that cannot be compiled is an error that says why, not a slower run.
 *
 * ```ts
 * import { auto } from "@stride/stride/executors";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(auto().name, "auto");
 * ```
 */
export function auto(): Executor {
  return {
    name: "auto",
    load: (step, options) => (options.device.name === "webgpu" ? webgpu() : eager()).load(step, options),
  };
}
