import { assertEquals } from "@std/assert";
import { type AdapterFacts, kindOf, tuningFor } from "../../plugins/executors/webgpu/wgsl/tuning.ts";

const LIMITS = {
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

function adapter(description: string, vendor = "", software = false): AdapterFacts {
  return { software, info: { vendor, architecture: "", description }, limits: LIMITS };
}

Deno.test("kindOf() tells adapters apart by their names", () => {
  const kinds = {
    software: [adapter("llvmpipe (LLVM 15.0.6, 256 bits)", "65541", true)],
    discrete: [
      adapter("NVIDIA H200", "4318"),
      adapter("AMD Radeon RX 7900 XTX (RADV NAVI31)", "4098"),
      adapter("Intel(R) Arc(TM) A770 Graphics", "32902"),
      adapter(""),
    ],
    integrated: [
      adapter("Intel(R) UHD Graphics 630 (CFL GT2)", "32902"),
      adapter("", "32902"),
      adapter("", "intel"),
      adapter("Apple M2 Pro"),
      adapter("AMD Radeon(TM) Graphics", "4098"),
    ],
  };
  for (const [kind, adapters] of Object.entries(kinds)) {
    for (const each of adapters) assertEquals(kindOf(each), kind, each.info.description);
  }
});

Deno.test("tuningFor() keeps within the adapter's limits, and software adapters out of workgroup memory", () => {
  const gpu = adapter("NVIDIA H200", "4318");
  assertEquals(tuningFor(adapter("llvmpipe", "", true)).workgroupTiles, undefined);
  const tiles = (maxComputeInvocationsPerWorkgroup: number, maxComputeWorkgroupStorageSize: number) => {
    const limits = { ...LIMITS, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize };
    const { invocations, bytes } = tuningFor({ ...gpu, limits }).workgroupTiles!;
    return [invocations, bytes];
  };
  assertEquals(tiles(128, 16384), [128, 16384]);
  assertEquals(tiles(1024, 49152), [256, 32768]);
});

Deno.test("tuningFor() takes an adapter for another where it is told to, but not its loops for longer", () => {
  const software = adapter("llvmpipe", "", true);
  const { name, maxLoopIterations, workgroupTiles } = tuningFor(software, "discrete");
  assertEquals([name, maxLoopIterations, workgroupTiles?.bytes], [
    "discrete",
    tuningFor(software).maxLoopIterations,
    16384,
  ]);
  assertEquals(tuningFor(adapter("NVIDIA H200"), "software").name, "software");
});
