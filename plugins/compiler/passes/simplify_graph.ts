/**
 * The first pass, on tfjs's own kernels: what is computed twice is computed once, what nobody reads is left out.
 *
 * @module
 */
import { type Graph, type GraphNode, isValueRef, mapLeaves, type ValueRef } from "../graph.ts";
import type { LinkedGraph } from "../link.ts";

/** Kernels that only give their input another name. */
const ALIASES: ReadonlySet<string> = new Set(["Identity"]);

/**
 * A graph without nodes that repeat others, and without those that nothing depends on. Numbers do not change.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { type Graph, simplifyGraph } from "@stride/stride/compiler";
 *
 * const outputs = [{ shape: [2], dtype: "float32" }] as const;
 * const x = { node: 0, output: 0 };
 * const square = { kind: "kernel", kernel: "Square", inputs: { x }, attrs: {}, outputs } as const;
 * const graph: Graph = {
 *   nodes: [
 *     { kind: "input", id: 0, group: "x", index: 0, outputs },
 *     { ...square, id: 1 },
 *     { ...square, id: 2 },
 *     { ...square, kernel: "Sqrt", id: 3 },
 *   ],
 *   writes: [{ path: "a", value: { node: 1, output: 0 } }, { path: "b", value: { node: 2, output: 0 } }],
 *   streams: 0,
 * };
 * const simple = simplifyGraph(graph);
 * assertEquals([simple.nodes.length, simple.writes[1]!.value.node], [2, 1]);
 * ```
 */
export function simplifyGraph<G extends Graph>(graph: G): G {
  return withoutDead(withoutRepeats(graph));
}

function withoutRepeats<G extends Graph>(graph: G): G {
  const moved: ValueRef[][] = [];
  const move = ({ node, output }: ValueRef): ValueRef => moved[node]![output]!;
  const known = new Map<string, number>();
  const nodes: GraphNode[] = [];
  const relu = new Map<string, ValueRef>();
  for (const node of graph.nodes) {
    let renamed: GraphNode = { ...node, id: nodes.length };
    if (node.kind === "kernel") {
      const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, ref]) => [name, move(ref)]));
      renamed = { ...node, id: nodes.length, inputs };
      if (ALIASES.has(node.kernel) && node.inputs.x !== undefined) {
        moved.push([inputs.x!]);
        continue;
      }
      // The slope of a relu is that of what it gives, so what it is given need not be kept for the way back.
      if (node.kernel === "Step" && !node.attrs.alpha) {
        const active = relu.get(keyOfRef(inputs.x!));
        if (active !== undefined) renamed = { ...renamed, inputs: { x: active } };
      }
    }
    const key = keyOf(renamed);
    let id = key === undefined ? undefined : known.get(key);
    if (id === undefined) {
      id = nodes.length;
      nodes.push(renamed);
      if (key !== undefined) known.set(key, id);
      if (renamed.kind === "kernel" && renamed.kernel === "Relu") {
        relu.set(keyOfRef(renamed.inputs.x!), { node: id, output: 0 });
      }
    }
    moved.push(node.outputs.map((_, output) => ({ node: id, output })));
  }
  return mapRefs({ ...graph, nodes }, move);
}

/** Equal for nodes that yield the same values. Random numbers of different streams differ. */
function keyOf(node: GraphNode): string | undefined {
  switch (node.kind) {
    case "kernel":
      return `${node.kernel} ${node.stream ?? ""} ${JSON.stringify(node.inputs)} ${JSON.stringify(node.attrs)} ${
        JSON.stringify(node.outputs)
      }`;
    case "constant":
      return node.values.length > 16
        ? undefined
        : `constant ${JSON.stringify(node.outputs)} ${
          [...node.values].map((value) => Object.is(value, -0) ? "-0" : value)
        }`;
    case "variable":
      return `variable ${node.path}`;
    case "input":
      return `input ${node.group} ${node.index}`;
    case "scalar":
      return `scalar ${node.column}`;
    case "gradient":
      return `gradient ${node.index}`;
    case "random":
      return undefined;
    default:
      return node satisfies never;
  }
}

function keyOfRef({ node, output }: ValueRef): string {
  return `${node}.${output}`;
}

function withoutDead<G extends Graph>(graph: G): G {
  const alive = new Set<number>();
  const visit = ({ node }: ValueRef): void => {
    if (alive.has(node)) return;
    alive.add(node);
    const found = graph.nodes[node]!;
    if (found.kind === "kernel") Object.values(found.inputs).forEach(visit);
  };
  mapRefs(graph, (ref) => {
    visit(ref);
    return ref;
  });
  const ids = new Map<number, number>();
  const nodes: GraphNode[] = [];
  const move = ({ node, output }: ValueRef): ValueRef => ({ node: ids.get(node)!, output });
  for (const node of graph.nodes) {
    if (!alive.has(node.id)) continue;
    ids.set(node.id, nodes.length);
    nodes.push(
      node.kind === "kernel"
        ? {
          ...node,
          id: nodes.length,
          inputs: Object.fromEntries(Object.entries(node.inputs).map(([name, ref]) => [name, move(ref)])),
        }
        : { ...node, id: nodes.length },
    );
  }
  return mapRefs({ ...graph, nodes }, move);
}

/** The graph with other values in what it writes and yields. */
function mapRefs<G extends Graph>(graph: G, move: (ref: ValueRef) => ValueRef): G {
  const { allSums } = graph as Partial<LinkedGraph>;
  return {
    ...graph,
    writes: graph.writes.map(({ path, value }) => ({ path, value: move(value) })),
    ...(graph.gradients ? { gradients: graph.gradients.map((ref) => ref && move(ref)) } : {}),
    ...(graph.sums ? { sums: move(graph.sums) } : {}),
    ...(allSums ? { allSums: allSums.map(move) } : {}),
    ...(graph.outputs ? { outputs: mapLeaves(graph.outputs, isValueRef, move) } : {}),
  };
}
