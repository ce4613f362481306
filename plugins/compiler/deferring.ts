/**
 * Passes of which only shapes and variables matter.
 *
 * @module
 */
import type { Tensor } from "../../core/tf.ts";
import { DEFERRED_BACKEND, DeferredBackend } from "./deferred_backend.ts";
import { engineInternals, withBackend } from "./engine.ts";

/**
 * Runs `body` so that only what it reads, keeps or puts into variables is computed, on tfjs's current device. The rest costs
 * no more than a call.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Tensor, tf } from "@stride/stride/core";
 * import { deferring } from "./deferring.ts";
 *
 * await tf.setBackend("cpu");
 * const [shape, kept] = deferring((): [number[], Tensor] =>
 *   tf.tidy(() => [tf.matMul(tf.ones([500, 900]), tf.ones([900, 700])).shape, tf.keep(tf.add(1, 2))])
 * );
 * assertEquals([shape, await kept.array()], [[500, 700], 3]);
 * kept.dispose();
 * ```
 */
export function deferring<T>(body: () => T): T {
  const engine = engineInternals();
  const backend = new DeferredBackend();
  const tensors: Tensor[] = [];
  const { trackTensor } = engine;
  const watched = (tensor: Tensor, owner: Parameters<typeof trackTensor>[1]): void => {
    trackTensor.call(engine, tensor, owner);
    tensors.push(tensor);
  };
  try {
    return withBackend(DEFERRED_BACKEND, backend, { trackTensor: watched }, body);
  } finally {
    backend.settle(tensors);
  }
}
