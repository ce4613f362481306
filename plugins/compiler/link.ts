/**
 * Joins the graphs of a step into one, for executors that run whole steps.
 *
 * @module
 */
import {
  type Graph,
  type GraphNode,
  type GraphWrite,
  isValueRef,
  mapLeaves,
  type StepGraph,
  type ValueRef,
} from "./graph.ts";

/** A whole step as one graph. */
export interface LinkedGraph extends Graph {
  /** The sums of each phase, in order; together they are laid out as `Step.sums` says. */
  readonly allSums: readonly ValueRef[];
}

/**
 * A step as one graph: each phase's gradients go into its `apply`, and what one half writes the next ones read.
 * There is no exchange in it. Random streams go on counting from half to half.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatGraph, linkStep } from "@stride/stride/compiler";
 *
 * const outputs = [{ shape: [2], dtype: "float32" }] as const;
 * const value = { node: 0, output: 0 };
 * const linked = linkStep({
 *   kind: "train",
 *   phases: [{
 *     name: "train",
 *     compute: {
 *       nodes: [{ kind: "input", id: 0, group: "x", index: 0, outputs }],
 *       writes: [],
 *       streams: 0,
 *       gradients: [value],
 *     },
 *     apply: {
 *       nodes: [{ kind: "gradient", id: 0, index: 0, outputs }],
 *       writes: [{ path: "bias", value }],
 *       streams: 0,
 *     },
 *   }],
 * });
 * assertEquals(formatGraph(linked).split("\n"), ["%0 = input x[0] : float32[2]", "write bias <- %0"]);
 * ```
 *
 * @returns Nodes in order; the last value of each variable; of all phases the sums, in order, and the last outputs.
 */
export function linkStep(step: StepGraph): LinkedGraph {
  const nodes: GraphNode[] = [];
  const givens = new Map<string, ValueRef>();
  const current = new Map<string, ValueRef>();
  const written = new Map<string, ValueRef>();
  const allSums: ValueRef[] = [];
  let outputs: Graph["outputs"];
  let streams = 0;

  /** @param gradients What the half's gradient nodes stand for. */
  const add = (half: Graph, gradients: readonly (ValueRef | null)[]) => {
    const map: ValueRef[][] = [];
    const move = ({ node, output }: ValueRef): ValueRef => map[node]![output]!;
    const append = (node: GraphNode): ValueRef[] => {
      nodes.push({ ...node, id: nodes.length });
      return node.outputs.map((_, output) => ({ node: nodes.length - 1, output }));
    };
    /** What is given is one node in the whole, however many halves read it. */
    const given = (key: string, node: GraphNode): ValueRef[] => {
      const ref = givens.get(key) ?? append(node)[0]!;
      givens.set(key, ref);
      return [ref];
    };
    for (const node of half.nodes) {
      switch (node.kind) {
        case "gradient": {
          const gradient = gradients[node.index];
          if (!gradient) throw new RangeError(`Cannot link the step: there is no gradient ${node.index}.`);
          map.push([gradient]);
          break;
        }
        case "variable": {
          const now = current.get(node.path);
          map.push(now ? [now] : given(`variable ${node.path}`, node));
          break;
        }
        case "input":
          map.push(given(`input ${node.group} ${node.index}`, node));
          break;
        case "scalar":
          map.push(given(`scalar ${node.column}`, node));
          break;
        case "random":
          map.push(append({ ...node, stream: streams + node.stream }));
          break;
        case "kernel": {
          const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, value]) => [name, move(value)]));
          if (node.stream === undefined) map.push(append({ ...node, inputs }));
          else {
            map.push(append({ ...node, inputs, stream: streams + node.stream }));
          }
          break;
        }
        case "constant":
          map.push(append(node));
          break;
        default:
          node satisfies never;
      }
    }
    streams += half.streams;
    for (const { path, value } of half.writes) {
      current.set(path, move(value));
      written.set(path, move(value));
    }
    return move;
  };

  for (const { compute, apply } of step.phases) {
    const move = add(compute, []);
    if (compute.sums) allSums.push(move(compute.sums));
    if (compute.outputs) outputs = mapLeaves(compute.outputs, isValueRef, move);
    if (apply) add(apply, (compute.gradients ?? []).map((gradient) => gradient && move(gradient)));
  }
  const writes: GraphWrite[] = [...written].map(([path, value]) => ({ path, value }));
  return { nodes, writes, streams, allSums, ...(outputs === undefined ? {} : { outputs }) };
}
