/**
 * Pooling in two and three dimensions and its gradients.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression, ScalarType } from "../ir/types.ts";
import type { Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rule, type Rules } from "./rules.ts";
import type { Value } from "./value.ts";
import { all, axes2d, axes3d, cover, coverCount, elementOr, tapPlace, type WindowAxis } from "./windows.ts";

type Four = [number, number, number, number];
type Five = [number, number, number, number, number];
type Pad = Parameters<typeof tf.backend_util.computePool2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;
type AxesOf = (call: Call, x: Value) => WindowAxis[];

const LOWEST_INT = -(2 ** 31);

const poolAxes2d: AxesOf = (call, x) =>
  axes2d(tf.backend_util.computePool2DInfo(
    [...x.shape] as Four,
    attr<number | [number, number]>(call, "filterSize"),
    attr<number | [number, number]>(call, "strides"),
    1,
    attr<Pad>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
  ));

const poolAxes3d: AxesOf = (call, x) =>
  axes3d(tf.backend_util.computePool3DInfo(
    [...x.shape] as Five,
    attr<number | [number, number, number]>(call, "filterSize"),
    attr<number | [number, number, number]>(call, "strides"),
    1,
    attr<"same" | "valid" | number>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
  ));

/** The elements that windows look at, `[batch, …windows, channels, …taps]`. */
function windowsOf(lower: Lowering, x: Value, axes: readonly WindowAxis[], beyond: number): Value {
  if (axes.some(({ taps, stride }) => taps > stride)) lower.beforeRepeating(x);
  const shape = [x.shape[0]!, ...axes.map(({ output }) => output), x.shape.at(-1)!, ...axes.map(({ taps }) => taps)];
  const channel = axes.length + 1;
  return lower.value(shape, x.type, (index) => {
    const places = axes.map((axis, each) => tapPlace(lower.ir, axis, index[each + 1]!, index[channel + 1 + each]!));
    return elementOr(lower, x, [index[0]!, ...places, index[channel]!], beyond);
  });
}

function tapAxes(axes: readonly WindowAxis[]): number[] {
  return axes.map((_, each) => axes.length + 2 + each);
}

function lowest(type: ScalarType): number {
  return type === "f32" ? -Infinity : LOWEST_INT;
}

function largest(lower: Lowering, x: Value, axes: readonly WindowAxis[]): Value {
  return lower.reduce(windowsOf(lower, x, axes, lowest(x.type)), { combine: "max", axes: tapAxes(axes) });
}

/** The tap that sees the first of each window's largest elements, counted row-major. */
function largestTap(lower: Lowering, x: Value, axes: readonly WindowAxis[]): Value {
  return lower.reduce(windowsOf(lower, x, axes, lowest(x.type)), { combine: "argMax", axes: tapAxes(axes) });
}

/** How many elements a window looks at along an axis, those beyond an edge left out. */
function countAlong({ ir }: Lowering, axis: WindowAxis, window: Expression): Expression {
  const start = tapPlace(ir, axis, window, ir.int(0));
  const end = ir.binary("min", ir.add(start, axis.taps), ir.int(axis.input));
  const count = ir.sub(end, ir.binary("max", start, ir.int(0)));
  const last = (axis.output - 1) * axis.stride - axis.before;
  const mayBeOutside = last >= axis.input || axis.before >= axis.taps;
  return mayBeOutside ? ir.binary("max", count, ir.int(0)) : count;
}

/** Means of the elements that are there. Where there are none, tfjs yields NaN in two dimensions and 0 in three. */
function average(lower: Lowering, x: Value, axes: readonly WindowAxis[]): Value {
  const { ir } = lower;
  const sums = lower.reduce(windowsOf(lower, lower.cast(x, "f32"), axes, 0), { combine: "sum", axes: tapAxes(axes) });
  const means = lower.value(sums.shape, "f32", (index) => {
    const counts = axes.map((axis, each) => countAlong(lower, axis, index[each + 1]!));
    const count = counts.reduce((product, one) => ir.mul(product, one));
    const divisor = axes.length === 2 ? count : ir.binary("max", count, ir.int(1));
    return ir.div(sums.at(index), ir.cast(divisor, "f32"));
  });
  return lower.cast(means, x.type);
}

