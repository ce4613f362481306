/**
 * Runs a step on the tracing backend, twice, and proves that what it recorded is all that the step does.
 *
 * @module
 */
import type { Arrays, TensorBatch } from "../../core/batch.ts";
import { TraceError } from "../../core/errors.ts";
import { mapNested, type Nested } from "../../core/nested.ts";
import type { RandomSource } from "../../core/random.ts";
import type { PhaseOutput, Step, StepContext } from "../../core/step.ts";
import type { Tensor, tf } from "../../core/tf.ts";
import { difference } from "./compare.ts";
import { engineInternals } from "./engine.ts";
import {
  type Graph,
  type GraphNode,
  type InputNode,
  isValueInfo,
  mapLeaves,
  type PhaseGraph,
  type StepGraph,
  type ValueInfo,
  type ValueRef,
} from "./graph.ts";
import { placeOf } from "./place.ts";
import { marker, recognize, SAMPLES_NEEDED } from "./random.ts";
import { type GraphResults, record, type Recorded } from "./record.ts";
import type { TraceBackend, TracedNode } from "./trace_backend.ts";

/** What a trace depends on, beside the step: batches with the same signature run the same graph. */
export interface BatchSignature {
  /** Samples in this replica's part of the batch. */
  readonly rows: number;
  /** Samples in the batch over all replicas. */
  readonly globalRows: number;
  /** Shapes, with the batch axis, and dtypes of the batch's tensors. */
  readonly arrays: Arrays<ValueInfo>;
  /** The columns of the step table. */
  readonly columns: readonly string[];
}

/** Options of `traceStep`. */
export interface TraceStepOptions {
  /** Whether nodes name the user's lines that made them. Costs some 20 µs a node. @default false */
  readonly places?: boolean;
}

/**
 * Traces every phase of a step.
 *
 * Host control flow is frozen: a loop or an `if` of the host's takes in every step the way that it took in the trace.
 * Tensors made before the trace become constants. Variables, random numbers, the engine and its counts of tensors are
 * as before afterwards, also after an error.
 *
 * @returns Compute and apply of each phase, as graphs of their own.
 * @throws {TraceError} If the step reads back, has shapes that depend on data, keeps tensors from step to step, creates
 * variables, reads or writes others than it lists, draws random numbers in a way that is not recognized, or does not
 * repeat.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Step, type StepVariable, type Tensor, tf } from "@stride/stride/core";
 * import { formatGraph, traceStep } from "@stride/stride/compiler";
 *
 * await tf.setBackend("cpu");
 * const state: StepVariable = {
 *   path: "seen",
 *   variable: tf.variable(tf.zeros([2])),
 *   role: "state",
 *   acrossReplicas: "mean",
 * };
 * const step: Step = {
 *   kind: "test",
 *   variables: [state],
 *   phases: [{
 *     name: "test",
 *     variables: [],
 *     compute: ({ x }) => {
 *       state.variable.assign(tf.add(state.variable, tf.sum(x as Tensor, 0)));
 *       return {};
 *     },
 *   }],
 *   sums: [],
 *   table: () => ({ columns: [], rows: [], first: 0, key: [0, 0] }),
 *   advance: () => {},
 *   decode: () => ({}),
 * };
 * const batch = { rows: 4, globalRows: 4, columns: [], arrays: { x: { shape: [4, 2], dtype: "float32" } } } as const;
 * const [phase] = traceStep(step, batch).phases;
 * assertEquals(formatGraph(phase!.compute).split("\n"), [
 *   "%0 = input x[0] : float32[4, 2]",
 *   '%1 = Sum(x: %0) {"axis":0,"keepDims":false} : float32[2]',
 *   "%2 = variable seen : float32[2]",
 *   "%3 = Add(a: %2, b: %1) : float32[2]",
 *   "write seen <- %3",
 * ]);
 * state.variable.dispose();
 * ```
 */
