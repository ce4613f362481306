/**
 * Elementwise arithmetic for the CPU backend.
 *
 * tfjs's own takes the general path of broadcasting, an index computation an element, as soon as one operand is a single
 * number: that is most of an optimizer's update. Here equal shapes and single numbers are plain loops. See bench/LOG.md.
 *
 * @module
 */
import type { tf } from "../../core/tf.ts";
import type { CpuBackend } from "./cpu_backend.ts";
import { replaceKernel } from "./kernels.ts";

type Arithmetic = "Add" | "Sub" | "Multiply" | "RealDiv";

interface BinaryArguments {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo };
  readonly backend: unknown;
}

/** Replaces the CPU backend's float32 arithmetic where shapes are equal or one operand is a single number. */
export function registerElementwise(): void {
  for (const name of ["Add", "Sub", "Multiply", "RealDiv"] as const) {
    replaceKernel(name, "cpu", (original) => (given) => {
      const { inputs: { a, b }, backend } = given as unknown as BinaryArguments;
      const shape = plainShape(a.shape, b.shape);
      if (shape === undefined || a.dtype !== "float32" || b.dtype !== "float32") return original(given);
      const cpu = backend as CpuBackend;
      const left = cpu.data.get(a.dataId).values;
      const right = cpu.data.get(b.dataId).values;
      if (!(left instanceof Float32Array) || !(right instanceof Float32Array)) return original(given);
      return cpu.makeTensorInfo([...shape], "float32", compute(name, left, right));
    });
  }
}

/** The shape of the result where no axis is really broadcast; `undefined` otherwise. */
function plainShape(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  if (a.length === b.length && a.every((size, axis) => size === b[axis])) return a;
  if (b.length <= a.length && b.every((size) => size === 1)) return a;
  if (a.length <= b.length && a.every((size) => size === 1)) return b;
  return undefined;
}

function compute(name: Arithmetic, a: Float32Array, b: Float32Array): Float32Array {
  const size = Math.max(a.length, b.length);
  const result = new Float32Array(a.length === 0 || b.length === 0 ? 0 : size);
  const stepA = a.length === 1 ? 0 : 1;
  const stepB = b.length === 1 ? 0 : 1;
  switch (name) {
    case "Add":
      for (let i = 0; i < result.length; i++) result[i] = a[i * stepA]! + b[i * stepB]!;
      break;
    case "Sub":
      for (let i = 0; i < result.length; i++) result[i] = a[i * stepA]! - b[i * stepB]!;
      break;
    case "Multiply":
      for (let i = 0; i < result.length; i++) result[i] = a[i * stepA]! * b[i * stepB]!;
      break;
    case "RealDiv":
      for (let i = 0; i < result.length; i++) result[i] = a[i * stepA]! / b[i * stepB]!;
      break;
    default:
      name satisfies never;
  }
  return result;
}
