/**
 * Running kernels in plain JavaScript: what they mean, for tests of back ends, and in float64 a reference for accuracy.
 *
 * @module
 */
import type { RandomKey } from "../../../core/random.ts";
import { hasPartPerStep, placeOf, rootOf } from "./buffers.ts";
import type { Precision } from "./interpret_expressions.ts";
import { type CompiledKernel, compileForInterpreter, type NumberArray } from "./interpret_source.ts";
import type { Plan } from "./plan.ts";
import { reads, writes } from "./shape.ts";
import type { Buffer, Kernel } from "./types.ts";

export type { NumberArray, Precision };

/** What a kernel reads and writes while it is interpreted. */
export interface InterpreterMemory {
  /**
   * The elements of each buffer that does not lie within another: Float32Array or Float64Array for f32, Int32Array for
   * i32 and bool, Uint8Array for u8. Those with one part a step hold the parts one after the other.
   */
  readonly arrays: ReadonlyMap<Buffer, NumberArray>;
  /** Which step of the execution. @default 0 */
  readonly step?: number;
  /** The step's row of the step table. @default {} */
  readonly columns?: Readonly<Record<string, number>>;
  /** The step's key of each random stream. @default [] */
  readonly keys?: readonly RandomKey[];
}

/** How the interpreter computes. */
export interface InterpretOptions {
  /**
   * float32: each operation is rounded, and sums are taken one by one in the order of the loops; float64: nothing is
   * rounded but constants and random numbers. @default "float32"
   */
  readonly precision?: Precision;
}

/**
 * Runs a kernel once.
 *
 * Loads outside of a buffer are clamped; truncated normals are redrawn as `truncatedNormalAt` in interpret_functions.ts.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Expressions } from "./expressions.ts";
 * import { interpretKernel } from "./interpret.ts";
 *
 * const e = new Expressions();
 * const x = e.buffer("f32", 3, { kind: "scratch" });
 * const doubled = e.buffer("f32", 3, { kind: "scratch" });
 * const axis = { id: 100, size: 3 };
 * const index = e.axisExpression(axis);
 * const memory = new Map([[x, Float32Array.of(1, 2, 3)], [doubled, new Float32Array(3)]]);
 * interpretKernel({
 *   kind: "nest",
 *   outer: [axis],
 *   inner: [],
 *   reductions: [],
 *   stores: [{ buffer: doubled, index, value: e.mul(e.load(x, index), 2) }],
 * }, { arrays: memory });
 * assertEquals([...memory.get(doubled)!], [2, 4, 6]);
 * ```
 *
 * @throws {TypeError} If an array, column or key is missing or of the wrong type.
 * @throws {RangeError} If a store or the load of an input lies outside.
 */
export function interpretKernel(kernel: Kernel, memory: InterpreterMemory, options: InterpretOptions = {}): void {
  const { buffers, columns, run } = compiled(kernel, options.precision ?? "float32");
  const { step = 0, keys = [] } = memory;
  const places = buffers.map((buffer) => locate(buffer, memory.arrays, step));
  run(
    places.map(({ array }) => array),
    places.map(({ base }) => base),
    columns.map((name) => {
      const value = memory.columns?.[name];
      if (value === undefined) throw new TypeError(`Cannot interpret a kernel: it reads column "${name}": give it.`);
      return value;
    }),
    keys,
  );
}

/** What a plan reads and writes while it is interpreted. */
export interface PlanMemory {
  /**
   * The elements of each buffer that does not lie within another, as in `InterpreterMemory`. Scratch memory, sums,
   * outputs and gradients that are missing are added as zeros, constants with their values.
   */
  readonly arrays: Map<Buffer, NumberArray>;
  /** The step table `[steps, columns]`, in the order of the plan's columns. Needed where it has any. */
  readonly table?: ArrayLike<number>;
  /** The keys `[steps, streams, 2]`. Needed where the plan has streams. */
  readonly keys?: ArrayLike<number>;
}

