/**
 * Kernels that cannot be traced, and why.
 *
 * @module
 */

/** Why a kernel is refused, and what to do instead. */
export interface Refusal {
  /** The rule that it breaks. */
  readonly code: "data-dependent-shape" | "unknown-kernel";
  /** What is wrong with it. */
  readonly reason: string;
  /** What to do instead. */
  readonly advice: string;
}

function refuse(kernels: string, refusal: Refusal): Record<string, Refusal> {
  return Object.fromEntries(kernels.split(" ").map((kernel) => [kernel, refusal]));
}

/** Refusals by kernel name. */
export const REFUSED_KERNELS: Readonly<Record<string, Refusal>> = {
  ...refuse("Unique NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5", {
    code: "data-dependent-shape",
    reason: "the shape of its result depends on the values that it is given",
    advice: "Compute it outside of the step, or keep all elements and multiply by a mask",
  }),
  ...refuse("SparseFillEmptyRows SparseReshape SparseSegmentMean SparseSegmentSum", {
    code: "data-dependent-shape",
    reason: "the shape of its result depends on the values that it is given",
    advice: "Compute on dense tensors, with tf.unsortedSegmentSum or a one-hot product",
  }),
  ...refuse("RaggedGather RaggedRange RaggedTensorToTensor", {
    code: "data-dependent-shape",
    reason: "ragged tensors have shapes that depend on values",
    advice: "Pad to a fixed length and multiply by a mask",
  }),
  ...refuse("StaticRegexReplace StringNGrams StringSplit StringToHashBucketFast", {
    code: "unknown-kernel",
    reason: "it works on text, which no compiled device holds",
    advice: "Turn text into numbers in the data set",
  }),
  ...refuse("Draw FromPixels", {
    code: "unknown-kernel",
    reason: "it exchanges pixels with the host",
    advice: "Load images in the data set",
  }),
  ...refuse("BroadcastTo LogSoftmax LogicalXor LowerBound MatrixBandPart Pool UpperBound", {
    code: "unknown-kernel",
    reason: "tfjs 4.22 names it but has no kernel for it on any device",
    advice: "Call the op of the same name, which is made of other kernels",
  }),
};
