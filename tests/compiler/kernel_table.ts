/** One thunk and more for every kernel that the compiler covers, gradients included. */
import { tf } from "../../core/tf.ts";

/** Numbers in an order that repeats, never 0. */
export function numbers(shape: readonly number[], dtype: "float32" | "int32" | "bool" = "float32"): tf.Tensor {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const values = Array.from({ length: size }, (_, i) => dtype === "bool" ? i % 2 : 0.1 + ((i * 7) % 11) / 12);
  return tf.tensor(dtype === "int32" ? values.map((value) => Math.ceil(value * 3)) : values, [...shape], dtype);
}

const f = (...shape: number[]) => numbers(shape);
const i = (...shape: number[]) => numbers(shape, "int32");
const b = (...shape: number[]) => numbers(shape, "bool");
const f4 = (...shape: number[]) => numbers(shape) as tf.Tensor4D;

/** The gradient of the sum of what `op` yields. */
function gradient(op: (...tensors: tf.Tensor[]) => tf.Tensor, ...inputs: tf.Tensor[]): unknown {
  return tf.grads((...tensors) => tf.sum(op(...tensors)))(inputs);
}

const UNARY = [
  ..."abs acos acosh asin asinh atan atanh ceil cos cosh elu erf exp expm1 floor log log1p neg onesLike".split(" "),
  ..."reciprocal relu relu6 round rsqrt selu sigmoid sign sin sinh softplus sqrt square step tan tanh zerosLike"
    .split(" "),
  ..."isFinite isInf isNaN leakyRelu clone".split(" "),
];
const FLOAT_ONLY = "ceil cos cosh elu floor log rsqrt sigmoid sin sqrt tan tanh".split(" ");
const BINARY = [
  ..."add atan2 maximum minimum mod mul pow div squaredDifference sub floorDiv".split(" "),
  ..."equal greater greaterEqual less lessEqual notEqual".split(" "),
];
const REDUCTIONS = "sum mean prod max min".split(" ");
const ops = tf as unknown as Record<string, (...args: unknown[]) => tf.Tensor>;

