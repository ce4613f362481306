/**
 * How much work kernels are.
 *
 * @module
 */
import { elementBytes } from "./buffers.ts";
import { expressionsOf, parts, points, walk } from "./shape.ts";
import type { Axis, Buffer, Expression, Kernel } from "./types.ts";

/** How much work a kernel is. */
export interface Measure {
  /**
   * Additions, multiplications and functions of float32, each counted as one, a contraction as 2 · batch · rows ·
   * columns · inner; random numbers are not counted. Parts that do not change in a loop are counted as done once.
   */
  readonly flops: number;
  /** Bytes of the elements that it reads, each element once. */
  readonly bytesRead: number;
  /** Bytes of the elements that it writes. */
  readonly bytesWritten: number;
}

/** How much work a kernel is, by its loops: which places data-dependent indices reach is not known, their number is. */
export function measureKernel(kernel: Kernel): Measure {
  const outer = kernel.kind === "contraction"
    ? [...kernel.batch, ...kernel.rows, ...kernel.columns]
    : kernel.kind === "scan"
    ? [...kernel.outer, kernel.along]
    : kernel.outer;
  const depends = dependences(expressionsOf(kernel), outer);
  let flops = 0;
  const loaded = new Map<Buffer, number>();
  const stored = new Map<Buffer, number>();
  const touch = (counts: Map<Buffer, number>, buffer: Buffer, count: number) => {
    const total = (counts.get(buffer) ?? 0) + count;
    // Inputs have as many rows as there are data: only the others have a known end.
    counts.set(buffer, buffer.role.kind === "input" ? total : Math.min(total, buffer.size));
  };
  for (const [x, axes] of depends) {
    if (x.kind === "load") touch(loaded, x.buffer, points([...depends.get(x.index)!]));
    else if (x.kind === "unary" && x.x.type === "f32") flops += points([...axes]);
    else if (x.kind === "binary" && x.a.type === "f32") flops += points([...axes]);
  }
  if (kernel.kind === "contraction") flops += 2 * points(outer) * points(kernel.inner);
  if (kernel.kind === "nest") {
    const all = points(outer) * points(kernel.inner);
    for (const { value } of kernel.reductions) if (value.type === "f32") flops += all;
  }
  if (kernel.kind === "scan" && kernel.value.type === "f32") flops += points(outer);
  if (kernel.kind === "scatter") {
    const count = points([...kernel.outer, ...kernel.inner]);
    if (kernel.combine !== "set") {
      touch(loaded, kernel.target, count);
      if (kernel.value.type === "f32") flops += count;
    }
    touch(stored, kernel.target, count);
  } else for (const { buffer, index } of kernel.stores) touch(stored, buffer, points([...depends.get(index)!]));
  return { flops, bytesRead: bytes(loaded), bytesWritten: bytes(stored) };
}

/** The sum of the work of kernels. */
export function measureKernels(kernels: Iterable<Kernel>): Measure {
  let [flops, bytesRead, bytesWritten] = [0, 0, 0];
  for (const kernel of kernels) {
    const one = measureKernel(kernel);
    flops += one.flops;
    bytesRead += one.bytesRead;
    bytesWritten += one.bytesWritten;
  }
  return { flops, bytesRead, bytesWritten };
}

function bytes(counts: ReadonlyMap<Buffer, number>): number {
  let total = 0;
  for (const [buffer, count] of counts) total += count * elementBytes(buffer);
  return total;
}

/** The axes that each part depends on; results depend on the loops that they stand in. */
function dependences(
  roots: readonly Expression[],
  ofResults: readonly Axis[],
): ReadonlyMap<Expression, ReadonlySet<Axis>> {
  const found = new Map<Expression, ReadonlySet<Axis>>();
  walk(roots, (x) => {
    const axes = new Set<Axis>(x.kind === "axis" ? [x.axis] : x.kind === "result" ? ofResults : []);
    for (const part of parts(x)) for (const axis of found.get(part)!) axes.add(axis);
    found.set(x, axes);
  });
  return found;
}
