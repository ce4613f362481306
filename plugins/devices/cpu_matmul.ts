/**
 * Matrix products for the CPU backend.
 *
 * tfjs's own go through strided views of both operands, element by element, and are wrong where both operands are
 * broadcast over different batch axes. Here rows are contiguous: the first operand is read along its rows, the second is
 * transposed where that makes its rows contiguous too, and four rows of the second are added at a time. See bench/LOG.md.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";
import type { CpuBackend } from "./cpu_backend.ts";
import { type KernelFunction, replaceKernel } from "./kernels.ts";

interface MatMulArguments {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo; readonly bias?: tf.TensorInfo };
  readonly attrs: { readonly transposeA: boolean; readonly transposeB: boolean; readonly activation?: string };
  readonly backend: unknown;
}

/** Fused activations that need nothing but the product, as kernels. */
const ACTIVATIONS: Readonly<Record<string, string>> = { relu: "Relu", relu6: "Relu6", sigmoid: "Sigmoid", elu: "Elu" };

/** Replaces the CPU backend's matrix product, and the one that dense layers use, with bias and activation. */
export function registerMatrixProducts(): void {
  replaceKernel("BatchMatMul", "cpu", (original) => (given) => product(given) ?? original(given));
  replaceKernel("_FusedMatMul", "cpu", (original) => (given) => {
    const { attrs: { activation = "linear" } } = given as unknown as MatMulArguments;
    const kernel = ACTIVATIONS[activation];
    if (kernel === undefined && activation !== "linear") return original(given);
    const linear = product(given);
    if (linear === undefined || kernel === undefined) return linear ?? original(given);
    const { backend } = given;
    const inputs = { x: linear } as unknown as tf.NamedTensorInfoMap;
    const result = tf.getKernel(kernel, "cpu").kernelFunc({ inputs, attrs: {}, backend });
    (backend as CpuBackend).disposeData(linear.dataId);
    return result;
  });
}

/** The product, with the bias if there is one; `undefined` where tfjs's own kernel has to say what is wrong. */
function product(given: Parameters<KernelFunction>[0]): tf.TensorInfo | undefined {
  const { inputs: { a, b, bias }, attrs: { transposeA, transposeB }, backend } = given as unknown as MatMulArguments;
  const cpu = backend as CpuBackend;
  if (a.dtype !== "float32" || b.dtype !== "float32") return undefined;
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const n = transposeB ? rowsB : columnsB;
  if (k !== (transposeB ? columnsB : rowsB)) return undefined;
  if (bias !== undefined && (bias.dtype !== "float32" || bias.shape.at(-1) !== n || sizeOf(bias.shape) !== n)) {
    return undefined;
  }
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(batchA, batchB);
  const left = floats(cpu, a);
  const right = floats(cpu, b);
  const addend = bias && floats(cpu, bias);
  const result = new Float32Array(sizeOf(batch) * m * n);
  for (let index = 0; index < sizeOf(batch); index++) {
    const offsetA = m * k * operandIndex(index, batch, batchA);
    const offsetB = k * n * operandIndex(index, batch, batchB);
    const matrixA = left.subarray(offsetA, offsetA + m * k);
    const matrixB = right.subarray(offsetB, offsetB + k * n);
    multiply(
      transposeA ? transpose(matrixA, rowsA, columnsA) : matrixA,
      transposeB ? transpose(matrixB, rowsB, columnsB) : matrixB,
      { m, k, n, bias: addend, result: result.subarray(index * m * n, (index + 1) * m * n) },
    );
  }
  return cpu.makeTensorInfo([...batch, m, n], "float32", result);
}

/** The elements as floats: tfjs casts integers by calling them floats, and keeps their array. */
function floats(backend: CpuBackend, { dataId }: tf.TensorInfo): Float32Array {
  const { values } = backend.data.get(dataId);
  return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Which matrix of an operand goes into a matrix of the result, where axes of one element are broadcast. */
function operandIndex(index: number, batch: readonly number[], operand: readonly number[]): number {
  let rest = index;
  let stride = 1;
  let found = 0;
  for (let axis = 1; axis <= operand.length; axis++) {
    const size = operand.at(-axis)!;
    found += size === 1 ? 0 : (rest % batch.at(-axis)!) * stride;
    rest = Math.floor(rest / batch.at(-axis)!);
    stride *= size;
  }
  return found;
}

/** The transpose of a row-major matrix. */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  }
  return result;
}

interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** `[n]` */
  readonly bias: Float32Array | undefined;
  /** Where to write, `[m, n]`. */
  readonly result: Float32Array;
}

/** The product of row-major `[m, k]` and `[k, n]`. */
function multiply(a: Float32Array, b: Float32Array, { m, k, n, bias, result }: Product): void {
  // Sums in float64, as tfjs's own kernel has them: a float32 sum over k would be less exact.
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    if (bias === undefined) sums.fill(0);
    else sums.set(bias);
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
}
