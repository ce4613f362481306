/**
 * Fourier transforms.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

const COMPLEX: readonly string[] = ["Complex", "Real", "Imag", "FFT", "IFFT"];

/** Refusals: tfjs's autograd takes float32 gradients only, and that of a complex tensor is complex. */
export function spectralGradients(): readonly KernelGradient[] {
  return COMPLEX.map((kernel) => ({
    kernel,
    gradient: () => {
      throw new TypeError(
        `Cannot differentiate through "${kernel}": tfjs takes float32 gradients only, and the gradient of a complex ` +
          "tensor is complex. Use realFft(x), which gives real and imaginary parts and has a gradient, or keep complex " +
          "tensors out of the loss.",
      );
    },
  }));
}

/** How a transform is made. */
export interface RealFftOptions {
  /** Length of the transform, in samples: longer inputs are cut, shorter ones padded with zeros. @default the input's */
  readonly fftLength?: number;
}

/** Frequencies 0 to half the sampling rate. */
export interface Spectrum {
  /** Real parts, `[…, fftLength / 2 + 1]`. */
  readonly real: Tensor;
  /** Imaginary parts, of the same shape. */
  readonly imag: Tensor;
}

/**
 * The Fourier transform of real values along the last axis, with a gradient: what `tf.spectral.rfft` computes, as two
 * real tensors. It is a product with a matrix of cosines and one of sines, which any backend and compiled step can run;
 * n² operations a row, meant for frames of up to a few thousand samples.
 *
 * @param x Samples, float32 `[…, samples]`.
 * @returns Tensors of the caller's.
 * @throws {RangeError} If the length is not a positive integer.
 * @throws {TypeError} If the input is a scalar.
 *
 * @example One period of a cosine
 * ```ts
 * import { realFft, tf } from "@stride/stride/core";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const { real } = realFft(tf.tensor1d([1, 0, -1, 0]));
 * assertAlmostEquals((await real.data())[1]!, 2, 1e-6);
 * ```
 */
export function realFft(x: Tensor, { fftLength }: RealFftOptions = {}): Spectrum {
  const samples = x.shape.at(-1);
  if (samples === undefined) {
    throw new TypeError("Cannot transform a scalar: expected samples along the last axis, such as shape [8, 400].");
  }
  const length = fftLength ?? samples;
  if (!Number.isInteger(length) || length < 1) {
    throw new RangeError(`Cannot make a transform of length ${length}: expected a positive number of samples.`);
  }
  return tf.tidy(() => {
    const used = Math.min(samples, length);
    const rows = x.size / samples;
    const values = tf.slice(tf.reshape(x, [rows, samples]), [0, 0], [rows, used]);
    const shape = [...x.shape.slice(0, -1), Math.floor(length / 2) + 1];
    const part = (wave: (angle: number) => number) => tf.reshape(tf.matMul(values, waves(used, length, wave)), shape);
    return { real: part(Math.cos), imag: part((angle) => -Math.sin(angle)) };
  });
}

/** `[samples, frequencies]`. The product is taken modulo the length, so that large ones lose no digits. */
function waves(samples: number, length: number, wave: (angle: number) => number): tf.Tensor2D {
  const frequencies = Math.floor(length / 2) + 1;
  const values = new Float32Array(samples * frequencies);
  for (let sample = 0; sample < samples; sample++) {
    for (let frequency = 0; frequency < frequencies; frequency++) {
      values[sample * frequencies + frequency] = wave(2 * Math.PI * ((sample * frequency) % length) / length);
    }
  }
  return tf.tensor2d(values, [samples, frequencies]);
}
