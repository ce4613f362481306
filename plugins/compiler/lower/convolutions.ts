/**
 * Convolutions in two and three dimensions and their gradients, as products whose factors are read through windows.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression } from "../ir/types.ts";
import { activate } from "./elementwise.ts";
import { axesIn, type Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rule, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";
import { axes2d, axes3d, copy, elementOr, isFactor, tapPlace, type WindowAxis } from "./windows.ts";

type Four = [number, number, number, number];
type Five = [number, number, number, number, number];
type Padding = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;

const product = (sizes: readonly number[]) => sizes.reduce((total, size) => total * size, 1);

/** Reads a factor, which is kept in memory first unless a product can read it as it is. */
function factor(lower: Lowering, value: Value, read: () => Expression): Expression {
  const element = read();
  if (isFactor(element)) return element;
  copy(lower, value);
  return read();
}

/** Whether windows are the elements themselves. */
function isPlain({ input, output, taps, stride, before }: WindowAxis): boolean {
  return taps === 1 && stride === 1 && before === 0 && input === output;
}

/** Elements `[batch, …space, channels]` as a matrix `[batch · space, channels]`, if a product can read it so. */
function asMatrix(lower: Lowering, value: Value): Value | undefined {
  const matrix = lower.reshape(value, [value.size / value.shape.at(-1)!, value.shape.at(-1)!]);
  return isFactor(matrix.at(lower.axes(matrix.shape))) ? matrix : undefined;
}

/** `x` `[batch, …space, inputs]` with `filter` `[…taps, inputs, outputs]`: `[batch, …windows, outputs]`. */
function convolve(lower: Lowering, x: Value, filter: Value, axes: readonly WindowAxis[]): Value {
  const { ir } = lower;
  const [batch, inputs, outputs] = [x.shape[0]!, x.shape.at(-1)!, filter.shape.at(-1)!];
  const shape = [batch, ...axes.map(({ output }) => output), outputs];
  const matrix = axes.length > 0 && axes.every(isPlain) ? asMatrix(lower, x) : undefined;
  if (matrix !== undefined) {
    return lower.reshape(convolve(lower, matrix, lower.reshape(filter, [inputs, outputs]), []), shape);
  }
  return lower.contract({
    batch: [],
    rows: shape.slice(0, -1),
    columns: [outputs],
    inner: [...axes.map(({ taps }) => taps), inputs],
    left: (_, [n, ...windows], inner) =>
      factor(lower, x, () => {
        const places = axes.map((axis, each) => tapPlace(ir, axis, windows[each]!, inner[each]!));
        return elementOr(lower, x, [n!, ...places, inner.at(-1)!], 0);
      }),
    right: (_, inner, columns) => factor(lower, filter, () => filter.at([...inner, ...columns])),
  }, shape);
}

/** The gradient of the filter `[…taps, inputs, outputs]`, from `x` and that of the result. */
function filterGradient(lower: Lowering, x: Value, dy: Value, axes: readonly WindowAxis[]): Value {
  const { ir } = lower;
  const [inputs, outputs] = [x.shape.at(-1)!, dy.shape.at(-1)!];
  const taps = axes.map((axis) => axis.taps);
  const shape = [...taps, inputs, outputs];
  if (axes.length > 0 && axes.every(isPlain)) {
    const [left, right] = [asMatrix(lower, x), asMatrix(lower, dy)];
    if (left && right) return lower.reshape(filterGradient(lower, left, right, []), shape);
  }
  return lower.contract({
    batch: [],
    rows: [...taps, inputs],
    columns: [outputs],
    inner: dy.shape.slice(0, -1),
    left: (_, rows, [n, ...windows]) =>
      factor(lower, x, () => {
        const places = axes.map((axis, each) => tapPlace(ir, axis, windows[each]!, rows[each]!));
        return elementOr(lower, x, [n!, ...places, rows.at(-1)!], 0);
      }),
    right: (_, inner, columns) => factor(lower, dy, () => dy.at([...inner, ...columns])),
  }, shape);
}

/** How the elements of an axis fall into phases, those of one phase being looked at by the same taps. */
interface Phases {
  /** Phases that any tap looks at. */
  readonly phases: number;
  /** Elements of a phase. */
  readonly elements: number;
  /** Taps of a phase. */
  readonly taps: number;
  /** Where the first element is, counted from the first element of the first phase. */
  readonly offset: number;
}