export function traceStep(step: Step, signature: BatchSignature, options: TraceStepOptions = {}): StepGraph {
  return { kind: step.kind, phases: step.phases.map((_, index) => tracePhase(step, index, signature, options)) };
}

/**
 * Traces one phase of a step, as `traceStep` does.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Step, type Tensor, tf } from "@stride/stride/core";
 * import { formatGraph, tracePhase } from "@stride/stride/compiler";
 *
 * await tf.setBackend("cpu");
 * const step: Step = {
 *   kind: "predict",
 *   variables: [],
 *   phases: [{ name: "predict", variables: [], compute: ({ x }) => ({ outputs: tf.neg(x as Tensor) }) }],
 *   sums: [],
 *   table: () => ({ columns: [], rows: [], first: 0, key: [0, 0] }),
 *   advance: () => {},
 *   decode: () => ({}),
 * };
 * const batch = { rows: 4, globalRows: 4, columns: [], arrays: { x: { shape: [4, 2], dtype: "float32" } } } as const;
 * const { compute } = tracePhase(step, 0, batch);
 * assertEquals(formatGraph(compute).split("\n")[1], "%1 = Neg(x: %0) : float32[4, 2]");
 * ```
 *
 * @throws {TraceError} As `traceStep` does.
 */
export function tracePhase(
  step: Step,
  index: number,
  signature: BatchSignature,
  options: TraceStepOptions = {},
): PhaseGraph {
  const phase = step.phases[index];
  if (phase === undefined) {
    throw new RangeError(`Cannot trace phase ${index}: the step has ${step.phases.length} phases, counted from 0.`);
  }
  const subject = `Cannot trace the ${step.kind} step` + (step.phases.length > 1 ? `, phase "${phase.name}"` : "");
  const compute = prove(
    subject,
    options,
    (attempt, places) =>
      record(
        { step, subject, places, writes: ["state"], random: (backend) => randomSource(backend, attempt) },
        (backend) => {
          const output = phase.compute(batchOf(signature, backend), contextOf(signature, backend));
          if (output instanceof Promise) {
            // Its own failure, if any, has been recorded: nothing is lost by not hearing of the rejection.
            output.catch(() => {});
            throw backend.failure ?? backend.fail(
              "host-read",
              () =>
                `compute returned a promise. A step is synchronous: \`await\` nothing in it, and return tensors. ` +
                'Or use executor "eager"',
            );
          }
          return resultsOf(output, backend);
        },
      ),
  );
  const gradients = compute.gradients;
  if (phase.apply === undefined || gradients === undefined) return { name: phase.name, compute };
  const infos = gradients.map((ref) => ref && compute.nodes[ref.node]!.outputs[ref.output]!);
  const apply = prove(
    subject,
    options,
    (attempt, places) =>
      record({ step, subject, places, random: (backend) => randomSource(backend, attempt) }, (backend) => {
        const given = infos.map((info, index) =>
          info && placeholder(backend, info, () => ({ kind: "gradient", index, outputs: [info] }))
        );
        phase.apply!(given, contextOf(signature, backend));
        return {};
      }),
  );
  return { name: phase.name, compute, apply };
}

/** Traces until what varies from trace to trace is known to be random and nothing else. */
function prove(
  subject: string,
  { places = false }: TraceStepOptions,
  trace: (attempt: number, places: boolean) => Recorded,
): Graph {
  const traces = [trace(0, places), trace(1, places)];
  const needed = traces[0]!.nodes.reduce(
    (most, node) => node.kind === "candidate" ? Math.max(most, Math.ceil(SAMPLES_NEEDED / node.values.length)) : most,
    2,
  );
  while (traces.length < needed) traces.push(trace(traces.length, places));
  const [first, ...others] = traces as [Recorded, ...Recorded[]];
  for (const other of others) {
    const found = difference(first, other);
    if (found === undefined) continue;
    const at = trace(traces.length, true).nodes[found.node]?.place;
    throw new TraceError(
      "not-repeatable",
      `${subject}: two traces of the same step differ${
        at ? ` (${at})` : ""
      }: ${found.what}. What changes from step to ` +
        "step must be a tensor that the step is given, a tf.variable, or a random op of tfjs. Move what the host counts " +
        'or looks up out of the step, or use executor "eager".',
    );
  }
  return {
    ...first,
    nodes: first.nodes.map((node, id) => settle(subject, node, others.map(({ nodes }) => nodes[id]!))),
  };
}

