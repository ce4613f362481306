/**
 * Pooling, normalization and images: kernels over windows of `[batch, height, width, channels]`.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import { attr, input, rulesFor, type ShapeRule, type ShapeRules, value } from "./types.ts";

type Four = [number, number, number, number];
type Five = [number, number, number, number, number];
type Pad2d = Parameters<typeof tf.backend_util.computePool2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;

const pool2d: ShapeRule = (call) => {
  const x = input(call, "x");
  const info = tf.backend_util.computePool2DInfo(
    [...x.shape] as Four,
    attr<number | [number, number]>(call, "filterSize"),
    attr<number | [number, number]>(call, "strides"),
    1,
    attr<Pad2d>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
  );
  return value(info.outShape, x.dtype);
};

const pool3d: ShapeRule = (call) => {
  const x = input(call, "x");
  const info = tf.backend_util.computePool3DInfo(
    [...x.shape] as Five,
    attr<number | [number, number, number]>(call, "filterSize"),
    attr<number | [number, number, number]>(call, "strides"),
    1,
    attr<"same" | "valid" | number>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
    attr<"NDHWC" | "NCDHW" | undefined>(call, "dataFormat"),
  );
  return value(info.outShape, x.dtype);
};

const resize: ShapeRule = (call) => {
  const [batch, , , channels] = input(call, "images").shape as Four;
  const [height, width] = attr<[number, number]>(call, "size");
  return value([batch, height, width, channels], "float32");
};

function likeInput(name: string): ShapeRule {
  return (call) => value(input(call, name).shape, input(call, name).dtype);
}

/** Rules of pooling, normalization and image kernels. */
export const windowRules: ShapeRules = {
  ...rulesFor(["AvgPool", "MaxPool"], pool2d),
  ...rulesFor(["AvgPool3D", "MaxPool3D"], pool3d),
  ...rulesFor(
    ["AvgPoolGrad", "MaxPoolGrad", "AvgPool3DGrad", "MaxPool3DGrad"],
    (call) => value(input(call, "input").shape, "float32"),
  ),
  MaxPoolWithArgmax: (call) => {
    const { shape, dtype } = pool2d(call) as ReturnType<typeof value>;
    return [value(shape, dtype), value(shape, "int32")];
  },
  ...rulesFor(["FusedBatchNorm", "LRN"], likeInput("x")),
  LRNGrad: (call) => value(input(call, "dy").shape, input(call, "x").dtype),
  ...rulesFor(["ResizeBilinear", "ResizeNearestNeighbor"], resize),
  ...rulesFor(
    ["ResizeBilinearGrad", "ResizeNearestNeighborGrad"],
    (call) => value(input(call, "images").shape, "float32"),
  ),
  CropAndResize: (call) => {
    const [height, width] = attr<[number, number]>(call, "cropSize");
    return value([input(call, "boxes").shape[0]!, height, width, input(call, "image").shape[3]!], "float32");
  },
  ...rulesFor(["FlipLeftRight", "RotateWithOffset"], likeInput("image")),
  Transform: (call) => {
    const image = input(call, "image");
    const [batch, height, width, channels] = image.shape as Four;
    const [outHeight, outWidth] = attr<[number, number] | null | undefined>(call, "outputShape") ?? [height, width];
    return value([batch, outHeight, outWidth, channels], image.dtype);
  },
  DepthToSpace: (call) => {
    const x = input(call, "x");
    const block = attr<number>(call, "blockSize");
    const [batch, a, b, c] = x.shape as Four;
    return attr<string>(call, "dataFormat") === "NCHW"
      ? value([batch, a / (block * block), b * block, c * block], x.dtype)
      : value([batch, a * block, b * block, c / (block * block)], x.dtype);
  },
  SpaceToBatchND: (call) => {
    const x = input(call, "x");
    const blocks = attr<number[]>(call, "blockShape");
    const paddings = attr<number[][]>(call, "paddings");
    const space = blocks.map((block, i) => (x.shape[i + 1]! + paddings[i]![0]! + paddings[i]![1]!) / block);
    return value([x.shape[0]! * product(blocks), ...space, ...x.shape.slice(blocks.length + 1)], x.dtype);
  },
  BatchToSpaceND: (call) => {
    const x = input(call, "x");
    const blocks = attr<number[]>(call, "blockShape");
    const crops = attr<number[][]>(call, "crops");
    const space = blocks.map((block, i) => x.shape[i + 1]! * block - crops[i]![0]! - crops[i]![1]!);
    return value([x.shape[0]! / product(blocks), ...space, ...x.shape.slice(blocks.length + 1)], x.dtype);
  },
};

function product(values: readonly number[]): number {
  return values.reduce((total, factor) => total * factor, 1);
}
