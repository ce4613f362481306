/**
 * Where files come from.
 *
 * @module
 */
import { decompress } from "./gzip.ts";

/** A file: its path, its URL (`https:`, `file:`, `data:`), or its bytes. Compressed with gzip or not. */
export type FileSource = string | URL | Uint8Array;

/**
 * The contents of a file, decompressed.
 *
 * @throws {Error} If it cannot be fetched; what `Deno.readFile` throws, if it cannot be read.
 */
export async function readSource(source: FileSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return await decompress(source, "bytes");
  const url = toUrl(source);
  if (url === undefined || url.protocol === "file:") {
    return await decompress(await Deno.readFile(url ?? source), String(source));
  }
  const response = await fetch(url);
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`Cannot read ${shorten(url)}: the server answered ${response.status} ${response.statusText}.`);
  }
  return await decompress(new Uint8Array(await response.arrayBuffer()), shorten(url));
}

/** The contents of a file as text; a byte order mark is dropped. */
export async function readText(source: FileSource): Promise<string> {
  return new TextDecoder().decode(await readSource(source));
}

/** What a file is called in messages. */
export function sourceName(source: FileSource): string {
  return source instanceof Uint8Array ? `${source.length} bytes` : shorten(source);
}

function shorten(source: string | URL): string {
  const name = String(source);
  return name.length > 100 ? `${name.slice(0, 97)}...` : name;
}

function toUrl(source: string | URL): URL | undefined {
  if (source instanceof URL) return source;
  // A single letter is a drive on Windows.
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? new URL(source) : undefined;
}
