/**
 * How values become one.
 *
 * @module
 */
import { walk } from "../../../compiler/ir/shape.ts";
import type { Combine, Reduction, ScalarType } from "../../../compiler/ir/types.ts";
import type { MathLibrary } from "./math.ts";

/** A combination that gives the place of a value. */
type PlaceCombine = "argMax" | "argMin";

/** Whether a combination gives the place of a value, and not a value. */
export function isPlace(combine: Combine): combine is PlaceCombine {
  return combine === "argMax" || combine === "argMin";
}

/** What a reduction begins with: what changes no value. */
export function startOf(combine: Exclude<Combine, PlaceCombine>, type: ScalarType): number {
  switch (combine) {
    case "sum":
    case "any":
      return 0;
    case "prod":
    case "all":
      return 1;
    case "max":
      return type === "f32" ? -Infinity : type === "i32" ? -0x80000000 : 0;
    case "min":
      return type === "f32" ? Infinity : type === "i32" ? 0x7fffffff : 1;
    default:
      return combine satisfies never;
  }
}

/** Reductions that can share a loop: none needs a result of another. */
export function passesOf(reductions: readonly Reduction[]): readonly (readonly Reduction[])[] {
  const levels = new Map<number, number>();
  const passes: Reduction[][] = [];
  for (const reduction of reductions) {
    let level = 0;
    walk([reduction.value], (part) => {
      if (part.kind === "result") level = Math.max(level, (levels.get(part.result) ?? -1) + 1);
    });
    levels.set(reduction.result, level);
    (passes[level] ??= []).push(reduction);
  }
  return passes;
}

/** A value taken into a running one. */
export function combineText(
  combine: Exclude<Combine, PlaceCombine>,
  type: ScalarType,
  running: string,
  value: string,
  width: 1 | 4,
  math: MathLibrary,
): string {
  switch (combine) {
    case "sum":
      return `${running} + ${value}`;
    case "prod":
      return `${running} * ${value}`;
    case "all":
      return `${running} & ${value}`;
    case "any":
      return `${running} | ${value}`;
    case "max":
    case "min":
      if (type === "bool") return `${running} ${combine === "max" ? "|" : "&"} ${value}`;
      return `${type === "f32" ? math.name(combine, width) : combine}(${running}, ${value})`;
    default:
      return combine satisfies never;
  }
}
