/**
 * Tests that need a WebGPU adapter.
 *
 * @module
 */

let adapter: Promise<boolean> | undefined;

/** Whether there is an adapter; asked once. */
function available(): Promise<boolean> {
  return adapter ??= (async () => await navigator.gpu?.requestAdapter() !== null)().catch(() => false);
}

const present = await available();
const required = Deno.env.get("STRIDE_REQUIRE_WEBGPU") === "1";
if (!present && !required) console.warn("There is no WebGPU adapter: the tests that need one are skipped.");

/**
 * Registers a test that needs WebGPU. Without an adapter it is skipped, aloud; with `STRIDE_REQUIRE_WEBGPU=1` it fails.
 */
export function webgpuTest(name: string, body: () => Promise<void>): void {
  Deno.test({
    name,
    ignore: !present && !required,
    // tfjs keeps buffers and the device for the next test.
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      if (!present) throw new Error("STRIDE_REQUIRE_WEBGPU is set, but there is no WebGPU adapter.");
      await body();
    },
  });
}
