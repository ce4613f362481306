/**
 * How many values become one: what reductions start with, and how two meet.
 *
 * @module
 */
import type { Combine, ScalarType } from "../../../compiler/ir/types.ts";
import type { Elementary } from "./elementary.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { type Code, f32x4, i32x4, v128 } from "./instructions.ts";

/** What is to be known of a reduction. */
export interface Combination {
  /** How values are combined. */
  readonly combine: Combine;
  /** The type of the values. */
  readonly value: { readonly type: ScalarType };
}

/** The value that changes none that it is combined with. */
export function identity({ combine, value: { type } }: Combination, e: Elementary): Code {
  const number = type === "f32" ? (x: number) => e.float(x) : (x: number) => e.int(x);
  switch (combine) {
    case "sum":
      return number(0);
    case "prod":
      return type === "bool" ? e.int(-1) : number(1);
    case "max":
    case "argMax":
      return type === "f32" ? e.float(-Infinity) : e.int(type === "bool" ? 0 : -0x80000000);
    case "min":
    case "argMin":
      return type === "f32" ? e.float(Infinity) : e.int(type === "bool" ? -1 : 0x7fffffff);
    case "all":
      return e.int(-1);
    case "any":
      return e.int(0);
    default:
      return combine satisfies never;
  }
}

/** Two values as one, lane by lane. NaN stays. */
export function merge({ combine, value: { type } }: Combination, a: Code, b: Code): Code {
  const float = type === "f32";
  if (type === "bool" && combine !== "all" && combine !== "any") {
    return combine === "prod" || combine === "min" ? v128.and(a, b) : v128.or(a, b);
  }
  switch (combine) {
    case "sum":
      return float ? f32x4.add(a, b) : i32x4.add(a, b);
    case "prod":
      return float ? f32x4.mul(a, b) : i32x4.mul(a, b);
    case "max":
    case "argMax":
      return float ? f32x4.max(a, b) : i32x4.max(a, b);
    case "min":
    case "argMin":
      return float ? f32x4.min(a, b) : i32x4.min(a, b);
    case "all":
      return v128.and(a, b);
    case "any":
      return v128.or(a, b);
    default:
      return combine satisfies never;
  }
}

/** The four lanes as one value, in all lanes. */
export function mergeLanes(f: FunctionBuilder, combination: Combination, given: Code): Code {
  const value = f.let(given);
  const pairs = f.let(merge(combination, value, v128.shuffle(value, value, [2, 3, 0, 1])));
  return f.let(merge(combination, pairs, v128.shuffle(pairs, pairs, [1, 0, 3, 2])));
}
