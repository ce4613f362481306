/**
 * The loss of a batch: what was compiled, plus regularization and what was added.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";
import type { CompiledLoss } from "./compiled_loss.ts";
import type { LossArguments } from "./model_types.ts";
import { activeScope } from "./step_scope.ts";

/** What a model's loss is made of. */
export interface LossParts {
  readonly compiled: CompiledLoss | undefined;
  /** Weight regularization, computed when called. */
  readonly regularizers: readonly (() => Tensor)[];
  readonly outputNames: readonly string[] | undefined;
  /** Whether metrics will be computed from the prediction. */
  readonly judged: boolean;
}

/**
 * Adds up the loss, by this replica's share, and notes in the running step what metrics and reports need.
 *
 * @returns A float32 scalar.
 * @throws {TypeError} If there is nothing to compute a loss from.
 */
export function totalLoss(given: LossArguments, { compiled, regularizers, outputNames, judged }: LossParts): Tensor {
  const scope = activeScope();
  const share = scope?.share ?? 1;
  const { total, outputs } = compiled?.compute({
    ...given,
    share,
    ...(outputNames === undefined ? {} : { outputNames }),
  }) ?? { total: undefined, outputs: new Map<string, Tensor>() };
  const added = [...scope?.addedLosses ?? [], ...regularizers.map((regularize) => regularize())];
  if (scope !== undefined) scope.addedLosses = [];
  let loss = total;
  if (added.length > 0) {
    const sum = added.length === 1 ? added[0]! : tf.addN(added);
    const scaled = share === 1 ? sum : tf.mul(sum, share);
    loss = loss === undefined ? scaled : tf.add(loss, scaled);
  }
  if (loss === undefined) throw new TypeError("No loss to compute. Provide a `loss` argument in `compile()`.");
  if (scope !== undefined) {
    scope.loss = scope.keep(loss);
    // One output's own loss is not reported.
    if (outputs.size > 1) scope.outputLosses = new Map([...outputs].map(([name, value]) => [name, scope.keep(value)]));
    if (judged) scope.keepPrediction(given);
  }
  return loss;
}
