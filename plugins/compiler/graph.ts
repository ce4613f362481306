/**
 * What a trace yields: the kernels that a phase runs, in order, what they read, and what is written.
 *
 * @module
 */
import type { Nested } from "../../core/nested.ts";
import type { StepKind } from "../../core/step.ts";

/** The element types of traced values; text cannot be traced. */
export type GraphDtype = "float32" | "int32" | "bool" | "complex64";

/** The shape and element type of a value. */
export interface ValueInfo {
  /** Its size along each axis. */
  readonly shape: readonly number[];
  /** The type of its elements. */
  readonly dtype: GraphDtype;
}

/** A value in a graph: one output of one node. */
export interface ValueRef {
  /** The node's id. */
  readonly node: number;
  /** Which of its outputs. */
  readonly output: number;
}

/** The shape of random numbers before scale and offset. `truncatedNormal`: standard normal, redrawn beyond ±2. */
export type Distribution = "uniform" | "normal" | "truncatedNormal";

/** What all nodes have. */
export interface NodeBase {
  /** Its place in `Graph.nodes`. */
  readonly id: number;
  /** What it yields; at least one value. */
  readonly outputs: readonly ValueInfo[];
  /** Where the user's code made it, `net.ts:12:5`; only where the trace was asked for places. */
  readonly place?: string;
}

/** A tfjs kernel applied to values. */
export interface KernelNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "kernel";
  /** tfjs's name: `MatMul`, `Sum`, `Conv2DBackpropFilter`. */
  readonly kernel: string;
  /** By tfjs's input names; `"0"`, `"1"`, … for kernels that take a list (Concat, Pack, AddN, Einsum). */
  readonly inputs: Readonly<Record<string, ValueRef>>;
  /** tfjs's attributes; plain values and arrays of them. */
  readonly attrs: Readonly<Record<string, unknown>>;
  /** For `Multinomial` without a seed of the user's: the random stream that it draws from. */
  readonly stream?: number;
}

/** The value of a variable when the graph starts. */
export interface VariableNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "variable";
  /** `StepVariable.path`. */
  readonly path: string;
}

/** A part of the batch. */
export interface InputNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "input";
  /** Which group it belongs to. */
  readonly group: "x" | "y" | "sampleWeight";
  /** Which leaf of the group, in the order of `leaves`. */
  readonly index: number;
}

/** A float32 scalar of the step table's current row. */
export interface ScalarNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "scalar";
  /** The column's name. */
  readonly column: string;
}

/** A gradient that `apply` is given. */
export interface GradientNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "gradient";
  /** Which of the phase's variables it belongs to. */
  readonly index: number;
}

/** A value that is the same in every step. */
export interface ConstantNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "constant";
  /** Row-major elements; a single one where all elements are equal. */
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** Random numbers, `offset + scale · sample`, new in every step. */
export interface RandomNode extends NodeBase {
  /** Tells nodes apart. */
  readonly kind: "random";
  /** How a sample is distributed: uniform in [0, 1), or standard normal. */
  readonly distribution: Distribution;
  /** Which stream of the step's key it draws from: the number of random calls before it in its graph. */
  readonly stream: number;
  /** Factor. */
  readonly scale: number;
  /** Summand. */
  readonly offset: number;
}

/** A node: something given, or a kernel. */
export type GraphNode =
  | KernelNode
  | VariableNode
  | InputNode
  | ScalarNode
  | GradientNode
  | ConstantNode
  | RandomNode;

/** A variable's new value, in effect after everything in the graph has read the old one. */
export interface GraphWrite {
  /** `StepVariable.path`. */
  readonly path: string;
  /** The value at the end. */
  readonly value: ValueRef;
}

/** What a half of a phase computes. Reads and writes are explicit; nodes are in an order in which they can run. */
export interface Graph {
  /** Each reads only nodes before it. */
  readonly nodes: readonly GraphNode[];
  /** At most one a variable. */
  readonly writes: readonly GraphWrite[];
  /** How many random streams of the step's key it uses; `stream` of its nodes counts from 0. */
  readonly streams: number;
  /** One for each of the phase's variables; `null` where the loss does not depend on it. */
  readonly gradients?: readonly (ValueRef | null)[];
  /** Metric and loss sums. */
  readonly sums?: ValueRef;
  /** What predict returns. */
  readonly outputs?: Nested<ValueRef>;
}

/** A phase, cut where strategies exchange: computing gradients, applying them. */
export interface PhaseGraph {
  /** `Phase.name`. */
  readonly name: string;
  /** Everything up to the gradients. */
  readonly compute: Graph;
  /** What is done with gradients, which are its `gradient` nodes. */
  readonly apply?: Graph;
}

/** A whole step: its phases, each computed and applied before the next. */
export interface StepGraph {
  /** What the step is for. */
  readonly kind: StepKind;
  /** In the order in which they run. */
  readonly phases: readonly PhaseGraph[];
}

/**
 * The shape and dtype of a value.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Graph, valueInfo } from "@stride/stride/compiler";
 *
 * const nodes: Graph["nodes"] = [
 *   { kind: "variable", id: 0, path: "dense/kernel", outputs: [{ shape: [2, 3], dtype: "float32" }] },
 * ];
 * assertEquals(valueInfo({ nodes }, { node: 0, output: 0 }).shape, [2, 3]);
 * ```
 */
export function valueInfo(graph: Pick<Graph, "nodes">, ref: ValueRef): ValueInfo {
  const info = graph.nodes[ref.node]?.outputs[ref.output];
  if (info === undefined) throw new RangeError(`Cannot find output ${ref.output} of node ${ref.node} in the graph.`);
  return info;
}

/**
 * Replaces the leaves of a grouping whose leaves are plain objects, which `mapNested` would take for groups.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isValueRef, mapLeaves } from "@stride/stride/compiler";
 *
 * const outputs = { mean: { node: 4, output: 0 }, variance: { node: 7, output: 1 } };
 * assertEquals(mapLeaves(outputs, isValueRef, ({ node }) => node), { mean: 4, variance: 7 });
 * ```
 *
 * @param isLeaf Tells a leaf from a group.
 */
export function mapLeaves<T extends object, U>(
  nested: Nested<T>,
  isLeaf: (value: object) => value is T,
  map: (leaf: T, index: number) => U,
): Nested<U> {
  if (Array.isArray(nested)) return nested.map(map);
  if (isLeaf(nested)) return map(nested, 0);
  return Object.fromEntries(Object.entries(nested).map(([name, leaf], index) => [name, map(leaf as T, index)]));
}

/**
 * Whether a value is a `ValueInfo`, rather than several by name.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isValueInfo } from "@stride/stride/compiler";
 *
 * assertEquals(isValueInfo({ shape: [2], dtype: "float32" }), true);
 * assertEquals(isValueInfo({ image: { shape: [2], dtype: "float32" } }), false);
 * ```
 */
export function isValueInfo(value: object): value is ValueInfo {
  return "dtype" in value && typeof value.dtype === "string";
}

/**
 * Whether a value is a `ValueRef`, rather than several by name.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isValueRef } from "@stride/stride/compiler";
 *
 * assertEquals(isValueRef({ node: 3, output: 0 }), true);
 * assertEquals(isValueRef({ mean: { node: 3, output: 0 } }), false);
 * ```
 */
export function isValueRef(value: object): value is ValueRef {
  return "node" in value && typeof value.node === "number";
}