/** A node once it is known what it holds: random numbers get their distribution. */
function settle(subject: string, node: TracedNode, others: readonly TracedNode[]): GraphNode {
  if (node.kind !== "candidate") return node;
  const found = recognize([node, ...others.filter((other) => other.kind === "candidate")]);
  if (found === undefined) {
    const { text } = placeOf(node.draws[0]!.at);
    const [info] = node.outputs;
    throw new TraceError(
      "unrecognized-random",
      `${subject}: a ${info!.dtype} tensor of shape [${
        info!.shape.join(", ")
      }] was made after Math.random() was called` +
        `${
          text === "" ? "" : ` (${text})`
        }, and its values follow none of the known distributions. Use float32 values ` +
        "of tf.randomUniform, tf.randomNormal or tf.truncatedNormal and compute the rest with tensors " +
        '(tf.floor for integers), or use executor "eager".',
    );
  }
  const { id, outputs, place } = node;
  return {
    kind: "random",
    id,
    outputs,
    stream: node.draws[0]!.stream,
    ...found,
    ...(place === undefined ? {} : { place }),
  };
}

/** Random numbers as nodes, and markers in place of `Math.random`. */
function randomSource(backend: TraceBackend, attempt: number): RandomSource {
  return {
    uniform: (shape) => backend.random("uniform", shape),
    normal: (shape) => backend.random("normal", shape),
    seed: () => backend.draw((stream) => marker(attempt, stream)),
  };
}

function placeholder(backend: TraceBackend, info: ValueInfo, make: Parameters<TraceBackend["placeholder"]>[0]): Tensor {
  const dataId = backend.placeholder(make);
  return engineInternals().makeTensorFromTensorInfo(
    { dataId, shape: [...info.shape], dtype: info.dtype } as tf.TensorInfo,
    backend,
  );
}

function batchOf({ rows, arrays }: BatchSignature, backend: TraceBackend): TensorBatch {
  const group = (group: InputNode["group"], infos: Nested<ValueInfo>) =>
    mapLeaves(
      infos,
      isValueInfo,
      (info, index) => placeholder(backend, info, () => ({ kind: "input", group, index, outputs: [info] })),
    );
  return {
    rows,
    x: group("x", arrays.x),
    ...(arrays.y === undefined ? {} : { y: group("y", arrays.y) }),
    ...(arrays.sampleWeight === undefined ? {} : { sampleWeight: group("sampleWeight", arrays.sampleWeight) }),
  };
}

function contextOf({ rows, globalRows, columns }: BatchSignature, backend: TraceBackend): StepContext {
  const info: ValueInfo = { shape: [], dtype: "float32" };
  const scalars = Object.fromEntries(columns.map((column) => [
    column,
    placeholder(backend, info, () => ({ kind: "scalar", column, outputs: [info] })),
  ]));
  return { rows, globalRows, scalars };
}

function resultsOf(output: PhaseOutput, backend: TraceBackend): GraphResults {
  const resolve = (tensor: Tensor): ValueRef => backend.resolve(tensor);
  return {
    ...(output.gradients && { gradients: output.gradients.map((gradient) => gradient && resolve(gradient)) }),
    ...(output.sums && { sums: resolve(output.sums) }),
    ...(output.outputs && { outputs: mapNested(output.outputs, resolve) }),
  };
}
