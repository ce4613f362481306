/**
 * Replacing the weights of a model.
 *
 * @module
 */
import { formatShape, type Tensor, tf } from "../tf.ts";
import type { ModelVariable } from "./model_variables.ts";

/**
 * Assigns weights, once all of them are known to fit.
 *
 * @param weights In the order of the variables; not disposed.
 * @param model The model's name, for messages.
 * @throws {TypeError} If their number or shapes differ.
 */
export function assignWeights(variables: readonly ModelVariable[], weights: readonly Tensor[], model: string): void {
  if (weights.length !== variables.length) {
    throw new TypeError(
      `Cannot set the weights of model "${model}": found ${weights.length} tensors; expected ${variables.length}.`,
    );
  }
  variables.forEach(({ path, variable }, index) => {
    const found = formatShape(weights[index]!.shape);
    const expected = formatShape(variable.shape);
    if (found !== expected) {
      throw new TypeError(`Cannot set weight "${path}": found shape ${found}; expected ${expected}.`);
    }
  });
  variables.forEach(({ variable }, index) =>
    tf.tidy(() => variable.assign(tf.cast(weights[index]!.clone(), variable.dtype)))
  );
}
