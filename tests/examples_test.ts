import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

/** Runs an example in a process of its own. Without the lock file: what it downloads is no dependency of the project. */
async function run(name: string, args: readonly string[]): Promise<{ code: number; text: string; errors: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-lock", new URL(`../examples/${name}.ts`, import.meta.url).href, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  return { code, text: decode(stdout), errors: decode(stderr) };
}

/** Runs an example so that every step is traced too: what passes can be compiled. */
async function traced(name: string, args: readonly string[]): Promise<string> {
  const { code, text, errors } = await run(name, [...args, "--executor", "trace", "--device", "cpu", "--seed", "1"]);
  assertEquals(code, 0, errors);
  return text;
}

Deno.test("cnn.ts trains, and can be compiled", async () => {
  const text = await traced("cnn", ["--samples", "6", "--batch-size", "2"]);
  assertMatch(text, /Test: loss \d\.\d+, accuracy \d+\.\d\d %/);
});

Deno.test("transformer.ts trains, can be compiled, and writes text that goes on from the book's", async () => {
  const sizes = ["--characters", "600", "--context", "16", "--width", "16", "--blocks", "1", "--epochs", "1"];
  const text = await traced("transformer", [...sizes, "--sample", "20"]);
  const [written] = text.split("\n\n").slice(-1);
  assertStringIncludes(written!, "Call me Ishmael.");
  assertEquals(written!.replace(/\n$/, "").length, 16 + 20);
});

Deno.test("lstm.ts trains, can be compiled, and counts right sums correctly", async () => {
  const text = await traced("lstm", ["--samples", "64", "--epochs", "1"]);
  const sums = [...text.matchAll(/^(\d+) \+ (\d+) = (\d+), (right|wrong)/gm)];
  assertEquals(sums.length, 5);
  for (const [, a, b, sum, verdict] of sums) {
    assertEquals(verdict, Number(a) + Number(b) === Number(sum) ? "right" : "wrong");
  }
  assertMatch(text, /^\d+ of 200 sums of 24 bits are right\.$/m);
});

Deno.test("gan.ts trains both phases, can be compiled, and draws four images", async () => {
  const text = await traced("gan", ["--samples", "128", "--epochs", "1"]);
  for (const name of ["discriminator_loss", "generator_loss", "taken_for_real"]) {
    assertStringIncludes(text, `${name}: `);
  }
  assertEquals(text.trimEnd().split("\n").slice(-14).filter((line) => line.includes("loss")), []);
  // Four images, with a column between.
  const widest = Math.max(...text.split("\n").slice(-15).map((line) => line.length));
  assert(widest > 3 * 29 && widest <= 4 * 29 - 1, text);
});

Deno.test("mnist.ts and the others refuse options that they do not have", async () => {
  for (const name of ["mnist", "cnn", "transformer", "lstm", "gan"]) {
    const { code, errors } = await run(name, ["--epoch", "1"]);
    assertEquals(code, 2, errors);
    assertStringIncludes(errors, `Unknown option --epoch. The first lines of examples/${name}.ts name them all.`);
  }
});
