/**
 * Kernels that work element by element, with broadcasting.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { GraphDtype } from "../graph.ts";
import { attr, input, list, rulesFor, type ShapeRule, type ShapeRules, upcast, value } from "./types.ts";

const KEEPS_DTYPE: readonly string[] = [
  ..."Abs Acos Acosh Asin Asinh Atan Atanh Ceil ClipByValue Cos Cosh Elu Erf Expm1 Floor Identity Log Log1p".split(" "),
  ..."Neg OnesLike Reciprocal Relu Relu6 Round Rsqrt Selu Sigmoid Sign Sin Sinh Softplus Sqrt Square Step".split(" "),
  ..."Tan Tanh ZerosLike".split(" "),
];

const ARITHMETIC: readonly string[] =
  "Add Atan2 BitwiseAnd Maximum Minimum Mod Multiply Pow RealDiv SquaredDifference Sub".split(" ");

const COMPARISONS: readonly string[] = "Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalOr NotEqual".split(
  " ",
);

function unary(dtype?: GraphDtype): ShapeRule {
  return (call) => {
    const x = input(call, "x");
    return value(x.shape, dtype ?? x.dtype);
  };
}

/** The dtype is the first operand's, as tfjs's ops cast both beforehand; complex wins. */
function binary(dtype?: GraphDtype): ShapeRule {
  return (call) => {
    const a = input(call, "a");
    const b = input(call, "b");
    const complex = a.dtype === "complex64" || b.dtype === "complex64";
    return value(broadcast(a.shape, b.shape), dtype ?? (complex ? "complex64" : a.dtype));
  };
}

/** The shape that two shapes broadcast to. @throws {Error} If they do not. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  return tf.broadcast_util.assertAndGetBroadcastShape([...a], [...b]);
}

/** Rules of elementwise kernels. */
export const elementwiseRules: ShapeRules = {
  ...rulesFor(KEEPS_DTYPE, unary()),
  ...rulesFor(["Exp", "LeakyRelu"], unary("float32")),
  ...rulesFor(["IsFinite", "IsInf", "IsNan", "LogicalNot"], unary("bool")),
  ...rulesFor(ARITHMETIC, binary()),
  ...rulesFor(COMPARISONS, binary("bool")),
  FloorDiv: binary("int32"),
  AddN: (call) => {
    const first = list(call)[0]!;
    return value(first.shape, first.dtype);
  },
  Cast: (call) => value(input(call, "x").shape, attr<GraphDtype>(call, "dtype")),
  EluGrad: (call) => value(input(call, "y").shape, "float32"),
  Prelu: (call) => value(broadcast(input(call, "x").shape, input(call, "alpha").shape), "float32"),
  Select: (call) => {
    const t = input(call, "t");
    return value(t.shape, upcast(t.dtype, input(call, "e").dtype));
  },
  Complex: (call) => value(input(call, "real").shape, "complex64"),
  ComplexAbs: unary("float32"),
  ...rulesFor(["Real", "Imag"], (call) => value(input(call, "input").shape, "float32")),
  ...rulesFor(["FFT", "IFFT"], (call) => value(input(call, "input").shape, "complex64")),
  Softmax: (call) => value(input(call, "logits").shape, "float32"),
};
