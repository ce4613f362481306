/**
 * Adam with decoupled weight decay.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import { adamAlgorithm, type AdamOptions } from "./adam.ts";
import { checkNumber } from "./check.ts";
import { createOptimizer } from "./create_optimizer.ts";
import { withDefaults } from "./optimizer_options.ts";

/** Options of {@linkcode adamW}. */
export interface AdamWOptions extends AdamOptions {
  /** Each step first shrinks a weight by this times the learning rate. @default 0.004 */
  readonly weightDecay?: number;
}

/**
 * Adam that decays weights directly rather than through their gradients.
 *
 * Source: Loshchilov and Hutter, "Decoupled weight decay regularization", 2019; Keras, `optimizers/adamw.py`.
 *
 * @throws {TypeError} If an option is unknown or has the wrong type.
 * @throws {RangeError} If an option is out of range.
 *
 * @example Biases are left alone
 * ```ts
 * import { adamW } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = adamW({ weightDecay: 0.01, excludeFromWeightDecay: { paths: ["bias"] } });
 * assertEquals(optimizer.name, "adamw");
 * ```
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const settings = withDefaults("adamw", options, {
    learningRate: 0.001,
    weightDecay: 0.004,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
    amsgrad: false,
  });
  checkNumber('create optimizer "adamw"', "weightDecay", settings.weightDecay, "[0, Infinity)");
  return createOptimizer(adamAlgorithm("adamw", settings), settings);
}
