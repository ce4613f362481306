/**
 * One value for each replica, and how they become one.
 *
 * @module
 */
import { type Tensor, tf } from "./tf.ts";

/** The results of a function that every replica ran: this process's replicas, in order. */
export interface PerReplica<T> {
  /** One for each replica of this process. */
  readonly values: readonly T[];
}

/** How values of replicas become one. */
export type ReduceOperation = "sum" | "mean";

/**
 * Reduces tensors over replicas. `axis: null` combines them elementwise; a number also reduces along that axis, where
 * a mean counts the true number of elements: `[0, 1]` and `[2]` have the mean 1.
 *
 * ```ts
 * import { reduceTensors, tf } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const values = [tf.tensor1d([0, 1]), tf.tensor1d([2])];
 * assertEquals(await reduceTensors("mean", { values }, 0).data(), Float32Array.of(1));
 * assertEquals(await reduceTensors("sum", { values }, 0).data(), Float32Array.of(3));
 * ```
 *
 * @returns A new tensor of the caller's.
 * @throws {TypeError} If there are no values.
 */
export function reduceTensors(operation: ReduceOperation, { values }: PerReplica<Tensor>, axis: number | null): Tensor {
  if (values.length === 0) throw new TypeError("Cannot reduce: no replica has a value.");
  return tf.tidy(() => {
    if (axis === null) {
      const total = tf.addN([...values]);
      return operation === "sum" ? total : tf.div(total, values.length);
    }
    const total = tf.addN(values.map((value) => tf.sum(value, axis)));
    if (operation === "sum") return total;
    const count = values.reduce((sum, value) => sum + value.shape[axis < 0 ? axis + value.rank : axis]!, 0);
    return tf.div(total, count);
  });
}
