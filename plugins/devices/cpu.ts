/**
 * tfjs's own CPU backend, in plain JavaScript.
 *
 * @module
 */
import type { Device } from "../../core/device.ts";
import { tf } from "../../core/tf.ts";
import { registerCpuKernels } from "./cpu_kernels.ts";
import { activateBackend, openBackend } from "./engine.ts";

const BACKEND = "cpu";

/**
 * The CPU, by tfjs's backend for it, with Stride's matrix products. Always there.
 *
 * ```ts
 * import { cpu } from "@stride/stride/devices";
 * import { assert } from "@std/assert";
 *
 * const { available } = await cpu().probe();
 * assert(available);
 * ```
 */
export function cpu(): Device {
  return {
    name: "cpu",
    backend: BACKEND,
    probe: () => Promise.resolve({ available: true, software: true, description: "tfjs's CPU backend" }),
    open: async () => {
      if (openBackend(BACKEND) === undefined) await tf.setBackend(BACKEND);
      registerCpuKernels();
    },
    activate: () => activateBackend(BACKEND),
    check: () => {},
  };
}