function phasesOf({ taps, stride, before, input }: WindowAxis): Phases {
  if (stride === 1) return { phases: 1, elements: input, taps, offset: 0 };
  return {
    phases: Math.min(stride, taps),
    elements: Math.floor((input - 1 + before) / stride) + 1,
    taps: Math.ceil(taps / stride),
    offset: before,
  };
}

/**
 * The gradient of the input `[batch, …space, inputs]`, from `filter` and that of the result.
 *
 * Only every `stride`-th tap looks at an element. Elements are taken in phases, so that no product is with a tap that
 * does not, and all places are sums of strides.
 */
function inputGradient(
  lower: Lowering,
  dy: Value,
  filter: Value,
  axes: readonly WindowAxis[],
): Value {
  const { ir } = lower;
  const [batch, inputs, outputs] = [dy.shape[0]!, filter.shape.at(-2)!, filter.shape.at(-1)!];
  const shape = [batch, ...axes.map(({ input }) => input), inputs];
  const matrix = axes.length > 0 && axes.every(isPlain) ? asMatrix(lower, dy) : undefined;
  if (matrix !== undefined) {
    return lower.reshape(inputGradient(lower, matrix, lower.reshape(filter, [inputs, outputs]), []), shape);
  }
  const all = axes.map(phasesOf);
  const phases = lower.axes(all.map((axis) => axis.phases));
  const rows = lower.axes([batch, ...all.map(({ elements }) => elements)]);
  const columns = lower.axes([inputs]);
  const inner = lower.axes([...all.map(({ taps }) => taps), outputs]);
  const padded = [batch, ...all.map((axis) => axis.phases * axis.elements), inputs];
  const left = factor(lower, dy, () => {
    const windows = axes.map(({ stride, before }, each) => {
      const first = ir.sub(ir.add(rows[each + 1]!, inner[each]!), all[each]!.taps - 1);
      return stride === 1 ? ir.add(first, before) : first;
    });
    return elementOr(lower, dy, [rows[0]!, ...windows, inner.at(-1)!], 0);
  });
  const right = factor(lower, filter, () => {
    const taps = axes.map(({ stride }, each) => {
      const last = ir.mul(ir.sub(ir.int(all[each]!.taps - 1), inner[each]!), stride);
      return ir.add(last, phases[each]!);
    });
    return elementOr(lower, filter, [...taps, columns[0]!, inner.at(-1)!], 0);
  });
  const result = ir.newResult();
  const buffer = lower.newScratch("f32", product(padded));
  const places = all.map((axis, each) => ir.add(ir.mul(rows[each + 1]!, axis.phases), phases[each]!));
  lower.kernels.push({
    kind: "contraction",
    batch: axesIn(phases),
    rows: axesIn(rows),
    columns: axesIn(columns),
    inner: axesIn(inner),
    left,
    right,
    result,
    stores: [{
      buffer,
      index: ir.flatten([rows[0]!, ...places, columns[0]!], padded),
      value: ir.result(result, "f32"),
    }],
  });
  const stored = lower.loaded(buffer, padded, "f32");
  return lower.value(shape, "f32", (index) => {
    const found = all.map((axis, each) => placeInPhase(lower, axes[each]!, axis, index[each + 1]!));
    const element = stored.at([index[0]!, ...found.map(({ place }) => place), index.at(-1)!]);
    const looked = found.reduce((both, each) => ir.and(both, each.looked), ir.number(1, "bool"));
    return ir.select(looked, element, ir.float(0));
  });
}

/** Where an element is among those of all phases, and whether any tap looks at it. */
function placeInPhase(
  { ir }: Lowering,
  { stride }: WindowAxis,
  { phases, offset }: Phases,
  element: Expression,
): { readonly place: Expression; readonly looked: Expression } {
  const place = ir.add(element, offset);
  if (stride === 1 || phases === stride) return { place, looked: ir.number(1, "bool") };
  const phase = ir.floorMod(place, stride);
  return {
    place: ir.add(ir.mul(ir.floorDiv(place, stride), phases), phase),
    looked: ir.compare("lt", phase, phases),
  };
}

/** What a kernel says about its windows. */
interface Geometry {
  readonly axes: readonly WindowAxis[];
  /** Whether channels come before space. */
  readonly channelsFirst: boolean;
}

function geometry2d(call: Call, x: readonly number[], filter: readonly number[]): Geometry {
  const format = tf.backend_util.convertConv2DDataFormat(attr<"NHWC" | "NCHW">(call, "dataFormat") ?? "NHWC");
  const info = tf.backend_util.computeConv2DInfo(
    [...x] as Four,
    [...filter] as Four,
    attr<number | [number, number]>(call, "strides"),
    attr<number | [number, number] | undefined>(call, "dilations") ?? 1,
    attr<Padding>(call, "pad"),
    attr<Rounding>(call, "dimRoundingMode"),
    false,
    format,
  );
  return { axes: axes2d(info), channelsFirst: format === "channelsFirst" };
}

