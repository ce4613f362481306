/**
 * Gradients of a model's loss.
 *
 * @module
 */
import { formatShape, type Tensor, tf, type Variable } from "../tf.ts";
import type { StepResult } from "./model_step.ts";
import { activeScope } from "./step_scope.ts";

/**
 * Takes gradients of a loss, scaled as the running step asks for.
 *
 * @param loss Computes a scalar.
 * @param variables What to differentiate by.
 * @param model The model's name, for messages.
 * @throws {TypeError} If the loss is no scalar, or depends on none of the variables.
 */
export function takeGradients(loss: () => Tensor, variables: readonly Variable[], model: string): StepResult {
  const scope = activeScope();
  const lossScale = scope?.lossScale ?? 1;
  const scalarLoss = (): Tensor => checkedLoss(loss());
  // tfjs refuses an empty list, but a model may be frozen or have no weights.
  if (variables.length === 0) return { loss: tf.tidy(scalarLoss), gradients: new Map() };
  let unscaled: Tensor | undefined;
  const { value, grads } = tf.engine().gradients(
    () => {
      if (scope === undefined || lossScale === 1) return scalarLoss();
      // Reported as it is: dividing again would give NaN where the scaled loss overflows.
      unscaled = scope.keep(scalarLoss());
      return tf.mul(unscaled, typeof lossScale === "number" ? lossScale : lossScale.variable);
    },
    [...variables],
    undefined as unknown as Tensor,
    true,
  );
  const gradients = new Map<Variable, Tensor>();
  grads.forEach((gradient, index) => {
    if (gradient !== null && gradient !== undefined) gradients.set(variables[index]!, gradient);
  });
  if (gradients.size === 0) {
    throw new TypeError(
      `Cannot train model "${model}": its loss depends on none of the ${variables.length} variables that are to be ` +
        "trained, or only through operations that pass no gradient on.",
    );
  }
  return { loss: unscaled ?? value, gradients };
}

function checkedLoss(loss: Tensor): Tensor {
  if (loss instanceof tf.Tensor && loss.rank === 0) return loss;
  const found = (loss as unknown) instanceof tf.Tensor ? `shape ${formatShape(loss.shape)}` : String(loss);
  throw new TypeError(`Cannot take gradients: the loss must be a scalar tensor; found ${found}.`);
}
