/**
 * Samples put together into a batch.
 *
 * @module
 */
import type { Arrays, ArrayType, HostArray } from "../../../core/batch.ts";
import { describeValue, isArrayInput, isHostArray, toHostArray } from "../../../core/data/host_array.ts";
import { isPlainObject, type Nested } from "../../../core/nested.ts";
import { formatShape } from "../../../core/tf.ts";

const PARTS = ["x", "y", "sampleWeight"] as const;

/** The arrays of a sample, each with what it is called: `x`, `x.image`, `y[1]`. */
interface Flat {
  readonly names: readonly string[];
  readonly arrays: readonly HostArray[];
}

/**
 * Stacks samples along a new first axis.
 *
 * @param name What a sample is called in messages.
 * @throws {TypeError} If samples differ in grouping, shape or type, or are not made of numbers.
 */
export async function collate(
  samples: readonly unknown[],
  name: (index: number) => string,
): Promise<Arrays<HostArray>> {
  const grouping = partsOf(samples[0], name(0));
  const first = await flatten(grouping, name(0));
  const stacked = first.arrays.map(({ shape, dtype, values, scale }): HostArray => ({
    shape: [samples.length, ...shape],
    dtype,
    values: allocate(dtype, samples.length * values.length),
    ...(scale === undefined ? {} : { scale }),
  }));
  for (let index = 0; index < samples.length; index++) {
    const sample = index === 0 ? first : await flatten(partsOf(samples[index], name(index)), name(index));
    checkAlike(sample, first, () => name(index), () => name(0));
    sample.arrays.forEach(({ values }, leaf) => stacked[leaf]!.values.set(values, index * values.length));
  }
  const regrouped: { x?: Nested<HostArray>; y?: Nested<HostArray>; sampleWeight?: Nested<HostArray> } = {};
  for (const part of PARTS) {
    const value = grouping[part];
    if (value !== undefined) regrouped[part] = regroup(value, stacked.splice(0, leavesOf(part, value).length));
  }
  return regrouped as Arrays<HostArray>;
}

/** Inputs, targets and weights of a sample; what has no `x` is inputs as a whole. */
function partsOf(sample: unknown, name: string): Readonly<Partial<Record<(typeof PARTS)[number], unknown>>> {
  if (!isPlainObject(sample) || isHostArray(sample) || !("x" in sample)) return { x: sample };
  const unknown = Object.keys(sample).filter((key) => !(PARTS as readonly string[]).includes(key));
  if (unknown.length > 0) {
    throw new TypeError(
      `Cannot use ${name}: unknown ${unknown.join(", ")}; expected { x, y, sampleWeight }. Inputs by name go under x.`,
    );
  }
  return sample;
}

/** Whether a value is one array: a list of numbers is, a list of arrays is several. */
function isLeaf(value: unknown): boolean {
  if (Array.isArray(value)) return !(isHostArray(value[0]) || ArrayBuffer.isView(value[0]));
  return !isPlainObject(value) || isHostArray(value);
}

function leavesOf(part: string, value: unknown): readonly (readonly [string, unknown])[] {
  if (isLeaf(value)) return [[part, value]];
  if (Array.isArray(value)) return value.map((leaf, index) => [`${part}[${index}]`, leaf]);
  return Object.entries(value as object).map(([key, leaf]) => [`${part}.${key}`, leaf]);
}

/** Arrays grouped as `like` groups its leaves. */
function regroup(like: unknown, arrays: readonly HostArray[]): Nested<HostArray> {
  if (isLeaf(like)) return arrays[0]!;
  if (Array.isArray(like)) return arrays;
  return Object.fromEntries(Object.keys(like as object).map((key, index) => [key, arrays[index]!]));
}

async function flatten(parts: Readonly<Record<string, unknown>>, name: string): Promise<Flat> {
  const names: string[] = [];
  const arrays: HostArray[] = [];
  for (const part of PARTS) {
    if (parts[part] === undefined) continue;
    for (const [path, leaf] of leavesOf(part, parts[part])) {
      names.push(path);
      const array = toScalar(leaf) ?? (isArrayInput(leaf) ? await toHostArray(leaf, `${path} of ${name}`) : undefined);
      if (array === undefined) {
        throw new TypeError(
          `Cannot use ${path} of ${name}: found ${describeValue(leaf)}; expected a number, a typed array, nested ` +
            "numbers or { shape, dtype, values }. Turn it into numbers in map().",
        );
      }
      arrays.push(array);
    }
  }
  if (!names.some((path) => path.startsWith("x"))) {
    throw new TypeError(`Cannot use ${name}: it has no inputs x; expected { x, y, sampleWeight }.`);
  }
  return { names, arrays };
}

function toScalar(leaf: unknown): HostArray | undefined {
  if (typeof leaf === "number") return { shape: [], dtype: "float32", values: Float32Array.of(leaf) };
  if (typeof leaf === "boolean") return { shape: [], dtype: "bool", values: Uint8Array.of(Number(leaf)) };
  return undefined;
}

function checkAlike(sample: Flat, first: Flat, name: () => string, firstName: () => string): void {
  if (sample.names.length !== first.names.length || sample.names.some((path, i) => path !== first.names[i])) {
    throw new TypeError(
      `Cannot put ${name()} into a batch: it has ${sample.names.join(", ")}; expected ${
        first.names.join(", ")
      }, as in ${firstName()}.`,
    );
  }
  sample.arrays.forEach((array, leaf) => {
    const expected = first.arrays[leaf]!;
    if (isAlike(array, expected)) return;
    throw new TypeError(
      `Cannot put ${name()} into a batch: ${sample.names[leaf]} is ${describe(array)}; expected ${
        describe(expected)
      }, as in ${firstName()}. Make samples alike in map().`,
    );
  });
}

function isAlike(a: HostArray, b: HostArray): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.shape.length === b.shape.length &&
    a.shape.every((size, axis) => size === b.shape[axis]);
}

function describe({ shape, dtype, scale }: HostArray): string {
  return `${dtype} ${formatShape(shape)}${scale === undefined ? "" : ` with scale ${scale}`}`;
}

function allocate(dtype: ArrayType, size: number): HostArray["values"] {
  if (dtype === "float32") return new Float32Array(size);
  return dtype === "int32" ? new Int32Array(size) : new Uint8Array(size);
}