/** Thunks by name; each runs kernels on whatever backend is in charge. */
export const KERNEL_THUNKS: Readonly<Record<string, () => unknown>> = {
  ...Object.fromEntries(
    UNARY.map((op) => [op, () => [ops[op]!(f(2, 3)), ops[op]!(FLOAT_ONLY.includes(op) ? f(3) : i(3)), ops[op]!(f())]]),
  ),
  ...Object.fromEntries(
    UNARY.filter((op) => !/^is|Like$|^(ceil|floor|round|sign|step)$/.test(op)).map((
      op,
    ) => [`gradient of ${op}`, () => gradient((x) => ops[op]!(x), f(2, 3))]),
  ),
  ...Object.fromEntries(BINARY.map((op) => [op, () => [
    ops[op]!(f(2, 1, 3), f(4, 1)),
    ops[op]!(i(3), i()),
    ops[op]!(f(2), i(2)),
  ]])),
  ...Object.fromEntries(
    "add atan2 mul pow div sub".split(" ").map((
      op,
    ) => [`gradient of ${op}`, () => gradient((x, y) => ops[op]!(x, y), f(2, 1, 3), f(4, 1))]),
  ),
  ...Object.fromEntries(REDUCTIONS.map((op) => [op, () => [
    ops[op]!(f(2, 3, 4)),
    ops[op]!(f(2, 3, 4), [0, 2]),
    ops[op]!(f(2, 3, 4), 1, true),
    ops[op]!(i(2, 3), -1),
    gradient((x) => ops[op]!(x, [1]), f(2, 3)),
  ]])),
  "sum of booleans": () => [tf.sum(b(4)), tf.mean(b(4, 2), 0), tf.prod(b(3)), tf.cumsum(b(3))],
  logical: () => [
    tf.logicalAnd(b(3), b(2, 1)),
    tf.logicalOr(b(3), b(3)),
    tf.logicalXor(b(3), b(3)),
    tf.logicalNot(b(2)),
    tf.all(b(2, 3), 1),
    tf.any(b(2, 3), 0, true),
    tf.bitwiseAnd(i(3), i(3)),
  ],
  arguments: () => [tf.argMax(f(2, 3), 1), tf.argMin(f(2, 3, 4), 0), tf.argMax(f(5))],
  scans: () => [
    tf.cumsum(f(2, 3), 1),
    tf.cumsum(f(2, 3), 0, true, true),
    tf.cumprod(i(4)),
    gradient((x) => tf.cumsum(x, 1), f(2, 3)),
  ],
  addN: () => gradient((x, y, z) => tf.addN([x, y, z]), f(2, 3), f(2, 3), f(2, 3)),
  casts: () => [
    tf.cast(f(2), "int32"),
    tf.cast(f(2), "bool"),
    tf.cast(i(2), "float32"),
    tf.cast(b(2), "int32"),
    tf.cast(f(2), "complex64"),
    gradient((x) => tf.cast(x, "float32"), f(2)),
  ],
  "gradients without broadcasting": () =>
    (["maximum", "minimum", "squaredDifference"] as const).map((op) =>
      gradient((x, y) => tf[op](x, y), f(2, 3), f(2, 3))
    ),
  clip: () => gradient((x) => tf.clipByValue(x, 0.2, 0.7), f(3)),
  prelu: () => gradient((x, a) => tf.prelu(x, a), f(2, 3), f(3)),
  elu: () => gradient((x) => tf.elu(x), tf.neg(f(2, 3))),
  where: () => [
    tf.where(b(2, 3), f(2, 3), f(2, 3)),
    tf.where(b(2), f(2), i(2)),
    gradient((x, y) => tf.where(b(2, 3), x, y), f(2, 3), f(2, 3)),
  ],
  complex: () => {
    const z = tf.complex(f(2, 4), f(2, 4));
    return [tf.real(z), tf.imag(z), tf.abs(z), tf.fft(z), tf.ifft(z), tf.mul(z, z), tf.add(z, z), tf.rfft(f(2, 4))];
  },
  softmax: () => [
    gradient((x) => tf.softmax(x), f(2, 3)),
    gradient((x) => tf.logSoftmax(x), f(2, 3)),
    gradient((x) => tf.logSumExp(x, 1), f(2, 3)),
  ],
  matMul: () => [
    ...[[false, false], [false, true], [true, false], [true, true]].map(([ta, tb]) =>
      gradient((x, y) => tf.matMul(x, y, ta, tb), ta ? f(4, 2) : f(2, 4), tb ? f(3, 4) : f(4, 3))
    ),
    gradient((x, y) => tf.matMul(x, y), f(5, 2, 4), f(5, 4, 3)),
    tf.matMul(f(1, 2, 4), f(5, 4, 3)),
    tf.dot(f(3), f(3)),
    tf.outerProduct(f(2) as tf.Tensor1D, f(3) as tf.Tensor1D),
  ],
  "fused matMul": () => {
    const call = (activation: "relu" | "linear", x: tf.Tensor, y: tf.Tensor, bias: tf.Tensor) =>
      tf.fused.matMul({ a: x as tf.Tensor2D, b: y as tf.Tensor2D, bias, activation });
    return [
      call("relu", f(2, 4), f(4, 3), f(3)),
      gradient((x, y, bias) => call("relu", x, y, bias), f(2, 4), f(4, 3), f(3)),
      tf.fused.matMul({ a: f(2, 4) as tf.Tensor2D, b: f(3, 4) as tf.Tensor2D, transposeB: true }),
    ];
  },
  einsum: () => [tf.einsum("ij,jk->ik", f(2, 3), f(3, 4)), tf.einsum("bij,bkj->bki", f(2, 3, 4), f(2, 5, 4))],
  conv2d: () => [
    ...[["same", 1], ["valid", 2], ["same", 2]].map(([pad, strides]) =>
      gradient(
        (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides as number, pad as "same"),
        f(2, 7, 6, 3),
        f(3, 2, 3, 4),
      )
    ),
    tf.conv2d(f4(1, 7, 7, 2), f4(3, 3, 2, 4), 1, "valid", "NHWC", 2),
    tf.conv2d(f4(1, 7, 7, 2), f4(3, 3, 2, 4), 1, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    tf.conv1d(f(2, 9, 3) as tf.Tensor3D, f(3, 3, 4) as tf.Tensor3D, 2, "same"),
  ],
  "fused conv2d": () => [
    tf.fused.conv2d({
      x: f4(1, 6, 6, 2),
      filter: f4(3, 3, 2, 4),
      strides: 1,
      pad: "same",
      bias: f(4),
      activation: "relu",
    }),
    tf.fused.depthwiseConv2d({
      x: f4(1, 6, 6, 2),
      filter: f4(3, 3, 2, 2),
      strides: 1,
      pad: "same",
      bias: f(4) as tf.Tensor,
      activation: "relu",
    }),
  ],
  conv2dTranspose: () =>
    gradient(
      (x, w) => tf.conv2dTranspose(x as tf.Tensor4D, w as tf.Tensor4D, [2, 8, 8, 3], 2, "same"),
      f(2, 4, 4, 5),
      f(3, 3, 3, 5),
    ),
  depthwise: () => [
    gradient(
      (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"),
      f(2, 6, 5, 3),
      f(3, 3, 3, 2),
    ),
    tf.separableConv2d(f4(1, 6, 6, 2), f4(3, 3, 2, 2), f4(1, 1, 4, 5), 1, "valid"),
  ],
  conv3d: () => [
    gradient(
      (x, w) => tf.conv3d(x as tf.Tensor5D, w as tf.Tensor5D, 1, "same"),
      f(1, 4, 4, 4, 2),
      f(2, 2, 2, 2, 3),
    ),
    tf.conv3dTranspose(f(1, 2, 2, 2, 3) as tf.Tensor5D, f(2, 2, 2, 4, 3) as tf.Tensor5D, [1, 4, 4, 4, 4], 2, "same"),
  ],
  dilation2d: () =>
    gradient(
      (x, w) => tf.dilation2d(x as tf.Tensor4D, w as tf.Tensor3D, 1, "valid"),
      f(1, 5, 5, 2),
      f(2, 2, 2),
    ),
  pooling: () => [
    ...(["maxPool", "avgPool"] as const).flatMap((op) => [
      gradient((x) => tf[op](x as tf.Tensor4D, 2, 2, "valid"), f(2, 5, 7, 3)),
      gradient((x) => tf[op](x as tf.Tensor4D, [3, 2], 1, "same"), f(2, 5, 7, 3)),
      tf[op](f4(1, 5, 5, 1), 2, 2, 1, "floor"),
    ]),
    ...(["maxPool3d", "avgPool3d"] as const).map((op) =>
      gradient((x) => tf[op](x as tf.Tensor5D, 2, 2, "same"), f(1, 4, 5, 4, 2))
    ),
    tf.maxPoolWithArgmax(f4(1, 4, 4, 2), 2, 2, "valid"),
  ],
  normalization: () => [
    gradient(
      (x, mean, variance) =>
        tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, f(3) as tf.Tensor1D, f(3) as tf.Tensor1D),
      f(2, 4, 4, 3),
      f(3),
      f(3),
    ),
    gradient((x) => tf.localResponseNormalization(x as tf.Tensor4D), f(1, 3, 3, 4)),
    tf.moments(f(2, 3), 0),
  ],
  resizing: () => [
    ...(["resizeBilinear", "resizeNearestNeighbor"] as const).map((op) =>
      gradient((x) => tf.image[op](x as tf.Tensor4D, [5, 6]), f(1, 4, 4, 2))
    ),
    tf.image.cropAndResize(f4(2, 6, 6, 3), f(4, 4) as tf.Tensor2D, tf.tensor1d([0, 1, 0, 1], "int32"), [3, 2]),
    tf.image.flipLeftRight(f4(1, 3, 4, 2)),
    tf.image.rotateWithOffset(f4(1, 4, 4, 3), 0.3),
    tf.image.transform(f4(1, 4, 4, 3), f(1, 8) as tf.Tensor2D, "nearest", "constant", 0, [5, 6]),
    tf.image.transform(f4(1, 4, 4, 3), f(1, 8) as tf.Tensor2D),
    tf.depthToSpace(f4(1, 2, 3, 8), 2),
    gradient((x) => tf.spaceToBatchND(x, [2, 2], [[0, 0], [1, 1]]), f(1, 4, 4, 2)),
    gradient((x) => tf.batchToSpaceND(x, [2, 2], [[0, 1], [0, 0]]), f(4, 2, 3, 2)),
  ],
  joining: () => [
    gradient((x, y) => tf.concat([x, y], 1), f(2, 3), f(2, 4)),
    gradient((x, y) => tf.stack([x, y], 1), f(2, 3), f(2, 3)),
    tf.stack([i(2), i(2)], -1),
    tf.concat([i(2, 2), i(1, 2)], 0),
    gradient((x) => tf.unstack(x, 1)[1]!, f(2, 3)),
    gradient((x) => tf.split(x, [1, 3], 1)[1]!, f(2, 4)),
    tf.split(f(4, 2), 2),
  ],
  cutting: () => [
    gradient((x) => tf.slice(x, [0, 1], [2, 2]), f(2, 4)),
    tf.slice(f(2, 4), 1),
    tf.slice(f(2, 4), [0, 1], [-1, -1]),
    tf.stridedSlice(f(5, 6), [0, 1], [5, 6], [2, 2]),
    tf.stridedSlice(f(5, 6), [1, 2], [2, 6], [1, 1], 0, 0, 0, 0, 1),
    gradient((x) => tf.pad(x, [[1, 2], [0, 1]]), f(2, 3)),
    tf.mirrorPad(f(3, 3), [[1, 1], [2, 0]], "reflect"),
  ],
  shaping: () => [
    gradient((x) => tf.reshape(x, [-1, 2]), f(2, 3)),
    gradient((x) => tf.expandDims(x, -1), f(2, 3)),
    tf.expandDims(f(2, 3), 0),
    gradient((x) => tf.transpose(x, [2, 0, 1]), f(2, 3, 4)),
    tf.transpose(f(2, 3)),
    gradient((x) => tf.tile(x, [2, 3]), f(2, 3)),
    gradient((x) => tf.broadcastTo(x, [4, 3]), f(1, 3)),
    tf.squeeze(f(1, 3, 1)),
    gradient((x) => tf.reverse(x, 1), f(2, 3)),
    tf.broadcastArgs(tf.tensor1d([1, 3], "int32"), tf.tensor1d([2, 1, 3], "int32")),
  ],
  lookup: () => [
    gradient((x) => tf.gather(x, tf.tensor1d([0, 2, 2], "int32"), 0), f(4, 5)),
    gradient((x) => tf.gather(x, tf.tensor2d([[0, 1], [1, 2]], [2, 2], "int32"), 1), f(2, 3)),
    tf.gather(f(2, 4, 3), tf.tensor2d([[0, 1], [2, 3]], [2, 2], "int32"), 1, 1),
    tf.gatherND(f(3, 4, 2), tf.tensor2d([[0, 1], [2, 3]], [2, 2], "int32")),
    tf.scatterND(tf.tensor2d([[0], [2]], [2, 1], "int32"), f(2, 3), [4, 3]),
    tf.tensorScatterUpdate(f(4, 3), tf.tensor2d([[0], [2]], [2, 1], "int32"), f(2, 3)),
    tf.sparseToDense(tf.tensor1d([0, 2], "int32"), f(2), [4]),
    tf.unsortedSegmentSum(f(4, 2), tf.tensor1d([0, 1, 0, 1], "int32"), 3),
    tf.oneHot(tf.tensor1d([0, 2], "int32"), 3),
    tf.oneHot(tf.tensor2d([[0, 2]], [1, 2], "int32"), 4, 1, 0, "float32"),
    tf.topk(f(2, 5), 3),
    tf.searchSorted(f(2, 5), f(2, 3)),
    tf.lowerBound(f(5), f(3)),
    tf.bincount(tf.tensor1d([0, 1, 1], "int32"), tf.tensor1d([]), 4),
    tf.denseBincount(tf.tensor2d([[0, 1], [1, 1]], [2, 2], "int32"), tf.tensor2d([], [0, 0]), 3),
    tf.denseBincount(tf.tensor1d([0, 1], "int32"), tf.tensor1d([]), 3),
    tf.multinomial(f(2, 4) as tf.Tensor2D, 5, 7),
    tf.linalg.bandPart(f(3, 3), 1, 0),
  ],
  making: () => [
    tf.fill([2, 3], 4),
    tf.fill([2], 1, "int32"),
    tf.range(0, 5),
    tf.range(5, 0, -2, "int32"),
    tf.range(3, 3),
    tf.range(0, 1, 0.3),
    tf.linspace(0, 1, 5),
    tf.diag(f(3)),
    tf.diag(f(2, 2)),
    tf.eye(3),
  ],
};
