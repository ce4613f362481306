/**
 * Collecting kernels while a graph is lowered, and deciding what is kept in memory.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import { cost, strides, walk } from "../ir/shape.ts";
import type { Axis, Buffer, Combine, Expression, Kernel, ScalarType, Store } from "../ir/types.ts";
import { type ElementAt, Value } from "./value.ts";

/** A value read more than once is kept in memory where computing it takes more than this. */
const CHEAP_COST = 2;
const CHEAP_LOADS = 2;

/** What a reduction is told. */
export interface ReduceOptions {
  /** What is done to values. */
  readonly combine: Combine;
  /** The axes that go, from 0. */
  readonly axes: readonly number[];
  /** Whether they stay, with size 1. @default false */
  readonly keepDims?: boolean;
}

/** What a product of two factors sums over, by axes of its own. */
export interface ContractOptions {
  /** Sizes of the axes that both factors and the result have. */
  readonly batch: readonly number[];
  /** Sizes of the axes of the left factor and the result. */
  readonly rows: readonly number[];
  /** Sizes of the axes of the right factor and the result. */
  readonly columns: readonly number[];
  /** Sizes of the axes that are summed over. */
  readonly inner: readonly number[];
  /** The left factor at a place. */
  readonly left: (
    batch: readonly Expression[],
    rows: readonly Expression[],
    inner: readonly Expression[],
  ) => Expression;
  /** The right factor at a place. */
  readonly right: (
    batch: readonly Expression[],
    inner: readonly Expression[],
    columns: readonly Expression[],
  ) => Expression;
}

/** Makes kernels and values. */
export class Lowering {
  /** Makes expressions and buffers. */
  readonly ir: Expressions;
  /** In the order in which they must run. */
  readonly kernels: Kernel[] = [];
  /** Made for values of one step. */
  readonly scratch: Buffer[] = [];
  /** Made for values that are the same in every step. */
  readonly constants: Buffer[] = [];

  /** Starts without kernels. */
  constructor(ir: Expressions) {
    this.ir = ir;
  }

  /** A value that is computed wherever it is read. */
  value(shape: readonly number[], type: ScalarType, at: ElementAt): Value {
    return new Value(shape, type, at);
  }

  /** A value all of whose elements are one number. */
  fill(shape: readonly number[], type: ScalarType, number: number): Value {
    return new Value(shape, type, () => this.ir.number(number, type));
  }

  /** A value whose elements are functions of those of others, which are broadcast to its shape. */
  map(
    shape: readonly number[],
    type: ScalarType,
    inputs: readonly Value[],
    compute: (...x: Expression[]) => Expression,
  ): Value {
    const size = shape.reduce((product, each) => product * each, 1);
    for (const input of inputs) if (input.size < size) this.beforeRepeating(input);
    return new Value(shape, type, (index) => compute(...inputs.map((input) => this.broadcast(input, index))));
  }

  /** The element of a value that a place of a broadcast result has: aligned at the last axis, size 1 repeats. */
  broadcast(value: Value, index: readonly Expression[]): Expression {
    const skip = index.length - value.shape.length;
    return value.at(value.shape.map((size, axis) => size === 1 ? this.ir.int(0) : index[skip + axis]!));
  }

  /** A value in another type. */
  cast(value: Value, type: ScalarType): Value {
    if (value.type === type) return value;
    return new Value(value.shape, type, (index) => this.ir.cast(value.at(index), type));
  }

  /** The same elements, row-major, in another shape. */
  reshape(value: Value, shape: readonly number[]): Value {
    if (shape.length === value.shape.length && shape.every((size, axis) => size === value.shape[axis])) return value;
    const { ir } = this;
    const at: ElementAt = (index) => value.at(ir.unflatten(ir.flatten(index, shape), value.shape));
    return new Value(shape, value.type, at, value.source ?? value);
  }

  /** Loop variables, one an axis; the number 0 for axes of size 1. */
  axes(sizes: readonly number[]): Expression[] {
    return sizes.map((size) => this.ir.axis(size));
  }

  /** Memory for the elements of a value of one step. */
  newScratch(type: ScalarType, size: number): Buffer {
    const buffer = this.ir.buffer(type, size, { kind: "scratch" });
    this.scratch.push(buffer);
    return buffer;
  }

  /** A value that lies in a buffer, row-major from `offset` on. */
  loaded(buffer: Buffer, shape: readonly number[], type: ScalarType, offset = 0): Value {
    const { ir } = this;
    return new Value(shape, type, (index) => ir.load(buffer, ir.add(ir.flatten(index, shape), offset), type));
  }

  /** Computes a value once and keeps it, unless it is a view of something kept already. */
  store(value: Value): void {
    if (value.source !== undefined) return this.store(value.source);
    const places = this.axes(value.shape);
    const element = value.at(places);
    if (isView(element)) return;
    const buffer = this.newScratch(value.type, value.size);
    this.storeInto(buffer, value);
    value.replace((index) => this.ir.load(buffer, this.ir.flatten(index, value.shape), value.type));
  }

