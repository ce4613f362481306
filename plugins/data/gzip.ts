/**
 * Compressed files.
 *
 * @module
 */

/**
 * The contents of bytes that may be compressed with gzip; others are returned as they are.
 *
 * @param what What they are, for messages.
 * @throws {TypeError} If they are damaged or cut off.
 */
export async function decompress(bytes: Uint8Array, what: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (cause) {
    throw new TypeError(
      `Cannot decompress ${what}: found ${bytes.length} bytes of gzip that are damaged or cut off (${
        cause instanceof Error ? cause.message : String(cause)
      }); expected a complete file. Get it again.`,
      { cause },
    );
  }
}
