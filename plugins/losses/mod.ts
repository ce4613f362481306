/**
 * Losses: every one of Keras's, as factories, by name, and as plain functions under `values`. Imports core only.
 *
 * ```ts
 * import { huber, losses } from "@stride/stride/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(losses.mse!().name, "mean_squared_error");
 * assertEquals(huber({ delta: 0.5, reduction: "sum" }).reduction, "sum");
 * ```
 *
 * @module
 */
import type { Loss } from "../../core/loss.ts";
import type { Factories } from "../../core/registry.ts";
import { circle } from "./circle.ts";
import {
  binaryCrossentropy,
  categoricalCrossentropy,
  categoricalGeneralizedCrossEntropy,
  klDivergence,
  sparseCategoricalCrossentropy,
} from "./crossentropy.ts";
import { ctc } from "./ctc.ts";
import { binaryFocalCrossentropy, categoricalFocalCrossentropy } from "./focal.ts";
import { categoricalHinge, hinge, squaredHinge } from "./hinge.ts";
import { dice, tversky } from "./overlap.ts";
import {
  cosineSimilarity,
  huber,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
} from "./regression.ts";

export { circle, type CircleOptions } from "./circle.ts";
export {
  binaryCrossentropy,
  categoricalCrossentropy,
  categoricalGeneralizedCrossEntropy,
  type CrossentropyLossOptions,
  type GeneralizedCrossentropyOptions,
  klDivergence,
  sparseCategoricalCrossentropy,
  type SparseCrossentropyLossOptions,
} from "./crossentropy.ts";
export { ctc } from "./ctc.ts";
export type { LossOptions } from "./define.ts";
export {
  binaryFocalCrossentropy,
  type BinaryFocalOptions,
  categoricalFocalCrossentropy,
  type FocalOptions,
} from "./focal.ts";
export { categoricalHinge, hinge, squaredHinge } from "./hinge.ts";
export { dice, type DiceOptions, tversky, type TverskyOptions } from "./overlap.ts";
export {
  type CosineLossOptions,
  cosineSimilarity,
  huber,
  type HuberLossOptions,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
} from "./regression.ts";
export type {
  CosineOptions,
  CrossentropyOptions,
  HuberOptions,
  SparseCrossentropyOptions,
} from "../../core/values/mod.ts";
export * as values from "../../core/values/mod.ts";

/** Losses by Keras's names. `crossentropy` is none of them: which one it stands for depends on the shapes. */
export const losses: Factories<Loss> = {
  mean_squared_error: meanSquaredError,
  mse: meanSquaredError,
  mean_absolute_error: meanAbsoluteError,
  mae: meanAbsoluteError,
  mean_absolute_percentage_error: meanAbsolutePercentageError,
  mape: meanAbsolutePercentageError,
  mean_squared_logarithmic_error: meanSquaredLogarithmicError,
  msle: meanSquaredLogarithmicError,
  huber,
  huber_loss: huber,
  log_cosh: logCosh,
  cosine_similarity: cosineSimilarity,
  poisson,
  kl_divergence: klDivergence,
  kld: klDivergence,
  kullback_leibler_divergence: klDivergence,
  binary_crossentropy: binaryCrossentropy,
  bce: binaryCrossentropy,
  categorical_crossentropy: categoricalCrossentropy,
  sparse_categorical_crossentropy: sparseCategoricalCrossentropy,
  categorical_generalized_cross_entropy: categoricalGeneralizedCrossEntropy,
  binary_focal_crossentropy: binaryFocalCrossentropy,
  categorical_focal_crossentropy: categoricalFocalCrossentropy,
  hinge,
  squared_hinge: squaredHinge,
  categorical_hinge: categoricalHinge,
  dice,
  tversky,
  circle,
  ctc,
};
