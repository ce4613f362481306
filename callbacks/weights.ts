/**
 * Tensors that a callback keeps, and as JSON has them.
 *
 * @module
 */
import type { Json } from "../core/callback.ts";
import { type Tensor, tf } from "../core/tf.ts";
import { savedFields } from "./resumable.ts";

/** Releases tensors, if there are any. */
export function disposeAll(tensors: readonly Tensor[] | undefined): void {
  for (const tensor of tensors ?? []) tensor.dispose();
}

/** Shapes, dtypes and bytes in base64. The tensors are read from the device, not disposed. */
export async function weightsToJson(tensors: readonly Tensor[]): Promise<Json> {
  return await Promise.all(tensors.map(async (tensor) => {
    const values = await tensor.data() as Float32Array | Int32Array | Uint8Array;
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { shape: tensor.shape, dtype: tensor.dtype, bytes: bytes.toBase64() };
  }));
}

/**
 * The inverse of `weightsToJson`.
 *
 * @returns New tensors, owned by the caller.
 */
export function weightsFromJson(saved: Json): readonly Tensor[] {
  return (saved as readonly Json[]).map((entry) => {
    const { shape, dtype, bytes } = savedFields("weights", entry);
    const { buffer } = Uint8Array.fromBase64(String(bytes));
    const values = dtype === "float32"
      ? new Float32Array(buffer)
      : dtype === "int32"
      ? new Int32Array(buffer)
      : new Uint8Array(buffer);
    return tf.tensor(values, [...shape as readonly number[]], dtype as "float32" | "int32" | "bool");
  });
}
