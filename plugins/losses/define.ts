/**
 * How a loss is made from a function of target and prediction.
 *
 * @module
 */
import type { Loss, Reduction } from "../../core/loss.ts";
import { checkReduction } from "../../core/reduce.ts";
import type { Tensor } from "../../core/tf.ts";

/** Options that every loss has. */
export interface LossOptions {
  /** How the values become one number. @default "sum_over_batch_size" */
  readonly reduction?: Reduction;
  /** What the loss is called. @default its own name */
  readonly name?: string;
}

/** What a loss computes. */
export interface LossValues {
  /** The unreduced values. */
  readonly values: (yTrue: Tensor, yPred: Tensor) => Tensor;
  /** Which of them count. @default all */
  readonly valid?: (yTrue: Tensor, yPred: Tensor, values: Tensor) => Tensor;
  /** Whether targets may have a shape that predictions do not tell. @default false */
  readonly ownTargetShape?: boolean;
}

/** Makes a loss. @throws {RangeError} If there is no such reduction. */
export function defineLoss(name: string, options: LossOptions, computed: LossValues): Loss {
  const reduction = checkReduction(options.reduction ?? "sum_over_batch_size");
  return { name: options.name ?? name, reduction, ...computed };
}

/** @throws {RangeError} If a number given as an option lies outside a range. */
export function checkRange(loss: string, option: string, value: number, inside: boolean, expected: string): void {
  if (!inside) throw new RangeError(`Cannot make ${loss} with ${option} ${value}: expected ${expected}.`);
}
