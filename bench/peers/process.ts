/**
 * A contender's process, from the side of the one who measures.
 *
 * @module
 */
import type { Ready, Round } from "./serve.ts";

/** Runs a module that calls `serve`. */
export class Process implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<string>;
  readonly #errors: Promise<string>;
  #ready: Promise<Ready> | undefined;

  /** Starts it. */
  constructor(module: URL, args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", module.href, ...args],
      // Without the directory, Mesa's loader complains each time; colours would end up in what a skip says.
      env: { NO_COLOR: "1", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#answers = lines(this.#child.stdout);
    this.#errors = new Response(this.#child.stderr).text();
  }

  /**
   * Waits until it has warmed up.
   *
   * @throws {Error} If it ended instead: with what it said.
   */
  ready(): Promise<Ready> {
    return this.#ready ??= this.#answer<Ready>();
  }

  /** Has it train one round, and waits. */
  async round(): Promise<Round> {
    await this.#input.write(new TextEncoder().encode("go\n"));
    return await this.#answer<Round>();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    await this.#child.status;
  }

  async #answer<T>(): Promise<T> {
    const { done, value } = await this.#answers.next();
    if (!done) return JSON.parse(value) as T;
    const errors = await this.#errors;
    const [reason] = errors.match(/\w*Error: .*/) ?? errors.trim().split("\n").slice(-1);
    throw new Error(reason ?? "the process ended without a word");
  }
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
