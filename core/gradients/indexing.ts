/**
 * Reading and writing at computed positions.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import { type KernelGradient, noGradient } from "./register.ts";

/** Gradients of gatherND, scatterND, tensorScatterUpdate, topk, and of gather by indices that were computed. */
export function indexingGradients(): readonly KernelGradient[] {
  return [
    {
      kernel: "GatherNd",
      inputs: ["params", "indices"],
      gradient: ([dy], [params, indices]) => ({
        params: () => {
          const [rows, values] = asRows(indices!, dy!, params!.shape);
          return tf.scatterND(rows, values, params!.shape);
        },
        indices: noGradient(indices!),
      }),
    },
    {
      kernel: "ScatterNd",
      inputs: ["indices"],
      gradient: ([dy], [indices]) => ({
        indices: noGradient(indices!),
        updates: () => tf.gatherND(dy!, indices!.toInt()),
      }),
    },
    {
      kernel: "TensorScatterUpdate",
      inputs: ["tensor", "indices", "updates"],
      gradient: ([dy], [tensor, indices, updates]) => ({
        tensor: () => {
          const [rows, written] = asRows(indices!, tf.ones(updates!.shape), tensor!.shape);
          return tf.mul(dy!, tf.equal(tf.scatterND(rows, written, tensor!.shape), 0).cast("float32"));
        },
        indices: noGradient(indices!),
        updates: () => tf.mul(tf.gatherND(dy!, indices!.toInt()), survivors(tensor!, indices!, updates!)),
      }),
    },
    {
      kernel: "TopK",
      inputs: ["x"],
      outputs: [false, true],
      gradient: ([dy], [x, indices]) => ({ x: () => topkGradient(dy!, x!, indices!) }),
    },
    gatherGradient(),
  ];
}

/** Indices `[n, depth]` and the values for them, `[n, …]`. */
function asRows(indices: Tensor, values: Tensor, shape: readonly number[]): [Tensor, Tensor] {
  const depth = indices.shape.at(-1)!;
  const count = indices.size / depth;
  return [tf.reshape(indices, [count, depth]).toInt(), tf.reshape(values, [count, ...shape.slice(depth)])];
}

/** Ones where an update stands in the result, zeros where a later one to the same place took over. */
function survivors(tensor: Tensor, indices: Tensor, updates: Tensor): Tensor {
  const depth = indices.shape.at(-1)!;
  const count = indices.size / depth;
  const rows = tf.reshape(indices, [count, depth]).toInt();
  const numbers = tf.range(1, count + 1, 1, "float32");
  const written = tf.tensorScatterUpdate(tf.zeros(tensor.shape.slice(0, depth)), rows, numbers);
  const survived = tf.equal(tf.gatherND(written, rows), numbers).cast("float32");
  const batch = indices.shape.slice(0, -1);
  return tf.reshape(survived, [...batch, ...updates.shape.slice(batch.length).map(() => 1)]);
}

function topkGradient(dy: Tensor, x: Tensor, indices: Tensor): Tensor {
  const length = x.shape.at(-1)!;
  const [rows, k] = [x.size / length, indices.shape.at(-1)!];
  // Which row each of the largest is in, beside where it stands in that row.
  const row = tf.tensor1d(Int32Array.from({ length: rows * k }, (_, at) => Math.floor(at / k)), "int32");
  const places = tf.stack([row, tf.reshape(indices, [rows * k]).toInt()], 1);
  return tf.reshape(tf.scatterND(places, tf.reshape(dy, [rows * k]), [rows, length]), x.shape);
}

/** tfjs's own, except that it passes the indices on as their gradient, which it then refuses for being int32. */
function gatherGradient(): KernelGradient {
  const original = tf.getGradient("GatherV2");
  return {
    kernel: "GatherV2",
    replace: true,
    inputs: ["x", "indices"],
    gradient: ([dy], [x, indices], attributes) => ({
      ...original.gradFunc(dy!, [x!, indices!], attributes as Parameters<typeof original.gradFunc>[2]),
      indices: noGradient(indices!),
    }),
  };
}
