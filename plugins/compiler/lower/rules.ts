/**
 * What a lowering rule is told, and how it looks things up.
 *
 * @module
 */
import type { KernelNode, ValueInfo } from "../graph.ts";
import type { ScalarType } from "../ir/types.ts";
import type { Lowering } from "./lowering.ts";
import type { Value } from "./value.ts";

/** A kernel of the graph, with its inputs lowered. */
export interface Call {
  /** The kernel. */
  readonly node: KernelNode;
  /** Makes kernels and values. */
  readonly lower: Lowering;
  /** Inputs by tfjs's names. */
  readonly inputs: Readonly<Record<string, Value>>;
  /** Shape and type of the first output. */
  readonly output: ValueInfo;
}

/** Lowers one kernel of tfjs's: gives its outputs in order. */
export type Rule = (call: Call) => Value | readonly Value[];

/** Rules by tfjs's kernel names. */
export type Rules = Readonly<Record<string, Rule>>;

/** The input with this name. */
export function input({ inputs, node }: Call, name: string): Value {
  const value = inputs[name];
  if (value === undefined) throw new TypeError(`Cannot lower "${node.kernel}": it has no input "${name}".`);
  return value;
}

/** All inputs in order, of kernels that take a list. */
export function list({ inputs }: Call): readonly Value[] {
  return Object.values(inputs);
}

/** An attribute, as the type that tfjs declares for it. */
export function attr<T>({ node }: Call, name: string): T {
  return node.attrs[name] as T;
}

/** The type that values of a graph's dtype are computed in. */
export function scalarType({ dtype }: ValueInfo): ScalarType {
  if (dtype === "complex64") throw new TypeError("Complex numbers have no scalar type.");
  return dtype === "float32" ? "f32" : dtype === "int32" ? "i32" : "bool";
}

/** The same rule for several kernels. */
export function rulesFor(kernels: readonly string[], rule: Rule): Rules {
  return Object.fromEntries(kernels.map((kernel) => [kernel, rule]));
}