/**
 * Runs all kernels of a plan for each of some steps.
 *
 * @throws {TypeError} If the memory lacks a variable, an input, row numbers, the table or keys.
 * @throws {RangeError} If a store or the load of an input lies outside.
 */
export function interpretPlan(plan: Plan, memory: PlanMemory, steps: number, options: InterpretOptions = {}): void {
  const { arrays, table = [], keys = [] } = memory;
  requireLength("table", table.length, [steps, plan.columns.length]);
  requireLength("keys", keys.length, [steps, plan.streams, 2]);
  for (const kernel of plan.kernels) {
    for (const buffer of [...reads(kernel), ...writes(kernel)]) {
      const root = rootOf(buffer);
      if (!arrays.has(root)) arrays.set(root, allocate(root, steps, options.precision ?? "float32"));
    }
  }
  for (let step = 0; step < steps; step++) {
    const columns = Object.fromEntries(plan.columns.map((name, i) => [name, table[step * plan.columns.length + i]!]));
    const stepKeys = Array.from({ length: plan.streams }, (_, stream): RandomKey => {
      const start = (step * plan.streams + stream) * 2;
      return [keys[start]!, keys[start + 1]!];
    });
    for (const kernel of plan.kernels) interpretKernel(kernel, { arrays, step, columns, keys: stepKeys }, options);
  }
}

function requireLength(name: string, length: number, shape: readonly number[]): void {
  if (length >= shape.reduce((product, size) => product * size, 1)) return;
  throw new TypeError(`Cannot interpret a plan: its ${name} has ${length} numbers, expected [${shape.join(", ")}].`);
}

const known = new WeakMap<Kernel, Partial<Record<Precision, CompiledKernel>>>();

function compiled(kernel: Kernel, precision: Precision): CompiledKernel {
  let forms = known.get(kernel);
  if (forms === undefined) known.set(kernel, forms = {});
  return forms[precision] ??= compileForInterpreter(kernel, precision);
}

function locate(
  buffer: Buffer,
  arrays: ReadonlyMap<Buffer, NumberArray>,
  step: number,
): { readonly array: NumberArray; readonly base: number } {
  const { root, offset } = placeOf(buffer);
  const array = arrays.get(root);
  const fits = root.type === "f32"
    ? array instanceof Float32Array || array instanceof Float64Array
    : root.type === "u8"
    ? array instanceof Uint8Array
    : array instanceof Int32Array;
  if (array === undefined || !fits) {
    throw new TypeError(
      `Cannot interpret a kernel: buffer ${root.id} (${root.role.kind}, ${root.type}) has ` +
        `${array === undefined ? "no array" : `a ${array.constructor.name}`}: give one of its type.`,
    );
  }
  const base = offset + (hasPartPerStep(root) ? step * root.size : 0);
  if (root.role.kind !== "input" && base + buffer.size > array.length) {
    throw new TypeError(
      `Cannot interpret a kernel: buffer ${buffer.id} (${root.role.kind}) reaches to element ${
        base + buffer.size
      } in ` +
        `step ${step}, but its array has ${array.length}: give one that is long enough.`,
    );
  }
  return { array, base };
}

function allocate(buffer: Buffer, steps: number, precision: Precision): NumberArray {
  const { role, type } = buffer;
  const size = buffer.size * (hasPartPerStep(buffer) ? steps : 1);
  const make = type === "u8"
    ? Uint8Array
    : type !== "f32"
    ? Int32Array
    : precision === "float64"
    ? Float64Array
    : Float32Array;
  switch (role.kind) {
    case "constant":
      return new make(role.values);
    case "scratch":
    case "sums":
    case "output":
    case "gradient":
      return new make(size);
    case "variable":
    case "state":
    case "input":
    case "rows":
      throw new TypeError(
        `Cannot interpret a plan: buffer ${buffer.id} (${role.kind}, ${type}, ${size} elements) has no array: give one.`,
      );
    default:
      return role satisfies never;
  }
}
