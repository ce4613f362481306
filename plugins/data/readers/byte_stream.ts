/**
 * Files read piece by piece.
 *
 * @module
 */
import { type FileSource, sourceName } from "../source.ts";

/** A file: its path, its URL (`https:`, `file:`, `data:`), its bytes or a stream of them. Compressed or not. */
export type StreamSource = FileSource | ReadableStream<Uint8Array>;

/** What a source is called in messages. */
export function streamName(source: StreamSource): string {
  return source instanceof ReadableStream ? "the stream" : sourceName(source);
}

/**
 * The contents of a file, piece by piece; gzip is recognized by its first bytes and decompressed.
 *
 * @throws {Error} If it cannot be fetched; what `Deno.open` throws, if it cannot be opened.
 * @throws {TypeError} If it is compressed, and damaged or cut off.
 */
export async function* byteChunks(source: StreamSource): AsyncGenerator<Uint8Array> {
  const { head, rest } = await readHead(await openStream(source));
  const whole = joined(head, rest);
  const compressed = head[0] === 0x1f && head[1] === 0x8b;
  if (!compressed) {
    yield* whole;
    return;
  }
  let bytes = 0;
  try {
    const stream = ReadableStream.from(whole as AsyncIterable<Uint8Array<ArrayBuffer>>);
    for await (const chunk of stream.pipeThrough(new DecompressionStream("gzip"))) {
      yield chunk;
      bytes += chunk.length;
    }
  } catch (cause) {
    throw new TypeError(
      `Cannot decompress ${streamName(source)}: it is damaged or cut off after ${bytes} decompressed bytes (${
        cause instanceof Error ? cause.message : String(cause)
      }); expected a complete file. Get it again.`,
      { cause },
    );
  }
}

/** The lines of a text, numbered from 1; `\n` and `\r\n` end them. A byte order mark is dropped. */
export async function* lines(source: StreamSource): AsyncGenerator<{ readonly text: string; readonly line: number }> {
  const decoder = new TextDecoder();
  let rest = "";
  let line = 0;
  const withoutReturn = (text: string): string => text.endsWith("\r") ? text.slice(0, -1) : text;
  for await (const chunk of byteChunks(source)) {
    const parts = decoder.decode(chunk, { stream: true }).split("\n");
    parts[0] = rest + parts[0]!;
    rest = parts.pop()!;
    for (const text of parts) yield { text: withoutReturn(text), line: ++line };
  }
  rest += decoder.decode();
  if (rest !== "") yield { text: withoutReturn(rest), line: ++line };
}

/** An iterable that reads anew for each pass; a stream can be read once. */
export function reopening<T>(source: StreamSource, read: () => AsyncGenerator<T>): AsyncIterable<T> {
  return source instanceof ReadableStream ? read() : { [Symbol.asyncIterator]: read };
}

async function openStream(source: StreamSource): Promise<ReadableStream<Uint8Array>> {
  if (source instanceof ReadableStream) return source;
  if (source instanceof Uint8Array) return ReadableStream.from([source]);
  // A single letter before the colon is a drive on Windows.
  const url = source instanceof URL || /^[a-z][a-z0-9+.-]+:/i.test(source) ? new URL(source) : undefined;
  if (url === undefined || url.protocol === "file:") return (await Deno.open(url ?? source)).readable;
  const response = await fetch(url);
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(
      `Cannot read ${sourceName(source)}: the server answered ${response.status} ${response.statusText}.`,
    );
  }
  return response.body;
}

/** The first two bytes at least, where there are so many, and the reader of the rest. */
async function readHead(stream: ReadableStream<Uint8Array>): Promise<{
  readonly head: Uint8Array;
  readonly rest: ReadableStreamDefaultReader<Uint8Array>;
}> {
  const rest = stream.getReader();
  let head: Uint8Array = new Uint8Array();
  while (head.length < 2) {
    const { value, done } = await rest.read();
    if (done) break;
    head = head.length === 0 ? value : Uint8Array.of(...head, ...value);
  }
  return { head, rest };
}

async function* joined(
  head: Uint8Array,
  rest: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    if (head.length > 0) yield head;
    for (let result = await rest.read(); !result.done; result = await rest.read()) yield result.value;
  } finally {
    // Closes the file where reading stops early; after the end it does nothing.
    await rest.cancel().catch(() => {});
  }
}
