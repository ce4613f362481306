/**
 * Resizing, cropping and moving images `[batch, height, width, channels]`.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import type { Expressions } from "../ir/expressions.ts";
import type { Expression } from "../ir/types.ts";
import { lookupFloats, lookupInts } from "./lookup.ts";
import type { Lowering } from "./lowering.ts";
import { attr, type Call, input, type Rule, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";

/** An element of the source that one of the result is made of, and how much of it. */
interface Share {
  readonly from: number;
  readonly weight: number;
}

/** What the elements of one axis of a resized image are made of. */
type Shares = (index: number, size: number, resized: number) => readonly Share[];

interface ResizeOptions {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** Elements of the source to one of the result. */
function ratio(size: number, resized: number, alignCorners: boolean): number {
  return alignCorners && resized > 1 ? (size - 1) / (resized - 1) : size / resized;
}

/** The two neighbours, the nearer one more. */
function bilinear({ alignCorners, halfPixelCenters }: ResizeOptions): Shares {
  return (index, size, resized) => {
    const by = ratio(size, resized, alignCorners);
    const place = halfPixelCenters ? by * (index + 0.5) - 0.5 : by * index;
    const low = Math.max(0, Math.floor(place));
    const weight = place - low;
    return [{ from: low, weight: 1 - weight }, { from: Math.min(size - 1, Math.ceil(place)), weight }];
  };
}

/** The nearest one. */
function nearest({ alignCorners, halfPixelCenters }: ResizeOptions): Shares {
  return (index, size, resized) => {
    const place = ratio(size, resized, alignCorners) * (halfPixelCenters ? index + 0.5 : index);
    const found = Math.min(size - 1, alignCorners ? Math.round(place) : Math.floor(place));
    return [{ from: found, weight: 1 }];
  };
}

function optionsOf(call: Call): ResizeOptions {
  return {
    alignCorners: attr<boolean>(call, "alignCorners"),
    halfPixelCenters: attr<boolean | undefined>(call, "halfPixelCenters") ?? false,
  };
}

/** `from + (to - from) · weight` */
function mix(ir: Expressions, from: Expression, to: Expression, weight: Expression): Expression {
  return ir.add(from, ir.mul(ir.sub(to, from), weight));
}

function resizeBilinear(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const images = lower.cast(input(call, "images"), "f32");
  const shares = bilinear(optionsOf(call));
  lower.beforeRepeating(images);
  const [rows, columns] = [1, 2].map((axis) => {
    const [size, resized] = [images.shape[axis]!, output.shape[axis]!];
    const all = Array.from({ length: resized }, (_, index) => shares(index, size, resized));
    return {
      low: lookupInts(lower, all.map(([share]) => share!.from), [resized]),
      high: lookupInts(lower, all.map(([, share]) => share!.from), [resized]),
      weight: lookupFloats(lower, all.map(([, share]) => share!.weight), [resized]),
    };
  }) as [Neighbours, Neighbours];
  return lower.value(output.shape, "f32", ([n, y, x, channel]) => {
    const line = (row: Expression) =>
      mix(
        ir,
        images.at([n!, row, columns.low([x!]), channel!]),
        images.at([n!, row, columns.high([x!]), channel!]),
        columns.weight([x!]),
      );
    return mix(ir, line(rows.low([y!])), line(rows.high([y!])), rows.weight([y!]));
  });
}

interface Neighbours {
  readonly low: ReturnType<typeof lookupInts>;
  readonly high: ReturnType<typeof lookupInts>;
  readonly weight: ReturnType<typeof lookupFloats>;
}

function resizeNearest(call: Call): Value {
  const { lower, output } = call;
  const images = input(call, "images");
  const shares = nearest(optionsOf(call));
  lower.beforeRepeating(images);
  const [row, column] = [1, 2].map((axis) => {
    const [size, resized] = [images.shape[axis]!, output.shape[axis]!];
    return lookupInts(lower, Array.from({ length: resized }, (_, i) => shares(i, size, resized)[0]!.from), [resized]);
  });
  const resized = lower.value(
    output.shape,
    images.type,
    ([n, y, x, channel]) => images.at([n!, row!([y!]), column!([x!]), channel!]),
  );
  return lower.cast(resized, scalarType(output));
}

/** What elements of one axis of the source gave to those of the result: at most `count` of them. */
interface Given {
  readonly count: number;
  /** Which element of the result. */
  readonly to: ReturnType<typeof lookupInts>;
  /** How much of it; 0 where an element gave to fewer than `count`. */
  readonly weight: ReturnType<typeof lookupFloats>;
}

function givenAlong(lower: Lowering, shares: Shares, size: number, resized: number): Given {
  const all = Array.from({ length: size }, (): { to: number; weight: number }[] => []);
  for (let to = 0; to < resized; to++) {
    for (const { from, weight } of shares(to, size, resized)) {
      if (weight !== 0) all[from]!.push({ to, weight });
    }
  }
  const count = Math.max(1, ...all.map(({ length }) => length));
  const flat = all.flatMap((each) => Array.from({ length: count }, (_, i) => each[i] ?? { to: 0, weight: 0 }));
  return {
    count,
    to: lookupInts(lower, flat.map(({ to }) => to), [size, count]),
    weight: lookupFloats(lower, flat.map(({ weight }) => weight), [size, count]),
  };
}

/** The gradient of the images: each element collects from what it gave to. Pixels' centers are not considered, as in tfjs. */
function resizeGradient(sharesOf: (options: ResizeOptions) => Shares): Rule {
  return (call) => {
    const { lower, output } = call;
    const { ir } = lower;
    const dy = lower.cast(input(call, "dy"), "f32");
    const shares = sharesOf({ alignCorners: attr<boolean>(call, "alignCorners"), halfPixelCenters: false });
    lower.beforeRepeating(dy);
    const [rows, columns] = [1, 2].map((axis) => givenAlong(lower, shares, output.shape[axis]!, dy.shape[axis]!)) as [
      Given,
      Given,
    ];
    const parts = lower.value([...output.shape, rows.count, columns.count], "f32", (index) => {
      const [n, y, x, channel, row, column] = index;
      const [toRow, toColumn] = [rows.to([y!, row!]), columns.to([x!, column!])];
      const [down, across] = [rows.weight([y!, row!]), columns.weight([x!, column!])];
      const gave = ir.and(ir.compare("ne", down, 0), ir.compare("ne", across, 0));
      const share = ir.mul(dy.at([n!, toRow, toColumn, channel!]), ir.mul(down, across));
      return ir.select(gave, share, ir.float(0));
    });
    return lower.reduce(parts, { combine: "sum", axes: [4, 5] });
  };
}

/** To the nearest integer, halves up, as JavaScript rounds. */
function roundUp(ir: Expressions, x: Expression): Expression {
  return ir.cast(ir.unary("floor", ir.add(x, 0.5)), "i32");
}

function cropAndResize(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const image = lower.cast(input(call, "image"), "f32");
  const boxes = lower.cast(input(call, "boxes"), "f32");
  const owners = lower.cast(input(call, "boxInd"), "i32");
  const outside = ir.float(attr<number>(call, "extrapolationValue"));
  const near = attr<string>(call, "method") === "nearest";
  lower.store(image);
  lower.beforeRepeating(boxes);
  lower.beforeRepeating(owners);
  /** Where in the image a row or column of a box's crop is. Both edges come out exactly. */
  const placeAlong = (axis: 1 | 2, box: Expression, index: Expression) => {
    const [start, end] = [axis - 1, axis + 1].map((which) => boxes.at([box, ir.int(which)])) as [
      Expression,
      Expression,
    ];
    const [last, lastInCrop] = [image.shape[axis]! - 1, output.shape[axis]! - 1];
    if (lastInCrop === 0) return ir.mul(ir.mul(ir.add(start, end), 0.5), last);
    const here = ir.cast(index, "f32");
    const spread = ir.add(ir.mul(start, ir.sub(ir.float(lastInCrop), here)), ir.mul(end, here));
    return ir.div(ir.mul(spread, last), lastInCrop);
  };
  return lower.value(output.shape, "f32", ([box, y, x, channel]) => {
    const owner = owners.at([box!]);
    const places = [placeAlong(1, box!, y!), placeAlong(2, box!, x!)] as const;
    const inside = places.map((place, each) =>
      ir.and(ir.compare("ge", place, 0), ir.compare("le", place, image.shape[each + 1]! - 1))
    );
    const at = (row: Expression, column: Expression) => image.at([owner, row, column, channel!]);
    const [low, high] = (["floor", "ceil"] as const).map((how) =>
      places.map((place) => ir.cast(ir.unary(how, place), "i32"))
    ) as [Expression[], Expression[]];
    const [rowWeight, columnWeight] = places.map((place) => ir.sub(place, ir.unary("floor", place)));
    const line = (row: Expression) => mix(ir, at(row, low[1]!), at(row, high[1]!), columnWeight!);
    const element = near
      ? at(roundUp(ir, places[0]), roundUp(ir, places[1]))
      : mix(ir, line(low[0]!), line(high[0]!), rowWeight!);
    const cropped = ir.select(ir.and(inside[0]!, inside[1]!), element, outside);
    // Boxes of images that there are not stay empty.
    return ir.select(ir.compare("lt", owner, image.shape[0]!), cropped, ir.float(0));
  });
}

function rotateWithOffset(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const image = input(call, "image");
  const [, height, width, channels] = image.shape as [number, number, number, number];
  const radians = attr<number>(call, "radians");
  const fill = attr<number | readonly number[]>(call, "fillValue");
  const center = attr<number | [number, number]>(call, "center");
  const [centerX, centerY] = tf.backend_util.getImageCenter(center, height, width);
  const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
  const from = Array.from({ length: height * width }, (_, flat) => {
    const [x, y] = [flat % width - centerX, Math.floor(flat / width) - centerY];
    const column = Math.round(x * cos - y * sin + centerX);
    const row = Math.round(x * sin + y * cos + centerY);
    return column >= 0 && column < width && row >= 0 && row < height ? row * width + column : -1;
  });
  const source = lookupInts(lower, from, [height, width]);
  // Where the fill has no number for a channel, tfjs writes what is not a number.
  const fills = Array.from(
    { length: channels },
    (_, channel) => typeof fill === "number" ? fill : channel === 3 ? 255 : fill[channel] ?? NaN,
  );
  const filled = lookupFloats(lower, fills, [channels]);
  lower.store(image);
  const pixels = lower.reshape(image, [image.shape[0]!, height * width, channels]);
  return lower.value(output.shape, image.type, ([n, y, x, channel]) => {
    const pixel = source([y!, x!]);
    const element = pixels.at([n!, pixel, channel!]);
    return ir.select(ir.compare("ge", pixel, 0), element, ir.cast(filled([channel!]), image.type));
  });
}

/** The integer part. */
function truncate(ir: Expressions, x: Expression): Expression {
  return ir.cast(ir.cast(x, "i32"), "f32");
}

/** A place in an image from one that may lie beyond its edges. */
function foldPlace(ir: Expressions, place: Expression, size: number, mode: string): Expression {
  const clamped = (x: Expression) => ir.binary("max", ir.binary("min", x, ir.float(size - 1)), ir.float(0));
  const fold = (below: Expression, above: Expression) =>
    clamped(ir.select(
      ir.compare("lt", place, 0),
      size <= 1 ? ir.float(0) : below,
      ir.select(ir.compare("gt", place, size - 1), size <= 1 ? ir.float(0) : above, place),
    ));
  const opposite = ir.unary("neg", place);
  switch (mode) {
    case "nearest":
      return clamped(place);
    case "reflect": {
      const period = 2 * size;
      const near = ir.add(ir.mul(truncate(ir, ir.div(opposite, period)), period), place);
      const below = ir.select(ir.compare("lt", near, -size), ir.add(near, period), ir.sub(ir.unary("neg", near), 1));
      const rest = ir.sub(place, ir.mul(truncate(ir, ir.div(place, period)), period));
      return fold(below, ir.select(ir.compare("ge", rest, size), ir.sub(ir.sub(ir.float(period), rest), 1), rest));
    }
    case "wrap": {
      if (size <= 1) return clamped(place);
      const turns = (x: Expression) => truncate(ir, ir.div(x, size - 1));
      const below = ir.add(place, ir.mul(ir.add(turns(opposite), 1), size));
      return fold(below, ir.sub(place, ir.mul(turns(place), size)));
    }
    default:
      return place;
  }
}

/** Images under projections, eight numbers each. tfjs's own CPU kernel leaves all but the first image empty. */
function transform(call: Call): Value {
  const { lower, output } = call;
  const { ir } = lower;
  const image = lower.cast(input(call, "image"), "f32");
  const projections = lower.cast(input(call, "transforms"), "f32");
  const [, height, width] = image.shape as [number, number, number, number];
  const mode = attr<string>(call, "fillMode");
  const fill = ir.float(attr<number>(call, "fillValue"));
  const near = attr<string>(call, "interpolation") === "nearest";
  lower.store(image);
  lower.beforeRepeating(projections);
  const moved = lower.value(output.shape, "f32", ([n, row, column, channel]) => {
    const which = projections.shape[0] === 1 ? ir.int(0) : n!;
    const factor = (number: number) => projections.at([which, ir.int(number)]);
    const [x, y] = [ir.cast(column!, "f32"), ir.cast(row!, "f32")];
    const line = (first: number) => ir.add(ir.mul(factor(first), x), ir.mul(factor(first + 1), y));
    const depth = ir.add(line(6), 1);
    const fromX = foldPlace(ir, ir.div(ir.add(line(0), factor(2)), depth), width, mode);
    const fromY = foldPlace(ir, ir.div(ir.add(line(3), factor(5)), depth), height, mode);
    const read = (y0: Expression, x0: Expression) => {
      const inside = [[y0, height], [x0, width]] as const;
      const conditions = inside.map(([place, size]) =>
        ir.and(ir.compare("ge", place, 0), ir.compare("lt", place, size))
      );
      const element = image.at([n!, ir.cast(y0, "i32"), ir.cast(x0, "i32"), channel!]);
      return ir.select(ir.and(conditions[0]!, conditions[1]!), element, fill);
    };
    const down = (place: Expression) => ir.unary("floor", place);
    const mixed = () => {
      const [top, left] = [down(fromY), down(fromX)];
      const [bottom, right] = [ir.add(top, 1), ir.add(left, 1)];
      const along = (y0: Expression) =>
        ir.add(
          ir.mul(ir.sub(right, fromX), read(y0, left)),
          ir.mul(ir.sub(fromX, left), read(y0, right)),
        );
      return ir.add(ir.mul(ir.sub(bottom, fromY), along(top)), ir.mul(ir.sub(fromY, top), along(bottom)));
    };
    const element = near ? read(down(ir.add(fromY, 0.5)), down(ir.add(fromX, 0.5))) : mixed();
    return ir.select(ir.compare("eq", depth, 0), fill, element);
  });
  return lower.cast(moved, scalarType(output));
}

/** Rules of images. */
export const imageRules: Rules = {
  ResizeBilinear: resizeBilinear,
  ResizeBilinearGrad: resizeGradient(bilinear),
  ResizeNearestNeighbor: resizeNearest,
  ResizeNearestNeighborGrad: resizeGradient(nearest),
  CropAndResize: cropAndResize,
  RotateWithOffset: rotateWithOffset,
  Transform: transform,
};
