/**
 * Where buffers lie within others, and how much memory they take.
 *
 * @module
 */
import type { Buffer } from "./types.ts";

/** The buffer that a buffer is a part of in the end, and its first element there: itself and 0 where it is no part. */
export function placeOf(buffer: Buffer): { readonly root: Buffer; readonly offset: number } {
  let root = buffer;
  let offset = 0;
  for (; root.within !== undefined; root = root.within.buffer) offset += root.within.offset;
  return { root, offset };
}

/** The buffer that a buffer is a part of in the end. */
export function rootOf(buffer: Buffer): Buffer {
  return placeOf(buffer).root;
}

/** Whether two buffers have an element in common. */
export function overlap(one: Buffer, other: Buffer): boolean {
  if (one === other) return true;
  const [a, b] = [placeOf(one), placeOf(other)];
  return a.root === b.root && a.offset < b.offset + other.size && b.offset < a.offset + one.size;
}

/** Bytes that an element of a buffer takes. */
export function elementBytes({ type }: Pick<Buffer, "type">): number {
  return type === "u8" ? 1 : 4;
}

/** How many bytes a buffer takes: of `input`, one row; of what has a part for each step, one part. */
export function bytesOf(buffer: Pick<Buffer, "type" | "size">): number {
  return buffer.size * elementBytes(buffer);
}

/** Whether a buffer has one part for each step. */
export function hasPartPerStep({ role }: Buffer): boolean {
  return role.kind === "rows" || role.kind === "sums" || role.kind === "output";
}
