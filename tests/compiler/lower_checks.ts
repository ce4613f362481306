/** Compares lowered kernels, run by the interpreter, with what tfjs's CPU kernels yield for the same inputs. */
import { assert, assertEquals } from "@std/assert";
import type { RandomKey } from "../../core/random.ts";
import { tf } from "../../core/tf.ts";
import { optimizePlan } from "../../plugins/compiler/compile.ts";
import type { KernelNode, ValueInfo } from "../../plugins/compiler/graph.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { interpretPlan, type NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import { axesOf, expressionsOf, strides, walk } from "../../plugins/compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Kernel, ScalarType } from "../../plugins/compiler/ir/types.ts";
import { Lowering } from "../../plugins/compiler/lower/lowering.ts";
import { type Rules, scalarType } from "../../plugins/compiler/lower/rules.ts";
import type { Value } from "../../plugins/compiler/lower/value.ts";
import { cpu } from "../../plugins/devices/cpu.ts";

/** A tensor's elements with its shape and type. */
export interface Given extends ValueInfo {
  readonly values: NumberArray;
}

/** A kernel that ran, with all elements. */
export interface Run {
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, Given>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly outputs: readonly Given[];
}

/**
 * How inputs are given to a rule: `memory` as they lie; `computed` as expressions of two loads, so that they are worth
 * keeping; `batch` as rows of inputs, which nothing clamps.
 */
export type Source = "memory" | "computed" | "batch";

/** All of them. */
const SOURCES: readonly Source[] = ["memory", "computed", "batch"];

interface Engine {
  runKernel(name: string, inputs: Record<string, tf.Tensor>, attrs?: Record<string, unknown>): tf.Tensor | tf.Tensor[];
}

function given(tensor: tf.Tensor): Given {
  return {
    shape: tensor.shape,
    dtype: tensor.dtype as Given["dtype"],
    values: tensor.dataSync().slice() as NumberArray,
  };
}

/** Runs `body` on Stride's CPU device and returns the kernels that it ran. */
export async function captureRuns(body: () => unknown): Promise<Run[]> {
  const device = cpu();
  await device.open();
  await tf.setBackend("cpu");
  const engine = tf.engine() as unknown as Engine;
  const original = engine.runKernel;
  const runs: Run[] = [];
  engine.runKernel = function (kernel, inputs, attrs) {
    const tensors = Object.entries(inputs ?? {}).filter(([, tensor]) => tensor != null);
    const before = tensors.map(([name, tensor]) => [name, tensor.dtype === "complex64" ? undefined : given(tensor)]);
    const result = original.call(this, kernel, inputs, attrs);
    const outputs = [result].flat();
    if (before.every(([, tensor]) => tensor) && outputs.every(({ dtype }) => dtype !== "complex64")) {
      runs.push({ kernel, inputs: Object.fromEntries(before), attrs: { ...attrs }, outputs: outputs.map(given) });
    }
    return result;
  };
  try {
    tf.tidy(() => void body());
  } finally {
    delete (engine as Partial<Engine>).runKernel;
  }
  return runs;
}

/** A kernel's rule applied, and the memory to interpret what it gave. */
export interface Lowered {
  readonly lower: Lowering;
  readonly arrays: Map<Buffer, NumberArray>;
  readonly outputs: readonly Value[];
}

/** Applies a rule to a kernel's inputs. */
export function lowerRun(rules: Rules, run: Run, source: Source, stream?: number): Lowered {
  const lower = new Lowering(new Expressions());
  const arrays = new Map<Buffer, NumberArray>();
  const inputs = Object.fromEntries(
    Object.entries(run.inputs).map(([name, tensor]) => [name, valueOf(lower, arrays, tensor, source)]),
  );
  const node: KernelNode = {
    kind: "kernel",
    id: 0,
    kernel: run.kernel,
    inputs: {},
    attrs: run.attrs,
    outputs: run.outputs,
    ...(stream === undefined ? {} : { stream }),
  };
  const rule = rules[run.kernel];
  assert(rule !== undefined, `no rule for ${run.kernel}`);
  const outputs = [rule({ node, lower, inputs, output: run.outputs[0]! })].flat() as Value[];
  return { lower, arrays, outputs };
}

function arrayFor(type: ScalarType, values: ArrayLike<number>): NumberArray {
  return type === "f32" ? Float32Array.from(values) : Int32Array.from(values);
}

