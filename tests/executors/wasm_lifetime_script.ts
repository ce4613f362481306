/**
 * A script that trains a little and ends as it is told to: see wasm_lifetime_test.ts.
 *
 * @module
 */
import { controlBytes } from "../../plugins/executors/wasm/codegen/mod.ts";
import { wasmRuntime } from "../../plugins/executors/wasm/runtime.ts";
import { batchOf, counter, load, table } from "./wasm_counter.ts";
import { addSteps, count, moduleOf } from "./wasm_scalar_module.ts";

const [end, threads = "1"] = Deno.args;
const { step } = counter();
const program = await load(step);
await program.run([batchOf([1])], table([1]), 0);
await program.sums([0]);

const { memory, pool } = wasmRuntime();
const word = memory.allocate(64, "a script").address;
async function job(body: readonly number[]): Promise<number> {
  const barriers = memory.allocate(controlBytes(Number(threads)), "barriers");
  const bytes = moduleOf(body, memory.pages, [0x7f]);
  return (await pool.load(bytes, { threads: Number(threads), barriers })).run(0, 1);
}
await pool.wait(await job(addSteps(word)));
console.log("ran");
if (end === "error") throw new Error("an error of the script's own");
// The program is not disposed, the threads are asleep, spin, or still work.
if (end === "work") await job(count(word, 1e3));
if (end === "abort") {
  const aborted = new AbortController();
  setTimeout(() => aborted.abort(), 50);
  await Promise.race([
    pool.wait(await job(count(word, 1e3))),
    new Promise((_, reject) => aborted.signal.addEventListener("abort", () => reject(aborted.signal.reason))),
  ]);
}
if (end === "trap") await pool.wait(await job([0x00]));
if (end === "dispose") await program[Symbol.asyncDispose]();
console.log("ended");
