import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { webgpu } from "@stride/stride/devices";
import { webgpuTest } from "../webgpu.ts";

/** What the script prints. */
interface Seen {
  readonly scratch: string;
  readonly again: string;
  readonly variables: string;
  /** A layer's weights after each batch, and after `fit` failed. */
  readonly seen: readonly number[][];
  readonly kept: readonly number[];
}

async function trainWithin(kilobytes: number): Promise<Seen> {
  const script = new URL("webgpu_out_of_memory_script.ts", import.meta.url).pathname;
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", `ulimit -d ${kilobytes} && exec "$0" "$@"`, Deno.execPath()]
      .concat("run", "-A", "--no-lock", "--no-check", "--config", config, script),
    // It must end by itself.
    signal: AbortSignal.timeout(120_000),
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

webgpuTest(
  "fit() ends with an error that names what there is no memory for, and weights are those before",
  async () => {
    const { software } = await webgpu().probe();
    if (!software || Deno.build.os !== "linux") {
      console.warn("Memory can be limited only where the device's is the process's own: not tested here.");
      return;
    }
    const { scratch, again, variables, seen, kept } = await trainWithin(2_000_000);
    assertMatch(scratch, /^DeviceError: Cannot place scratch memory .* \d{9,} bytes were refused .*smaller batches/);
    assertEquals(seen.length, 2);
    assertNotEquals(seen[0], seen[1]);
    assertEquals(kept, seen[1]);
    assertEquals(again, "nothing");
    // Who asked for what there was no memory for depends on how much the process had before.
    assertMatch(variables, /^DeviceError: .*(bytes were refused|memory is full).*smaller batches or a smaller model/);
  },
);
