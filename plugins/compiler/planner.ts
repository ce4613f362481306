/**
 * What plans steps for executors: plans are kept, and shown to whoever wants to see them.
 *
 * @module
 */
import type { Step } from "../../core/step.ts";
import type { planPhase, planStep } from "./compile.ts";
import type { Plan } from "./ir/plan.ts";

/** What plans steps for an executor: `planStep` and `planPhase`, or what changes their plans. */
export interface StepPlanner {
  /** Plans whole steps. */
  readonly plan: typeof planStep;
  /** Plans the halves of a phase. */
  readonly planPhase: typeof planPhase;
}

/** Plans that are kept of one step. Batches of ever new shapes do not fill the memory. */
const MOST_PLANS = 32;

/**
 * A planner that plans each signature of a step once, as long as the step lives: a model keeps its steps until it is
 * compiled anew, so that a second `fit` traces nothing.
 */
export function keeping({ plan, planPhase }: StepPlanner): StepPlanner {
  const known = new WeakMap<Step, Map<string, unknown>>();
  const keep = <T>(step: Step, described: readonly unknown[], make: () => T): T => {
    const key = JSON.stringify(described);
    const plans = known.get(step) ?? new Map<string, unknown>();
    known.set(step, plans);
    const found = plans.has(key) ? plans.get(key) as T : make();
    // What was used last is forgotten last.
    plans.delete(key);
    plans.set(key, found);
    if (plans.size > MOST_PLANS) plans.delete(plans.keys().next().value!);
    return found;
  };
  return {
    plan: (step, signature, options) => keep(step, [signature, options], () => plan(step, signature, options)),
    planPhase: (step, phase, signature, options) =>
      keep(step, [phase, signature, options], () => planPhase(step, phase, signature, options)),
  };
}

/** A planner that shows every plan that it hands out. */
export function reporting(planner: StepPlanner, onPlan: (plan: Plan) => void = () => {}): StepPlanner {
  return {
    plan: (...given) => {
      const plan = planner.plan(...given);
      onPlan(plan);
      return plan;
    },
    planPhase: (...given) => {
      const halves = planner.planPhase(...given);
      onPlan(halves.compute);
      if (halves.apply !== undefined) onPlan(halves.apply);
      return halves;
    },
  };
}
