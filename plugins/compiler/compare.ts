/**
 * Whether two traces recorded the same.
 *
 * @module
 */
import type { Recorded } from "./record.ts";
import type { TracedNode } from "./trace_backend.ts";

/** Where two traces part. */
export interface Difference {
  /** The first node that differs. */
  readonly node: number;
  /** What it is in each. */
  readonly what: string;
}

/** The first difference between two traces, but for random values; `undefined` where there is none. */
export function difference(a: Recorded, b: Recorded): Difference | undefined {
  const count = Math.max(a.nodes.length, b.nodes.length);
  for (let node = 0; node < count; node++) {
    const what = nodeDifference(a.nodes[node], b.nodes[node]);
    if (what !== undefined) return { node, what };
  }
  for (const part of ["writes", "gradients", "sums", "outputs"] as const) {
    if (!equal(a[part], b[part])) return { node: count, what: `they do not have the same ${part}` };
  }
  return undefined;
}

function nodeDifference(a: TracedNode | undefined, b: TracedNode | undefined): string | undefined {
  if (a === undefined || b === undefined) return `one ends before the other runs ${name((a ?? b)!)}`;
  if (name(a) !== name(b)) return `one runs ${name(a)} where the other runs ${name(b)}`;
  if (!equal(a.outputs, b.outputs)) return `${name(a)} yields ${text(a.outputs)}, then ${text(b.outputs)}`;
  if (a.kind === "constant" && b.kind === "constant") return valuesDifference(a.values, b.values);
  if (a.kind === "candidate" && b.kind === "candidate") {
    const streams = (node: typeof a) => node.draws.map(({ stream }) => stream);
    return equal(streams(a), streams(b)) ? undefined : "they call Math.random() a different number of times";
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  keys.delete("place");
  for (const key of keys) {
    const [left, right] = [a, b].map((node) => (node as unknown as Record<string, unknown>)[key]);
    if (!equal(left, right)) return `${key} of ${name(a)} is ${text(left)}, then ${text(right)}`;
  }
  return undefined;
}

function valuesDifference(a: ArrayLike<number>, b: ArrayLike<number>): string | undefined {
  if (a.length !== b.length) return "a constant has one value everywhere in one of them only";
  for (let i = 0; i < a.length; i++) {
    if (!Object.is(a[i], b[i])) {
      return `a constant ${a.length > 1 ? `has ${a[i]} at element ${i}` : `is ${a[i]}`}, then ${b[i]}`;
    }
  }
  return undefined;
}

function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length &&
    keys.every((key) => equal((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}

function name(node: TracedNode): string {
  return node.kind === "kernel" ? `kernel "${node.kernel}"` : `a ${node.kind} node`;
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
