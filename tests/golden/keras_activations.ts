/**
 * Keras's activations by Keras's names, as names that layers accept.
 *
 * @module
 */
import { activationIdentifier, type ActivationName, activationNames } from "@stride/stride/layers";
import { camelCase } from "./keras_values.ts";

/**
 * The name by which Stride's layers know a Keras activation.
 *
 * @param name Keras's name; `null` is the identity.
 * @throws {RangeError} If Keras's activation is not known here.
 */
export function strideActivation(name: string | null): ActivationName {
  if (name === null) return "linear";
  const known = activationNames().find((one) => one === camelCase(name));
  if (known !== undefined) return known;
  throw new RangeError(`Unknown activation "${name}". Known: ${[...activationNames()].sort().join(", ")}.`);
}

/**
 * The name by which tfjs's layers know a Keras activation. One that tfjs lacks or computes differently is registered
 * with it on first use.
 *
 * @param name Keras's name; `null` is the identity.
 * @throws {RangeError} If Keras's activation is not known here.
 */
export function kerasActivation(name: string | null): string {
  return activationIdentifier(strideActivation(name));
}
