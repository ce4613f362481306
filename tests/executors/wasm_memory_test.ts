import { assert, assertEquals, assertThrows } from "@std/assert";
import { FreeList } from "../../plugins/executors/wasm/free_list.ts";
import { SharedMemory } from "../../plugins/executors/wasm/memory.ts";

Deno.test("FreeList never gives what is taken, and is whole again when all is given back", () => {
  const list = new FreeList(64, 64 * 101);
  const taken: { at: number; bytes: number }[] = [];
  // A fixed sequence that takes and gives back in mixed order.
  let state = 1;
  const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
  for (let i = 0; i < 2000; i++) {
    if (random(2) === 0 && taken.length > 0) {
      const [{ at, bytes }] = taken.splice(random(taken.length), 1) as [{ at: number; bytes: number }];
      list.give(at, bytes);
      continue;
    }
    const bytes = 1 + random(640);
    const at = list.take(bytes);
    if (at === undefined) continue;
    assertEquals(at % 64, 0);
    for (const other of taken) assert(at >= other.at + other.bytes || other.at >= at + bytes);
    assert(at >= 64 && at + bytes <= 64 * 101);
    taken.push({ at, bytes });
  }
  assert(taken.length > 0);
  for (const { at, bytes } of taken) list.give(at, bytes);
  assertEquals([list.free, list.take(6400)], [6400, 64]);
});

Deno.test("SharedMemory.allocate() says what there is no room for", () => {
  const memory = new SharedMemory(2);
  const block = memory.allocate(100_000, "weights");
  assertThrows(
    () => memory.allocate(50_000, "activations"),
    RangeError,
    "Cannot find 0.1 MB of WebAssembly memory for activations: 0.1 MB of 0.1 MB are taken.",
  );
  assertEquals(memory.tryAllocate(50_000), undefined);
  block.free();
  memory.allocate(130_900, "activations");
});

Deno.test("SharedMemory keeps a block until its last user frees it", () => {
  const memory = new SharedMemory(1);
  const block = memory.allocate(60_000, "weights");
  block.share();
  assertEquals([block.free(), memory.taken], [false, 60_000]);
  assertEquals([block.free(), memory.taken], [true, 0]);
});

Deno.test("SharedMemory reaches the end of 4 GiB, without using memory for what is not touched", () => {
  const { pages, f32, view } = new SharedMemory();
  if (pages < 65_536) return;
  f32[f32.length - 1] = 2.5;
  assertEquals(view.call(new SharedMemory(1), "u8", 10, 2).length, 2);
  assertEquals(f32[2 ** 30 - 1], 2.5);
  assert(Deno.memoryUsage().rss < 2 ** 31);
});
