/**
 * Windows that slide over an input: which elements they cover, which cover an element, and what lies beyond an edge.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import { strides, walk } from "../ir/shape.ts";
import type { Expression } from "../ir/types.ts";
import type { Lowering } from "./lowering.ts";
import type { Value } from "./value.ts";

/** How windows lie along one axis. */
export interface WindowAxis {
  /** Elements of the input. */
  readonly input: number;
  /** Windows. */
  readonly output: number;
  /** Elements that a window looks at. */
  readonly taps: number;
  /** From one window to the next. */
  readonly stride: number;
  /** From one tap to the next. */
  readonly dilation: number;
  /** How far the first window begins before the input. */
  readonly before: number;
}

/** What tfjs computes about windows over height and width. */
export interface Windows2d {
  /** Rows of the input. */
  readonly inHeight: number;
  /** Columns of the input. */
  readonly inWidth: number;
  /** Windows along the height. */
  readonly outHeight: number;
  /** Windows along the width. */
  readonly outWidth: number;
  /** Rows that a window looks at. */
  readonly filterHeight: number;
  /** Columns that a window looks at. */
  readonly filterWidth: number;
  /** From one window to the next below. */
  readonly strideHeight: number;
  /** From one window to the next beside. */
  readonly strideWidth: number;
  /** From one row to the next in a window. */
  readonly dilationHeight: number;
  /** From one column to the next in a window. */
  readonly dilationWidth: number;
  /** Elements before the input. */
  readonly padInfo: { readonly top: number; readonly left: number };
}

/** What tfjs computes about windows over depth, height and width. */
export interface Windows3d extends Windows2d {
  /** Layers of the input. */
  readonly inDepth: number;
  /** Windows along the depth. */
  readonly outDepth: number;
  /** Layers that a window looks at. */
  readonly filterDepth: number;
  /** From one window to the next behind. */
  readonly strideDepth: number;
  /** From one layer to the next in a window. */
  readonly dilationDepth: number;
  /** Elements before the input. */
  readonly padInfo: { readonly front: number; readonly top: number; readonly left: number };
}

/** Height and width. */
export function axes2d(info: Windows2d): WindowAxis[] {
  return [
    {
      input: info.inHeight,
      output: info.outHeight,
      taps: info.filterHeight,
      stride: info.strideHeight,
      dilation: info.dilationHeight,
      before: info.padInfo.top,
    },
    {
      input: info.inWidth,
      output: info.outWidth,
      taps: info.filterWidth,
      stride: info.strideWidth,
      dilation: info.dilationWidth,
      before: info.padInfo.left,
    },
  ];
}

/** Depth, height and width. */
export function axes3d(info: Windows3d): WindowAxis[] {
  return [
    {
      input: info.inDepth,
      output: info.outDepth,
      taps: info.filterDepth,
      stride: info.strideDepth,
      dilation: info.dilationDepth,
      before: info.padInfo.front,
    },
    ...axes2d(info),
  ];
}

/** The element of the input that a window looks at; may lie beyond an edge. */
export function tapPlace(ir: Expressions, axis: WindowAxis, window: Expression, tap: Expression): Expression {
  return ir.sub(ir.add(ir.mul(window, axis.stride), ir.mul(tap, axis.dilation)), axis.before);
}

/** One of the windows that cover an element. */
export interface Cover {
  /** Which window; may be none of those that there are. */
  readonly window: Expression;
  /** Which of its taps looks at the element. */
  readonly tap: Expression;
  /** Whether there is such a tap. */
  readonly covers: Expression;
}

/** At most how many windows cover an element. */
export function coverCount({ taps, stride, dilation }: WindowAxis): number {
  return dilation === 1 ? Math.ceil(taps / stride) : taps;
}

/** The windows that cover an element, by numbers from 0 to `coverCount - 1`. */
export function cover(ir: Expressions, axis: WindowAxis, element: Expression, number: Expression): Cover {
  const { taps, stride, dilation, before } = axis;
  const place = ir.add(element, before);
  if (dilation === 1) {
    const tap = ir.add(ir.floorMod(place, stride), ir.mul(number, stride));
    return { window: ir.sub(ir.floorDiv(place, stride), number), tap, covers: ir.compare("lt", tap, taps) };
  }
  const start = ir.sub(place, ir.mul(number, dilation));
  const covers = ir.compare("eq", ir.floorMod(start, stride), 0);
  return { window: ir.floorDiv(start, stride), tap: number, covers };
}

/** Whether all of some truth values hold. */
export function all(ir: Expressions, conditions: readonly Expression[]): Expression {
  return conditions.reduce((both, condition) => ir.and(both, condition), ir.number(1, "bool"));
}

/** Whether a place lies inside; known where the bounds tell. */
export function isInside(ir: Expressions, index: readonly Expression[], shape: readonly number[]): Expression {
  return all(
    ir,
    index.flatMap((place, axis) => [ir.compare("ge", place, 0), ir.compare("lt", place, shape[axis]!)]),
  );
}

/** Options of `elementOr`. */
export interface ElementOptions {
  /** A further condition under which the element is taken. @default true */
  readonly condition?: Expression;
  /** What is made of it where it is taken. @default the element */
  readonly compute?: (element: Expression) => Expression;
}

/** The element at a place that may lie beyond an edge, or another number there and where a further condition fails. */
export function elementOr(
  lower: Lowering,
  value: Value,
  index: readonly Expression[],
  otherwise: number,
  { condition = lower.ir.number(1, "bool"), compute }: ElementOptions = {},
): Expression {
  const { ir } = lower;
  const inside = isInside(ir, index, value.shape);
  const guard = ir.and(condition, inside);
  if (guard.kind === "number" && !guard.value) return ir.number(otherwise, value.type);
  const element = value.at(inside.kind !== "number" && readsInput(lower, value) ? clamp(ir, index, value) : index);
  if (compute) return ir.select(guard, compute(element), ir.number(otherwise, value.type));
  // One guard around one load is what products read.
  if (element.kind === "select" && element.otherwise.kind === "number" && element.otherwise.value === otherwise) {
    return ir.select(ir.and(guard, element.condition), element.then, element.otherwise);
  }
  return ir.select(guard, element, ir.number(otherwise, value.type));
}

/** Loads of inputs lie inside always: nothing else keeps them there. */
function readsInput(lower: Lowering, value: Value): boolean {
  let found = false;
  walk([value.at(lower.axes(value.shape))], (part) => {
    if (part.kind === "load" && part.buffer.role.kind === "input") found = true;
  });
  return found;
}

function clamp(ir: Expressions, index: readonly Expression[], { shape }: Value): Expression[] {
  return index.map((place, axis) => {
    const inside = isInside(ir, [place], [shape[axis]!]);
    if (inside.kind === "number") return place;
    return ir.binary("max", ir.binary("min", place, ir.int(shape[axis]! - 1)), ir.int(0));
  });
}

/** Computes a value into memory of its own, even where it is a view of what lies in memory already. */
export function copy(lower: Lowering, value: Value): void {
  const buffer = lower.newScratch(value.type, value.size);
  lower.storeInto(buffer, value);
  value.replace((index) => lower.ir.load(buffer, lower.ir.flatten(index, value.shape), value.type));
}

/** Whether an element lies in memory at a sum of strides, or is 0 beyond an edge: what products read. */
export function isFactor(element: Expression): boolean {
  if (element.kind === "select" && element.otherwise.kind === "number" && element.otherwise.value === 0) {
    return isFactor(element.then);
  }
  return element.kind === "load" && element.buffer.role.kind !== "input" && strides(element.index) !== undefined;
}
