/**
 * The compiler that executors share: tracing a step into a graph of tfjs kernels. Imports core only.
 *
 * @module
 */
export { formatGraph } from "./format.ts";
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
export { type BatchSignature, tracePhase, traceStep, type TraceStepOptions } from "./trace.ts";
