/**
 * Losses for margins between classes.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import * as values from "../../core/values/mod.ts";
import { defineLoss, type LossOptions } from "./define.ts";

/**
 * `max(1 - yTrue yPred, 0)` for targets -1 and 1; 0 and 1 are taken as -1 and 1. Keras: `Hinge`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { hinge } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const values = hinge().values(tf.tensor2d([[0, 1], [0, 1]]), tf.tensor2d([[0.5, 0.5], [-2, 2]]));
 * assertEquals([...await values.data()], [1, 0]);
 * ```
 */
export function hinge(options: LossOptions = {}): Loss {
  return defineLoss("hinge", options, { values: values.hinge });
}

/**
 * The square of the hinge loss's terms. Keras: `SquaredHinge`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { squaredHinge } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const values = squaredHinge().values(tf.tensor2d([[-1, 1]]), tf.tensor2d([[0.5, 0.5]]));
 * assertEquals([...await values.data()], [(1.5 ** 2 + 0.5 ** 2) / 2]);
 * ```
 */
export function squaredHinge(options: LossOptions = {}): Loss {
  return defineLoss("squared_hinge", options, { values: values.squaredHinge });
}

/**
 * The hinge loss of one-hot targets. Keras: `CategoricalHinge`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { categoricalHinge } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * const values = categoricalHinge().values(tf.tensor2d([[0, 1], [1, 0]]), tf.tensor2d([[0.75, 0.25], [2, 0.5]]));
 * assertEquals([...await values.data()], [1.5, 0]);
 * ```
 */
export function categoricalHinge(options: LossOptions = {}): Loss {
  return defineLoss("categorical_hinge", options, { values: values.categoricalHinge });
}
