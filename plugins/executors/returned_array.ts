/**
 * What a compiled step returns, as arrays of the host.
 *
 * @module
 */
import type { HostArray } from "../../core/batch.ts";
import type { ValueInfo } from "../compiler/graph.ts";

/** An array of what lies in memory: truth values as words of 0 and 1. The words are copied. */
export function returnedArray({ shape, dtype }: ValueInfo, words: HostArray["values"]): HostArray {
  if (dtype === "bool") return { shape, dtype, values: Uint8Array.from(words) };
  return { shape, dtype: dtype === "int32" ? "int32" : "float32", values: words.slice() };
}
