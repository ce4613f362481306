/**
 * Reading and setting the learning rate of the model in training.
 *
 * @module
 */
import type { CallbackContext } from "../core/callback.ts";
import type { Optimizer } from "../core/optimizer.ts";

/** An optimizer whose learning rate is a number. */
export type Settable = Omit<Optimizer, "learningRate"> & { learningRate: number };

/**
 * The model's optimizer, whose learning rate may be set.
 *
 * @param owner The callback, for messages.
 * @throws {TypeError} If there is none, or its learning rate follows a schedule.
 */
export function settableOptimizer(owner: string, { model }: CallbackContext): Settable {
  const { optimizer } = model;
  if (optimizer === undefined) {
    throw new TypeError(`${owner} cannot set the learning rate: the model has no optimizer. Call \`compile()\` first.`);
  }
  if (typeof optimizer.learningRate !== "number") {
    throw new TypeError(
      `${owner} cannot set the learning rate: optimizer "${optimizer.name}" follows a schedule. Compile with a number ` +
        `as its learning rate, or leave ${owner} out.`,
    );
  }
  return optimizer as Settable;
}
