/**
 * Matrix products and convolutions, fused or not, with their gradients.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import { broadcast } from "./elementwise.ts";
import { attr, input, type KernelCall, rulesFor, type ShapeRule, type ShapeRules, value } from "./types.ts";

type Four = [number, number, number, number];
type Five = [number, number, number, number, number];
type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;

const matMul: ShapeRule = (call) => {
  const a = input(call, "a");
  const b = input(call, "b");
  const transposeB = attr<boolean>(call, "transposeB");
  const inner = [a.shape.at(attr<boolean>(call, "transposeA") ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  if (inner[0] !== inner[1]) {
    throw new TypeError(
      `Error in matMul: inner shapes (${inner[0]}) and (${inner[1]}) of tensors with shapes [${
        a.shape.join(", ")
      }] and ` +
        `[${b.shape.join(", ")}] must match.`,
    );
  }
  const rows = a.shape.at(attr<boolean>(call, "transposeA") ? -1 : -2)!;
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  return value([...broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns], a.dtype);
};

function conv2d(depthwise: boolean): ShapeRule {
  return (call) => {
    const x = input(call, "x");
    const strides = attr<number | [number, number]>(call, "strides");
    const info = tf.backend_util.computeConv2DInfo(
      [...x.shape] as Four,
      [...input(call, "filter").shape] as Four,
      strides,
      attr<number | [number, number] | undefined>(call, "dilations") ?? [1, 1],
      attr<Padding>(call, "pad"),
      attr<Rounding>(call, "dimRoundingMode"),
      depthwise,
      // Depthwise kernels carry a format that tfjs's own CPU kernels do not read.
      depthwise ? undefined : tf.backend_util.convertConv2DDataFormat(attr<"NHWC" | "NCHW">(call, "dataFormat")),
    );
    return value(info.outShape, x.dtype);
  };
}

const conv3d: ShapeRule = (call) => {
  const x = input(call, "x");
  const info = tf.backend_util.computeConv3DInfo(
    [...x.shape] as Five,
    [...input(call, "filter").shape] as Five,
    attr<number | [number, number, number]>(call, "strides"),
    attr<number | [number, number, number]>(call, "dilations"),
    attr<"same" | "valid">(call, "pad"),
  );
  return value(info.outShape, x.dtype);
};

const dilation2d: ShapeRule = (call) => {
  const x = input(call, "x");
  const info = tf.backend_util.computeDilation2DInfo(
    [...x.shape] as Four,
    [...input(call, "filter").shape] as [number, number, number],
    attr<number | [number, number]>(call, "strides"),
    attr<"same" | "valid" | number>(call, "pad"),
    "NHWC",
    attr<number | [number, number]>(call, "dilations"),
  );
  return value(info.outShape, x.dtype);
};

const shapeAttr = (name: string): ShapeRule => (call: KernelCall) => value(attr<number[]>(call, name), "float32");

/** Rules of matrix products and convolutions. */
export const productRules: ShapeRules = {
  ...rulesFor(["BatchMatMul", "_FusedMatMul"], matMul),
  ...rulesFor(["Conv2D", "FusedConv2D"], conv2d(false)),
  ...rulesFor(["DepthwiseConv2dNative", "FusedDepthwiseConv2D"], conv2d(true)),
  Conv3D: conv3d,
  ...rulesFor(
    ["Conv2DBackpropFilter", "DepthwiseConv2dNativeBackpropFilter", "Conv3DBackpropFilterV2"],
    shapeAttr("filterShape"),
  ),
  ...rulesFor(
    ["Conv2DBackpropInput", "DepthwiseConv2dNativeBackpropInput", "Conv3DBackpropInputV2"],
    shapeAttr("inputShape"),
  ),
  Dilation2D: dilation2d,
  Dilation2DBackpropFilter: (call) => value(input(call, "filter").shape, input(call, "x").dtype),
  Dilation2DBackpropInput: (call) => value(input(call, "x").shape, input(call, "x").dtype),
};