function valueOf(lower: Lowering, arrays: Map<Buffer, NumberArray>, tensor: Given, source: Source): Value {
  const { ir } = lower;
  const type = scalarType(tensor);
  const size = tensor.values.length;
  const [rows, ...rest] = tensor.shape;
  if (source === "batch" && rows !== undefined && rows > 0 && type !== "bool") {
    const row = size / rows;
    const numbers = ir.buffer("i32", rows, { kind: "rows" });
    // The rows lie in memory in the opposite order.
    arrays.set(numbers, Int32Array.from({ length: rows }, (_, i) => rows - 1 - i));
    const data = ir.buffer(type, row, { kind: "input", group: "x", index: arrays.size });
    const turned = arrayFor(type, tensor.values);
    for (let i = 0; i < rows; i++) turned.set(tensor.values.subarray((rows - 1 - i) * row, (rows - i) * row), i * row);
    arrays.set(data, turned);
    return lower.value(tensor.shape, type, ([first, ...index]) => {
      const start = ir.mul(ir.load(numbers, first!), row);
      return ir.load(data, ir.add(start, ir.flatten(index, rest)));
    });
  }
  const own = ir.buffer(type, size, { kind: "variable", path: `own${arrays.size}` });
  arrays.set(own, arrayFor(type, tensor.values));
  const value = lower.loaded(own, tensor.shape, type);
  if (source !== "computed" || type === "bool") return value;
  // Twice the number less itself, by way of operations that nothing folds.
  const two = ir.buffer(type, size, { kind: "variable", path: `two${arrays.size}` });
  arrays.set(two, arrayFor(type, tensor.values).map((element) => element * 2));
  const twice = lower.loaded(two, tensor.shape, type);
  return lower.value(
    tensor.shape,
    type,
    (index) => ir.unary("neg", ir.unary("neg", ir.sub(twice.at(index), value.at(index)))),
  );
}

/** Adds kernels that store the outputs: a plan of all of it. */
export function planOf({ lower, arrays, outputs }: Lowered, streams = 0): Plan {
  const results = outputs.map((value, index) => {
    const buffer = lower.ir.buffer(value.type, value.size, { kind: "output", index });
    if (value.size > 0) lower.storeInto(buffer, value);
    return buffer;
  });
  const inputs = [...arrays.keys()];
  const rows = inputs.find(({ role }) => role.kind === "rows");
  return {
    expressions: lower.ir,
    kernels: lower.kernels,
    variables: new Map(inputs.flatMap((buffer) => buffer.role.kind === "variable" ? [[buffer.role.path, buffer]] : [])),
    inputs: inputs.filter(({ role }) => role.kind === "input"),
    ...(rows ? { rows } : {}),
    columns: [],
    streams,
    outputs: results,
    scratch: lower.scratch,
    constants: lower.constants,
  };
}

/** Runs all kernels and reads the outputs. */
export function interpretLowered(
  lowered: Lowered,
  { keys = [], optimize = false }: CheckOptions & { readonly keys?: readonly RandomKey[] } = {},
): number[][] {
  const raw = planOf(lowered, keys.length);
  const plan = optimize ? optimizePlan(raw) : raw;
  const { arrays } = lowered;
  for (const buffer of [...plan.scratch, ...plan.outputs]) {
    arrays.set(buffer, arrayFor(scalarOf(buffer), filler(buffer.size)));
  }
  for (const { role, size } of plan.constants) {
    assert(role.kind === "constant");
    assertEquals(role.values.length, size);
  }
  for (const kernel of plan.kernels) checkForm(kernel);
  interpretPlan(plan, { arrays, keys: keys.flat() }, 1);
  return plan.outputs.map((buffer) => [...arrays.get(buffer)!]);
}

/** What memory holds that nothing has been stored to yet. */
function filler(size: number): number[] {
  return new Array(size).fill(12345);
}

function scalarOf({ type }: Buffer): ScalarType {
  return type === "u8" ? "i32" : type;
}

/** Asserts what ir/types.ts says of kernels. */
export function checkForm(kernel: Kernel): void {
  const own: Axis[] = kernel.kind === "contraction"
    ? [...kernel.batch, ...kernel.rows, ...kernel.columns, ...kernel.inner]
    : kernel.kind === "scan"
    ? [...kernel.outer, kernel.along]
    : [...kernel.outer, ...kernel.inner];
  for (const { size } of own) assert(size >= 2, `an axis of size ${size}`);
  assertEquals(new Set(own).size, own.length, "an axis twice");
  for (const expression of expressionsOf(kernel)) {
    for (const axis of axesOf(expression)) assert(own.includes(axis), "an axis of another kernel");
  }
  if (kernel.kind !== "contraction") return;
  const { left, right, rows, columns } = kernel;
  assert([...axesOf(left)].every((axis) => !columns.includes(axis)), "columns in the left factor");
  assert([...axesOf(right)].every((axis) => !rows.includes(axis)), "rows in the right factor");
  for (const side of [left, right]) checkFactor(side);
}

