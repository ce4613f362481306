/**
 * Kernels that reduce or scan along axes.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { GraphDtype } from "../graph.ts";
import { attr, axesOf, input, rulesFor, type ShapeRule, type ShapeRules, sizeOf, upcast, value } from "./types.ts";

function reduction(dtype: (x: GraphDtype) => GraphDtype, axisName = "axis"): ShapeRule {
  return (call) => {
    const x = input(call, "x");
    const axes = axesOf(attr<number | number[]>(call, axisName), x.shape);
    const shape = attr<boolean | undefined>(call, "keepDims")
      ? x.shape.map((size, axis) => axes.includes(axis) ? 1 : size)
      : x.shape.filter((_, axis) => !axes.includes(axis));
    return value(shape, dtype(x.dtype));
  };
}

const same = (dtype: GraphDtype) => dtype;
const countable = (dtype: GraphDtype) => upcast(dtype, "int32");

/** Rules of reductions and scans. */
export const reductionRules: ShapeRules = {
  ...rulesFor(["All", "Any", "Min"], reduction(same)),
  Max: reduction(same, "reductionIndices"),
  ...rulesFor(["Sum", "Prod"], reduction(countable)),
  Mean: reduction(() => "float32"),
  ...rulesFor(["ArgMax", "ArgMin"], (call) => {
    const x = input(call, "x");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape);
    return value(x.shape.filter((_, index) => index !== axis), "int32");
  }),
  ...rulesFor(["Cumsum", "Cumprod"], (call) => {
    const x = input(call, "x");
    return value(x.shape, countable(x.dtype));
  }),
  Bincount: (call) => value([attr<number>(call, "size")], input(call, "weights").dtype),
  DenseBincount: (call) => {
    const x = input(call, "x");
    const size = attr<number>(call, "size");
    return value(x.shape.length === 1 ? [size] : [x.shape[0]!, size], input(call, "weights").dtype);
  },
  TopK: (call) => {
    const x = input(call, "x");
    const shape = [...x.shape.slice(0, -1), attr<number>(call, "k")];
    return [value(shape, x.dtype), value(shape, "int32")];
  },
  UnsortedSegmentSum: (call) => {
    const x = input(call, "x");
    const rank = input(call, "segmentIds").shape.length;
    return value([attr<number>(call, "numSegments"), ...x.shape.slice(rank)], upcast(x.dtype, "float32"));
  },
  Einsum: (call) => {
    const operands = Object.values(call.inputs);
    const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(
      attr<string>(call, "equation"),
      operands.length,
    );
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, operands as unknown as tf.Tensor[]);
    const shape: number[] = Array(allDims.length - summedDims.length).fill(1);
    idDims.forEach((dims, operand) =>
      dims.forEach((dim, axis) => {
        if (dim < shape.length) shape[dim] = operands[operand]!.shape[axis]!;
      })
    );
    return value(shape, operands.map(({ dtype }) => dtype).reduce(upcast));
  },
  SearchSorted: (call) => value(input(call, "values").shape, "int32"),
  Multinomial: (call) => value([input(call, "logits").shape[0]!, attr<number>(call, "numSamples")], "int32"),
  Diag: (call) => {
    const x = input(call, "x");
    return value(sizeOf(x.shape) === 0 ? [0, 0] : [...x.shape, ...x.shape], x.dtype);
  },
};
