/**
 * Resampling images as Keras 3 does: pixels are areas, so that positions refer to their centres. tfjs's own resizing
 * measures from corners, and its gradients are wrong for more than one image.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { first, type ImageInternals, internals, methodOwner } from "./internals.ts";

/** How values between pixels are found. */
type Interpolation = "nearest" | "bilinear";

/** Replaces how a layer resizes or crops. */
export function adoptImages(layer: tf.layers.Layer): void {
  const own = internals<ImageInternals>(layer);
  const original = own.call.bind(layer);
  switch (methodOwner(layer, "call")) {
    case "UpSampling2D":
      own.call = (inputs) => tf.tidy(() => upsample(own, first(inputs)));
      break;
    case "Resizing":
      if (own.cropToAspectRatio) return;
      own.call = (inputs) => tf.tidy(() => resize(first(inputs), [own.height, own.width], own.interpolation));
      break;
    case "CenterCrop":
      own.call = (inputs, args) => {
        const x = first(inputs);
        const [height, width] = x.shape.slice(-3) as [number, number, number];
        if (height < own.height || width < own.width) return original(inputs, args);
        const begin = [Math.floor((height - own.height) / 2), Math.floor((width - own.width) / 2), 0];
        const size = [own.height, own.width, x.shape.at(-1)!];
        const batch = x.rank === 4;
        return tf.slice(x, batch ? [0, ...begin] : begin, batch ? [x.shape[0]!, ...size] : size);
      };
      break;
  }
}

function upsample(layer: ImageInternals, x: Tensor): Tensor {
  const channelsFirst = layer.dataFormat === "channelsFirst";
  const image = channelsFirst ? tf.transpose(x, [0, 2, 3, 1]) : x;
  const [, height, width] = image.shape as [number, number, number, number];
  const [rows, columns] = layer.size as [number, number];
  const output = layer.interpolation === "bilinear"
    ? resize(image, [height * rows, width * columns], "bilinear")
    : repeat(image, rows, columns);
  return channelsFirst ? tf.transpose(output, [0, 3, 1, 2]) : output;
}

/** Every pixel `rows` times down and `columns` times across: products with ones, whose gradients are plain sums. */
function repeat(x: Tensor, rows: number, columns: number): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const down = tf.mul(tf.reshape(x, [batch * height, 1, width * channels]), tf.ones([1, rows, 1]));
  const across = tf.mul(tf.reshape(down, [batch * height * rows * width, 1, channels]), tf.ones([1, columns, 1]));
  return tf.reshape(across, [batch, height * rows, width * columns, channels]);
}

/** Resizes `[…, height, width, channels]` by a matrix product along each axis. */
function resize(x: Tensor, [rows, columns]: readonly [number, number], interpolation: Interpolation): Tensor {
  const [height, width, channels] = x.shape.slice(-3) as [number, number, number];
  const images = x.shape.slice(0, -3).reduce((product, size) => product * size, 1);
  const flat = tf.reshape(x.cast("float32"), [images, height, width * channels]);
  const down = tf.matMul(weights(height, rows, interpolation), flat);
  const across = tf.matMul(
    weights(width, columns, interpolation),
    tf.reshape(down, [images * rows, width, channels]),
  );
  return tf.reshape(across, [...x.shape.slice(0, -3), rows, columns, channels]);
}

/** Which part of each input pixel goes into each output pixel, `[1, output, input]`. */
function weights(input: number, output: number, interpolation: Interpolation): Tensor {
  const values = new Float32Array(output * input);
  for (let at = 0; at < output; at++) {
    const centre = (at + 0.5) * input / output;
    if (interpolation === "nearest") {
      values[at * input + Math.min(input - 1, Math.floor(centre))] = 1;
      continue;
    }
    const position = Math.min(Math.max(centre - 0.5, 0), input - 1);
    const low = Math.floor(position);
    const high = Math.min(low + 1, input - 1);
    values[at * input + low]! += 1 - (position - low);
    values[at * input + high]! += position - low;
  }
  return tf.tensor3d(values, [1, output, input]);
}
