/**
 * What compiled executors exchange between replicas: gradients, then the step's state variables.
 *
 * @module
 */
import type { Step, StepVariable } from "../../core/step.ts";

/** One replica's part of a phase, on the host. */
export interface ComputedPhase {
  /** The step that it is a phase of. */
  readonly step: Step;
  /** Gradients that the loss has, in order. */
  readonly gradients: readonly Float32Array[];
  /** The step's state variables before the phase, in order. */
  readonly before: readonly ArrayLike<number>[];
  /** The same after it. */
  readonly after: readonly ArrayLike<number>[];
  /** This replica's part of the batch. */
  readonly share: number;
  /** Whether it is the first replica: its states count where replicas do not average. */
  readonly first: boolean;
}

/** The variables of a step that layers write. */
export function stateVariables(step: Step): readonly StepVariable[] {
  return step.variables.filter(({ role }) => role === "state");
}

/**
 * Gradients and states as one vector that replicas add up. A moving variance carries how far this replica's mean moved, so
 * that the agreed one is that of the whole batch.
 */
export function packExchange({ step, gradients, before, after, share, first }: ComputedPhase): Float32Array {
  const states = stateVariables(step);
  const parts = [...gradients, ...after];
  const values = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const gradient of gradients) {
    values.set(gradient, offset);
    offset += gradient.length;
  }
  states.forEach(({ acrossReplicas, spread }, which) => {
    const written = after[which]!;
    const mean = spread && states.findIndex(({ variable }) => variable === spread.mean);
    for (let i = 0; i < written.length; i++) {
      const moved = mean === undefined ? 0 : after[mean]![i]! - before[mean]![i]!;
      const value = written[i]! + (spread === undefined ? 0 : moved * moved / spread.rate);
      values[offset++] = acrossReplicas === "mean" ? value * share : first ? written[i]! : 0;
    }
  });
  return values;
}

/** What all replicas agree on. */
export interface AgreedPhase {
  /** Gradients that the loss has, in order. */
  readonly gradients: readonly Float32Array[];
  /** New values of the step's state variables, in order. */
  readonly states: readonly Float32Array[];
}

/**
 * Takes a sum of `packExchange` vectors apart.
 *
 * @param sizes Elements of each gradient.
 * @param before The step's state variables before the phase.
 */
export function unpackExchange(
  step: Step,
  values: Float32Array,
  sizes: readonly number[],
  before: readonly ArrayLike<number>[],
): AgreedPhase {
  let offset = 0;
  const next = (size: number): Float32Array => values.slice(offset, offset += size);
  const gradients = sizes.map(next);
  const variables = stateVariables(step);
  const states = variables.map(({ variable }) => next(variable.size));
  const means = states.map((state) => state.slice());
  variables.forEach(({ spread }, which) => {
    if (spread === undefined) return;
    const mean = variables.findIndex(({ variable }) => variable === spread.mean);
    const state = states[which]!;
    for (let i = 0; i < state.length; i++) {
      const moved = means[mean]![i]! - before[mean]![i]!;
      state[i]! -= moved * moved / spread.rate;
    }
  });
  return { gradients, states };
}
