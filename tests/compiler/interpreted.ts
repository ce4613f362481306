/** An executor that plans each step as compiled executors do, and runs the plan in the interpreter, on the cpu device. */
import {
  type Batch,
  combineSums,
  type Executor,
  foldIn,
  type HostArray,
  leaves,
  type Nested,
  pending,
  type Program,
  type ProgramRun,
  type Step,
  type StepTable,
  tf,
} from "@stride/stride/core";
import {
  arraysOf,
  type Buffer,
  hostInputs,
  isValueInfo,
  mapLeaves,
  type Plan,
  planStep,
  signatureOf,
} from "@stride/stride/compiler";
import { interpretPlan, type NumberArray, type Precision } from "../../plugins/compiler/ir/interpret.ts";

/** Runs plans in the interpreter. @param onPlan Receives each plan once. */
export function interpreted(precision: Precision = "float32", onPlan: (plan: Plan) => void = () => {}): Executor {
  return {
    name: "interpreted",
    load: (step) => Promise.resolve(new InterpretedProgram(step, precision, onPlan)),
  };
}

class InterpretedProgram implements Program {
  readonly #step: Step;
  readonly #precision: Precision;
  readonly #onPlan: (plan: Plan) => void;
  readonly #plans = new Map<string, Plan>();
  readonly #slots = new Map<number, Float64Array>();

  constructor(step: Step, precision: Precision, onPlan: (plan: Plan) => void) {
    this.#step = step;
    this.#precision = precision;
    this.#onPlan = onPlan;
  }

  run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun> {
    let total: Float64Array | undefined;
    const outputs = batches.flatMap((batch, index) => {
      const plan = this.#plan(batch, table);
      const arrays = this.#interpret(plan, batch, table, index);
      if (plan.sums !== undefined) {
        const sums = Float64Array.from(arrays.get(plan.sums)!);
        if (total === undefined) total = sums;
        else combineSums(this.#step, total, sums);
      }
      return plan.returns === undefined ? [] : [returned(plan, arrays)];
    });
    this.#slots.set(slot, total ?? new Float64Array());
    return Promise.resolve({ outputs: pending(() => Promise.resolve(outputs)) });
  }

  compute(): never {
    throw new Error("The interpreted executor runs whole steps only.");
  }

  apply(): never {
    throw new Error("The interpreted executor runs whole steps only.");
  }

  sums(slots: readonly number[]): Promise<readonly Float64Array[]> {
    return Promise.resolve(slots.map((slot) => {
      const sums = this.#slots.get(slot);
      if (sums === undefined) throw new RangeError(`Nothing was run in slot ${slot}.`);
      this.#slots.delete(slot);
      return sums;
    }));
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #plan(batch: Batch, table: StepTable): Plan {
    const signature = signatureOf(batch, table);
    const key = JSON.stringify([signature, hostInputs(batch)]);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = planStep(this.#step, signature, { inputs: hostInputs(batch) });
      this.#plans.set(key, plan);
      this.#onPlan(plan);
    }
    return plan;
  }

  #interpret(plan: Plan, batch: Batch, table: StepTable, index: number): Map<Buffer, NumberArray> {
    const arrays = new Map<Buffer, NumberArray>();
    const variables = new Map(this.#step.variables.map(({ path, variable }) => [path, variable]));
    const Floats = this.#precision === "float64" ? Float64Array : Float32Array;
    for (const [path, buffer] of plan.variables) {
      const values = variables.get(path)!.dataSync() as Float32Array;
      arrays.set(buffer, buffer.type === "f32" ? Floats.from(values) : Int32Array.from(values));
    }
    const host = arraysOf(batch);
    for (const input of plan.inputs) {
      if (input.role.kind !== "input") throw new TypeError("An input is not one.");
      const { group, index: leaf } = input.role;
      arrays.set(input, leaves<HostArray>(host[group]!)[leaf]!.values);
    }
    if (plan.rows !== undefined) {
      arrays.set(plan.rows, batch.source ? batch.indices : Int32Array.from({ length: batch.rows }, (_, row) => row));
    }
    const key = foldIn(table.key, table.first + index);
    const row = plan.columns.map((column) => table.rows[index]![table.columns.indexOf(column)]!);
    const keys = Array.from({ length: plan.streams }, (_, stream) => foldIn(key, stream)).flat();
    interpretPlan(plan, { arrays, table: row, keys }, 1, { precision: this.#precision });
    for (const [path, buffer] of plan.variables) {
      const variable = variables.get(path)!;
      const values = arrays.get(buffer)!;
      const typed = variable.dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values);
      tf.tidy(() => variable.assign(tf.tensor(typed, variable.shape, variable.dtype as "float32")));
    }
    return arrays;
  }
}

function returned(plan: Plan, arrays: ReadonlyMap<Buffer, NumberArray>): Nested<HostArray> {
  let next = 0;
  return mapLeaves(plan.returns!, isValueInfo, ({ shape, dtype }): HostArray => {
    const values = arrays.get(plan.outputs[next++]!)!;
    if (dtype === "complex64") throw new TypeError("Complex numbers are not returned.");
    const typed = dtype === "float32"
      ? Float32Array.from(values)
      : dtype === "bool"
      ? Uint8Array.from(values)
      : Int32Array.from(values);
    return { shape, dtype, values: typed };
  });
}
