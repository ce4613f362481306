/**
 * How kernels walk through memory.
 *
 * @module
 */
import { axesOf, expressionsOf, walk } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Kernel } from "../../../compiler/ir/types.ts";

/** A place in a buffer that a kernel reads or writes. */
export interface Access {
  /** Which buffer. */
  readonly buffer: Buffer;
  /** Which element. */
  readonly index: Expression;
  /** Whether it is written. */
  readonly stored: boolean;
}

/** All places that a kernel reads and writes, each once. */
export function accessesOf(kernel: Kernel): readonly Access[] {
  const found: Access[] = [];
  walk(expressionsOf(kernel), (part) => {
    if (part.kind === "load") found.push({ buffer: part.buffer, index: part.index, stored: false });
  });
  if (kernel.kind !== "scatter") {
    for (const { buffer, index } of kernel.stores) found.push({ buffer, index, stored: true });
  }
  return found;
}

/** By how much a place moves along an axis; `undefined` where that is not always the same. */
export function strideAlong(index: Expression, axis: Axis): number | undefined {
  const terms = index.kind === "affine" ? index.terms : [{ atom: index, factor: 1 }];
  let stride = 0;
  for (const { atom, factor } of terms) {
    if (atom.kind === "axis") {
      if (atom.axis === axis) stride += factor;
    } else if (axesOf(atom).has(axis)) return undefined;
  }
  return stride;
}
