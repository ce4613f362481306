/**
 * Losses for margins between classes.
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import * as values from "../../core/values/mod.ts";
import { defineLoss, type LossOptions } from "./define.ts";

/** `max(1 - yTrue yPred, 0)` for targets -1 and 1; 0 and 1 are taken as -1 and 1. Keras: `Hinge`. */
export function hinge(options: LossOptions = {}): Loss {
  return defineLoss("hinge", options, { values: values.hinge });
}

/** The square of the hinge loss's terms. Keras: `SquaredHinge`. */
export function squaredHinge(options: LossOptions = {}): Loss {
  return defineLoss("squared_hinge", options, { values: values.squaredHinge });
}

/** The hinge loss of one-hot targets. Keras: `CategoricalHinge`. */
export function categoricalHinge(options: LossOptions = {}): Loss {
  return defineLoss("categorical_hinge", options, { values: values.categoricalHinge });
}
