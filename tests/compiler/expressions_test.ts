import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { threefry } from "../../core/random.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { formatKernel } from "../../plugins/compiler/ir/format.ts";
import { interpretKernel } from "../../plugins/compiler/ir/interpret.ts";
import type {
  Axis,
  BinaryOperation,
  Buffer,
  Expression,
  Nest,
  UnaryOperation,
} from "../../plugins/compiler/ir/types.ts";

/** What an expression should be, as a function of the values of the axes. */
type Direct = (point: readonly number[]) => number;

/** An expression, and the same computation in plain numbers. */
interface Pair {
  readonly x: Expression;
  readonly direct: Direct;
}

/** Whole numbers below a limit, the same in every run. */
function dice(seed: number): (limit: number) => number {
  let count = 0;
  return (limit) => Math.floor(threefry([seed, 1], count++, 0)[0] / 0x100000000 * limit);
}

function axisOf(x: Expression): Axis {
  assert(x.kind === "axis");
  return x.axis;
}

function store(outer: readonly Axis[], e: Expressions, values: readonly Expression[], type: "f32" | "i32" = "i32") {
  const count = outer.reduce((product, { size }) => product * size, 1);
  const place = e.flatten(outer.map((axis) => e.axisExpression(axis)), outer.map(({ size }) => size));
  const stores = values.map((value) => ({ buffer: e.buffer(type, count, { kind: "scratch" }), index: place, value }));
  return { kind: "nest", outer, inner: [], reductions: [], stores } satisfies Nest;
}

/** An expression's values at all points of axes, as the interpreter computes them. */
function everywhere(e: Expressions, axes: readonly Axis[], x: Expression, loaded: Map<Buffer, Int32Array>): Int32Array {
  const kernel = store(axes, e, [x]);
  const [{ buffer }] = kernel.stores as unknown as [{ buffer: Buffer }];
  const out = new Int32Array(buffer.size);
  interpretKernel(kernel, { arrays: new Map([...loaded, [buffer, out]]) });
  return out;
}

