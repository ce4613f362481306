/**
 * Kernels that make, move, join, cut and look up elements: views of their inputs, but for what is joined.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expression } from "../ir/types.ts";
import { axesOf } from "../shapes/types.ts";
import { lookupFloats, lookupInts } from "./lookup.ts";
import type { Lowering } from "./lowering.ts";
import { attr, type Call, input, list, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";
import { all, elementOr } from "./windows.ts";

/** The elements of a value at other places. */
function view(
  { lower }: Call,
  value: Value,
  shape: readonly number[],
  place: (index: readonly Expression[]) => readonly Expression[],
): Value {
  return lower.value(shape, value.type, (index) => value.at(place(index)));
}

/** Pieces one after the other along an axis: each is stored where it belongs. */
export function concatenate(lower: Lowering, pieces: readonly Value[], axis: number): Value {
  const [first] = pieces as readonly [Value];
  const filled = pieces.filter(({ size }) => size > 0);
  if (filled.length <= 1) return filled[0] ?? first;
  const shape = [...first.shape];
  shape[axis] = filled.reduce((sum, piece) => sum + piece.shape[axis]!, 0);
  const buffer = lower.newScratch(first.type, shape.reduce((product, size) => product * size, 1));
  let offset = 0;
  for (const piece of filled) {
    const start = offset;
    lower.storeInto(
      buffer,
      piece,
      (places) =>
        lower.ir.flatten(places.map((place, each) => each === axis ? lower.ir.add(place, start) : place), shape),
    );
    offset += piece.shape[axis]!;
  }
  return lower.loaded(buffer, shape, first.type);
}

function pack(call: Call): Value {
  const pieces = list(call);
  const axis = attr<number>(call, "axis");
  const at = axis < 0 ? axis + call.output.shape.length : axis;
  const single = call.output.shape.map((size, each) => each === at ? 1 : size);
  return concatenate(call.lower, pieces.map((piece) => call.lower.reshape(piece, single)), at);
}

/** Elements from `begin` on, every `strides`-th of them. */
function cut(call: Call, x: Value, begin: readonly number[], sizes: readonly number[], strides?: readonly number[]) {
  const { ir } = call.lower;
  return view(
    call,
    x,
    sizes,
    (index) => index.map((place, axis) => ir.add(ir.mul(place, strides?.[axis] ?? 1), begin[axis]!)),
  );
}

/** Consecutive parts along an axis. */
function split(call: Call, x: Value, axis: number, sizes: readonly number[]): Value[] {
  let offset = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, each) => each === axis ? offset : 0);
    offset += size;
    return cut(call, x, begin, x.shape.map((all, each) => each === axis ? size : all));
  });
}

function stridedSlice(call: Call): Value {
  const x = input(call, "x");
  const mask = (name: string) => attr<number>(call, name);
  const { begin, end, strides } = tf.slice_util.sliceInfo(
    [...x.shape],
    [...attr<number[]>(call, "begin")],
    [...attr<number[]>(call, "end")],
    [...attr<number[]>(call, "strides")],
    mask("beginMask"),
    mask("endMask"),
    mask("ellipsisMask"),
    mask("newAxisMask"),
    mask("shrinkAxisMask"),
  );
  // `begin` and `strides` are by axis of `x`; only the final shape leaves axes out or adds some.
  const read = cut(call, x, begin, tf.slice_util.computeOutShape(begin, end, strides), strides);
  return call.lower.reshape(read, call.output.shape);
}

function pad(call: Call): Value {
  const { lower, output } = call;
  const x = input(call, "x");
  const paddings = attr<[number, number][]>(call, "paddings");
  const constant = attr<number | undefined>(call, "constantValue") ?? 0;
  return lower.value(
    output.shape,
    x.type,
    (index) => elementOr(lower, x, index.map((place, axis) => lower.ir.sub(place, paddings[axis]![0])), constant),
  );
}

function mirrorPad(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const x = input(call, "x");
  const paddings = attr<[number, number][]>(call, "paddings");
  // "reflect" does not repeat the element at the edge, "symmetric" does.
  const repeat = attr<string>(call, "mode") === "reflect" ? 0 : 1;
  lower.beforeRepeating(x);
  return view(call, x, output.shape, (index) =>
    index.map((place, axis) => {
      const [before, after] = paddings[axis]!;
      const inside = ir.sub(place, before);
      const folded = before > 0 ? ir.binary("max", inside, ir.sub(ir.mul(inside, -1), repeat)) : inside;
      if (after === 0) return folded;
      const last = 2 * (x.shape[axis]! - 1) + repeat;
      return ir.binary("min", folded, ir.sub(ir.int(last), folded));
    }));
}