  /** Computes a value into a buffer, row-major from `offset` on, or wherever `at` says. */
  storeInto(
    buffer: Buffer,
    value: Value,
    at: (places: readonly Expression[]) => Expression = (places) => this.ir.flatten(places, value.shape),
  ): void {
    const places = this.axes(value.shape);
    const store = { buffer, index: at(places), value: this.ir.cast(value.at(places), elementType(buffer)) };
    const { from } = value.source ?? value;
    this.kernels.push({ kind: "nest", outer: axesIn(places), inner: [], reductions: [], stores: [store], from });
  }

  /** Keeps a value whose elements are about to be read several times, unless computing them again is as cheap. */
  beforeRepeating(value: Value): void {
    if (this.#worthKeeping(value)) this.store(value);
  }

  /** Keeps a value unless its elements lie in memory at places that are sums of strides: what products read. */
  asOperand(value: Value): void {
    const element = value.at(this.axes(value.shape));
    if (!isOperand(element)) this.store(value);
  }

  #worthKeeping(value: Value): boolean {
    const element = value.at(this.axes(value.shape));
    let loads = 0;
    walk([element], (part) => {
      if (part.kind === "load" && part.buffer.role.kind !== "rows") loads++;
    });
    return cost(element) > CHEAP_COST || loads > CHEAP_LOADS;
  }

  /** Several elements as one. The result is in memory: int32 for places, else of the value's type. */
  reduce(value: Value, options: ReduceOptions): Value {
    const { ir } = this;
    const { combine, axes, keepDims = false } = options;
    const places = this.axes(value.shape);
    const kept = value.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
    const shape = keepDims
      ? value.shape.map((size, axis) => axes.includes(axis) ? 1 : size)
      : kept.map((axis) => value.shape[axis]!);
    const type: ScalarType = combine === "argMax" || combine === "argMin" ? "i32" : value.type;
    const inner = axesIn(axes.map((axis) => places[axis]!));
    const nothing = OF_NOTHING[combine];
    if (nothing !== undefined && inner.some(({ size }) => size === 0)) return this.fill(shape, type, nothing);
    const element = value.at(places);
    if (inner.length === 0) {
      if (type !== value.type) return this.fill(shape, type, 0);
      return new Value(shape, type, (index) => {
        const outside = keepDims ? kept.map((axis) => index[axis]!) : index;
        return value.at(value.shape.map((_, axis) => axes.includes(axis) ? ir.int(0) : outside[kept.indexOf(axis)]!));
      });
    }
    const outerPlaces = kept.map((axis) => places[axis]!);
    const keptShape = kept.map((axis) => value.shape[axis]!);
    const buffer = this.newScratch(type, keptShape.reduce((product, size) => product * size, 1));
    const result = ir.newResult();
    this.kernels.push({
      kind: "nest",
      outer: axesIn(outerPlaces),
      inner,
      reductions: [{ result, type, combine, value: element }],
      stores: [{ buffer, index: ir.flatten(outerPlaces, keptShape), value: ir.result(result, type) }],
    });
    return this.loaded(buffer, shape, type);
  }

  /** Σ left · right. The result is in memory, axes in the order batch, rows, columns. */
  contract(options: ContractOptions, shape: readonly number[]): Value {
    const { ir } = this;
    const batch = this.axes(options.batch);
    const rows = this.axes(options.rows);
    const columns = this.axes(options.columns);
    const inner = this.axes(options.inner);
    const sizes = [...options.batch, ...options.rows, ...options.columns];
    const buffer = this.newScratch("f32", sizes.reduce((product, size) => product * size, 1));
    const result = ir.newResult();
    const store: Store = {
      buffer,
      index: ir.flatten([...batch, ...rows, ...columns], sizes),
      value: ir.result(result, "f32"),
    };
    this.kernels.push({
      kind: "contraction",
      batch: axesIn(batch),
      rows: axesIn(rows),
      columns: axesIn(columns),
      inner: axesIn(inner),
      left: options.left(batch, rows, inner),
      right: options.right(batch, inner, columns),
      result,
      stores: [store],
    });
    return this.loaded(buffer, shape, "f32");
  }
}

/** What comes of no elements. */
const OF_NOTHING: Partial<Record<Combine, number>> = { sum: 0, prod: 1, all: 1, any: 0 };

/** The loop variables among places. */
export function axesIn(places: readonly Expression[]): Axis[] {
  return places.flatMap((place) => place.kind === "axis" ? [place.axis] : []);
}

function elementType({ type }: Buffer): ScalarType {
  return type === "u8" ? "i32" : type;
}

/** Whether an element lies in memory already, wherever that is. */
function isView(element: Expression): boolean {
  return element.kind === "load" && element.buffer.role.kind !== "input" && strides(element.index) !== undefined;
}

/** Whether a product can read it: float32 in memory, at strides, or 0 beyond an edge. */
function isOperand(element: Expression): boolean {
  if (element.type !== "f32") return false;
  if (element.kind === "select") {
    const { otherwise, then } = element;
    return otherwise.kind === "number" && Object.is(otherwise.value, 0) && isView(then) &&
      guardIsPlain(element.condition);
  }
  return isView(element);
}

/** Whether a condition is of places only, not of data. */
function guardIsPlain(condition: Expression): boolean {
  let plain = true;
  walk([condition], (part) => {
    if (part.kind === "load" || part.kind === "random" || part.kind === "column" || part.kind === "result") {
      plain = false;
    }
  });
  return plain;
}
