/**
 * Operations whose result does not change with small changes of their inputs.
 *
 * @module
 */
import type { KernelGradient } from "./register.ts";
import { noGradient } from "./register.ts";

/** Kernels that tfjs refuses to pass through, and their inputs. */
const FLAT: readonly (readonly [kernel: string, ...inputs: string[]])[] = [
  ["Equal", "a", "b"],
  ["NotEqual", "a", "b"],
  ["Greater", "a", "b"],
  ["GreaterEqual", "a", "b"],
  ["Less", "a", "b"],
  ["LessEqual", "a", "b"],
  ["LogicalAnd", "a", "b"],
  ["LogicalOr", "a", "b"],
  ["LogicalNot", "x"],
  ["Any", "x"],
  ["All", "x"],
  ["IsNan", "x"],
  ["IsInf", "x"],
  ["IsFinite", "x"],
  ["ArgMax", "x"],
  ["ArgMin", "x"],
];

/** Zeros, as gradients of comparisons, logic and positions. */
export function flatGradients(): readonly KernelGradient[] {
  return FLAT.map(([kernel, ...inputs]) => ({
    kernel,
    inputs,
    gradient: (_dys, saved) => Object.fromEntries(inputs.map((name, index) => [name, noGradient(saved[index]!)])),
  }));
}
