/**
 * Optimizers and learning rate schedules, as in Keras 3. Imports core only.
 *
 * @module
 */
import type { Optimizer } from "../../core/optimizer.ts";
import type { Factories } from "../../core/registry.ts";
import { adadelta } from "./adadelta.ts";
import { adafactor } from "./adafactor.ts";
import { adagrad } from "./adagrad.ts";
import { adam } from "./adam.ts";
import { adamW } from "./adam_w.ts";
import { adamax } from "./adamax.ts";
import { ftrl } from "./ftrl.ts";
import { lamb } from "./lamb.ts";
import { lion } from "./lion.ts";
import { muon } from "./muon.ts";
import { nadam } from "./nadam.ts";
import { rmsprop } from "./rmsprop.ts";
import { sgd } from "./sgd.ts";

export type { LearningRateSchedule, Optimizer } from "../../core/optimizer.ts";
export type { Factories } from "../../core/registry.ts";
export type { StepVariable } from "../../core/step.ts";
export type { Tensor } from "../../core/tf.ts";
export type { OptimizerOptions } from "./optimizer_options.ts";
export type { Slot } from "./slot_store.ts";
export type { Algorithm, Update, UpdateInput } from "./algorithm.ts";
export { createOptimizer } from "./create_optimizer.ts";
export { adadelta, type AdadeltaOptions } from "./adadelta.ts";
export { adafactor, type AdafactorOptions } from "./adafactor.ts";
export { adagrad, type AdagradOptions } from "./adagrad.ts";
export { adam, type AdamOptions } from "./adam.ts";
export { adamW, type AdamWOptions } from "./adam_w.ts";
export { adamax, type AdamaxOptions } from "./adamax.ts";
export { ftrl, type FtrlOptions } from "./ftrl.ts";
export { lamb, type LambOptions } from "./lamb.ts";
export { lion, type LionOptions } from "./lion.ts";
export { dynamicLossScale, type DynamicLossScaleOptions } from "./loss_scale.ts";
export { muon, type MuonOptions } from "./muon.ts";
export { nadam, type NadamOptions } from "./nadam.ts";
export { rmsprop, type RmspropOptions } from "./rmsprop.ts";
export { sgd, type SgdOptions } from "./sgd.ts";
export * from "./schedules/mod.ts";

/** Keras's names of the built-in optimizers. */
export type OptimizerName =
  | "sgd"
  | "rmsprop"
  | "adam"
  | "adamw"
  | "adagrad"
  | "adadelta"
  | "adamax"
  | "nadam"
  | "ftrl"
  | "lion"
  | "adafactor"
  | "lamb"
  | "muon";

/**
 * The optimizers by Keras's names, for a registry.
 *
 * @example
 * ```ts
 * import { optimizers } from "@stride/stride/optimizers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(optimizers.rmsprop().learningRate, 0.001);
 * ```
 */
export const optimizers: Pick<Factories<Optimizer>, OptimizerName> = {
  sgd,
  rmsprop,
  adam,
  adamw: adamW,
  adagrad,
  adadelta,
  adamax,
  nadam,
  ftrl,
  lion,
  adafactor,
  lamb,
  muon,
};
