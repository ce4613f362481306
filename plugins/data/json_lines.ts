/**
 * One JSON value a line.
 *
 * @module
 */
import { type FileSource, readText, sourceName } from "./source.ts";

/**
 * Reads JSON lines from a file, a URL or bytes. Empty lines are skipped.
 *
 * @returns The values, whose type is taken on trust.
 * @throws {SyntaxError} If a line is no JSON; the message says which.
 *
 * ```ts
 * import { readJsonLines } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = await readJsonLines<{ a: number }>(new TextEncoder().encode('{"a":1}\n{"a":2}\n'));
 * assertEquals(rows.map(({ a }) => a), [1, 2]);
 * ```
 */
export async function readJsonLines<T = unknown>(source: FileSource): Promise<readonly T[]> {
  const lines = (await readText(source)).split("\n");
  return lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as T];
    } catch (cause) {
      throw new SyntaxError(
        `Cannot read JSON lines from ${sourceName(source)}: line ${index + 1} is ${
          line.length > 60 ? `${line.slice(0, 57)}...` : line
        } (${cause instanceof Error ? cause.message : String(cause)}); expected one JSON value on each line.`,
        { cause },
      );
    }
  });
}
