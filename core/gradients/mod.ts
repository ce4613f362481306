/**
 * Gradients that tfjs lacks or gets wrong, in one place. Imports from core only.
 *
 * @module
 */
import { arrangingGradients } from "./arranging.ts";
import { averagingGradients } from "./averaging.ts";
import { broadcastingGradients } from "./broadcasting.ts";
import { convolutionGradients } from "./convolution.ts";
import { cropGradients } from "./crop.ts";
import { einsumGradients } from "./einsum.ts";
import { extremeGradients } from "./extremes.ts";
import { flatGradients } from "./flat.ts";
import { indexingGradients } from "./indexing.ts";
import { poolingGradients } from "./pooling.ts";
import { register } from "./register.ts";
import { resizingGradients } from "./resizing.ts";
import { scanGradients } from "./scan.ts";
import { spectralGradients } from "./spectral.ts";
import { stridedSliceGradients } from "./strided_slice.ts";

export { realFft, type RealFftOptions, type Spectrum } from "./spectral.ts";

let done = false;

/**
 * Registers the gradients that tfjs lacks, and replaces those that it gets wrong, once in a process. A `Model` does so
 * when it is made, as does adopting a layer; call it to differentiate without one. tfjs keeps gradients by kernel for
 * the whole process, so they serve every model and `tf.grad`. A gradient that someone registered for a kernel that tfjs
 * has none for is kept.
 *
 * Added: einsum, gatherND, scatterND, tensorScatterUpdate, topk, cumprod, stridedSlice, cropAndResize (image and
 * boxes), depthToSpace, diag, conv3dTranspose; zeros for comparisons, logic, argMax and argMin.
 *
 * Corrected: cumsum along other axes than the last, resizeBilinear and resizeNearestNeighbor, unstack and split into one
 * part (`bandPart` of a matrix), gather by indices that were computed from what is differentiated, avgPool at padded
 * borders, max and min where several elements are the largest or smallest, and maximum, minimum, squaredDifference and
 * matMul where one operand is repeated.
 *
 * Without numbers that the host makes: sum and mean.
 *
 * Refused by name, since tfjs takes no complex gradients: fft, ifft, rfft, irfft, `complex`, `real` and `imag`; `realFft`
 * is a transform with a gradient.
 *
 * Each is made of operations that a step can be traced through, on every backend.
 *
 * @example The gradient of a contraction
 * ```ts
 * import { registerMissingGradients, tf } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * registerMissingGradients();
 * const a = tf.tensor2d([[1, 2], [3, 4]]);
 * const gradient = tf.grad((x: tf.Tensor) => tf.sum(tf.einsum("ij,ij->i", x, a)))(tf.zeros([2, 2]));
 * assertEquals([...await gradient.data()], [1, 2, 3, 4]);
 * ```
 */
export function registerMissingGradients(): void {
  if (done) return;
  done = true;
  for (
    const gradients of [
      arrangingGradients,
      averagingGradients,
      broadcastingGradients,
      convolutionGradients,
      cropGradients,
      einsumGradients,
      extremeGradients,
      flatGradients,
      indexingGradients,
      poolingGradients,
      resizingGradients,
      scanGradients,
      spectralGradients,
      stridedSliceGradients,
    ]
  ) {
    for (const gradient of gradients()) register(gradient);
  }
}
