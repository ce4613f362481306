import { assert, assertEquals } from "@std/assert";
import { foldIn, type ResidentSource } from "../../core/mod.ts";
import { hostInputs, signatureOf } from "../../plugins/compiler/signature.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import { SharedMemory } from "../../plugins/executors/wasm/memory.ts";
import { Regions } from "../../plugins/executors/wasm/regions.ts";
import { Residents } from "../../plugins/executors/wasm/residents.ts";
import { batchOf, counter, counterPlan, rowsOf, samples, SIZE, table } from "./wasm_counter.ts";
import type { Batch } from "../../core/mod.ts";

function planFor(batch: Batch): Plan {
  return counterPlan()(counter().step, signatureOf(batch, table([1])), { inputs: hostInputs(batch) });
}

Deno.test("Regions.write() puts the keys of each step's streams, the plan's columns and row numbers in place", () => {
  const memory = new SharedMemory(2048);
  const source = { rows: 9, arrays: { x: samples(Array.from({ length: 9 }, (_, i) => i)) } };
  const plan = planFor(rowsOf(source, [0, 1]));
  const regions = new Regions(memory, plan, { batchRows: 2, staged: false });
  const rates = [0.5, 0.25, 2];
  const given = { ...table(rates), first: 40 };
  regions.write(1, [rowsOf(source, [8, 2]), rowsOf(source, [5, 0])], given, 1);
  const start = regions.capacity;
  const { i32, f32 } = memory;
  assertEquals([...f32.subarray(regions.table / 4 + start, regions.table / 4 + start + 2)], [0.25, 2]);
  const rows = regions.address(plan.rows!)! / 4 + 2 * start;
  assertEquals([...i32.subarray(rows, rows + 4)], [8, 2, 5, 0]);
  for (let step = 0; step < 2; step++) {
    for (let stream = 0; stream < 3; stream++) {
      const at = regions.keys / 4 + ((start + step) * 3 + stream) * 2;
      const expected = foldIn(foldIn([1, 2], 41 + step), stream);
      assertEquals([i32[at]! >>> 0, i32[at + 1]! >>> 0], [...expected]);
    }
  }
  regions.free();
  assertEquals(memory.taken, 0);
});

Deno.test("Regions.write() copies batches, and rows of a source that is not resident", () => {
  const memory = new SharedMemory(2048);
  const source: ResidentSource = { rows: 3, arrays: { x: samples([10, 11, 12]) } };
  const plan = planFor(batchOf([1, 2]));
  const regions = new Regions(memory, plan, { batchRows: 2, staged: true });
  regions.write(1, [batchOf([1, 2]), rowsOf(source, [2, 0])], table([1, 1]), 0);
  const [input] = plan.inputs;
  const numbers = memory.view("i32", regions.address(plan.rows!)! + 8 * regions.capacity, 4);
  const values = [...numbers].map((row) => memory.f32[regions.address(input!)! / 4 + row * SIZE + SIZE - 1]);
  assertEquals(values, [1, 2, 12, 10]);
});

Deno.test("Residents has each leaf of a source once, gives up where it is too large, and frees the last user's", async () => {
  const memory = new SharedMemory(2048);
  const residents = new Residents(memory);
  const source = { rows: 5, arrays: { x: samples([1, 2, 3, 4, 250], "uint8") } };
  const { inputs } = planFor(rowsOf(source, [0]));
  const first = await residents.acquire(source, inputs);
  const second = await residents.acquire(source, inputs);
  const address = first!.addresses.get(inputs[0]!)!;
  assertEquals(second!.addresses.get(inputs[0]!), address);
  assertEquals([memory.taken, memory.u8[address + 4 * SIZE]], [5 * SIZE, 250]);
  first!.release();
  assertEquals(memory.taken, 5 * SIZE);
  second!.release();
  assertEquals(memory.taken, 0);
  const rows = memory.u8.length / SIZE;
  const large = {
    rows,
    arrays: { x: { shape: [rows, SIZE], dtype: "uint8", values: new Uint8Array(rows * SIZE) } },
  } as const;
  assertEquals(await residents.acquire(large, inputs), undefined);
  assertEquals(memory.taken, 0);
});

Deno.test("Residents copies large data without keeping the event loop for long", async () => {
  const memory = new SharedMemory(8192);
  const residents = new Residents(memory);
  const rows = 2 ** 22;
  const values = new Float32Array(rows * SIZE).fill(1);
  const source: ResidentSource = { rows, arrays: { x: { shape: [rows, SIZE], dtype: "float32", values } } };
  const { inputs } = planFor(batchOf([1]));
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  // More than one slice of 2²² elements, each of some milliseconds.
  const held = await residents.acquire(source, inputs);
  clearInterval(timer);
  assert(turns >= 3, `${turns} turns`);
  assertEquals(memory.f32[held!.addresses.get(inputs[0]!)! / 4 + values.length - 1], 1);
});
