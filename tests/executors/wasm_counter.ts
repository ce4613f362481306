/**
 * A step with a plan made by hand, which the scalar printer can print.
 *
 * @module
 */
import type { Batch, HostArray, ResidentSource, Step, StepTable, Variable } from "../../core/mod.ts";
import { tf } from "../../core/mod.ts";
import { cpu } from "../../plugins/devices/mod.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Axis, Expression, Nest } from "../../plugins/compiler/ir/types.ts";
import type { Program } from "../../core/executor.ts";
import { wasmExecutor, type WasmOptions } from "../../plugins/executors/wasm/executor.ts";
import type { Compiler } from "../../plugins/executors/wasm/program.ts";
import { scalarModule } from "./wasm_scalar_module.ts";

/** Elements of the counter, and of a sample. */
export const SIZE = 4;

/** What a counter has: `weight += rate · step`, where `step` is a variable that is only read. */
export interface Counter {
  readonly step: Step;
  readonly weight: Variable;
  readonly increment: Variable;
}

/** A step that counts, on tensors that may be shared. */
export function counter(
  weight: Variable = tf.variable(tf.tensor1d([0, 10, 20, 30])),
  increment: Variable = tf.variable(tf.tensor1d([1, 2, 3, 4])),
): Counter {
  const step: Step = {
    kind: "train",
    phases: [],
    variables: [
      { path: "weight", variable: weight, role: "weight", acrossReplicas: "mirrored" },
      { path: "increment", variable: increment, role: "state", acrossReplicas: "mirrored" },
    ],
    sums: [{ size: 1, combine: "sum" }, { size: 1, combine: "max" }],
    table: (steps) => table(Array.from({ length: steps }, () => 1)),
    advance: () => {},
    decode: () => ({}),
  };
  return { step, weight, increment };
}

/** A step table with these rates; the column stands second. */
export function table(rates: readonly number[]): StepTable {
  return { columns: ["other", "rate"], rows: rates.map((rate) => [-1, rate]), first: 0, key: [1, 2] };
}

/** How the plan is made. */
export interface CounterPlan {
  /** Whether weight and increment lie in one `state` buffer. @default false */
  readonly grouped?: boolean;
}

/**
 * Per step: weight += rate · increment; sums are Σ x, and the largest weight; the output is, for each sample, Σ x · weight.
 */
export function counterPlan(options: CounterPlan = {}): Compiler["plan"] {
  return (_step, signature, { inputs }): Plan => {
    const { rows } = signature;
    const e = new Expressions();
    const state = e.buffer("f32", 2 * SIZE + 3, { kind: "state" });
    const within = (offset: number) => options.grouped ? { within: { buffer: state, offset } } : {};
    const weight = { ...e.buffer("f32", SIZE, { kind: "variable", path: "weight" }), ...within(SIZE + 3) };
    const increment = { ...e.buffer("f32", SIZE, { kind: "variable", path: "increment" }), ...within(0) };
    const type = inputs[0]!.dtype === "uint8" ? "u8" : "f32";
    const x = e.buffer(type, SIZE, { kind: "input", group: "x", index: 0 });
    const rowNumbers = e.buffer("i32", rows, { kind: "rows" });
    const sums = e.buffer("f32", 2, { kind: "sums" });
    const output = e.buffer("f32", rows, { kind: "output", index: 0 });
    const ones = e.buffer("f32", SIZE, { kind: "constant", values: new Float32Array(SIZE).fill(1) });
    const weighted = e.buffer("f32", SIZE, { kind: "scratch" });
    const axis = (size: number): { axis: Axis; at: Expression } => {
      const made = { id: 1000 + size, size };
      return { axis: made, at: e.axisExpression(made) };
    };
    const element = axis(SIZE);
    // An axis of one sample is the number 0.
    const sample = rows === 1 ? { axis: undefined, at: e.int(0) } : axis(rows);
    const samples = sample.axis === undefined ? [] : [sample.axis];
    const value = e.cast(
      e.load(x, e.add(e.mul(e.load(rowNumbers, sample.at), SIZE), element.at)),
      "f32",
    );
    const total = e.newResult();
    const largest = e.newResult();
    const product = e.newResult();
    const nest = (parts: Partial<Nest>): Nest => ({
      kind: "nest",
      outer: [],
      inner: [],
      reductions: [],
      stores: [],
      ...parts,
    });
    const kernels: Nest[] = [
      nest({
        outer: [element.axis],
        stores: [{
          buffer: weight,
          index: element.at,
          value: e.add(e.load(weight, element.at), e.mul(e.column("rate"), e.load(increment, element.at))),
        }],
      }),
      nest({
        outer: [element.axis],
        stores: [{
          buffer: weighted,
          index: element.at,
          value: e.mul(e.load(weight, element.at), e.load(ones, element.at)),
        }],
      }),
      nest({
        inner: [...samples, element.axis],
        reductions: [{ result: total, type: "f32", combine: "sum", value }],
        stores: [{ buffer: sums, index: e.int(0), value: e.result(total, "f32") }],
      }),
      nest({
        inner: [element.axis],
        reductions: [{ result: largest, type: "f32", combine: "max", value: e.load(weighted, element.at) }],
        stores: [{ buffer: sums, index: e.int(1), value: e.result(largest, "f32") }],
      }),
      nest({
        outer: samples,
        inner: [element.axis],
        reductions: [{
          result: product,
          type: "f32",
          combine: "sum",
          value: e.mul(value, e.load(weighted, element.at)),
        }],
        stores: [{ buffer: output, index: sample.at, value: e.result(product, "f32") }],
      }),
    ];
    return {
      expressions: e,
      kernels,
      variables: new Map([["weight", weight], ["increment", increment]]),
      inputs: [x],
      rows: rowNumbers,
      columns: ["rate"],
      streams: 3,
      sums,
      outputs: [output],
      returns: { shape: [rows], dtype: "float32" },
      scratch: [weighted],
      constants: [ones],
    };
  };
}

/** A compiler that knows this one step. */
export function counterCompiler(options: CounterPlan = {}): Compiler {
  return {
    plan: counterPlan(options),
    planPhase: () => {
      throw new TypeError("There is no plan for halves of the counter.");
    },
    generate: scalarModule,
  };
}

/** A program for a step. */
export async function load(step: Step, options: CounterPlan & WasmOptions = {}): Promise<Program> {
  const device = cpu();
  await device.open();
  device.activate();
  return await wasmExecutor(counterCompiler(options), options).load(step, { device, slots: 4 });
}

/** Samples whose elements are all one number each. */
export function samples(values: readonly number[], dtype: "float32" | "uint8" = "float32"): HostArray {
  const filled = values.flatMap((value) => Array<number>(SIZE).fill(value));
  return {
    shape: [values.length, SIZE],
    dtype,
    values: dtype === "uint8" ? Uint8Array.from(filled) : Float32Array.from(filled),
  };
}

/** A batch of its own values. */
export function batchOf(values: readonly number[]): Batch {
  return { rows: values.length, globalRows: values.length, arrays: { x: samples(values) } };
}

/** A batch of rows of a source. */
export function rowsOf(source: ResidentSource, indices: readonly number[]): Batch {
  return { rows: indices.length, globalRows: indices.length, source, indices: Int32Array.from(indices) };
}
