/**
 * The compiler that executors share, and executors of your own may use: tracing a step into a graph of tfjs kernels.
 * Imports core only.
 *
 * @module
 */
export { explain } from "./explain.ts";
export { formatGraph } from "./format.ts";
export { formatPlan } from "./ir/format.ts";
export type {
  ConstantNode,
  Distribution,
  GradientNode,
  Graph,
  GraphDtype,
  GraphNode,
  GraphWrite,
  InputNode,
  KernelNode,
  NodeBase,
  PhaseGraph,
  RandomNode,
  ScalarNode,
  StepGraph,
  ValueInfo,
  ValueRef,
  VariableNode,
} from "./graph.ts";
export { isValueInfo, isValueRef, mapLeaves, valueInfo } from "./graph.ts";
export { type LinkedGraph, linkStep } from "./link.ts";
export {
  type KernelCall,
  type Refusal,
  REFUSED_KERNELS,
  SHAPE_RULES,
  type ShapeRule,
  type ShapeRules,
} from "./shapes/mod.ts";
export { type HalfPlans, optimizePlan, type PlanOptions, planPhase, planStep } from "./compile.ts";
export type { HostInput } from "./lower/lower_graph.ts";
export { type Bounds, Expressions } from "./ir/expressions.ts";
export type { Plan } from "./ir/plan.ts";
export type { TableLookup } from "./lookups.ts";
export type * from "./ir/types.ts";
export { simplifyGraph } from "./passes/simplify_graph.ts";
export { arraysOf, hostInputs, signatureOf } from "./signature.ts";
export { type BatchSignature, tracePhase, traceStep, type TraceStepOptions } from "./trace.ts";
