import { assert, assertEquals, assertThrows } from "@std/assert";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Buffer, Nest } from "../../plugins/compiler/ir/types.ts";
import { allocate } from "../../plugins/compiler/passes/allocate.ts";

/** A kernel that reads and writes buffers. */
function nest(ir: Expressions, from: readonly Buffer[], to: Buffer): Nest {
  const value = from.map((buffer) => ir.load(buffer, ir.int(0))).reduce((a, b) => ir.add(a, b), ir.float(1));
  return { kind: "nest", outer: [], inner: [], reductions: [], stores: [{ buffer: to, index: ir.int(0), value }] };
}

function planOf(expressions: Expressions, kernels: readonly Nest[], scratch: readonly Buffer[]): Plan {
  const none = { inputs: [], columns: [], streams: 0, outputs: [], constants: [] };
  return { expressions, kernels, scratch, variables: new Map(), ...none };
}

/** Buffers of random sizes, each written by one kernel and read by a later one. */
function randomPlan(seed: number): { plan: Plan; lives: Map<Buffer, readonly [number, number]> } {
  let state = seed;
  const random = (below: number): number => (state = (state * 1103515245 + 12345) & 0x7fffffff) % below;
  const ir = new Expressions();
  const scratch = Array.from({ length: 40 }, () => ir.buffer("f32", 1 + random(1000), { kind: "scratch" }));
  const lives = new Map<Buffer, readonly [number, number]>();
  const reads: Buffer[][] = Array.from({ length: 60 }, () => []);
  scratch.forEach((buffer, index) => {
    const last = Math.min(59, index + random(20));
    reads[last]!.push(buffer);
    lives.set(buffer, [index, last]);
  });
  const out = ir.buffer("f32", 1, { kind: "sums" });
  const kernels = reads.map((from, index) => nest(ir, from, scratch[index] ?? out));
  return { plan: planOf(ir, kernels, scratch), lives };
}

for (const capacity of [Infinity, 8192]) {
  Deno.test(`allocate() never lets buffers meet that are in use at the same time, capacity ${capacity}`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { plan, lives } = randomPlan(seed);
      const { offsets, size } = allocate(plan, { alignment: 256, capacity });
      const placed = plan.scratch.map((buffer) => ({ buffer, start: offsets.get(buffer)!, life: lives.get(buffer)! }));
      for (const { buffer, start, life } of placed) {
        const end = start + buffer.size * 4;
        assertEquals(start % 256, 0);
        assert(end <= size);
        if (capacity < Infinity) assertEquals(Math.floor(start / capacity), Math.floor((end - 1) / capacity));
        for (const other of placed) {
          if (other.buffer === buffer || other.life[1] < life[0] || life[1] < other.life[0]) continue;
          assert(other.start >= end || other.start + other.buffer.size * 4 <= start);
        }
      }
      assert(size < allocate(plan, { alignment: 256, capacity, reuse: false }).size / 1.5);
    }
  });
}

Deno.test("allocate() keeps a whole buffer as long as any part of it is used", () => {
  const ir = new Expressions();
  const whole = ir.buffer("f32", 64, { kind: "scratch" });
  const parts = [0, 32].map((offset) => {
    const part = ir.buffer("f32", 32, { kind: "scratch" });
    part.within = { buffer: whole, offset };
    return part;
  });
  const other = ir.buffer("f32", 64, { kind: "scratch" });
  const kernels = [nest(ir, [], parts[0]!), nest(ir, [], other), nest(ir, [parts[1]!], other)];
  const { offsets, size } = allocate(planOf(ir, kernels, [whole, other]), { alignment: 256 });
  assertEquals([...offsets.values()].sort((a, b) => a - b), [0, 256]);
  assertEquals(size, 512);
});

Deno.test("allocate() places memory of one kernel beside what lives then", () => {
  const ir = new Expressions();
  const [a, b] = [0, 1].map(() => ir.buffer("f32", 64, { kind: "scratch" })) as [Buffer, Buffer];
  const partial = ir.buffer("f32", 128, { kind: "scratch" });
  const plan = planOf(ir, [nest(ir, [], a), nest(ir, [a], b), nest(ir, [b], b)], [a, b]);
  const { offsets } = allocate(plan, { alignment: 256, within: new Map([[2, [partial]]]) });
  const start = offsets.get(partial)!;
  assert(offsets.get(b)! >= start + 512 || offsets.get(b)! + 256 <= start);
});

Deno.test("allocate() refuses a buffer that is larger than the capacity, and places none that is not used", () => {
  const ir = new Expressions();
  const [large, unused] = [0, 1].map(() => ir.buffer("f32", 1000, { kind: "scratch" })) as [Buffer, Buffer];
  const plan = planOf(ir, [nest(ir, [], large)], [large, unused]);
  assertThrows(() => allocate(plan, { alignment: 256, capacity: 2048 }), RangeError, "4000 bytes");
  assertEquals(allocate(plan, { alignment: 256 }).offsets.has(unused), false);
});
