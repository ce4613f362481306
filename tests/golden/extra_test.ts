/** Runs of Keras 3.15.1 (JAX) beside the shared goldens: `extra/*.json`, in the same format. */
import { assert, assertEquals } from "@std/assert";
import { runFolder } from "./run.ts";

const FOLDER = decodeURIComponent(new URL("extra", import.meta.url).pathname);

async function agrees(executor: string, device: string): Promise<void> {
  const failures: string[] = [];
  const counts = await runFolder(FOLDER, { executor, device }, ({ ok, name, message }) => {
    if (!ok) failures.push(`${name}: ${message}`);
  });
  assertEquals([counts.failed, failures], [0, []]);
  assert(counts.passed > 0);
}

for (const executor of ["eager", "trace", "wasm"]) {
  Deno.test(`runFolder() agrees with Keras on every run of extra/ when the executor is ${executor}`, async () => {
    await agrees(executor, "cpu");
  });
}
