/**
 * Everything that may be given as an array, turned into one kind of array.
 *
 * @module
 */
import type { ArrayType, HostArray } from "../batch.ts";
import { isPlainObject } from "../nested.ts";
import { formatShape, type Tensor, tf } from "../tf.ts";

/** Numbers nested to any depth; all lists at one depth have the same length. */
export type NestedNumbers = readonly (number | boolean | NestedNumbers)[];

/** What is accepted where an array is expected: a typed array is a vector. */
export type ArrayInput =
  | HostArray
  | Tensor
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint8Array
  | NestedNumbers;

/** Whether a value is a `HostArray`. */
export function isHostArray(value: unknown): value is HostArray {
  return isPlainObject(value) && "values" in value && "shape" in value && "dtype" in value;
}

/** Whether a value can be turned into an array. */
export function isArrayInput(value: unknown): value is ArrayInput {
  return value instanceof tf.Tensor || isHostArray(value) || ArrayBuffer.isView(value) || Array.isArray(value);
}

/**
 * Turns what was given into a `HostArray`. Typed arrays and `HostArray`s are used as they are, without a copy.
 *
 * ```ts
 * import { toHostArray } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const { shape, dtype, values } = await toHostArray([[1, 2, 3], [4, 5, 6]], "x");
 * assertEquals([shape, dtype, [...values]], [[2, 3], "float32", [1, 2, 3, 4, 5, 6]]);
 * ```
 *
 * @param input Any kind of array.
 * @param what What it is, for messages: `x`, `y of output "a"`.
 * @throws {TypeError} If it is not an array, is ragged, or has an unsupported type.
 */
export async function toHostArray(input: ArrayInput, what: string): Promise<HostArray> {
  if (input instanceof tf.Tensor) {
    const dtype = input.dtype;
    if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
      throw new TypeError(`Cannot use ${what}: its dtype is "${dtype}"; expected float32, int32, uint8 or bool.`);
    }
    return { shape: input.shape, dtype, values: await input.data() as Float32Array | Int32Array | Uint8Array };
  }
  if (isHostArray(input)) return checkedHostArray(input, what);
  if (ArrayBuffer.isView(input)) return fromTypedArray(input, what);
  if (Array.isArray(input)) return fromNested(input, what);
  throw new TypeError(
    `Cannot use ${what}: expected a tensor, typed array, nested array or { shape, dtype, values }; found ${
      describeValue(input)
    }.`,
  );
}

/** What a value is, for messages. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isPlainObject(value)) return `an object with keys ${Object.keys(value).join(", ") || "(none)"}`;
  if (typeof value === "object") return `a ${value.constructor?.name ?? "object"}`;
  return typeof value === "string" ? `the string "${value}"` : `the ${typeof value} ${String(value)}`;
}

/** What holds the elements of each type. */
const VALUES: Readonly<Record<ArrayType, new (length: number) => HostArray["values"]>> = {
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

function checkedHostArray(array: HostArray, what: string): HostArray {
  const expectedValues = Object.hasOwn(VALUES, array.dtype) ? VALUES[array.dtype] : undefined;
  if (expectedValues === undefined) {
    throw new TypeError(
      `Cannot use ${what}: its dtype is "${array.dtype}"; expected ${Object.keys(VALUES).join(", ")}.`,
    );
  }
  if (!(array.values instanceof expectedValues)) {
    throw new TypeError(
      `Cannot use ${what}: its dtype is "${array.dtype}", but its values are ${
        describeValue(array.values)
      }; expected a ${expectedValues.name}.`,
    );
  }
  const expected = array.shape.reduce((product, size) => product * size, 1);
  if (array.values.length !== expected) {
    throw new TypeError(
      `Cannot use ${what}: shape ${
        formatShape(array.shape)
      } has ${expected} elements, but there are ${array.values.length} values.`,
    );
  }
  return array;
}

function fromTypedArray(values: ArrayBufferView, what: string): HostArray {
  if (values instanceof Float32Array) return { shape: [values.length], dtype: "float32", values };
  if (values instanceof Float64Array) {
    return { shape: [values.length], dtype: "float32", values: Float32Array.from(values) };
  }
  if (values instanceof Int32Array) return { shape: [values.length], dtype: "int32", values };
  if (values instanceof Uint8Array) return { shape: [values.length], dtype: "uint8", values };
  throw new TypeError(
    `Cannot use ${what}: ${values.constructor.name} is not supported; expected Float32Array, Float64Array, Int32Array or Uint8Array.`,
  );
}

function fromNested(input: NestedNumbers, what: string): HostArray {
  const shape: number[] = [];
  for (let level: unknown = input; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat: (number | boolean)[] = [];
  const collect = (level: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (typeof level !== "number" && typeof level !== "boolean") {
        throw new TypeError(
          `Cannot use ${what}: expected numbers at depth ${depth} of a nested array; found ${describeValue(level)}.`,
        );
      }
      flat.push(level);
      return;
    }
    if (!Array.isArray(level) || level.length !== shape[depth]) {
      throw new TypeError(
        `Cannot use ${what}: the nested array is ragged: at depth ${depth} expected ${shape[depth]} elements; found ${
          describeValue(level)
        }.`,
      );
    }
    for (const item of level) collect(item, depth + 1);
  };
  collect(input, 0);
  const dtype: ArrayType = flat.length > 0 && flat.every((value) => typeof value === "boolean") ? "bool" : "float32";
  const values = dtype === "bool" ? Uint8Array.from(flat, Number) : Float32Array.from(flat, Number);
  return { shape, dtype, values };
}

/** Elements in one sample: the product of all axes but the first. */
export function rowSize(array: HostArray): number {
  return array.shape.slice(1).reduce((product, size) => product * size, 1);
}

/** Rows `from` to `to` of an array, without a copy. */
export function sliceRows(array: HostArray, from: number, to: number): HostArray {
  const size = rowSize(array);
  return {
    ...array,
    shape: [to - from, ...array.shape.slice(1)],
    values: array.values.subarray(from * size, to * size),
  };
}

/** The rows with these numbers, copied. */
export function gatherRows(array: HostArray, indices: Int32Array): HostArray {
  const size = rowSize(array);
  const values = new (array.values.constructor as new (length: number) => HostArray["values"])(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i]! * size;
    // Copying short rows by `set` takes several times as long.
    if (size < 64) { for (let j = 0; j < size; j++) values[i * size + j] = array.values[from + j]!; }
    else values.set(array.values.subarray(from, from + size), i * size);
  }
  return { ...array, shape: [indices.length, ...array.shape.slice(1)], values };
}

/** Arrays one after the other on axis 0. */
export function concatRows(parts: readonly HostArray[]): HostArray {
  const first = parts[0]!;
  if (parts.length === 1) return first;
  const size = rowSize(first);
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
  const values = new (first.values.constructor as new (length: number) => HostArray["values"])(rows * size);
  let offset = 0;
  for (const part of parts) {
    values.set(part.values, offset);
    offset += part.values.length;
  }
  return { ...first, shape: [rows, ...first.shape.slice(1)], values };
}
