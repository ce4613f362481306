/**
 * A script that disposes a pool, and says how many of its threads were there before and are there after, on Linux: see
 * wasm_lifetime_test.ts.
 *
 * @module
 */
import { controlBytes } from "../../plugins/executors/wasm/codegen/mod.ts";
import { SharedMemory } from "../../plugins/executors/wasm/memory.ts";
import { WorkerPool } from "../../plugins/executors/wasm/pool.ts";
import { addSteps, moduleOf } from "./wasm_scalar_module.ts";

/** Deno names the thread of a worker after it: `worker-1`. */
function workers(): number {
  const tasks = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => `/proc/self/task/${name}/comm`);
  return tasks.filter((path) => {
    try {
      return Deno.readTextFileSync(path).startsWith("worker-");
    } catch {
      return false; // It has ended since.
    }
  }).length;
}

const memory = new SharedMemory();
const pool = new WorkerPool(memory);
const word = memory.allocate(64, "a script").address;
const barriers = memory.allocate(controlBytes(3), "barriers");
const module = await pool.load(moduleOf(addSteps(word), memory.pages, [0x7f]), { threads: 3, barriers });
await pool.wait(module.run(0, 1));
// Long enough for threads to fall asleep.
await new Promise((resolve) => setTimeout(resolve, 50));
console.log(workers());
await pool.dispose();
for (let i = 0; i < 500 && workers() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
console.log(workers());
