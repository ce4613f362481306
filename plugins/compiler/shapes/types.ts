/**
 * What a shape rule is told, and how it looks things up.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { GraphDtype, ValueInfo } from "../graph.ts";

/** A kernel call as far as shapes depend on it. */
export interface KernelCall {
  /** By tfjs's input names; `"0"`, `"1"`, … for kernels that take a list. */
  readonly inputs: Readonly<Record<string, ValueInfo>>;
  /** tfjs's attributes. */
  readonly attrs: Readonly<Record<string, unknown>>;
}

/** What a kernel yields: one value, or a list where the kernel yields a list. */
export type ShapeRule = (call: KernelCall) => ValueInfo | readonly ValueInfo[];

/** Rules by kernel name. */
export type ShapeRules = Readonly<Record<string, ShapeRule>>;

/** The input with this name. */
export function input(call: KernelCall, name: string): ValueInfo {
  const value = call.inputs[name];
  if (value === undefined) {
    throw new TypeError(`Expected an input "${name}"; found ${Object.keys(call.inputs).join(", ") || "none"}.`);
  }
  return value;
}

/** All inputs in order, for kernels that take a list. */
export function list(call: KernelCall): readonly ValueInfo[] {
  return Object.values(call.inputs);
}

/** An attribute, as the type that tfjs declares for it. */
export function attr<T>(call: KernelCall, name: string): T {
  return call.attrs[name] as T;
}

/** A value. */
export function value(shape: readonly number[], dtype: GraphDtype): ValueInfo {
  return { shape: [...shape], dtype };
}

/** The number of elements. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** The wider of two element types, as tfjs widens. */
export function upcast(a: GraphDtype, b: GraphDtype): GraphDtype {
  return tf.upcastType(a, b) as GraphDtype;
}

/** Axes from 0, in ascending order; all where none are given. */
export function axesOf(axis: number | readonly number[], shape: readonly number[]): number[] {
  return tf.util.parseAxisParam(axis as number | number[], [...shape]);
}

/** The same rule for several kernels. */
export function rulesFor(kernels: readonly string[], rule: ShapeRule): ShapeRules {
  return Object.fromEntries(kernels.map((kernel) => [kernel, rule]));
}
