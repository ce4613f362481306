/**
 * Matrix products for the CPU backend.
 *
 * tfjs's own go through strided views of both operands, element by element. Here rows are contiguous: the first operand
 * is read along its rows, the second is transposed where that makes its rows contiguous too, and four rows of the second
 * are added at a time. See bench/LOG.md.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";
import type { CpuBackend } from "./cpu_backend.ts";
import { registerElementwise } from "./cpu_elementwise.ts";

interface MatMulArguments {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo };
  readonly attrs: { readonly transposeA: boolean; readonly transposeB: boolean };
  readonly backend: unknown;
}

let registered = false;

/** Replaces the CPU backend's matrix product and arithmetic, once. Fused layers use them too. */
export function registerCpuKernels(): void {
  if (registered) return;
  registered = true;
  registerElementwise();
  const original = tf.getKernel("BatchMatMul", "cpu");
  tf.unregisterKernel("BatchMatMul", "cpu");
  tf.registerKernel({
    ...original,
    kernelName: "BatchMatMul",
    backendName: "cpu",
    kernelFunc: (given) => {
      const { inputs: { a, b }, attrs, backend } = given as unknown as MatMulArguments;
      const cpu = backend as CpuBackend;
      const left = cpu.data.get(a.dataId).values;
      const right = cpu.data.get(b.dataId).values;
      const single = a.shape.slice(0, -2).every((size) => size === 1) &&
        b.shape.slice(0, -2).every((size) => size === 1);
      if (!single || !(left instanceof Float32Array) || !(right instanceof Float32Array)) {
        return original.kernelFunc(given);
      }
      const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
      const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
      const m = attrs.transposeA ? columnsA : rowsA;
      const k = attrs.transposeA ? rowsA : columnsA;
      const n = attrs.transposeB ? rowsB : columnsB;
      if (k !== (attrs.transposeB ? columnsB : rowsB)) return original.kernelFunc(given);
      const product = multiply(
        attrs.transposeA ? transpose(left, rowsA, columnsA) : left,
        attrs.transposeB ? transpose(right, rowsB, columnsB) : right,
        m,
        k,
        n,
      );
      return cpu.makeTensorInfo([...a.shape.slice(0, -2), m, n], "float32", product);
    },
  });
}

/** The transpose of a row-major matrix. */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  }
  return result;
}

/** The product of row-major `[m, k]` and `[k, n]`. */
function multiply(a: Float32Array, b: Float32Array, m: number, k: number, n: number): Float32Array {
  const result = new Float32Array(m * n);
  // Sums in float64, as tfjs's own kernel has them: a float32 sum over k would be less exact.
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    sums.fill(0);
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      const a0 = a[i * k + p]!;
      const a1 = a[i * k + p + 1]!;
      const a2 = a[i * k + p + 2]!;
      const a3 = a[i * k + p + 3]!;
      const b0 = p * n;
      const b1 = b0 + n;
      const b2 = b1 + n;
      const b3 = b2 + n;
      for (let j = 0; j < n; j++) {
        sums[j]! += a0 * b[b0 + j]! + a1 * b[b1 + j]! + a2 * b[b2 + j]! + a3 * b[b3 + j]!;
      }
    }
    for (; p < k; p++) {
      const value = a[i * k + p]!;
      for (let j = 0; j < n; j++) sums[j]! += value * b[p * n + j]!;
    }
    result.set(sums, i * n);
  }
  return result;
}
