/**
 * Uploading tensors to WebGPU.
 *
 * tfjs ends the compute pass for every tensor that it uploads, and creates, maps, copies and destroys a buffer. What a step
 * uploads is small: scalars, a batch. The queue copies that by itself, ahead of everything that has not been submitted. See
 * bench/LOG.md.
 *
 * @module
 */

/** What is used of tfjs's backend. */
export interface UploadBackend {
  readonly queue: GPUQueue;
  readonly bufferManager: { acquireBuffer(size: number, usage: number): GPUBuffer };
  readonly tensorMap: { get(dataId: object): UploadData };
}

interface UploadData {
  readonly dtype: string;
  readonly shape: readonly number[];
  values: ArrayLike<number> | null | undefined;
  resource?: GPUBuffer | null;
}

/** Up to here the queue copies; large arrays are mapped, which copies them once less. */
const MOST_BYTES = 1 << 20;

/**
 * Uploads a tensor's values in order with everything submitted before, into a buffer that nothing unsubmitted reads: tfjs
 * reuses buffers only once the commands that use them are submitted.
 *
 * @returns Whether it did; what is large, empty or on the device already is left to tfjs.
 */
export function uploadByQueue({ queue, bufferManager, tensorMap }: UploadBackend, dataId: object): boolean {
  const data = tensorMap.get(dataId);
  const { dtype, shape, values } = data;
  if (data.resource || !values || (dtype !== "float32" && dtype !== "int32" && dtype !== "bool")) return false;
  const count = shape.reduce((product, size) => product * size, 1);
  if (count === 0 || count * 4 > MOST_BYTES || values.length !== count) return false;
  const Words = dtype === "float32" ? Float32Array : Int32Array;
  const words = values instanceof Words ? values as Float32Array<ArrayBuffer> : Words.from(values);
  const buffer = bufferManager.acquireBuffer(
    words.byteLength,
    GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  );
  queue.writeBuffer(buffer, 0, words);
  data.values = null;
  data.resource = buffer;
  return true;
}
