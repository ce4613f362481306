/**
 * What kernels of tfjs cost, from the shapes that they run on.
 *
 * @module
 */
import type { Tensor } from "../tf.ts";

/** A kernel that ran. */
export interface KernelRun {
  /** Its name. */
  readonly kernel: string;
  /** By name; a kernel with a list of inputs has them by index. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** What it gave. */
  readonly outputs: readonly Tensor[];
  /** Its attributes. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/**
 * Floating-point operations of a kernel: a multiplication and an addition are two, a function of one element, such as
 * an exponential, is one, and moving elements is none.
 */
export function kernelFlops(run: KernelRun): number {
  if (MOVES.has(run.kernel)) return 0;
  const rule = RULES[run.kernel];
  return rule === undefined ? elements(run) : rule(run);
}

const MOVES: ReadonlySet<string> = new Set([
  "BatchToSpaceND",
  "BroadcastTo",
  "Cast",
  "Complex",
  "Concat",
  "DepthToSpace",
  "Diag",
  "ExpandDims",
  "Fill",
  "GatherNd",
  "GatherV2",
  "Identity",
  "Imag",
  "MirrorPad",
  "OneHot",
  "OnesLike",
  "Pack",
  "PadV2",
  "Range",
  "Real",
  "Reshape",
  "ResizeNearestNeighbor",
  "Reverse",
  "ScatterNd",
  "Select",
  "Slice",
  "SpaceToBatchND",
  "SplitV",
  "StridedSlice",
  "TensorScatterUpdate",
  "Tile",
  "Transpose",
  "Unpack",
  "ZerosLike",
]);

type Rule = (run: KernelRun) => number;

const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);
const elements: Rule = ({ outputs }) => outputs.reduce((total, { size }) => total + size, 0);
const each = (count: number): Rule => (run) => count * elements(run);
const largest: Rule = ({ inputs }) => Math.max(0, ...Object.values(inputs).map(({ size }) => size));

const matMul: Rule = (run) => {
  const { a } = run.inputs;
  return 2 * elements(run) * a!.shape.at(run.attributes.transposeA ? -2 : -1)!;
};
/** Each output sums over the filter but for its last axis, the output channels. */
const convolution: Rule = (run) => 2 * elements(run) * product(run.inputs.filter!.shape.slice(0, -1));
const depthwise: Rule = (run) => 2 * elements(run) * product(run.inputs.filter!.shape.slice(0, 2));
/** Each input is spread over the filter but for its last axis, the input channels. */
const transposed: Rule = ({ inputs }) => 2 * inputs.dy!.size * product(inputs.filter!.shape.slice(0, -1));
const pool = (axes: number): Rule => (run) => {
  const size = run.attributes.filterSize as number | readonly number[];
  return elements(run) * (typeof size === "number" ? size ** axes : product(size));
};
/** A bias and an activation, where they are part of the kernel. */
const fused = (rule: Rule): Rule => (run) => {
  const { activation } = run.attributes;
  const extra = (run.inputs.bias ? 1 : 0) + (activation && activation !== "linear" ? 1 : 0);
  return rule(run) + extra * elements(run);
};
/** A product over all letters, of all operands. */
const einsum: Rule = ({ inputs, attributes }) => {
  const terms = String(attributes.equation).replaceAll(" ", "").split("->")[0]!.split(",");
  const sizes = new Map(
    terms.flatMap((term, at) => [...term].map((letter, axis) => [letter, inputs[at]!.shape[axis]!])),
  );
  return 2 * product([...sizes.values()]);
};

const RULES: Readonly<Record<string, Rule>> = {
  All: largest,
  Any: largest,
  ArgMax: largest,
  ArgMin: largest,
  AvgPool: pool(2),
  AvgPool3D: pool(3),
  BatchMatMul: matMul,
  Conv2D: convolution,
  Conv2DBackpropInput: transposed,
  Conv3D: convolution,
  Conv3DBackpropInputV2: transposed,
  CropAndResize: each(8),
  DepthwiseConv2dNative: depthwise,
  Einsum: einsum,
  FusedBatchNorm: each(4),
  FusedConv2D: fused(convolution),
  FusedDepthwiseConv2D: fused(depthwise),
  LogSoftmax: each(5),
  Max: largest,
  MaxPool: pool(2),
  MaxPool3D: pool(3),
  Mean: largest,
  Min: largest,
  Prod: largest,
  ResizeBilinear: each(8),
  Softmax: each(5),
  Sum: largest,
  UnsortedSegmentSum: largest,
  _FusedMatMul: fused(matMul),
};