function gather(call: Call): Value {
  const x = input(call, "x");
  const indices = call.lower.cast(input(call, "indices"), "i32");
  const [axis] = axesOf(attr<number>(call, "axis"), x.shape) as [number];
  const batch = attr<number | undefined>(call, "batchDims") ?? 0;
  const extra = indices.shape.length - batch;
  call.lower.beforeRepeating(indices);
  call.lower.store(x);
  return view(call, x, call.output.shape, (index) => [
    ...index.slice(0, axis),
    indices.at([...index.slice(0, batch), ...index.slice(axis, axis + extra)]),
    ...index.slice(axis + extra),
  ]);
}

function gatherNd(call: Call): Value {
  const { ir } = call.lower;
  const params = input(call, "params");
  const indices = call.lower.cast(input(call, "indices"), "i32");
  const outer = indices.shape.length - 1;
  const depth = indices.shape[outer]!;
  call.lower.beforeRepeating(indices);
  call.lower.store(params);
  return view(call, params, call.output.shape, (index) => [
    ...Array.from({ length: depth }, (_, each) => indices.at([...index.slice(0, outer), ir.int(each)])),
    ...index.slice(outer),
  ]);
}

/** The shape that two shapes broadcast to: of two sizes the one that is not 1. */
function broadcastArgs(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const [a, b] = ["s0", "s1"].map((name) => lower.cast(input(call, name), "i32")) as [Value, Value];
  const size = output.shape[0]!;
  return lower.value(output.shape, "i32", ([place]) => {
    const [x, y] = [a, b].map((shape) => elementOr(lower, shape, [ir.sub(place!, size - shape.size)], 1));
    return ir.select(ir.compare("eq", x!, 1), y!, x!);
  });
}

function oneHot(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const indices = input(call, "indices");
  const type = scalarType(output);
  const [on, off] = [attr<number | undefined>(call, "onValue") ?? 1, attr<number | undefined>(call, "offValue") ?? 0];
  lower.beforeRepeating(indices);
  return lower.value(output.shape, type, (index) => {
    const chosen = ir.compare("eq", indices.at(index.slice(0, -1)), ir.cast(index.at(-1)!, indices.type));
    return ir.select(chosen, ir.number(on, type), ir.number(off, type));
  });
}

