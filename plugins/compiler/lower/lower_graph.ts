/**
 * Lowering a graph of tfjs kernels to kernels in loop form.
 *
 * @module
 */
import { TraceError } from "../../../core/errors.ts";
import type { ArrayType } from "../../../core/batch.ts";
import { leaves } from "../../../core/nested.ts";
import {
  type ConstantNode,
  type Graph,
  type GraphNode,
  isValueRef,
  mapLeaves,
  type ValueInfo,
  type ValueRef,
} from "../graph.ts";
import { Expressions } from "../ir/expressions.ts";
import type { Plan } from "../ir/plan.ts";
import { expressionsOf, walk, writes } from "../ir/shape.ts";
import type { Buffer, ElementType, ScalarType } from "../ir/types.ts";
import { sizeOf } from "../shapes/types.ts";
import type { LinkedGraph } from "../link.ts";
import { Lowering } from "./lowering.ts";
import { type Rules, scalarType } from "./rules.ts";
import { RULES } from "./table.ts";
import { Value } from "./value.ts";

/** How a leaf of the batch lies on the host. */
export interface HostInput {
  /** Which group it belongs to. */
  readonly group: "x" | "y" | "sampleWeight";
  /** Which leaf of the group. */
  readonly index: number;
  /** How its elements are stored. */
  readonly dtype: ArrayType;
  /** What they are multiplied by. @default none */
  readonly scale?: number;
}

/** Options of `lowerGraph`. */
export interface LowerOptions {
  /** The leaves of the batch, however many of them the graph reads. */
  readonly inputs: readonly HostInput[];
  /** Rules for more kernels, or other ones. @default those of the compiler */
  readonly rules?: Rules;
}

/**
 * Kernels that compute a graph, not yet merged: each value that is read more than once, or reduced, is stored.
 *
 * Writes of variables come last, into buffers of their own: `inPlace` puts them where the variables are.
 *
 * @throws {TraceError} If a kernel has no rule.
 */
export function lowerGraph(graph: Graph & Partial<LinkedGraph>, options: LowerOptions): Plan {
  return new GraphLowering(graph, options).plan();
}

class GraphLowering {
  readonly #graph: Graph & Partial<LinkedGraph>;
  readonly #options: LowerOptions;
  readonly #ir = new Expressions();
  readonly #lower = new Lowering(this.#ir);
  readonly #values: (readonly Value[])[] = [];
  readonly #uses: number[][];
  readonly #variables = new Map<string, Buffer>();
  readonly #inputs: Buffer[] = [];
  readonly #given: (Buffer | undefined)[] = [];
  #rows: Buffer | undefined;

  constructor(graph: Graph & Partial<LinkedGraph>, options: LowerOptions) {
    this.#graph = graph;
    this.#options = options;
    this.#uses = countUses(graph);
  }

