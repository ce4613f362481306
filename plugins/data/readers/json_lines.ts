/**
 * One JSON value a line, read line by line.
 *
 * @module
 */
import { lines, reopening, streamName, type StreamSource } from "./byte_stream.ts";

/**
 * Reads JSON lines while they are used, for files that do not fit into memory; `readJsonLines` reads all at once. Empty
 * lines are skipped. Each pass reads a file or URL anew; a stream can be read once.
 *
 * @returns Values for `dataset`, whose type is taken on trust.
 * @throws {SyntaxError} While reading, if a line is no JSON; the message says which.
 *
 * ```ts
 * import { dataset, streamJsonLines } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode('{"size":1,"kind":0}\n{"size":2,"kind":1}\n');
 * const data = dataset(streamJsonLines<{ size: number; kind: number }>(bytes))
 *   .map(({ size, kind }) => ({ x: [size], y: kind }))
 *   .batch(2);
 * for await (const { x } of data) {
 *   assertEquals(x, { shape: [2, 1], dtype: "float32", values: new Float32Array([1, 2]) });
 * }
 * ```
 */
export function streamJsonLines<T = unknown>(source: StreamSource): AsyncIterable<T> {
  return reopening(source, () => values<T>(source));
}

async function* values<T>(source: StreamSource): AsyncGenerator<T> {
  for await (const { text, line } of lines(source)) {
    if (text.trim() === "") continue;
    let value: T;
    try {
      value = JSON.parse(text) as T;
    } catch (cause) {
      throw new SyntaxError(
        `Cannot read JSON lines from ${streamName(source)}: line ${line} is ${
          text.length > 60 ? `${text.slice(0, 57)}...` : text
        } (${cause instanceof Error ? cause.message : String(cause)}); expected one JSON value on each line.`,
        { cause },
      );
    }
    yield value;
  }
}
