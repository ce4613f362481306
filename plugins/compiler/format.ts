/**
 * Graphs as text, one line a node.
 *
 * @module
 */
import { type Graph, type GraphNode, isValueRef, mapLeaves, type ValueInfo, type ValueRef } from "./graph.ts";

/**
 * A graph as text: `%3 = Relu(x: %2) : float32[32, 10]`, then what it writes and yields.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatGraph } from "@stride/stride/compiler";
 *
 * const text = formatGraph({
 *   nodes: [
 *     { kind: "variable", id: 0, path: "dense/bias", outputs: [{ shape: [2], dtype: "float32" }] },
 *     {
 *       kind: "kernel", id: 1, kernel: "Relu", inputs: { x: { node: 0, output: 0 } }, attrs: {},
 *       outputs: [{ shape: [2], dtype: "float32" }],
 *     },
 *   ],
 *   writes: [{ path: "dense/bias", value: { node: 1, output: 0 } }],
 *   streams: 0,
 * });
 * assertEquals(text.split("\n"), [
 *   "%0 = variable dense/bias : float32[2]",
 *   "%1 = Relu(x: %0) : float32[2]",
 *   "write dense/bias <- %1",
 * ]);
 * ```
 */
export function formatGraph(graph: Graph): string {
  const ref = ({ node, output }: ValueRef) => `%${node}` + (graph.nodes[node]!.outputs.length > 1 ? `.${output}` : "");
  const lines = graph.nodes.map((node) =>
    `%${node.id} = ${describe(node, ref)} : ${node.outputs.map(formatValue).join(", ")}` +
    (node.place ? `  // ${node.place}` : "")
  );
  for (const { path, value } of graph.writes) lines.push(`write ${path} <- ${ref(value)}`);
  if (graph.gradients) lines.push(`gradients ${graph.gradients.map((each) => each ? ref(each) : "none").join(", ")}`);
  if (graph.sums) lines.push(`sums ${ref(graph.sums)}`);
  if (graph.outputs) lines.push(`outputs ${JSON.stringify(mapLeaves(graph.outputs, isValueRef, ref))}`);
  return lines.join("\n");
}

function formatValue({ shape, dtype }: ValueInfo): string {
  return `${dtype}[${shape.join(", ")}]`;
}

function describe(node: GraphNode, ref: (value: ValueRef) => string): string {
  switch (node.kind) {
    case "kernel": {
      const inputs = Object.entries(node.inputs).map(([name, value]) => `${name}: ${ref(value)}`);
      const attrs = JSON.stringify(node.attrs);
      return `${node.kernel}(${inputs.join(", ")})` + (attrs === "{}" ? "" : ` ${attrs}`) +
        (node.stream === undefined ? "" : ` stream ${node.stream}`);
    }
    case "variable":
      return `variable ${node.path}`;
    case "input":
      return `input ${node.group}[${node.index}]`;
    case "scalar":
      return `scalar ${node.column}`;
    case "gradient":
      return `gradient ${node.index}`;
    case "constant":
      return `constant ${node.values.length <= 4 ? `[${node.values.join(", ")}]` : `#${hash(node.values)}`}`;
    case "random":
      return `random ${node.distribution} stream ${node.stream} scale ${node.scale} offset ${node.offset}`;
    default:
      return node satisfies never;
  }
}

/** FNV-1a over the bytes: tells large constants apart in text. */
function hash(values: Float32Array | Int32Array | Uint8Array): string {
  let code = 0x811c9dc5;
  for (const byte of new Uint8Array(values.buffer, values.byteOffset, values.byteLength)) {
    code = Math.imul(code ^ byte, 0x01000193);
  }
  return (code >>> 0).toString(16).padStart(8, "0");
}
