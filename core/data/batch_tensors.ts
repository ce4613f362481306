/**
 * Batches as tensors on the current device.
 *
 * @module
 */
import type { Arrays, Batch, HostArray, TensorBatch } from "../batch.ts";
import { type Tensor, tf } from "../tf.ts";
import { gatherRows } from "./host_array.ts";
import { mapArrays } from "./map_arrays.ts";

/** The arrays of a batch: its own, or its rows of the source, copied. */
export function batchArrays(batch: Batch): Arrays<HostArray> {
  if (batch.source === undefined) return batch.arrays;
  const { indices, source: { arrays } } = batch;
  return mapArrays(arrays, (array) => gatherRows(array, indices));
}

/** A batch as tensors, owned by the caller. */
export function batchToTensors(batch: Batch): TensorBatch {
  return { ...mapArrays(batchArrays(batch), toTensor), rows: batch.rows };
}

/** One array as a tensor: `uint8` becomes `int32`, or `float32` when it has a scale. */
export function toTensor({ shape, dtype, values, scale }: HostArray): Tensor {
  const dimensions = [...shape];
  if (scale !== undefined) {
    const scaled = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) scaled[i] = values[i]! * scale;
    return tf.tensor(scaled, dimensions, "float32");
  }
  return dtype === "uint8"
    ? tf.tensor(Int32Array.from(values), dimensions, "int32")
    : tf.tensor(values, dimensions, dtype);
}
