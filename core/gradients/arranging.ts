/**
 * Operations that only move elements.
 *
 * @module
 */
import { tf } from "../tf.ts";
import type { KernelGradient } from "./register.ts";

interface DepthToSpaceAttributes {
  readonly blockSize: number;
  readonly dataFormat: "NHWC" | "NCHW";
}

/** Gradients of depthToSpace and diag, and of unstack and split where they give one part. */
export function arrangingGradients(): readonly KernelGradient[] {
  return [
    {
      kernel: "DepthToSpace",
      gradient: ([dy], _saved, attributes) => {
        const { blockSize: block, dataFormat } = attributes as DepthToSpaceAttributes;
        return {
          x: () => {
            if (dataFormat === "NCHW") {
              const [batch, channels, height, width] = dy!.shape as [number, number, number, number];
              const blocks = tf.reshape(dy!, [batch, channels, height / block, block, width / block, block]);
              return tf.reshape(tf.transpose(blocks, [0, 3, 5, 1, 2, 4]), [
                batch,
                channels * block * block,
                height / block,
                width / block,
              ]);
            }
            const [batch, height, width, channels] = dy!.shape as [number, number, number, number];
            const blocks = tf.reshape(dy!, [batch, height / block, block, width / block, block, channels]);
            return tf.reshape(tf.transpose(blocks, [0, 1, 3, 2, 4, 5]), [
              batch,
              height / block,
              width / block,
              channels * block * block,
            ]);
          },
        };
      },
    },
    {
      kernel: "Diag",
      inputs: ["x"],
      gradient: ([dy], [x]) => ({
        x: () => tf.reshape(tf.sum(tf.mul(tf.reshape(dy!, [x!.size, x!.size]), tf.eye(x!.size)), 1), x!.shape),
      }),
    },
    {
      // tfjs's takes a list of gradients and is given a bare one where there is one output.
      kernel: "Unpack",
      replace: true,
      gradient: (dys, _saved, attributes) => ({
        value: () => tf.stack([...dys], (attributes as { readonly axis: number }).axis),
      }),
    },
    {
      kernel: "SplitV",
      replace: true,
      gradient: (dys, _saved, attributes) => {
        const { axis } = attributes as { readonly axis: number };
        return { x: () => dys.length === 1 ? dys[0]!.clone() : tf.concat([...dys], axis) };
      },
    },
  ];
}
