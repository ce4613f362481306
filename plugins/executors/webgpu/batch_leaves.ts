/**
 * The arrays of a batch that a plan's inputs stand for.
 *
 * @module
 */
import type { Arrays, HostArray } from "../../../core/batch.ts";
import { leaves } from "../../../core/nested.ts";
import type { Buffer } from "../../compiler/ir/types.ts";

/** The array that an input stands for. @throws {RangeError} If there is none. */
export function leafOf(arrays: Arrays<HostArray>, input: Buffer): HostArray {
  const { role } = input;
  const group = role.kind === "input" ? arrays[role.group] : undefined;
  const leaf = role.kind === "input" && group !== undefined ? leaves(group)[role.index] : undefined;
  if (leaf === undefined) throw new RangeError(`Cannot run the step: the batch has no ${nameOf(input)}.`);
  return leaf;
}

/** An input's name for messages: `x[0]`. */
export function nameOf({ role }: Buffer): string {
  return role.kind === "input" ? `${role.group}[${role.index}]` : role.kind;
}

/** Values as a plan's input has them: bytes, int32 or float32. Copied only where the types differ. */
export function toHostType(values: HostArray["values"], type: Buffer["type"]): HostArray["values"] {
  if (type === "u8") return values instanceof Uint8Array ? values : Uint8Array.from(values);
  if (type === "f32") return values instanceof Float32Array ? values : Float32Array.from(values);
  return values instanceof Int32Array ? values : Int32Array.from(values);
}