function geometry3d(call: Call, x: readonly number[], filter: readonly number[]): Geometry {
  const info = tf.backend_util.computeConv3DInfo(
    [...x] as Five,
    [...filter] as Five,
    attr<number | [number, number, number]>(call, "strides"),
    attr<number | [number, number, number] | undefined>(call, "dilations") ?? 1,
    attr<"same" | "valid">(call, "pad"),
  );
  return { axes: axes3d(info), channelsFirst: false };
}

/** A factor as float32 in memory, channels last. */
function operand(lower: Lowering, value: Value, { channelsFirst }: Geometry): Value {
  const floats = lower.cast(value, "f32");
  lower.asOperand(floats);
  if (!channelsFirst) return floats;
  const [n, channels, ...space] = floats.shape as [number, number, ...number[]];
  return lower.value(
    [n, ...space, channels],
    "f32",
    (index) => floats.at([index[0]!, index.at(-1)!, ...index.slice(1, -1)]),
  );
}

/** A result with channels last in the format and type that the kernel yields. */
function result({ lower, output }: Call, value: Value, { channelsFirst }: Geometry): Value {
  const ordered = channelsFirst
    ? lower.value(output.shape, "f32", ([n, channel, ...space]) => value.at([n!, ...space, channel!]))
    : value;
  return lower.cast(ordered, scalarType(output));
}

type GeometryOf = typeof geometry2d;

function forward(geometryOf: GeometryOf): (call: Call) => Value {
  return (call) => {
    const { lower } = call;
    const filter = input(call, "filter");
    const geometry = geometryOf(call, input(call, "x").shape, filter.shape);
    const x = operand(lower, input(call, "x"), geometry);
    const weights = operand(lower, filter, { ...geometry, channelsFirst: false });
    return result(call, convolve(lower, x, weights, geometry.axes), geometry);
  };
}

function backwardFilter(geometryOf: GeometryOf): Rule {
  return (call) => {
    const { lower } = call;
    const geometry = geometryOf(call, input(call, "x").shape, attr<number[]>(call, "filterShape"));
    const x = operand(lower, input(call, "x"), geometry);
    return filterGradient(lower, x, operand(lower, input(call, "dy"), geometry), geometry.axes);
  };
}

function backwardInput(geometryOf: GeometryOf): Rule {
  return (call) => {
    const { lower } = call;
    const filter = input(call, "filter");
    const geometry = geometryOf(call, attr<number[]>(call, "inputShape"), filter.shape);
    const dy = operand(lower, input(call, "dy"), geometry);
    const weights = operand(lower, filter, { ...geometry, channelsFirst: false });
    return result(call, inputGradient(lower, dy, weights, geometry.axes), geometry);
  };
}

/** Adds a fused kernel's bias and applies its activation. */
export function finish(call: Call, value: Value): Value {
  const { lower, output, inputs } = call;
  const activation = attr<string | undefined>(call, "activation");
  const first = attr<string | undefined>(call, "dataFormat") === "NCHW";
  /** One number a channel stands in front of space where channels do. */
  const aligned = (given: Value | undefined) =>
    given && first && given.shape.length === 1 && given.size > 1 ? lower.reshape(given, [given.size, 1, 1]) : given;
  const [bias, slopes] = [aligned(inputs.bias), aligned(inputs.preluActivationWeights)];
  if (bias === undefined && (activation ?? "linear") === "linear") return value;
  const values = [value, ...bias ? [bias] : [], ...slopes ? [slopes] : []];
  return lower.map(output.shape, "f32", values, (x, ...rest) => {
    const summed = bias ? lower.ir.add(x!, rest[0]!) : x!;
    return activate(call, activation, summed, slopes && rest.at(-1));
  });
}

/** Rules of convolutions. */
export const convolutionRules: Rules = {
  Conv2D: forward(geometry2d),
  FusedConv2D: (call) => finish(call, forward(geometry2d)(call)),
  Conv2DBackpropFilter: backwardFilter(geometry2d),
  Conv2DBackpropInput: backwardInput(geometry2d),
  Conv3D: forward(geometry3d),
  Conv3DBackpropFilterV2: backwardFilter(geometry3d),
  Conv3DBackpropInputV2: backwardInput(geometry3d),
};
