/** Steps made by hand, as the trainer makes them, and how to compare their graphs with running them. */
import { assertEquals } from "@std/assert";
import type { TensorBatch } from "../../core/batch.ts";
import { leaves } from "../../core/nested.ts";
import {
  foldIn,
  hostRandomSource,
  normalValues,
  type RandomKey,
  uniformValues,
  withRandomSource,
} from "../../core/random.ts";
import type { PhaseOutput, Step, StepContext, StepKind, StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { type BatchSignature, type Graph, isValueInfo, mapLeaves, type ValueInfo } from "../../plugins/compiler/mod.ts";

/** A step with one phase, momentum SGD, and whatever loss it is given. */
export interface StepOptions {
  readonly kind?: StepKind;
  readonly weights?: readonly tf.Variable[];
  readonly states?: readonly tf.Variable[];
  /** The loss of a batch: a scalar. */
  readonly loss?: (batch: TensorBatch, context: StepContext) => Tensor;
  /** Replaces everything up to the gradients. */
  readonly compute?: (batch: TensorBatch, context: StepContext) => PhaseOutput;
}

/** A step, and what must be disposed after it. */
export interface TestStep extends Step, Disposable {}

export function makeStep({ kind = "train", weights = [], states = [], loss, compute }: StepOptions): TestStep {
  const slots = weights.map((weight) => tf.variable(tf.zeros(weight.shape), false));
  const entry = (role: StepVariable["role"]) => (variable: tf.Variable, index: number): StepVariable => ({
    path: `${role}_${index}`,
    variable,
    role,
    acrossReplicas: role === "state" ? "mean" : "mirrored",
  });
  const trained = weights.map(entry("weight"));
  return {
    kind,
    variables: [...trained, ...slots.map(entry("slot")), ...states.map(entry("state"))],
    phases: [{
      name: "train",
      variables: trained,
      compute: compute ?? ((batch, context) => {
        const { value, grads } = tf.variableGrads(() => loss!(batch, context) as tf.Scalar, [...weights]);
        return { gradients: weights.map(({ name }) => grads[name] ?? null), sums: value.reshape([1]) };
      }),
      apply(gradients, { scalars }) {
        tf.tidy(() =>
          gradients.forEach((gradient, index) => {
            if (gradient === null) return;
            slots[index]!.assign(tf.add(tf.mul(slots[index]!, 0.9), gradient));
            weights[index]!.assign(tf.sub(weights[index]!, tf.mul(scalars.lr!, slots[index]!)));
          })
        );
      },
    }],
    sums: [{ size: 1, combine: "sum" }],
    table: (steps) => ({ columns: ["lr"], rows: Array(steps).fill([0.1]), first: 0, key: [1, 2] }),
    advance() {},
    decode: () => ({}),
    [Symbol.dispose]: () => tf.dispose([...weights, ...slots, ...states]),
  };
}

/** The signature of batches of `rows` samples. */
export function signature(
  rows: number,
  x: readonly number[],
  y?: readonly number[],
  dtype: ValueInfo["dtype"] = "float32",
): BatchSignature {
  const info = (shape: readonly number[], dtype: ValueInfo["dtype"]) => ({ shape: [rows, ...shape], dtype });
  return {
    rows,
    globalRows: rows,
    columns: ["lr"],
    arrays: { x: info(x, dtype), ...(y && { y: info(y, "float32") }) },
  };
}

/** What a graph reads, as tensors. */
export interface Givens {
  readonly variables: Readonly<Record<string, Tensor>>;
  readonly batch: TensorBatch;
  readonly scalars: Readonly<Record<string, Tensor>>;
  readonly gradients?: readonly (Tensor | null)[];
  readonly key: RandomKey;
}

/** Runs a graph's kernels on the current backend. */
export function replay(
  graph: Graph,
  givens: Givens,
): { writes: Record<string, Tensor>; gradients: (Tensor | null)[]; sums?: Tensor } {
  const engine = tf.engine() as unknown as {
    runKernel(name: string, inputs: unknown, attrs: unknown): Tensor | Tensor[];
  };
  const values: Tensor[][] = [];
  const get = ({ node, output }: { node: number; output: number }): Tensor => values[node]![output]!;
  for (const node of graph.nodes) {
    const [info] = node.outputs;
    switch (node.kind) {
      case "kernel": {
        const entries = Object.entries(node.inputs).map(([name, ref]) => [name, get(ref)] as const);
        const inputs = entries[0]?.[0] === "0" ? entries.map(([, tensor]) => tensor) : Object.fromEntries(entries);
        values.push([engine.runKernel(node.kernel, inputs, node.attrs)].flat());
        break;
      }
      case "variable":
        values.push([givens.variables[node.path]!]);
        break;
      case "input":
        values.push([leaves(givens.batch[node.group]!)[node.index]!]);
        break;
      case "scalar":
        values.push([givens.scalars[node.column]!]);
        break;
      case "gradient":
        values.push([givens.gradients![node.index]!]);
        break;
      case "constant":
        values.push([
          node.values.length === 1
            ? tf.fill([...info!.shape], node.values[0]!, info!.dtype as "float32")
            : tf.tensor(node.values, [...info!.shape], info!.dtype),
        ]);
        break;
      case "random": {
        const size = info!.shape.reduce((product, dimension) => product * dimension, 1);
        const draw = node.distribution === "uniform" ? uniformValues : normalValues;
        const sample = tf.tensor(draw(foldIn(givens.key, node.stream), size), [...info!.shape]);
        values.push([tf.add(tf.mul(sample, node.scale), node.offset)]);
        break;
      }
    }
    assertEquals(
      values.at(-1)!.map(({ shape, dtype }) => ({ shape, dtype })),
      node.outputs.map(({ shape, dtype }) => ({
        shape: [...shape],
        dtype,
      })),
    );
  }
  return {
    writes: Object.fromEntries(graph.writes.map(({ path, value }) => [path, get(value)])),
    gradients: (graph.gradients ?? []).map((ref) => ref && get(ref)),
    ...(graph.sums && { sums: get(graph.sums) }),
  };
}

/** A batch of this signature, the same each time. */
export function makeBatch({ rows, arrays }: BatchSignature): TensorBatch {
  let seed = 1;
  const tensor = ({ shape, dtype }: ValueInfo): Tensor =>
    dtype === "int32"
      ? tf.randomUniform([...shape], 0, 5, "int32", seed++)
      : tf.randomUniform([...shape], -1, 1, "float32", seed++);
  return {
    rows,
    x: mapLeaves(arrays.x, isValueInfo, tensor),
    ...(arrays.y && { y: mapLeaves(arrays.y, isValueInfo, tensor) }),
  };
}

/** Runs one phase eagerly and puts the variables back. @returns Copies of what it yields and writes. */
export function runEagerly(step: Step, batch: TensorBatch, scalars: Givens["scalars"], key: RandomKey) {
  const before = step.variables.map(({ variable }) => tf.keep(variable.clone()));
  const context = { rows: batch.rows, globalRows: batch.rows, scalars };
  const [phase] = step.phases;
  const after = () => Object.fromEntries(step.variables.map(({ path, variable }) => [path, [...variable.dataSync()]]));
  const output = withRandomSource(hostRandomSource(key), () => phase!.compute(batch, context));
  const computed = after();
  const gradients = (output.gradients ?? []).map((gradient) => gradient && [...gradient.dataSync()]);
  phase!.apply?.(output.gradients ?? [], context);
  const applied = after();
  step.variables.forEach(({ variable }, index) => variable.assign(before[index]!));
  tf.dispose(before);
  return { computed, gradients, sums: output.sums && [...output.sums.dataSync()], applied };
}