/** What `gatherGradient` adds up. */
export interface WindowGradient {
  /** Gradients of windows: `[batch, …windows, channels]`. */
  readonly dy: Value;
  /** How windows lie. */
  readonly axes: readonly WindowAxis[];
  /** The tap of each window to whose element its gradient goes, counted row-major. @default all of them */
  readonly chosen?: Value;
}

/** Gradients of the elements that windows look at, `[batch, …space, channels]`: those of the windows that cover them. */
export function gatherGradient(lower: Lowering, { dy, axes, chosen }: WindowGradient): Value {
  const { ir } = lower;
  const shape = [dy.shape[0]!, ...axes.map((axis) => axis.input), dy.shape.at(-1)!];
  const taps = axes.map((axis) => axis.taps);
  const parts = lower.value([...shape, ...axes.map(coverCount)], "f32", (index) => {
    const covers = axes.map((axis, each) => cover(ir, axis, index[each + 1]!, index[shape.length + each]!));
    const window = [index[0]!, ...covers.map((each) => each.window), index[shape.length - 1]!];
    const conditions = covers.map((each) => each.covers);
    if (chosen) {
      conditions.push(ir.compare("eq", chosen.at(window), ir.flatten(covers.map(({ tap }) => tap), taps)));
    }
    return elementOr(lower, dy, window, 0, { condition: all(ir, conditions) });
  });
  return lower.reduce(parts, { combine: "sum", axes: tapAxes(axes) });
}

/** The gradient of a window's elements: all of it goes to the first of the largest ones. */
function largestGradient(axesOf: AxesOf): Rule {
  return (call) => {
    const { lower } = call;
    const x = input(call, "input");
    const dy = lower.cast(input(call, "dy"), "f32");
    const axes = axesOf(call, x);
    lower.beforeRepeating(dy);
    return gatherGradient(lower, { dy, axes, chosen: largestTap(lower, x, axes) });
  };
}

/** The gradient of a window's elements: equal parts, those beyond an edge included, as tfjs has it. */
function averageGradient(axesOf: AxesOf): Rule {
  return (call) => {
    const { lower, output } = call;
    const dy = lower.cast(input(call, "dy"), "f32");
    const axes = axesOf(call, input(call, "input"));
    lower.beforeRepeating(dy);
    const sums = gatherGradient(lower, { dy, axes });
    const count = axes.reduce((product, { taps }) => product * taps, 1);
    return lower.map(output.shape, "f32", [sums], (sum) => lower.ir.mul(sum!, 1 / count));
  };
}

function maxPoolWithArgmax(call: Call): readonly Value[] {
  const { lower, node } = call;
  const { ir } = lower;
  const x = input(call, "x");
  const axes = poolAxes2d(call, x);
  lower.beforeRepeating(x);
  const taps = largestTap(lower, x, axes);
  const counted = attr<boolean>(call, "includeBatchInIndex");
  const places = lower.value(node.outputs[1]!.shape, "i32", (index) => {
    const tap = ir.unflatten(taps.at(index), axes.map((axis) => axis.taps));
    const place = axes.map((axis, each) => tapPlace(ir, axis, index[each + 1]!, tap[each]!));
    return ir.flatten([counted ? index[0]! : ir.int(0), ...place, index[3]!], x.shape);
  });
  return [largest(lower, x, axes), places];
}

/** A rule of what pooling in two or three dimensions yields. */
function pool(axesOf: AxesOf, pooled: typeof largest): Rule {
  return (call) => pooled(call.lower, input(call, "x"), axesOf(call, input(call, "x")));
}

/** Rules of pooling. */
export const poolingRules: Rules = {
  MaxPool: pool(poolAxes2d, largest),
  MaxPool3D: pool(poolAxes3d, largest),
  AvgPool: pool(poolAxes2d, average),
  AvgPool3D: pool(poolAxes3d, average),
  MaxPoolGrad: largestGradient(poolAxes2d),
  MaxPool3DGrad: largestGradient(poolAxes3d),
  AvgPoolGrad: averageGradient(poolAxes2d),
  AvgPool3DGrad: averageGradient(poolAxes3d),
  MaxPoolWithArgmax: maxPoolWithArgmax,
};
