/**
 * Kernels that make, move, join, cut and look up elements.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { GraphDtype } from "../graph.ts";
import { attr, axesOf, input, list, rulesFor, type ShapeRule, type ShapeRules, sizeOf, value } from "./types.ts";

const padded: ShapeRule = (call) => {
  const x = input(call, "x");
  const paddings = attr<[number, number][]>(call, "paddings");
  return value(x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]), x.dtype);
};

/** As many numbers as tfjs's `range` yields: none where the step leads away from the end. */
function rangeSize(start: number, stop: number, step: number): number {
  const away = (start < stop && step < 0) || (stop < start && step > 1);
  return start === stop || away ? 0 : Math.abs(Math.ceil((stop - start) / step));
}

/** Rules of array kernels. */
export const arrayRules: ShapeRules = {
  Concat: (call) => {
    const parts = list(call);
    const [axis] = axesOf(attr<number>(call, "axis"), parts[0]!.shape);
    return value(tf.backend_util.computeOutShape(parts.map(({ shape }) => [...shape]), axis!), parts[0]!.dtype);
  },
  Pack: (call) => {
    const parts = list(call);
    const shape = [...parts[0]!.shape];
    const axis = attr<number>(call, "axis");
    shape.splice(axis < 0 ? axis + shape.length + 1 : axis, 0, parts.length);
    return value(shape, parts[0]!.dtype);
  },
  Unpack: (call) => {
    const x = input(call, "value");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape);
    return Array.from({ length: x.shape[axis!]! }, () => value(x.shape.filter((_, index) => index !== axis), x.dtype));
  },
  SplitV: (call) => {
    const x = input(call, "x");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape);
    const parts = attr<number | number[]>(call, "numOrSizeSplits");
    const sizes = tf.backend_util.prepareSplitSize(
      x as unknown as tf.Tensor,
      Array.isArray(parts) ? [...parts] : parts,
      axis,
    );
    return sizes.map((size) => value(x.shape.map((all, index) => index === axis ? size : all), x.dtype));
  },
  Slice: (call) => {
    const x = input(call, "x");
    const [begin, size] = tf.slice_util.parseSliceParams(
      x as unknown as tf.Tensor,
      attr<number | number[]>(call, "begin"),
      attr<number | number[]>(call, "size"),
    );
    tf.slice_util.assertParamsValid(x as unknown as tf.Tensor, begin!, size!);
    return value(size!, x.dtype);
  },
  StridedSlice: (call) => {
    const x = input(call, "x");
    const masks = ["beginMask", "endMask", "ellipsisMask", "newAxisMask", "shrinkAxisMask"] as const;
    const [begin, end, ellipsis, newAxis, shrinkAxis] = masks.map((name) => attr<number>(call, name));
    const info = tf.slice_util.sliceInfo(
      [...x.shape],
      [...attr<number[]>(call, "begin")],
      [...attr<number[]>(call, "end")],
      [...attr<number[]>(call, "strides")],
      begin!,
      end!,
      ellipsis!,
      newAxis!,
      shrinkAxis!,
    );
    return value(info.finalShape, x.dtype);
  },
  ...rulesFor(["PadV2", "MirrorPad"], padded),
  Reshape: (call) => {
    const x = input(call, "x");
    const shape = tf.util.inferFromImplicitShape([...attr<number[]>(call, "shape")], sizeOf(x.shape));
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new TypeError(`Cannot reshape [${x.shape.join(", ")}] to [${shape.join(", ")}]: sizes must be equal.`);
    }
    return value(shape, x.dtype);
  },
  ExpandDims: (call) => {
    const x = input(call, "input");
    const shape = [...x.shape];
    const dim = attr<number>(call, "dim");
    shape.splice(dim < 0 ? dim + shape.length + 1 : dim, 0, 1);
    return value(shape, x.dtype);
  },
  Transpose: (call) => {
    const x = input(call, "x");
    return value(attr<number[]>(call, "perm").map((axis) => x.shape[axis]!), x.dtype);
  },
  Tile: (call) => {
    const x = input(call, "x");
    const reps = attr<number[]>(call, "reps");
    return value(x.shape.map((size, axis) => size * reps[axis]!), x.dtype);
  },
  Reverse: (call) => value(input(call, "x").shape, input(call, "x").dtype),
  GatherV2: (call) => {
    const x = input(call, "x");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape);
    const { outputShape } = tf.backend_util.segment_util.collectGatherOpShapeInfo(
      x as unknown as tf.Tensor,
      input(call, "indices") as unknown as tf.Tensor,
      axis!,
      attr<number | undefined>(call, "batchDims") ?? 0,
    );
    return value(outputShape, x.dtype);
  },
  GatherNd: (call) => {
    const params = input(call, "params");
    const indices = input(call, "indices");
    return value([...indices.shape.slice(0, -1), ...params.shape.slice(indices.shape.at(-1)!)], params.dtype);
  },
  ScatterNd: (call) => value(attr<number[]>(call, "shape"), input(call, "updates").dtype),
  TensorScatterUpdate: (call) => value(input(call, "tensor").shape, input(call, "tensor").dtype),
  SparseToDense: (call) => value(attr<number[]>(call, "outputShape"), input(call, "sparseValues").dtype),
  BroadcastArgs: (call) => value([Math.max(...["s0", "s1"].map((name) => sizeOf(input(call, name).shape)))], "int32"),
  OneHot: (call) => {
    const dtype = attr<GraphDtype | undefined>(call, "dtype") ?? "int32";
    return value([...input(call, "indices").shape, attr<number>(call, "depth")], dtype);
  },
  Fill: (call) => {
    const dtype = attr<GraphDtype | null | undefined>(call, "dtype");
    return value(attr<number[]>(call, "shape"), dtype ?? "float32");
  },
  Range: (call) => {
    const [start, stop, step] = ["start", "stop", "step"].map((name) => attr<number>(call, name));
    return value([rangeSize(start!, stop!, step!)], attr<GraphDtype>(call, "dtype"));
  },
  LinSpace: (call) => value([attr<number>(call, "num")], "float32"),
};
