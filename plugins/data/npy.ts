/**
 * NumPy's files of arrays.
 *
 * @module
 */
import type { HostArray } from "../../core/batch.ts";
import { type FileSource, readSource, sourceName } from "./source.ts";

type Reader = (view: DataView, offset: number, little: boolean) => number;

/** By NumPy's kind and size in bytes. */
const ELEMENTS: Readonly<Record<string, { readonly dtype: HostArray["dtype"]; readonly read: Reader }>> = {
  b1: { dtype: "bool", read: (view, offset) => view.getUint8(offset) },
  u1: { dtype: "uint8", read: (view, offset) => view.getUint8(offset) },
  u2: { dtype: "int32", read: (view, offset, little) => view.getUint16(offset, little) },
  u4: { dtype: "int32", read: (view, offset, little) => view.getUint32(offset, little) },
  u8: { dtype: "int32", read: (view, offset, little) => Number(view.getBigUint64(offset, little)) },
  i1: { dtype: "int32", read: (view, offset) => view.getInt8(offset) },
  i2: { dtype: "int32", read: (view, offset, little) => view.getInt16(offset, little) },
  i4: { dtype: "int32", read: (view, offset, little) => view.getInt32(offset, little) },
  i8: { dtype: "int32", read: (view, offset, little) => Number(view.getBigInt64(offset, little)) },
  f2: { dtype: "float32", read: (view, offset, little) => view.getFloat16(offset, little) },
  f4: { dtype: "float32", read: (view, offset, little) => view.getFloat32(offset, little) },
  f8: { dtype: "float32", read: (view, offset, little) => view.getFloat64(offset, little) },
};

/**
 * Reads an array that `numpy.save` wrote, from a file, a URL or bytes. Booleans and unsigned bytes stay what they are,
 * other integers become int32, other numbers float32; arrays in Fortran's order become row-major.
 *
 * Source: NumPy, `numpy/lib/format.py`.
 *
 * @throws {TypeError} If it is no such file, or has elements that are not numbers.
 * @throws {RangeError} If it is cut off, or an integer does not fit into int32.
 *
 * ```ts
 * import { readNpy } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const encode = (text: string) => new TextEncoder().encode(text);
 * const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }";
 * const bytes = new Uint8Array([0x93, ...encode("NUMPY"), 1, 0, header.length, 0, ...encode(header), 7, 8]);
 * assertEquals(await readNpy(bytes), { shape: [2, 1], dtype: "uint8", values: new Uint8Array([7, 8]) });
 * ```
 */
export async function readNpy(source: FileSource): Promise<HostArray> {
  return parseNpy(await readSource(source), sourceName(source));
}

/**
 * Reads the arrays that `numpy.savez` or `numpy.savez_compressed` wrote, by name.
 *
 * ```ts
 * import { readNpz } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 * import { zipSync } from "fflate";
 *
 * const encode = (text: string) => new TextEncoder().encode(text);
 * const header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
 * const bytes = new Uint8Array([0x93, ...encode("NUMPY"), 1, 0, header.length, 0, ...encode(header), 7, 8]);
 * const { labels } = await readNpz(zipSync({ "labels.npy": bytes }));
 * assertEquals(labels, { shape: [2], dtype: "uint8", values: new Uint8Array([7, 8]) });
 * ```
 *
 * @throws {TypeError} If it is no such file. And as `readNpy` does.
 */
export async function readNpz(source: FileSource): Promise<Readonly<Record<string, HostArray>>> {
  const name = sourceName(source);
  const [{ unzip }, bytes] = await Promise.all([import("fflate"), readSource(source)]);
  const files = await new Promise<Record<string, Uint8Array>>((resolve, reject) =>
    unzip(bytes, (cause, data) => {
      if (cause === null) resolve(data);
      else {
        reject(
          new TypeError(`Cannot read ${name}: ${cause.message}; expected a complete zip file of arrays.`, { cause }),
        );
      }
    })
  );
  return Object.fromEntries(
    Object.entries(files).map(([path, data]) => [path.replace(/\.npy$/, ""), parseNpy(data, `${path} of ${name}`)]),
  );
}

function parseNpy(bytes: Uint8Array, what: string): HostArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = "\x93NUMPY";
  if (bytes.length < 12 || [...magic].some((character, index) => bytes[index] !== character.charCodeAt(0))) {
    throw new TypeError(`Cannot read ${what}: it does not begin as a NumPy array does; expected a file of numpy.save.`);
  }
  const long = bytes[6]! >= 2;
  const start = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(long ? 12 : 10, start));
  const { element, size, little, fortran, shape } = parseHeader(header, what);
  const count = shape.reduce((product, length) => product * length, 1);
  if (bytes.length < start + count * size) {
    throw new RangeError(
      `Cannot read ${what}: it has ${bytes.length} bytes; expected ${start + count * size} for [${
        shape.join(", ")
      }] elements of ${size} bytes. It is truncated: get it again.`,
    );
  }
  const values = element.dtype === "float32"
    ? new Float32Array(count)
    : element.dtype === "int32"
    ? new Int32Array(count)
    : new Uint8Array(count);
  for (let index = 0; index < count; index++) {
    const value = element.read(view, start + index * size, little);
    const position = fortran ? rowMajorPosition(index, shape) : index;
    values[position] = value;
    if (element.dtype === "int32" && values[position] !== value) {
      throw new RangeError(`Cannot read ${what}: element ${index} is ${value}, which does not fit into int32.`);
    }
  }
  return { shape, dtype: element.dtype, values };
}

function parseHeader(header: string, what: string): {
  readonly element: (typeof ELEMENTS)[string];
  readonly size: number;
  readonly little: boolean;
  readonly fortran: boolean;
  readonly shape: readonly number[];
} {
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(header)?.[1];
  const shape = /'shape':\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
  const element = descr === undefined ? undefined : ELEMENTS[descr.slice(1)];
  if (element === undefined || order === undefined || shape === undefined) {
    throw new TypeError(
      `Cannot read ${what}: its header is ${header.trim()}; expected numbers of one of the types ${
        Object.keys(ELEMENTS).join(", ")
      }. Convert it with astype before numpy.save.`,
    );
  }
  return {
    element,
    size: Number(descr!.slice(2)),
    little: descr![0] !== ">",
    fortran: order === "True",
    shape: shape.split(",").filter((length) => length.trim() !== "").map((length) => parseInt(length)),
  };
}

/** Where an element of an array in Fortran's order, the first index fastest, stands in row-major order. */
function rowMajorPosition(index: number, shape: readonly number[]): number {
  let rest = index;
  let position = 0;
  let stride = shape.reduce((product, length) => product * length, 1);
  for (const length of shape) {
    stride /= length;
    position += (rest % length) * stride;
    rest = Math.floor(rest / length);
  }
  return position;
}
