/**
 * Small steps for the tests of executor "webgpu".
 *
 * @module
 */
import type { Batch, HostArray, Step, StepTable, StepVariable, Tensor } from "@stride/stride/core";
import { tf } from "@stride/stride/core";

/** A column vector. */
export function column(values: readonly number[]): HostArray {
  return { shape: [values.length, 1], dtype: "float32", values: Float32Array.from(values) };
}

/** A batch of its own values. */
export function batchOf(values: readonly number[]): Batch {
  return { rows: values.length, globalRows: values.length, arrays: { x: column(values) } };
}

/** A table without columns. */
export function table(steps: number, first = 0): StepTable {
  return { columns: [], rows: Array.from({ length: steps }, () => []), first, key: [3, 4] };
}

/** A variable of a step, under a path. */
export function listed(path: string, variable: tf.Variable): StepVariable {
  return { path, variable, role: "weight", acrossReplicas: "mirrored" };
}

/** A step that does what `compute` does with the batch's x, and returns its sums. */
export function stepOf(
  variables: readonly StepVariable[],
  compute: (x: Tensor) => { sums?: Tensor; outputs?: Tensor },
  options: { readonly kind?: Step["kind"]; readonly sums?: Step["sums"] } = {},
): Step {
  return {
    kind: options.kind ?? "train",
    variables: variables.map((variable) => ({ ...variable, role: "state" })),
    sums: options.sums ?? [],
    phases: [{ name: "train", variables: [], compute: ({ x }) => compute(x as Tensor) }],
    table,
    advance: () => {},
    decode: () => ({}),
  };
}

/** Adds the mean of x to each variable, and reports the sum of the first one's elements before that. */
export function addingStep(variables: readonly tf.Variable[]): Step {
  return stepOf(
    variables.map((variable, index) => listed(`v${index}`, variable)),
    (x) => {
      const sums = tf.sum(variables[0]!).as1D();
      const mean = tf.mean(x);
      for (const variable of variables) variable.assign(tf.add(variable, mean));
      return { sums };
    },
    { sums: [{ size: 1, combine: "sum" }] },
  );
}

/** Returns x times a variable's sum. */
export function scalingStep(variable: tf.Variable, path = "v0"): Step {
  return stepOf([listed(path, variable)], (x) => ({ outputs: tf.mul(x, tf.sum(variable)) }), { kind: "predict" });
}
