/**
 * IDX: the file format of MNIST and its kin.
 *
 * @module
 */
import type { HostArray } from "../../core/batch.ts";
import { decompress } from "./gzip.ts";

/** How the elements of a type lie in a file, and what they become. Numbers are big-endian. */
interface Element {
  readonly bytes: number;
  readonly dtype: HostArray["dtype"];
  read(view: DataView, offset: number): number;
}

const ELEMENTS: Readonly<Record<number, Element>> = {
  0x08: { bytes: 1, dtype: "uint8", read: (view, offset) => view.getUint8(offset) },
  0x09: { bytes: 1, dtype: "int32", read: (view, offset) => view.getInt8(offset) },
  0x0b: { bytes: 2, dtype: "int32", read: (view, offset) => view.getInt16(offset) },
  0x0c: { bytes: 4, dtype: "int32", read: (view, offset) => view.getInt32(offset) },
  0x0d: { bytes: 4, dtype: "float32", read: (view, offset) => view.getFloat32(offset) },
  0x0e: { bytes: 8, dtype: "float32", read: (view, offset) => view.getFloat64(offset) },
};

/**
 * Reads an array in IDX format, compressed with gzip or not. Unsigned bytes stay what they are, other integers become
 * int32, and doubles are rounded to float32. Bytes that are not compressed are not copied.
 *
 * Source: http://yann.lecun.com/exdb/mnist, "The IDX file format".
 *
 * @param bytes The whole file.
 * @param what What it is, for messages. @default "IDX data"
 * @throws {TypeError} If it is not in IDX format, or damaged.
 * @throws {RangeError} If it is longer or shorter than its header says.
 *
 * ```ts
 * import { parseIdx } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const labels = await parseIdx(new Uint8Array([0, 0, 0x08, 1, 0, 0, 0, 3, 5, 0, 4]));
 * assertEquals(labels, { shape: [3], dtype: "uint8", values: new Uint8Array([5, 0, 4]) });
 * ```
 */
export async function parseIdx(bytes: Uint8Array, what = "IDX data"): Promise<HostArray> {
  const data = await decompress(bytes, what);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const element = data.length >= 4 && view.getUint16(0) === 0 ? ELEMENTS[data[2]!] : undefined;
  if (element === undefined) {
    throw new TypeError(
      `Cannot read ${what}: it begins with ${hex(data.subarray(0, 4))}; expected 00 00, the type of its elements ` +
        `(${Object.keys(ELEMENTS).map((code) => hex([Number(code)])).join(", ")}) and its rank.`,
    );
  }
  const rank = data[3]!;
  const start = 4 + 4 * rank;
  if (data.length < start) {
    throw new RangeError(
      `Cannot read ${what}: it ends within its header, after ${data.length} bytes; expected ${start} for rank ${rank}.`,
    );
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, length) => product * length, 1);
  const expected = start + size * element.bytes;
  if (data.length !== expected) {
    throw new RangeError(
      `Cannot read ${what}: it has ${data.length} bytes; expected ${expected} for [${shape.join(", ")}] elements of ` +
        `${element.bytes} bytes and a header of ${start}. It is ${
          data.length < expected ? "truncated" : "longer than it says"
        }: get it again.`,
    );
  }
  if (element.dtype === "uint8") return { shape, dtype: "uint8", values: data.subarray(start) };
  const values = element.dtype === "int32" ? new Int32Array(size) : new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = element.read(view, start + i * element.bytes);
  return { shape, dtype: element.dtype, values };
}

function hex(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ") || "nothing";
}
