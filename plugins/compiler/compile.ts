/**
 * From a step to the kernels that a back end prints.
 *
 * @module
 */
import type { Step } from "../../core/step.ts";
import type { Graph, ValueInfo, ValueRef } from "./graph.ts";
import { linkStep } from "./link.ts";
import { lookupsOf } from "./lookups.ts";
import { type HostInput, lowerGraph } from "./lower/lower_graph.ts";
import type { Plan } from "./ir/plan.ts";
import { elideCopies } from "./passes/elide_copies.ts";
import { limitOperands } from "./passes/limit_operands.ts";
import { mergePlan } from "./passes/merge.ts";
import { splitAxes } from "./passes/split_axes.ts";
import { simplifyGraph } from "./passes/simplify_graph.ts";
import { type BatchSignature, tracePhase, traceStep } from "./trace.ts";

/** Options of `planStep`. */
export interface PlanOptions {
  /** How the leaves of the batch lie on the host. */
  readonly inputs: readonly HostInput[];
  /** How many buffers a kernel may use. @default no limit */
  readonly maxOperands?: number;
}

/**
 * A whole step as kernels.
 *
 * @throws {TraceError} If the step does what cannot be compiled: which operation, where, and what to do instead.
 */
export function planStep(step: Step, signature: BatchSignature, options: PlanOptions): Plan {
  const graph = simplifyGraph(linkStep(traceStep(step, signature)));
  return { ...optimizePlan(lowerGraph(graph, options), options), lookups: lookupsOf(graph) };
}

/** The two halves of a phase, for strategies that exchange in between. */
export interface HalfPlans {
  /**
   * Everything up to the gradients, which its `gradients` buffers receive. Variables stay as they are: `outputs` are the
   * new values of the step's variables whose role is `state`, in order.
   */
  readonly compute: Plan;
  /** Applies gradients, which its `gradients` buffers hold; absent where there is nothing to apply. */
  readonly apply?: Plan;
}

/**
 * A phase of a step in two halves.
 *
 * @throws {TraceError} If the step does what cannot be compiled.
 */
export function planPhase(step: Step, phase: number, signature: BatchSignature, options: PlanOptions): HalfPlans {
  const { compute, apply } = tracePhase(step, phase, signature);
  const states = step.variables.filter(({ role }) => role === "state");
  const nodes = [...compute.nodes];
  const written = states.map(({ path, variable }): ValueRef => {
    const write = compute.writes.find((each) => each.path === path);
    if (write !== undefined) return write.value;
    const info = { shape: [...variable.shape], dtype: variable.dtype as ValueInfo["dtype"] };
    nodes.push({ kind: "variable", id: nodes.length, path, outputs: [info] });
    return { node: nodes.length - 1, output: 0 };
  });
  const half = (graph: Graph): Plan => ({
    ...optimizePlan(lowerGraph(simplifyGraph(graph), options), options),
    lookups: lookupsOf(graph),
  });
  return {
    compute: half({ ...compute, nodes, writes: [], outputs: written }),
    ...(apply === undefined ? {} : { apply: half(apply) }),
  };
}

/** The passes over kernels: the same numbers with fewer of them. */
export function optimizePlan(plan: Plan, options: Pick<PlanOptions, "maxOperands"> = {}): Plan {
  return splitAxes(mergePlan(elideCopies(mergePlan(splitAxes(limitOperands(plan, options)), options)), options));
}
