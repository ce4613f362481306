/**
 * Kernels in an order in which threads wait for each other seldom, and updates of variables come early.
 *
 * @module
 */
import { placeOf } from "../../../compiler/ir/buffers.ts";
import { reads, writes } from "../../../compiler/ir/shape.ts";
import type { Buffer, Kernel } from "../../../compiler/ir/types.ts";

/** A part of a buffer that is part of no other. */
interface Span {
  readonly root: Buffer;
  readonly start: number;
  readonly end: number;
}

/** A kernel, and what it reads and writes. */
interface Accesses {
  readonly kernel: Kernel;
  readonly reads: readonly Span[];
  readonly writes: readonly Span[];
}

/**
 * Kernels in phases, one after the other; kernels of a phase do not need each other, so that threads need not wait in between.
 *
 * A kernel that writes no scratch memory, as the update of a variable, comes first in the first phase that it may be in: what
 * it reads is in the cache still, and need not be kept.
 *
 * @param back How many phases before the last one others may go to: what they write is kept for longer.
 */
export function inPhases(kernels: readonly Kernel[], back: number): Kernel[] {
  const phases: Accesses[][] = [];
  for (const kernel of kernels) {
    const accesses = { kernel, reads: [...reads(kernel)].map(spanOf), writes: [...writes(kernel)].map(spanOf) };
    const lasts = accesses.writes.every(({ root }) => root.role.kind !== "scratch");
    const first = lasts ? 0 : Math.max(0, phases.length - 1 - back);
    let at = phases.length;
    while (at > first && !phases[at - 1]!.some((before) => conflict(before, accesses))) at--;
    const phase = phases[at] ??= [];
    if (lasts) phase.unshift(accesses);
    else phase.push(accesses);
  }
  return phases.flat().map(({ kernel }) => kernel);
}

function spanOf(buffer: Buffer): Span {
  const { root, offset } = placeOf(buffer);
  return { root, start: offset, end: offset + buffer.size };
}

/** Whether two kernels may not change places: one writes what the other reads or writes. */
function conflict(first: Accesses, second: Accesses): boolean {
  return meet(first.writes, second.reads) || meet(first.writes, second.writes) || meet(first.reads, second.writes);
}

function meet(some: readonly Span[], others: readonly Span[]): boolean {
  return some.some(({ root, start, end }) =>
    others.some((other) => other.root === root && other.start < end && start < other.end)
  );
}
