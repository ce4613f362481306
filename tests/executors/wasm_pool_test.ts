import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { controlBytes } from "../../plugins/executors/wasm/codegen/mod.ts";
import { SharedMemory } from "../../plugins/executors/wasm/memory.ts";
import { type LoadedModule, WorkerPool } from "../../plugins/executors/wasm/pool.ts";
import { addSteps, count, moduleOf, signed } from "./wasm_scalar_module.ts";

const memory = new SharedMemory();
const word = memory.allocate(64, "a test").address;
const i32 = memory.i32;

async function load(pool: WorkerPool, body: readonly number[], threads: number): Promise<LoadedModule> {
  const barriers = memory.allocate(controlBytes(threads), "barriers");
  i32.fill(0, barriers.address / 4, (barriers.address + barriers.bytes) / 4);
  return await pool.load(moduleOf(body, memory.pages, [0x7f]), { threads, barriers });
}

Deno.test("WorkerPool runs each job once on each of its threads", async () => {
  const pool = new WorkerPool(memory);
  for (const threads of [1, 3]) {
    const module = await load(pool, addSteps(word), threads);
    assertEquals(pool.threads, threads);
    i32[word / 4] = 0;
    for (let i = 1; i <= 300; i++) module.run(0, i);
    await pool.idle();
    assertEquals(i32[word / 4], threads * 300 * 301 / 2);
  }
  await pool.dispose();
});

Deno.test("WorkerPool runs jobs in order, also where they need different numbers of threads", async () => {
  const pool = new WorkerPool(memory);
  // Not atomic: jobs that overlapped would lose increments.
  const long = await load(pool, count(word, 0.01), 1);
  const wide = await load(pool, addSteps(word), 2);
  i32[word / 4] = 0;
  for (let i = 0; i < 100; i++) {
    long.run(0, 1);
    wide.run(0, 1);
  }
  await pool.idle();
  assertEquals(i32[word / 4], 100 * 10_000 + 100 * 2);
  long.drop();
  wide.drop();
  await pool.idle();
  await pool.dispose();
});

Deno.test("WorkerPool.waitSync() waits for jobs that were queued before", async () => {
  const pool = new WorkerPool(memory);
  const module = await load(pool, count(word, 2), 1);
  i32[word / 4] = 0;
  module.run(0, 1);
  pool.waitSync(module.run(0, 1));
  assertEquals(i32[word / 4], 4e6);
  await pool.dispose();
});

Deno.test("WorkerPool leaves the event loop free while a job runs", async () => {
  const pool = new WorkerPool(memory);
  const module = await load(pool, count(word, 1), 1);
  // Some hundred milliseconds of work, however fast the machine.
  const start = performance.now();
  await pool.wait(module.run(0, 5));
  const steps = Math.ceil(2000 / Math.max(performance.now() - start, 1));
  const attempts: string[] = [];
  // Where others use the machine, they take turns away too; a host that is blocked has none in any attempt.
  for (let attempt = 0; attempt < 8; attempt++) {
    let last = performance.now();
    let turns = 0;
    let longest = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      turns++;
    }, 5);
    await pool.wait(module.run(0, steps));
    clearInterval(timer);
    attempts.push(`${turns} turns, ${longest} ms without one`);
    if (turns >= 3 && longest < 50) break;
  }
  assert(attempts.length < 8, attempts.join("\n"));
  await pool.dispose();
});

Deno.test("WorkerPool reports a trap to whoever waits, now and later", async () => {
  const pool = new WorkerPool(memory);
  const good = await load(pool, addSteps(word), 2);
  const bad = await load(pool, [0x00], 2);
  good.run(0, 1);
  const job = bad.run(0, 1);
  const error = await assertRejects(() => pool.wait(job), Error, "unreachable");
  assert(error.message.includes("A thread of the WebAssembly executor failed"), error.message);
  assertThrows(() => pool.waitSync(job), Error, "unreachable");
  assertThrows(() => good.run(0, 1), Error, "unreachable");
  await assertRejects(() => pool.idle(), Error, "unreachable");
  await pool.dispose();
});

Deno.test("WorkerPool frees threads that wait in a barrier for one that has trapped", async () => {
  const pool = new WorkerPool(memory);
  const barriers = memory.allocate(controlBytes(2), "barriers");
  const first = barriers.address / 4;
  i32.fill(0, first, first + barriers.bytes / 4);
  const at = (index: number): number[] => [0x41, ...signed(barriers.address + 4 * index)];
  // Thread 1 says that it is there, sleeps until the first word tells it of a failure, and stores that; thread 0 traps.
  const body = [
    ...[0x20, 2, 0x45, 0x04, 0x40],
    // Thread 0: until thread 1 has said so.
    ...[0x03, 0x40, ...at(17), 0xfe, 0x10, 2, 0, 0x45, 0x0d, 0, 0x0b, 0x00],
    0x05,
    ...[...at(17), 0x41, 1, 0xfe, 0x17, 2, 0],
    ...[0x03, 0x40, ...at(16), 0x41, 0, 0x42, ...signed(1e9), 0xfe, 0x01, 2, 0, 0x1a],
    ...[...at(0), 0xfe, 0x10, 2, 0, 0x45, 0x0d, 0, 0x0b],
    ...[0x41, ...signed(word), ...at(0), 0xfe, 0x10, 2, 0, 0xfe, 0x17, 2, 0],
    0x0b,
  ];
  i32[word / 4] = 0;
  const module = await pool.load(moduleOf(body, memory.pages, [0x7f]), { threads: 2, barriers });
  await assertRejects(() => pool.wait(module.run(0, 1)), Error, "unreachable");
  for (let i = 0; i < 300 && i32[word / 4] === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assertEquals(i32[word / 4], 1);
  await pool.dispose();
});

Deno.test("WorkerPool.wait() hears of a failure that came just before it slept, too early to wake it", async () => {
  const pool = new WorkerPool(memory);
  // Runs until the word is not 0.
  const body = [0x03, 0x40, 0x41, ...signed(word), 0xfe, 0x10, 2, 0, 0x45, 0x0d, 0, 0x0b];
  const module = await load(pool, body, 1);
  i32[word / 4] = 0;
  const waiting = pool.wait(module.run(0, 1)).then(() => "done", (error: Error) => error.message);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => timer = setTimeout(resolve, 10_000, "nothing heard"));
  const { notify } = Atomics;
  Atomics.notify = () => 0;
  try {
    await pool.dispose();
    assertEquals(await Promise.race([waiting, late]), "The thread pool was disposed.");
  } finally {
    clearTimeout(timer);
    Atomics.notify = notify;
    Atomics.store(i32, word / 4, 1);
  }
});

Deno.test("WorkerPool.load() reports bytes that are no module", async () => {
  const pool = new WorkerPool(memory);
  const barriers = memory.allocate(controlBytes(1), "barriers");
  await assertRejects(() => pool.load(Uint8Array.of(1, 2, 3, 4), { threads: 1, barriers }), Error, "magic word");
  await pool.dispose();
});
