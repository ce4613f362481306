/**
 * Tests that need a WebGPU adapter.
 *
 * @module
 */

import { webgpu } from "@stride/stride/devices";

const { available } = await webgpu().probe();
const required = Deno.env.get("STRIDE_REQUIRE_WEBGPU") === "1";
if (!available && !required) console.warn("There is no WebGPU adapter: the tests that need one are skipped.");

/**
 * Registers a test that needs WebGPU. Without an adapter it is skipped, aloud; with `STRIDE_REQUIRE_WEBGPU=1` it fails.
 */
export function webgpuTest(name: string, body: () => Promise<void>): void {
  Deno.test({
    name,
    ignore: !available && !required,
    // tfjs keeps buffers and the device for the next test.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      if (!available) throw new Error("STRIDE_REQUIRE_WEBGPU is set, but there is no WebGPU adapter.");
      await body();
    },
  });
}
