/**
 * The phases of a train step, as `trainPhases` returns them.
 *
 * @module
 */
import { tf, type Variable } from "../tf.ts";
import type { TrainPhase } from "./model_types.ts";
import type { ModelVariable } from "./model_variables.ts";

/**
 * Checks that there are phases, and that names tell them apart.
 *
 * @throws {TypeError} If not.
 */
export function checkPhases(phases: readonly TrainPhase[], model: string): void {
  const names = phases.map(({ name }) => name);
  if (names.length > 0 && new Set(names).size === names.length) return;
  throw new TypeError(
    `Cannot train model "${model}": trainPhases() returned ${
      names.join(", ") || "no phases"
    }; expected at least one, each with a name of its own, or undefined.`,
  );
}

/** The variables that a phase trains, of those that can be trained. */
export function variablesOf({ trains }: TrainPhase, trainable: readonly ModelVariable[]): readonly ModelVariable[] {
  const own = new Set<Variable>();
  for (const part of trains) {
    if (part instanceof tf.Variable) own.add(part);
    else for (const weight of part.trainableWeights) own.add(weight.read() as Variable);
  }
  return trainable.filter(({ variable }) => own.has(variable));
}
