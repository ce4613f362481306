/**
 * Depthwise convolutions and morphological dilation, and their gradients: each channel on its own.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression } from "../ir/types.ts";
import { finish } from "./convolutions.ts";
import { gatherGradient } from "./pooling.ts";
import { attr, type Call, input, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";
import { all, axes2d, cover, coverCount, elementOr, tapPlace, type WindowAxis } from "./windows.ts";

type Three = [number, number, number];
type Four = [number, number, number, number];
type Pair = number | [number, number];
type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;

/** What no sum of two numbers is expected to be below: tfjs begins from it. */
const LOWEST = Number.MIN_SAFE_INTEGER;

function depthwiseAxes(call: Call, x: readonly number[], filter: readonly number[]): WindowAxis[] {
  return axes2d(tf.backend_util.computeConv2DInfo(
    [...x] as Four,
    [...filter] as Four,
    attr<Pair>(call, "strides"),
    attr<Pair | undefined>(call, "dilations") ?? 1,
    attr<Padding>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
    true,
  ));
}

/** A float32 input that several results read. */
function floats(call: Call, name: string): Value {
  const value = call.lower.cast(input(call, name), "f32");
  call.lower.beforeRepeating(value);
  return value;
}

/** Each channel of `x` with as many filters of its own as the filter's last axis says. */
function depthwise(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const [x, filter] = [floats(call, "x"), floats(call, "filter")];
  const axes = depthwiseAxes(call, x.shape, filter.shape);
  const [height, width, channels, multiplier] = filter.shape as Four;
  const shape = [...output.shape.slice(0, 3), channels, multiplier];
  const products = lower.value([...shape, height, width], "f32", (index) => {
    const [n, , , channel, which, ...taps] = index;
    const places = axes.map((axis, each) => tapPlace(ir, axis, index[each + 1]!, taps[each]!));
    const weight = filter.at([...taps, channel!, which!]);
    return elementOr(lower, x, [n!, ...places, channel!], 0, { compute: (element) => ir.mul(element, weight) });
  });
  const sums = lower.reduce(products, { combine: "sum", axes: [5, 6] });
  return lower.cast(lower.reshape(sums, output.shape), scalarType(output));
}

function depthwiseFilterGradient(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const [x, dy] = [floats(call, "x"), floats(call, "dy")];
  const axes = depthwiseAxes(call, x.shape, output.shape);
  const multiplier = output.shape[3]!;
  const products = lower.value([...output.shape, ...dy.shape.slice(0, 3)], "f32", (index) => {
    const [, , channel, which, ...window] = index;
    const places = axes.map((axis, each) => tapPlace(ir, axis, window[each + 1]!, index[each]!));
    const gradient = dy.at([...window, ir.add(ir.mul(channel!, multiplier), which!)]);
    const compute = (element: Expression) => ir.mul(element, gradient);
    return elementOr(lower, x, [window[0]!, ...places, channel!], 0, { compute });
  });
  return lower.reduce(products, { combine: "sum", axes: [4, 5, 6] });
}

function depthwiseInputGradient(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const [dy, filter] = [floats(call, "dy"), floats(call, "filter")];
  const axes = depthwiseAxes(call, output.shape, filter.shape);
  const multiplier = filter.shape[3]!;
  const products = lower.value([...output.shape, ...axes.map(coverCount), multiplier], "f32", (index) => {
    const channel = index[3]!;
    const which = index[6]!;
    const covers = axes.map((axis, each) => cover(ir, axis, index[each + 1]!, index[each + 4]!));
    const weight = [...covers.map(({ tap }) => tap), channel, which];
    const windows = covers.map(({ window }) => window);
    return elementOr(lower, dy, [index[0]!, ...windows, ir.add(ir.mul(channel, multiplier), which)], 0, {
      condition: all(ir, covers.map(({ covers }) => covers)),
      compute: (gradient) => ir.mul(gradient, elementOr(lower, filter, weight, 0)),
    });
  });
  return lower.reduce(products, { combine: "sum", axes: [4, 5, 6] });
}

function dilationAxes(call: Call, x: Value, filter: Value): WindowAxis[] {
  return axes2d(tf.backend_util.computeDilation2DInfo(
    [...x.shape] as Four,
    [...filter.shape] as Three,
    attr<Pair>(call, "strides"),
    attr<"same" | "valid" | number>(call, "pad"),
    "NHWC",
    attr<Pair>(call, "dilations"),
  ));
}

/** The sums of elements and filter that each window has: `[batch, height, width, channels, …taps]`. */
function dilationSums(call: Call, axes: readonly WindowAxis[]): Value {
  const { lower } = call;
  const { ir } = lower;
  const [x, filter] = [floats(call, "x"), floats(call, "filter")];
  const [n, , , channels] = x.shape as Four;
  const shape = [n, ...axes.map(({ output }) => output), channels, ...axes.map(({ taps }) => taps)];
  return lower.value(shape, "f32", (index) => {
    const taps = index.slice(4);
    const places = axes.map((axis, each) => tapPlace(ir, axis, index[each + 1]!, taps[each]!));
    const weight = filter.at([...taps, index[3]!]);
    return elementOr(lower, x, [index[0]!, ...places, index[3]!], LOWEST, {
      compute: (element) => ir.add(element, weight),
    });
  });
}

function dilation(call: Call): Value {
  const axes = dilationAxes(call, input(call, "x"), input(call, "filter"));
  const largest = call.lower.reduce(dilationSums(call, axes), { combine: "max", axes: [4, 5] });
  return call.lower.cast(largest, scalarType(call.output));
}

/** The tap that gave each window its largest sum: where its gradient goes. */
function dilationTaps(call: Call): { readonly axes: readonly WindowAxis[]; readonly chosen: Value } {
  const axes = dilationAxes(call, input(call, "x"), input(call, "filter"));
  return { axes, chosen: call.lower.reduce(dilationSums(call, axes), { combine: "argMax", axes: [4, 5] }) };
}

function dilationFilterGradient(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const dy = floats(call, "dy");
  const { axes, chosen } = dilationTaps(call);
  const taps = axes.map((axis) => axis.taps);
  const parts = lower.value([...output.shape, ...dy.shape.slice(0, 3)], "f32", (index) => {
    const window = [...index.slice(3), index[2]!];
    const own = ir.compare("eq", chosen.at(window), ir.flatten(index.slice(0, 2), taps));
    return ir.select(own, dy.at(window), ir.float(0));
  });
  return lower.cast(lower.reduce(parts, { combine: "sum", axes: [3, 4, 5] }), scalarType(output));
}

function dilationInputGradient(call: Call): Value {
  const { lower, output } = call;
  const dy = floats(call, "dy");
  const { axes, chosen } = dilationTaps(call);
  return lower.cast(gatherGradient(lower, { dy, axes, chosen }), scalarType(output));
}

/** Rules of depthwise convolutions and morphological dilation. */
export const depthwiseRules: Rules = {
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2D: (call) => finish(call, depthwise(call)),
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: depthwiseInputGradient,
  Dilation2D: dilation,
  Dilation2DBackpropFilter: dilationFilterGradient,
  Dilation2DBackpropInput: dilationInputGradient,
};