function checkFactor(factor: Expression): void {
  let load = factor;
  if (factor.kind === "select") {
    assert(factor.otherwise.kind === "number" && factor.otherwise.value === 0, "a guard around something but 0");
    walk([factor.condition], (part) => assert(part.kind !== "load", "a guard that reads memory"));
    load = factor.then;
  }
  assert(load.kind === "load" && load.buffer.role.kind !== "input", "a factor that does not lie in memory");
  assert(strides(load.index) !== undefined, "a factor at a place that is no sum of strides");
}

/** Options of checks. */
export interface CheckOptions {
  /** Whether the compiler's passes change the kernels first. @default false */
  readonly optimize?: boolean;
}

/** Asserts that lowered kernels yield what tfjs's kernel did, to 1e-5 of the larger of 1 and the expected number. */
export function checkRun(rules: Rules, run: Run, { optimize = false }: CheckOptions = {}): void {
  for (const source of SOURCES) {
    const what = `${run.kernel} of ${
      JSON.stringify(Object.fromEntries(Object.entries(run.inputs).map(([name, { shape }]) => [name, shape])))
    } with ${JSON.stringify(run.attrs)} from ${source}`;
    let lowered: Lowered;
    let results: number[][];
    try {
      lowered = lowerRun(rules, run, source);
      results = interpretLowered(lowered, { optimize });
    } catch (error) {
      throw new Error(`fails: ${what}`, { cause: error });
    }
    assertEquals(lowered.outputs.map(({ shape }) => [...shape]), run.outputs.map(({ shape }) => [...shape]), what);
    assertEquals(lowered.outputs.map(({ type }) => type), run.outputs.map((output) => scalarType(output)), what);
    run.outputs.forEach(({ values }, output) => {
      values.forEach((expected, place) => {
        const found = results[output]![place]!;
        const close = Object.is(found, expected) || found === expected ||
          Math.abs(found - expected) <= 1e-5 * Math.max(1, Math.abs(expected));
        assert(close, `${what}: element ${place} of output ${output} is ${found}, expected ${expected}`);
      });
    });
  }
}

/** Runs ops and checks each kernel among them that has a rule. Returns how often each was checked. */
export async function checkOps(
  rules: Rules,
  body: () => unknown,
  options?: CheckOptions,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const run of await captureRuns(body)) {
    if (!(run.kernel in rules)) continue;
    checkRun(rules, run, options);
    counts.set(run.kernel, (counts.get(run.kernel) ?? 0) + 1);
  }
  return counts;
}

/** Asserts that each rule was checked. */
export function assertAllChecked(
  rules: Rules,
  counts: readonly ReadonlyMap<string, number>[],
  but: readonly string[] = [],
): void {
  const missing = Object.keys(rules).filter((kernel) =>
    !but.includes(kernel) && !counts.some((each) => each.has(kernel))
  );
  assertEquals(missing, [], "rules that nothing checks");
}

/** Numbers drawn in a fixed order. */
export class Draw {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** An integer from `low` to `high`. */
  int(low: number, high: number): number {
    this.#state = (this.#state * 48271) % 0x7fffffff;
    return low + this.#state % (high - low + 1);
  }

  /** One of some. */
  pick<T>(options: readonly T[]): T {
    return options[this.int(0, options.length - 1)]!;
  }

  /** Sizes from 1 to `limit`. */
  sizes(rank: number, limit = 4): number[] {
    return Array.from({ length: rank }, () => this.int(1, limit));
  }

  /** A tensor of numbers between -2 and 2, some of which repeat. */
  floats<T extends tf.Tensor = tf.Tensor>(shape: readonly number[]): T {
    const size = shape.reduce((product, each) => product * each, 1);
    return tf.tensor(Array.from({ length: size }, () => this.int(-64, 64) / 32), [...shape], "float32") as T;
  }

  /** A tensor of integers from `low` to `high`. */
  ints<T extends tf.Tensor = tf.Tensor>(shape: readonly number[], low: number, high: number): T {
    const size = shape.reduce((product, each) => product * each, 1);
    return tf.tensor(Array.from({ length: size }, () => this.int(low, high)), [...shape], "int32") as T;
  }
}