  plan(): Plan {
    for (const node of this.#graph.nodes) {
      const values = this.#recorded(node, () => this.#lowerNode(node));
      this.#values.push(values);
      values.forEach((value, output) => {
        if (this.#uses[node.id]![output]! > 1) this.#lower.beforeRepeating(value);
      });
    }
    const sums = this.#storeSums();
    const outputs = this.#storeOutputs();
    const gradients = this.#storeGradients() ?? Array.from(this.#given, (buffer) => buffer ?? null);
    this.#storeWrites();
    const { scratch, constants } = this.#lower;
    // Those that store nothing would bind memory of no bytes.
    const kernels = this.#lower.kernels.filter((kernel) => [...writes(kernel)].some(({ size }) => size > 0));
    return {
      expressions: this.#ir,
      kernels,
      variables: this.#variables,
      inputs: this.#inputs,
      ...(this.#rows ? { rows: this.#rows } : {}),
      columns: columnsOf(kernels),
      streams: this.#graph.streams,
      ...(sums ? { sums } : {}),
      outputs,
      ...(this.#graph.outputs ? { returns: mapLeaves(this.#graph.outputs, isValueRef, (ref) => this.#info(ref)) } : {}),
      scratch,
      constants,
      ...(gradients.length > 0 ? { gradients } : {}),
    };
  }

  /** Notes which of tfjs's kernels the kernels that a node makes do the work of. */
  #recorded(node: GraphNode, lowerNode: () => readonly Value[]): readonly Value[] {
    const { kernels } = this.#lower;
    const first = kernels.length;
    const inputs = node.kind === "kernel" ? Object.values(node.inputs).map((ref) => this.#value(ref)) : [];
    const before = inputs.flatMap((value) => value.source?.from ?? value.from);
    const from = [...new Set([...before, ...node.kind === "kernel" ? [node.kernel] : []])];
    const values = lowerNode();
    for (let at = first; at < kernels.length; at++) kernels[at] = { ...kernels[at]!, from };
    if (kernels.length === first) { for (const value of values) value.from = from; }
    return values;
  }

  #lowerNode(node: GraphNode): readonly Value[] {
    const info = node.outputs[0]!;
    switch (node.kind) {
      case "kernel": {
        const rule = (this.#options.rules ?? RULES)[node.kernel];
        if (rule === undefined || node.outputs.some(({ dtype }) => dtype === "complex64")) {
          throw new TraceError(
            "unknown-kernel",
            `Cannot compile "${node.kernel}"${
              node.place ? ` at ${node.place}` : ""
            }: compiled executors have no kernel ` +
              'for it. Use executor "eager", or other operations that give the same.',
          );
        }
        const inputs = Object.fromEntries(Object.entries(node.inputs).map(([name, ref]) => [name, this.#value(ref)]));
        const given = rule({ node, lower: this.#lower, inputs, output: info });
        return given instanceof Value ? [given] : given;
      }
      case "variable": {
        const buffer = this.#variable(node.path, scalarType(info), sizeOf(info.shape));
        return [this.#lower.loaded(buffer, info.shape, scalarType(info))];
      }
      case "input":
        return [this.#input(node.group, node.index, info.shape, scalarType(info))];
      case "scalar":
        return [this.#lower.value(info.shape, "f32", () => this.#ir.column(node.column))];
      case "gradient": {
        const buffer = this.#ir.buffer("f32", sizeOf(info.shape), { kind: "gradient", index: node.index });
        this.#given[node.index] = buffer;
        return [this.#lower.loaded(buffer, info.shape, "f32")];
      }
      case "constant":
        return [this.#constant(node)];
      case "random": {
        const { distribution, stream, scale, offset } = node;
        const ir = this.#ir;
        return [
          this.#lower.value(info.shape, "f32", (index) => {
            const sample = ir.random(distribution, stream, ir.flatten(index, info.shape));
            const scaled = ir.mul(sample, scale);
            return offset === 0 ? scaled : ir.add(scaled, offset);
          }),
        ];
      }
      default:
        return node satisfies never;
    }
  }

  #value({ node, output }: ValueRef): Value {
    return this.#values[node]![output]!;
  }

  #variable(path: string, type: ScalarType, size: number): Buffer {
    let buffer = this.#variables.get(path);
    if (buffer === undefined) {
      buffer = this.#ir.buffer(type, size, { kind: "variable", path });
      this.#variables.set(path, buffer);
    }
    return buffer;
  }

  /** Rows that the step's row numbers choose, in the type and scale that the graph expects. */
  #input(group: HostInput["group"], index: number, shape: readonly number[], type: ScalarType): Value {
    const ir = this.#ir;
    const host = this.#options.inputs.find((each) => each.group === group && each.index === index);
    if (host === undefined) throw new RangeError(`Cannot lower input ${group}[${index}]: its host type is not known.`);
    const rowShape = shape.slice(1);
    const element: ElementType = host.dtype === "float32" ? "f32" : host.dtype === "int32" ? "i32" : "u8";
    const buffer = ir.buffer(element, sizeOf(rowShape), { kind: "input", group, index });
    this.#inputs.push(buffer);
    const rows = this.#rows ??= ir.buffer("i32", shape[0]!, { kind: "rows" });
    const { scale } = host;
    return this.#lower.value(shape, type, ([row, ...rest]) => {
      const start = ir.mul(ir.load(rows, row!), sizeOf(rowShape));
      const read = ir.load(
        buffer,
        ir.add(start, ir.flatten(rest, rowShape)),
        host.dtype === "bool" ? "bool" : undefined,
      );
      return scale === undefined ? ir.cast(read, type) : ir.mul(ir.cast(read, "f32"), scale);
    });
  }

  #constant({ values, outputs: [info] }: ConstantNode): Value {
    const type = scalarType(info!);
    const first = values[0] ?? 0;
    if (values.length <= 1 || values.every((value) => Object.is(value, first))) {
      return this.#lower.fill(info!.shape, type, first);
    }
    const buffer = this.#ir.buffer(type, values.length, { kind: "constant", values });
    this.#lower.constants.push(buffer);
    return this.#lower.loaded(buffer, info!.shape, type);
  }

  #storeSums(): Buffer | undefined {
    const refs = this.#graph.allSums ?? (this.#graph.sums ? [this.#graph.sums] : []);
    const parts = refs.map((ref) => this.#value(ref));
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    if (size === 0) return undefined;
    const buffer = this.#ir.buffer("f32", size, { kind: "sums" });
    let offset = 0;
    for (const part of parts) {
      const start = offset;
      this.#lower.storeInto(buffer, part, (places) => this.#ir.add(this.#ir.flatten(places, part.shape), start));
      offset += part.size;
    }
    return buffer;
  }

  #info({ node, output }: ValueRef): ValueInfo {
    return this.#graph.nodes[node]!.outputs[output]!;
  }

  #storeOutputs(): readonly Buffer[] {
    if (this.#graph.outputs === undefined) return [];
    const refs: ValueRef[] = [];
    mapLeaves(this.#graph.outputs, isValueRef, (ref) => refs.push(ref));
    return refs.map((ref, index) => {
      const value = this.#value(ref);
      const buffer = this.#ir.buffer(value.type, value.size, { kind: "output", index });
      this.#lower.storeInto(buffer, value);
      return buffer;
    });
  }

  #storeGradients(): readonly (Buffer | null)[] | undefined {
    return this.#graph.gradients?.map((ref, index) => {
      if (ref === null) return null;
      const value = this.#value(ref);
      const buffer = this.#ir.buffer("f32", value.size, { kind: "gradient", index });
      this.#lower.storeInto(buffer, value);
      return buffer;
    });
  }

  #storeWrites(): void {
    const writes: { variable: Buffer; buffer: Buffer }[] = [];
    for (const { path, value: ref } of this.#graph.writes) {
      const value = this.#value(ref);
      const variable = this.#variable(path, value.type, value.size);
      // All values are computed before any variable changes.
      const buffer = this.#lower.newScratch(variable.type as ScalarType, value.size);
      this.#lower.storeInto(buffer, value);
      writes.push({ variable, buffer });
    }
    for (const { variable, buffer } of writes) {
      this.#lower.storeInto(variable, this.#lower.loaded(buffer, [buffer.size], buffer.type as ScalarType));
    }
  }
}

/** How often each output of each node is read. */
function countUses(graph: Graph & Partial<LinkedGraph>): number[][] {
  const uses = graph.nodes.map(({ outputs }) => outputs.map(() => 0));
  const use = ({ node, output }: ValueRef): void => {
    uses[node]![output]!++;
  };
  for (const node of graph.nodes) if (node.kind === "kernel") Object.values(node.inputs).forEach(use);
  graph.writes.forEach(({ value }) => use(value));
  graph.gradients?.forEach((ref) => ref && use(ref));
  (graph.allSums ?? (graph.sums ? [graph.sums] : [])).forEach(use);
  if (graph.outputs !== undefined) leaves(mapLeaves(graph.outputs, isValueRef, (ref) => [ref])).flat().forEach(use);
  return uses;
}

function columnsOf(kernels: Plan["kernels"]): readonly string[] {
  const columns = new Set<string>();
  walk(kernels.flatMap(expressionsOf), (part) => {
    if (part.kind === "column") columns.add(part.column);
  });
  return [...columns];
}
