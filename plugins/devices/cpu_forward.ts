/**
 * Forward kernels of tfjs's CPU backend 4.22 that are wrong: tensorScatterUpdate writes into its input, stridedSlice
 * confuses axes where one is dropped or added, and einsum leaves operands out that have no summed letter of their own.
 *
 * @module
 */
import type { StridedSliceAttributes } from "../../core/gradients/strided_slice.ts";
import { tf } from "../../core/tf.ts";
import type { CpuBackend } from "./cpu_backend.ts";
import { replaceKernel } from "./kernels.ts";

interface ScatterArguments {
  readonly inputs: { readonly tensor: tf.TensorInfo };
  readonly backend: unknown;
}

interface StridedSliceArguments {
  readonly inputs: { readonly x: tf.TensorInfo };
  readonly attrs: StridedSliceAttributes;
  readonly backend: unknown;
}

interface EinsumArguments {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs: { readonly equation: string };
  readonly backend: unknown;
}

/** Replaces them. */
export function registerForwardKernels(): void {
  replaceKernel("TensorScatterUpdate", "cpu", (original) => (given) => {
    const { inputs, backend } = given as unknown as ScatterArguments;
    const { shape, dtype, dataId } = inputs.tensor;
    const cpu = backend as CpuBackend;
    const tensor = cpu.makeTensorInfo(shape, dtype, cpu.data.get(dataId).values.slice());
    const updated = original({ ...given, inputs: { ...given.inputs, tensor } }) as tf.TensorInfo;
    cpu.disposeData(tensor.dataId);
    return updated;
  });
  replaceKernel("StridedSlice", "cpu", (original) => (given) => {
    const { inputs: { x }, attrs, backend } = given as unknown as StridedSliceArguments;
    // Refused by tfjs, with its own words.
    if (x.dtype === "complex64") return original(given);
    const cpu = backend as CpuBackend;
    // `begin` and `strides` are by axis of `x`; only the final shape leaves axes out or adds some.
    const { begin, end, strides, finalShape } = tf.slice_util.sliceInfo(
      x.shape,
      attrs.begin,
      attrs.end,
      attrs.strides,
      attrs.beginMask,
      attrs.endMask,
      attrs.ellipsisMask,
      attrs.newAxisMask,
      attrs.shrinkAxisMask,
    );
    const read = tf.slice_util.computeOutShape(begin, end, strides);
    return cpu.makeTensorInfo(finalShape, x.dtype, pick(cpu.data.get(x.dataId).values, x.shape, begin, strides, read));
  });
  replaceKernel("Einsum", "cpu", (original) => (given) => {
    const { inputs, attrs: { equation }, backend } = given as unknown as EinsumArguments;
    const operands = Object.values(inputs);
    const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, operands.length);
    const { steps } = tf.backend_util.getEinsumComputePath(summedDims, idDims);
    // Where every operand has the first summed letter, tfjs multiplies before it sums, and is right.
    if (steps[0]!.length === operands.length) return original(given);
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, operands as unknown as tf.Tensor[]);
    const sizes = new Array<number>(allDims.length);
    idDims.forEach((dims, operand) => dims.forEach((dim, axis) => sizes[dim] = operands[operand]!.shape[axis]!));
    const cpu = backend as CpuBackend;
    const values = operands.map(({ dataId }) => cpu.data.get(dataId).values);
    // tfjs's letters stand in order: those of the result first.
    const shape = sizes.slice(0, allDims.length - summedDims.length);
    const offsets = operands.map((operand, index) => stridesOf(operand.shape, idDims[index]!, sizes.length));
    const sums = contract(values, offsets, sizes, shape.length);
    return operands.some(({ dtype }) => dtype === "float32")
      ? cpu.makeTensorInfo(shape, "float32", sums)
      : cpu.makeTensorInfo(shape, "int32", Int32Array.from(sums) as unknown as Float32Array);
  });
}

/** Elements at `begin`, `begin + stride`, … along every axis, `counts` of them. */
function pick(
  values: Float32Array,
  shape: readonly number[],
  begin: readonly number[],
  strides: readonly number[],
  counts: readonly number[],
): Float32Array {
  const sizes = stridesOf(shape, shape.map((_, axis) => axis), shape.length);
  // Floats, integers, bytes or a list of strings, as the dtype has them.
  const length = counts.reduce((product, count) => product * count, 1);
  const picked = new (values.constructor as Float32ArrayConstructor)(length);
  const position = new Array<number>(counts.length).fill(0);
  let from = begin.reduce((sum, first, axis) => sum + first * sizes[axis]!, 0);
  for (let at = 0; at < picked.length; at++) {
    picked[at] = values[from]!;
    for (let axis = counts.length - 1; axis >= 0; axis--) {
      const step = strides[axis]! * sizes[axis]!;
      from += step;
      if (++position[axis]! < counts[axis]!) break;
      from -= step * counts[axis]!;
      position[axis] = 0;
    }
  }
  return picked;
}

/** How far apart an operand's elements are along each of `count` letters: 0 where it lacks the letter. */
function stridesOf(shape: readonly number[], dims: readonly number[], count: number): number[] {
  const strides = new Array<number>(count).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[dims[axis]!]! += stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** Sums the products of operands over the letters from `kept` on. */
function contract(
  values: readonly Float32Array[],
  strides: readonly (readonly number[])[],
  sizes: readonly number[],
  kept: number,
): Float32Array {
  const product = (from: number, to: number) => sizes.slice(from, to).reduce((total, size) => total * size, 1);
  const result = new Float32Array(product(0, kept));
  const summed = product(kept, sizes.length);
  const position = new Array<number>(sizes.length).fill(0);
  const at = values.map(() => 0);
  for (let index = 0; index < result.length; index++) {
    let sum = 0;
    for (let term = 0; term < summed; term++) {
      sum += values.reduce((factor, operand, which) => factor * operand[at[which]!]!, 1);
      for (let letter = sizes.length - 1; letter >= 0; letter--) {
        const done = ++position[letter]! === sizes[letter]!;
        const move = done ? 1 - sizes[letter]! : 1;
        for (let which = 0; which < at.length; which++) at[which]! += move * strides[which]![letter]!;
        if (!done) break;
        position[letter] = 0;
      }
    }
    result[index] = sum;
  }
  return result;
}