/** Numbers from `start` on, each rounded before the next is added, as tfjs does. */
function sequence(call: Call, start: number, step: number): Value {
  const { lower, output } = call;
  const type = scalarType(output);
  const values = new (type === "f32" ? Float32Array : Int32Array)(output.shape[0]!);
  values.forEach((_, place) => values[place] = place === 0 ? start : values[place - 1]! + step);
  const whole = values.every((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 24 && !Object.is(value, -0));
  const found = (whole ? lookupInts : lookupFloats)(lower, [...values], output.shape);
  return lower.value(output.shape, type, (index) => lower.ir.cast(found(index), type));
}

function range(call: Call): Value {
  const [start, stop, step] = ["start", "stop", "step"].map((name) => attr<number>(call, name)) as [
    number,
    number,
    number,
  ];
  return sequence(call, start, stop < start && step === 1 ? -1 : step);
}

function diagonal(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const x = input(call, "x");
  const rank = x.shape.length;
  return lower.value(output.shape, x.type, (index) => {
    const [row, column] = [index.slice(0, rank), index.slice(rank)];
    const equal = all(ir, row.map((place, axis) => ir.compare("eq", place, column[axis]!)));
    return ir.select(equal, x.at(row), ir.number(0, x.type));
  });
}

function depthToSpace(call: Call): Value {
  const { ir } = call.lower;
  const x = input(call, "x");
  const block = attr<number>(call, "blockSize");
  const first = attr<string>(call, "dataFormat") === "NCHW";
  const depth = call.output.shape[first ? 1 : 3]!;
  return view(call, x, call.output.shape, (index) => {
    const [n, y, x, channel] = (first ? [0, 2, 3, 1] : [0, 1, 2, 3]).map((axis) => index[axis]!) as [
      Expression,
      Expression,
      Expression,
      Expression,
    ];
    const part = ir.add(ir.mul(ir.floorMod(y, block), block), ir.floorMod(x, block));
    const from = ir.add(ir.mul(part, depth), channel);
    const [row, column] = [ir.floorDiv(y, block), ir.floorDiv(x, block)];
    return first ? [n, from, row, column] : [n, row, column, from];
  });
}

function spaceToBatch(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const x = input(call, "x");
  const blocks = attr<number[]>(call, "blockShape");
  const paddings = attr<number[][]>(call, "paddings");
  const rest = blocks.length + 1;
  return lower.value(output.shape, x.type, (index) => {
    const [batch, ...parts] = rotate(ir.unflatten(index[0]!, [...blocks, x.shape[0]!]));
    const space = blocks.map((block, axis) =>
      ir.sub(ir.add(ir.mul(index[axis + 1]!, block), parts[axis]!), paddings[axis]![0]!)
    );
    return elementOr(lower, x, [batch!, ...space, ...index.slice(rest)], 0);
  });
}

function batchToSpace(call: Call): Value {
  const { ir } = call.lower;
  const x = input(call, "x");
  const blocks = attr<number[]>(call, "blockShape");
  const crops = attr<number[][]>(call, "crops");
  const rest = blocks.length + 1;
  return view(call, x, call.output.shape, (index) => {
    const space = blocks.map((_, axis) => ir.add(index[axis + 1]!, crops[axis]![0]!));
    const parts = space.map((place, axis) => ir.floorMod(place, blocks[axis]!));
    const batch = ir.flatten([...parts, index[0]!], [...blocks, call.output.shape[0]!]);
    return [batch, ...space.map((place, axis) => ir.floorDiv(place, blocks[axis]!)), ...index.slice(rest)];
  });
}

/** The last item first. */
function rotate<T>(items: readonly T[]): T[] {
  return [...items.slice(-1), ...items.slice(0, -1)];
}

function reversed(call: Call, x: Value, axes: readonly number[]): Value {
  const { ir } = call.lower;
  return view(
    call,
    x,
    x.shape,
    (index) => index.map((place, axis) => axes.includes(axis) ? ir.sub(ir.int(x.shape[axis]! - 1), place) : place),
  );
}

/** Rules of array kernels. */
export const arrayRules: Rules = {
  Concat: (call) => {
    const pieces = list(call);
    return concatenate(call.lower, pieces, axesOf(attr<number>(call, "axis"), pieces[0]!.shape)[0]!);
  },
  Pack: pack,
  Unpack: (call) => {
    const x = input(call, "value");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape) as [number];
    const shape = x.shape.filter((_, each) => each !== axis);
    return split(call, x, axis, Array.from({ length: x.shape[axis]! }, () => 1))
      .map((piece) => call.lower.reshape(piece, shape));
  },
  SplitV: (call) => {
    const x = input(call, "x");
    const [axis] = axesOf(attr<number>(call, "axis"), x.shape) as [number];
    return split(call, x, axis, call.node.outputs.map(({ shape }) => shape[axis]!));
  },
  Slice: (call) => {
    const x = input(call, "x");
    const { shape } = call.output;
    const begin = attr<number | number[]>(call, "begin");
    // What is not given begins at 0.
    const given = typeof begin === "number" ? [begin] : begin;
    return cut(call, x, shape.map((_, axis) => given[axis] ?? 0), shape);
  },
  StridedSlice: stridedSlice,
  PadV2: pad,
  MirrorPad: mirrorPad,
  Reshape: (call) => call.lower.reshape(input(call, "x"), call.output.shape),
  ExpandDims: (call) => call.lower.reshape(input(call, "input"), call.output.shape),
  Transpose: (call) => {
    const perm = attr<number[]>(call, "perm");
    return view(call, input(call, "x"), call.output.shape, (index) => {
      const place = new Array<Expression>(perm.length);
      perm.forEach((axis, each) => place[axis] = index[each]!);
      return place;
    });
  },
  Tile: (call) => {
    const x = input(call, "x");
    if (x.size < call.output.shape.reduce((product, size) => product * size, 1)) call.lower.beforeRepeating(x);
    return view(
      call,
      x,
      call.output.shape,
      (index) => index.map((place, axis) => call.lower.ir.floorMod(place, x.shape[axis]!)),
    );
  },
  Reverse: (call) => {
    const x = input(call, "x");
    return reversed(call, x, axesOf(attr<number | number[]>(call, "dims"), x.shape));
  },
  FlipLeftRight: (call) => reversed(call, input(call, "image"), [2]),
  GatherV2: gather,
  GatherNd: gatherNd,
  BroadcastArgs: broadcastArgs,
  OneHot: oneHot,
  Fill: ({ lower, output, node }) => lower.fill(output.shape, scalarType(output), Number(node.attrs.value)),
  Range: range,
  LinSpace: (call) => {
    const [start, stop, count] = ["start", "stop", "num"].map((name) => attr<number>(call, name)) as [
      number,
      number,
      number,
    ];
    return sequence(call, start, (stop - start) / (count - 1));
  },
  Diag: diagonal,
  DepthToSpace: depthToSpace,
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
};
