/**
 * Which numbers of a batch say where in a table to look: what lies beyond it must be refused before a step runs, as
 * kernels do not check.
 *
 * @module
 */
import type { Graph, ValueRef } from "./graph.ts";

/** A leaf of the batch whose numbers are places in a table. */
export interface TableLookup {
  /** Which group it belongs to. */
  readonly group: "x" | "y" | "sampleWeight";
  /** Which leaf of the group, in the order of `leaves`. */
  readonly index: number;
  /** How many places the table has: numbers are from 0 to one less. */
  readonly size: number;
}

/** tfjs's kernels that give the same numbers in the same or another shape or type. */
const SAME_NUMBERS: ReadonlySet<string> = new Set(["Cast", "Identity", "Reshape", "ExpandDims"]);

/** The lookups of a graph, each once, in so far as places come from the batch as they are. */
export function lookupsOf({ nodes }: Graph): readonly TableLookup[] {
  const found = new Map<string, TableLookup>();
  for (const node of nodes) {
    if (node.kind !== "kernel" || node.kernel !== "GatherV2") continue;
    const input = inputOf(nodes, node.inputs.indices!);
    if (input === undefined) continue;
    const { node: table, output } = node.inputs.x!;
    const { shape } = nodes[table]!.outputs[output]!;
    const axis = Number(node.attrs.axis ?? 0);
    const size = shape[axis < 0 ? axis + shape.length : axis]!;
    const { group, index } = input;
    const known = found.get(`${group} ${index}`);
    if (known === undefined || size < known.size) found.set(`${group} ${index}`, { group, index, size });
  }
  return [...found.values()];
}

function inputOf(nodes: Graph["nodes"], { node: at }: ValueRef): Pick<TableLookup, "group" | "index"> | undefined {
  const node = nodes[at]!;
  if (node.kind === "input") return node;
  if (node.kind !== "kernel" || !SAME_NUMBERS.has(node.kernel)) return undefined;
  return inputOf(nodes, Object.values(node.inputs)[0]!);
}
