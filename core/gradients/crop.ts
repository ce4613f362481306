/**
 * Crops of images, resized.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { type KernelGradient, noGradient } from "./register.ts";

interface CropAttributes {
  readonly cropSize: readonly [number, number];
  readonly method: "bilinear" | "nearest";
}

/** Which pixels of an axis go into each pixel of each crop, and how that changes with the position. */
interface Sampling {
  /** `[boxes, crop, image]`. */
  readonly weights: Tensor;
  /** Its derivative by the position, in pixels. */
  readonly slopes: Tensor;
}

/**
 * The gradients of cropAndResize. A crop is a matrix product along each axis with matrices made from the boxes. By
 * boxes it is zero where the method is `nearest`, and where a position falls on a pixel, as in TensorFlow.
 */
export function cropGradients(): readonly KernelGradient[] {
  return [{
    kernel: "CropAndResize",
    inputs: ["image", "boxes", "boxInd"],
    gradient: ([dy], [image, boxes, boxInd], attributes) => {
      const { cropSize, method } = attributes as CropAttributes;
      return {
        image: () => imageGradient(dy!, image!, boxes!, boxInd!, cropSize, method),
        boxes: () =>
          method === "nearest" ? tf.zeros(boxes!.shape) : boxGradient(dy!, image!, boxes!, boxInd!, cropSize),
        boxInd: noGradient(boxInd!),
      };
    },
  }];
}

function imageGradient(
  dy: Tensor,
  image: Tensor,
  boxes: Tensor,
  boxInd: Tensor,
  [rows, columns]: readonly [number, number],
  method: CropAttributes["method"],
): Tensor {
  const [batch, height, width, channels] = image.shape as [number, number, number, number];
  const count = boxes.shape[0]!;
  const down = sampling(boxes, 0, rows, height, method).weights;
  const across = sampling(boxes, 1, columns, width, method).weights;
  // [boxes, height, columns · channels], then [boxes · height, width, channels]
  const up = tf.matMul(down, tf.reshape(dy, [count, rows, columns * channels]), true);
  const wide = tf.reshape(tf.transpose(tf.reshape(up, [count, height, columns, channels]), [0, 2, 1, 3]), [
    count,
    columns,
    height * channels,
  ]);
  const back = tf.reshape(tf.matMul(across, wide, true), [count, width, height, channels]);
  const each = tf.reshape(tf.transpose(back, [0, 2, 1, 3]), [count, height * width * channels]);
  return tf.reshape(tf.matMul(imageOf(boxInd, batch), each, true), image.shape);
}

function boxGradient(
  dy: Tensor,
  image: Tensor,
  boxes: Tensor,
  boxInd: Tensor,
  [rows, columns]: readonly [number, number],
): Tensor {
  const [batch, height, width, channels] = image.shape as [number, number, number, number];
  const count = boxes.shape[0]!;
  const flat = tf.reshape(image, [batch, height * width * channels]);
  const images = tf.reshape(tf.matMul(imageOf(boxInd, batch), flat), [count, height, width, channels]);
  const down = sampling(boxes, 0, rows, height, "bilinear");
  const across = sampling(boxes, 1, columns, width, "bilinear");
  // Each crop by what its rows, or its columns, are moved.
  const crop = (vertical: Tensor, horizontal: Tensor) => {
    const high = tf.reshape(tf.matMul(vertical, tf.reshape(images, [count, height, width * channels])), [
      count,
      rows,
      width,
      channels,
    ]);
    const wide = tf.reshape(tf.transpose(high, [0, 2, 1, 3]), [count, width, rows * channels]);
    const both = tf.reshape(tf.matMul(horizontal, wide), [count, columns, rows, channels]);
    return tf.transpose(both, [0, 2, 1, 3]);
  };
  const byRow = tf.sum(tf.mul(crop(down.slopes, across.weights), dy), [2, 3]); // [boxes, rows]
  const byColumn = tf.sum(tf.mul(crop(down.weights, across.slopes), dy), [1, 3]); // [boxes, columns]
  const [y1, y2] = ends(byRow, height);
  const [x1, x2] = ends(byColumn, width);
  return tf.stack([y1!, x1!, y2!, x2!], 1);
}

/** `[boxes, batch]`, ones at each box's image. */
function imageOf(boxInd: Tensor, batch: number): Tensor {
  return tf.oneHot(boxInd.toInt(), batch).cast("float32");
}

/** How far along the box each pixel of a crop is, 0 to 1. */
function fractions(crop: number): number[] {
  return Array.from({ length: crop }, (_, at) => crop > 1 ? at / (crop - 1) : 0.5);
}

/** From the gradient by positions, that by where a box begins and ends. */
function ends(byPosition: Tensor, image: number): [Tensor, Tensor] {
  const along = fractions(byPosition.shape[1]!);
  const part = (weights: number[]) =>
    tf.sum(tf.mul(byPosition, tf.tensor2d([weights.map((weight) => weight * (image - 1))])), 1);
  return [part(along.map((fraction) => 1 - fraction)), part(along)];
}

function sampling(
  boxes: Tensor,
  axis: 0 | 1,
  crop: number,
  image: number,
  method: CropAttributes["method"],
): Sampling {
  const count = boxes.shape[0]!;
  const begin = tf.slice(boxes, [0, axis], [count, 1]);
  const end = tf.slice(boxes, [0, axis + 2], [count, 1]);
  const along = tf.tensor2d([fractions(crop)]);
  const position = tf.mul(tf.add(begin, tf.mul(tf.sub(end, begin), along)), image - 1); // [boxes, crop]
  const inside = tf.logicalAnd(tf.greaterEqual(position, 0), tf.lessEqual(position, image - 1));
  const pixels = tf.range(0, image, 1, "float32");
  const at = (pixel: Tensor) => {
    const hit = tf.equal(tf.expandDims(pixel, 2), pixels).cast("float32");
    return tf.mul(hit, tf.expandDims(inside.cast("float32"), 2)); // [boxes, crop, image]
  };
  if (method === "nearest") {
    const weights = at(tf.floor(tf.add(position, 0.5)));
    return { weights, slopes: tf.zerosLike(weights) };
  }
  const low = tf.floor(position);
  const part = tf.expandDims(tf.sub(position, low), 2);
  const [lower, upper] = [at(low), at(tf.ceil(position))];
  const slopes = tf.sub(upper, lower);
  return { weights: tf.add(lower, tf.mul(slopes, part)), slopes };
}
