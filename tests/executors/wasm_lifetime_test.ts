import { assert, assertEquals } from "@std/assert";

/** Runs the script, without any permission; a script that does not end by itself is ended, and fails. */
async function script(...args: readonly string[]): Promise<{ code: number; out: string; errors: string; ms: number }> {
  const start = performance.now();
  const path = new URL("./wasm_lifetime_script.ts", import.meta.url).pathname;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-check", "--no-lock", path, ...args],
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(30_000),
  });
  const { code, stdout, stderr } = await child.output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out: out!, errors: errors!, ms: performance.now() - start };
}

for (const [end, threads] of [["dispose", "1"], ["leave", "1"], ["leave", "6"], ["work", "2"]] as const) {
  Deno.test(`threads let the process end by itself: ${end}, ${threads} threads`, async () => {
    const { code, out, errors } = await script(end, threads);
    assertEquals([code, out, errors], [0, "ran\nended\n", ""]);
  });
}

for (
  const [end, text] of [
    ["error", "an error of the script's own"],
    ["abort", "The signal has been aborted"],
    ["trap", "A thread of the WebAssembly executor failed"],
  ] as const
) {
  Deno.test(`threads let the process end by itself after an error: ${end}`, async () => {
    const { code, out, errors } = await script(end, "2");
    assertEquals([code, out], [1, "ran\n"]);
    assert(errors.includes(text), errors);
  });
}

Deno.test({
  name: "WorkerPool.dispose() ends threads that wait for jobs",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const path = new URL("./wasm_dispose_script.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", "--no-lock", path];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, signal: AbortSignal.timeout(30_000) }).output();
    assertEquals(new TextDecoder().decode(stdout), "3\n0\n");
  },
});