function* allPoints(axes: readonly Axis[]): Generator<readonly number[]> {
  const count = axes.reduce((product, { size }) => product * size, 1);
  for (let flat = 0; flat < count; flat++) {
    let rest = flat;
    const point: number[] = [];
    for (const { size } of axes.toReversed()) {
      point.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    yield point;
  }
}

function floorDiv(a: number, b: number): number {
  return b === 0 ? 0 : Math.floor(a / b) | 0;
}

function floorMod(a: number, b: number): number {
  return b === 0 ? 0 : (a - b * Math.floor(a / b)) | 0;
}

/** Index arithmetic put together at random. */
class Grower {
  readonly e = new Expressions();
  readonly axes: readonly Axis[];
  readonly data: Int32Array = Int32Array.of(5, -7, 0x7fffffff, 0, -0x80000000, 123456789, 1);
  readonly buffer: Buffer = this.e.buffer("i32", 7, { kind: "scratch" });
  readonly #pick: (limit: number) => number;
  readonly #overflow: boolean;

  /** @param overflow Whether numbers get so large that sums and products wrap. */
  constructor(seed: number, overflow: boolean) {
    this.#pick = dice(seed);
    this.#overflow = overflow;
    this.axes = Array.from({ length: 1 + this.#pick(3) }, () => axisOf(this.e.axis(2 + this.#pick(6))));
  }

  grow(depth: number): Pair {
    const e = this.e;
    if (depth === 0 || this.#pick(12) === 0) return this.#leaf();
    const a = this.grow(depth - 1);
    switch (this.#pick(9)) {
      case 0:
      case 1: {
        const b = this.grow(depth - 1);
        return { x: e.add(a.x, b.x), direct: (p) => (a.direct(p) + b.direct(p)) | 0 };
      }
      case 2: {
        const b = this.grow(depth - 1);
        return { x: e.sub(a.x, b.x), direct: (p) => (a.direct(p) - b.direct(p)) | 0 };
      }
      case 3: {
        const by = this.#constant(6);
        return { x: e.mul(a.x, by), direct: (p) => Math.imul(a.direct(p), by) };
      }
      case 4:
      case 5: {
        const by = this.#divisor();
        return { x: e.binary("floorDiv", a.x, e.int(by)), direct: (p) => floorDiv(a.direct(p), by) };
      }
      case 6: {
        const by = this.#divisor();
        return { x: e.binary("floorMod", a.x, e.int(by)), direct: (p) => floorMod(a.direct(p), by) };
      }
      case 7: {
        const [b, c] = [this.grow(depth - 1), this.grow(depth - 1)];
        const [name, holds] = COMPARISONS[this.#pick(COMPARISONS.length)]!;
        return {
          x: e.select(e.compare(name, a.x, b.x), c.x, a.x),
          direct: (p) => holds(a.direct(p), b.direct(p)) ? c.direct(p) : a.direct(p),
        };
      }
      default: {
        const b = this.grow(depth - 1);
        const name = this.#pick(2) ? "max" : "min";
        return { x: e.binary(name, a.x, b.x), direct: (p) => Math[name](a.direct(p), b.direct(p)) };
      }
    }
  }

  #leaf(): Pair {
    if (this.#pick(4) === 0) {
      const value = this.#constant(40);
      return { x: this.e.int(value), direct: () => value };
    }
    const at = this.#pick(this.axes.length);
    const axis = this.e.axisExpression(this.axes[at]!);
    if (this.#pick(this.#overflow ? 4 : 12) > 0) return { x: axis, direct: (point) => point[at]! };
    // What data say has no bounds.
    return { x: this.e.load(this.buffer, axis), direct: (point) => this.data[Math.min(point[at]!, 6)]! };
  }

  #constant(range: number): number {
    if (this.#overflow && this.#pick(4) === 0) return (this.#pick(2 ** 32) - 2 ** 31) | 0;
    return this.#pick(2 * range + 1) - range;
  }

  #divisor(): number {
    const roll = this.#pick(12);
    if (roll === 0) return -this.#pick(4);
    if (this.#overflow && roll < 4) return 1 + this.#pick(2 ** 31 - 1);
    return 1 + this.#pick(12);
  }
}

const COMPARISONS = [
  ["lt", (a: number, b: number) => a < b],
  ["le", (a: number, b: number) => a <= b],
  ["gt", (a: number, b: number) => a > b],
  ["ge", (a: number, b: number) => a >= b],
  ["eq", (a: number, b: number) => a === b],
  ["ne", (a: number, b: number) => a !== b],
] as const;

for (const overflow of [false, true]) {
  const what = overflow ? "numbers that wrap" : "small numbers";
  Deno.test(`Expressions keeps the value of index arithmetic when it simplifies ${what}, and bounds hold it`, () => {
    for (let seed = 0; seed < 1000; seed++) {
      const grower = new Grower(seed + (overflow ? 100000 : 0), overflow);
      const { e, axes } = grower;
      const { x, direct } = grower.grow(1 + seed % 4);
      const loaded = new Map([[grower.buffer, grower.data]]);
      const values = everywhere(e, axes, x, loaded);
      const bounds = e.bounds(x);
      const again = everywhere(e, axes, e.rewrite(x, () => undefined), loaded);
      // The first axis given a known value.
      const fixed = e.rewrite(x, (part) => part === e.axisExpression(axes[0]!) ? e.int(1) : undefined);
      const atOne = everywhere(e, axes, fixed, loaded);
      let at = 0;
      for (const point of allPoints(axes)) {
        const expected = direct(point);
        const [value, rewritten, atOneValue] = [values[at], again[at], atOne[at]];
        const inside = bounds === null || expected >= bounds[0] && expected <= bounds[1];
        if (value !== expected || rewritten !== expected || atOneValue !== direct([1, ...point.slice(1)]) || !inside) {
          throw new Error(
            `seed ${seed} at ${point}: expected ${expected}, found ${value}, rewritten ${rewritten}, ` +
              `with the first axis 1 ${atOneValue}, bounds ${bounds}:\n${formatKernel(store(axes, e, [x, fixed]))}`,
          );
        }
        at++;
      }
    }
  });
}

Deno.test("unflatten() gives places back when their flattened number is reshaped and transposed step by step", () => {
  const e = new Expressions();
  const heads = [64, 8, 16];
  const [row, head, unit] = heads.map((size) => e.axis(size)) as [Expression, Expression, Expression];
  // [64, 128] to [64, 8, 16], to [8, 64, 16], flat to [8192], to [8, 64, 16], back to [64, 8, 16] and to [64, 128].
  const element = (index: readonly Expression[]) => e.flatten(index, [64, 128]);
  const split = (index: readonly Expression[]) => element(e.unflatten(e.flatten(index, heads), [64, 128]));
  const turned = ([h, r, u]: readonly Expression[]) => split([r!, h!, u!]);
  const flat = ([place]: readonly Expression[]) => turned(e.unflatten(place!, [8, 64, 16]));
  const again = (index: readonly Expression[]) => flat([e.flatten(index, [8, 64, 16])]);
  const back = ([r, h, u]: readonly Expression[]) => again([h!, r!, u!]);
  assertStrictEquals(split([row, head, unit]), e.flatten([row, head, unit], heads));
  assertStrictEquals(again([head, row, unit]), e.flatten([row, head, unit], heads));
  assertStrictEquals(back([row, head, unit]), e.flatten([row, head, unit], heads));
  const column = e.axis(128);
  const merged = back([row, ...e.unflatten(column, [8, 16])]);
  assertStrictEquals(merged, e.flatten([row, column], [64, 128]));
  assertEquals(e.unflatten(e.flatten([row, head, unit], heads), heads), [row, head, unit]);
});

Deno.test("unflatten() gives the places of slices back when they are reshaped", () => {
  const e = new Expressions();
  const [row, column] = [e.axis(4), e.axis(6)];
  // Rows 2 to 5 and columns 1 to 6 of [8, 8], seen through [64] and [2, 4, 8].
  const place = e.flatten([e.add(row, 2), e.add(column, 1)], [8, 8]);
  const [block, line, at] = e.unflatten(place, [2, 4, 8]) as [Expression, Expression, Expression];
  assertStrictEquals(at, e.add(column, 1));
  assertStrictEquals(e.flatten([block, line, at], [2, 4, 8]), place);
  assertEquals(e.bounds(place), [17, 46]);
});

Deno.test("floorDiv() and floorMod() vanish where bounds decide them", () => {
  const e = new Expressions();
  const [i, j] = [e.axis(4), e.axis(8)];
  const flat = e.add(e.mul(i, 8), j);
  assertStrictEquals(e.floorDiv(flat, 8), i);
  assertStrictEquals(e.floorMod(flat, 8), j);
  assertStrictEquals(e.floorDiv(flat, 32), e.int(0));
  assertStrictEquals(e.floorMod(flat, 32), flat);
  assertStrictEquals(e.compare("lt", flat, 32), e.number(1, "bool"));
  assertEquals(e.compare("ge", e.sub(flat, 1), 0).kind, "binary");
  assertStrictEquals(e.binary("max", flat, e.int(0)), flat);
  const row = e.load(e.buffer("i32", 4, { kind: "rows" }), i);
  assertStrictEquals(e.floorDiv(e.floorDiv(row, 3), 5), e.floorDiv(row, 15));
});

Deno.test("floorDiv() joins and splits nothing that would overflow", () => {
  const e = new Expressions();
  const i = e.axis(3);
  const data = e.buffer("i32", 3, { kind: "scratch" });
  const values = Int32Array.of(-5, 0x7fffffff, 70000);
  const all = (x: Expression) => [...everywhere(e, [axisOf(i)], x, new Map([[data, values]]))];
  assertEquals(all(e.floorDiv(e.floorDiv(e.load(data, i), 0x10000), 0x10000)), [-1, 0, 0]);
  // 0x7ffffffe - 3 + a remainder of up to 9.
  const remainder = e.floorMod(e.load(data, i), 10);
  assertEquals(all(e.floorDiv(e.add(remainder, -3), 0x7ffffffe)), [0, 0, -1]);
  assertEquals(all(e.floorMod(e.add(remainder, -3), 0x7ffffffe)), [2, 4, 0x7ffffffe - 3]);
});

const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 2, 0.5, -3.75, 1e-40, 3e38, 7.000001].map(Math.fround);

/** The values of float32 expressions of one point, computed by the interpreter. */
function evaluate(e: Expressions, axis: Axis, values: readonly Expression[], loaded: Map<Buffer, Float32Array>) {
  const lifted = values.map((x) => e.cast(x, "f32"));
  const kernel = store([axis], e, lifted, "f32");
  const outs = kernel.stores.map(({ buffer }) => [buffer, new Float32Array(buffer.size)] as const);
  interpretKernel(kernel, { arrays: new Map([...loaded, ...outs]) });
  return outs.map(([, values]) => [...values]);
}

Deno.test("Expressions folds and simplifies float32 functions to what is computed of loaded numbers", () => {
  const operations = [
    ...["add", "sub", "mul", "div", "max", "min", "pow", "atan2", "floorDiv", "floorMod"],
    ...["eq", "ne", "lt", "le", "gt", "ge"],
  ] as BinaryOperation[];
  const e = new Expressions();
  const loop = e.axis(SPECIAL.length);
  const numbers = e.buffer("f32", SPECIAL.length, { kind: "scratch" });
  const one = e.buffer("f32", 1, { kind: "scratch" });
  const a = e.load(numbers, loop);
  for (const operation of operations) {
    for (const known of SPECIAL) {
      const b = e.load(one, e.int(0));
      const loaded = new Map([[numbers, Float32Array.from(SPECIAL)], [one, Float32Array.of(known)]]);
      const [right, left, knownRight, knownLeft] = evaluate(e, axisOf(loop), [
        e.binary(operation, a, b),
        e.binary(operation, b, a),
        e.binary(operation, a, e.float(known)),
        e.binary(operation, e.float(known), a),
      ], loaded);
      const what = `${operation} of ${SPECIAL} and ${known}`;
      assertEquals(knownRight, right, what);
      assertEquals(knownLeft, left, what);
      const folded = SPECIAL.map((x) => e.binary(operation, e.float(x), e.float(known)));
      folded.forEach((x, at) => {
        if (x.kind === "number") assertEquals(x.value, right![at], `${operation} of ${SPECIAL[at]} and ${known}`);
      });
    }
  }
});

Deno.test("Expressions folds float32 functions of one number to what is computed of loaded numbers", () => {
  const operations: readonly UnaryOperation[] = [
    ...["neg", "abs", "sign", "floor", "ceil", "round", "sqrt", "rsqrt", "exp", "expm1", "log", "log1p"],
    ...["sigmoid", "softplus", "erf", "tanh", "isNan", "isInf", "isFinite"],
  ] as UnaryOperation[];
  const e = new Expressions();
  const loop = e.axis(SPECIAL.length);
  const numbers = e.buffer("f32", SPECIAL.length, { kind: "scratch" });
  const loaded = new Map([[numbers, Float32Array.from(SPECIAL)]]);
  let folded = 0;
  for (const operation of operations) {
    const [values] = evaluate(e, axisOf(loop), [e.unary(operation, e.load(numbers, loop))], loaded);
    SPECIAL.forEach((known, at) => {
      const x = e.unary(operation, e.float(known));
      if (x.kind !== "number") return;
      folded++;
      assertEquals(x.value, values![at], `${operation} of ${known}`);
    });
  }
  assert(folded > 100);
});

Deno.test("Expressions leaves float32 arithmetic that NaN or infinity would change", () => {
  const e = new Expressions();
  const x = e.load(e.buffer("f32", 4, { kind: "scratch" }), e.axis(4));
  for (const kept of [e.mul(x, 0), e.sub(x, x), e.add(x, 0), e.div(x, x), e.binary("max", x, e.float(-Infinity))]) {
    assertEquals(kept.kind, "binary");
  }
  assertStrictEquals(e.add(x, -0), x);
  assertStrictEquals(e.sub(x, 0), x);
  assertStrictEquals(e.mul(x, 1), x);
  assertStrictEquals(e.div(x, 4), e.mul(x, 0.25));
  assertEquals(e.div(x, 3).kind, "binary");
});

Deno.test("Expressions casts known numbers as loaded ones: fractions cut off, NaN true and 0", () => {
  const e = new Expressions();
  const numbers = [2.9, -2.9, NaN, Infinity, -Infinity, 3e9, -3e9, 0, -0].map(Math.fround);
  const buffer = e.buffer("f32", numbers.length, { kind: "scratch" });
  const loop = e.axis(numbers.length);
  const loaded = new Map([[buffer, Float32Array.from(numbers)]]);
  for (const type of ["i32", "bool"] as const) {
    const [values] = evaluate(e, axisOf(loop), [e.cast(e.load(buffer, loop), type)], loaded);
    const folded = numbers.map((value) => e.cast(e.float(value), type));
    assertEquals(folded.map((x) => x.kind === "number" ? Math.fround(x.value) : undefined), values);
  }
});

Deno.test("Expressions makes equal expressions the same object, and refuses operands of two types", () => {
  const e = new Expressions();
  const [i, j] = [e.axis(3), e.axis(5)];
  assertStrictEquals(e.add(e.mul(i, 5), j), e.add(j, e.mul(i, 5)));
  assertStrictEquals(e.sub(e.add(i, j), j), i);
  const x = e.load(e.buffer("f32", 4, { kind: "scratch" }), i);
  assertStrictEquals(e.add(x, 2), e.add(e.float(2), x));
  assertEquals(e.float(-0) === e.float(0), false);
  assertStrictEquals(e.float(NaN), e.float(NaN));
  assertStrictEquals(e.unary("not", e.unary("not", e.compare("lt", x, 1))), e.compare("lt", x, 1));
  assertThrows(() => e.add(x, i), TypeError, "cast");
});

Deno.test("Expressions folds int32 functions to what is computed of loaded numbers", () => {
  const numbers = [0, 1, -1, 2, 7, -7, 31, 33, 0x7fffffff, -0x80000000, 123456789];
  const operations = [
    ...["add", "sub", "mul", "max", "min", "floorDiv", "floorMod", "eq", "ne", "lt", "le", "gt", "ge"],
    ...["bitAnd", "bitOr", "bitXor", "shiftLeft", "shiftRight"],
  ] as BinaryOperation[];
  const e = new Expressions();
  const loop = e.axis(numbers.length);
  const loaded = e.buffer("i32", numbers.length, { kind: "scratch" });
  const memory = new Map([[loaded, Int32Array.from(numbers)]]);
  const compute = (x: Expression) => [...everywhere(e, [axisOf(loop)], e.cast(x, "i32"), memory)];
  const known = (x: Expression) => x.kind === "number" ? x.value : undefined;
  const a = e.load(loaded, loop);
  numbers.forEach((number, at) => {
    for (const operation of operations) {
      const expected = compute(e.binary(operation, a, e.load(loaded, e.int(at))));
      const what = `${operation} of ${numbers} and ${number}`;
      assertEquals(numbers.map((each) => known(e.binary(operation, e.int(each), e.int(number)))), expected, what);
      assertEquals(compute(e.binary(operation, a, e.int(number))), expected, what);
    }
  });
  for (const operation of ["neg", "abs", "sign", "not", "bitNot"] as const) {
    const expected = compute(e.unary(operation, a));
    assertEquals(numbers.map((each) => known(e.unary(operation, e.int(each)))), expected, operation);
    const twice = numbers.map((each) => known(e.unary(operation, e.unary(operation, e.int(each)))));
    assertEquals(twice, compute(e.unary(operation, e.unary(operation, a))), `${operation} twice`);
  }
});
