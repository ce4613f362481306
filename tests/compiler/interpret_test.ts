import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { foldIn, normalValues, uniformValues } from "../../core/random.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { interpretKernel, interpretPlan, type NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type {
  Axis,
  BinaryOperation,
  Buffer,
  Expression,
  Kernel,
  Nest,
  UnaryOperation,
} from "../../plugins/compiler/ir/types.ts";

/** A pool with short ways to make what kernels are of, and the memory of its buffers. */
class Bench {
  readonly e = new Expressions();
  readonly arrays = new Map<Buffer, NumberArray>();

  axis(size: number): [Axis, Expression] {
    const expression = this.e.axis(size);
    assert(expression.kind === "axis");
    return [expression.axis, expression];
  }

  floats(values: ArrayLike<number>, role: Buffer["role"] = { kind: "scratch" }): Buffer {
    const buffer = this.e.buffer("f32", values.length, role);
    this.arrays.set(buffer, Float32Array.from(values));
    return buffer;
  }

  ints(values: ArrayLike<number>, type: "i32" | "bool" = "i32"): Buffer {
    const buffer = this.e.buffer(type, values.length, { kind: "scratch" });
    this.arrays.set(buffer, Int32Array.from(values));
    return buffer;
  }

  of(buffer: Buffer): number[] {
    return [...this.arrays.get(buffer)!];
  }

  run(kernel: Kernel, rest: Omit<Parameters<typeof interpretKernel>[1], "arrays"> = {}): void {
    interpretKernel(kernel, { arrays: this.arrays, ...rest });
  }

  /** One value for each element of an axis. */
  map(
    size: number,
    value: (i: Expression) => Expression,
    options: Parameters<typeof interpretKernel>[2] = {},
  ): number[] {
    const [axis, i] = this.axis(size);
    const x = value(i);
    const out = x.type === "f32" ? this.floats(new Float32Array(size)) : this.ints(new Int32Array(size), x.type);
    if (options.precision === "float64") this.arrays.set(out, new Float64Array(size));
    const kernel: Nest = {
      kind: "nest",
      outer: [axis],
      inner: [],
      reductions: [],
      stores: [{ buffer: out, index: i, value: x }],
    };
    interpretKernel(kernel, { arrays: this.arrays }, options);
    return this.of(out);
  }

  unary(operation: UnaryOperation, xs: number[]): number[] {
    const x = this.floats(xs);
    return this.map(xs.length, (i) => this.e.unary(operation, this.e.load(x, i)));
  }

  binary(operation: BinaryOperation, as: number[], bs: number[], type: "f32" | "i32" = "f32"): number[] {
    const [a, b] = type === "f32" ? [this.floats(as), this.floats(bs)] : [this.ints(as), this.ints(bs)];
    return this.map(as.length, (i) => this.e.binary(operation, this.e.load(a, i), this.e.load(b, i)));
  }
}

const random = (count: number, key = 1) => [...normalValues([7, key], count)];

Deno.test("interpretKernel() multiplies matrices in batches and adds what a store adds when given a contraction", () => {
  const b = new Bench();
  const { e } = b;
  const [left, right, bias] = [b.floats(random(2 * 3 * 5)), b.floats(random(5 * 4, 2)), b.floats(random(4, 3))];
  const out = b.floats(new Float32Array(2 * 3 * 4));
  const [batch, i] = b.axis(2);
  const [rows, m] = b.axis(3);
  const [columns, n] = b.axis(4);
  const [inner, k] = b.axis(5);
  const result = e.newResult();
  b.run({
    kind: "contraction",
    batch: [batch],
    rows: [rows],
    columns: [columns],
    inner: [inner],
    left: e.load(left, e.flatten([i, m, k], [2, 3, 5])),
    right: e.load(right, e.flatten([k, n], [5, 4])),
    result,
    stores: [{
      buffer: out,
      index: e.flatten([i, m, n], [2, 3, 4]),
      value: e.binary("max", e.add(e.result(result, "f32"), e.load(bias, n)), e.float(0)),
    }],
  });
  const [x, w, c] = [left, right, bias].map((buffer) => b.of(buffer)) as [number[], number[], number[]];
  const expected = Array.from({ length: 24 }, (_, at) => {
    let sum = 0;
    for (let p = 0; p < 5; p++) sum += x[(at >> 2) * 5 + p]! * w[p * 4 + (at & 3)]!;
    return Math.max(0, sum + c[at & 3]!);
  });
  assert(expected.some((value) => value > 0) && expected.some((value) => value === 0));
  b.of(out).forEach((value, at) => assertAlmostEquals(value, expected[at]!, 1e-6));
});

Deno.test("interpretKernel() convolves with padding when the left factor has a guard", () => {
  const b = new Bench();
  const { e } = b;
  const [image, filter] = [b.floats(random(25)), b.floats(random(9, 2))];
  const out = b.floats(new Float32Array(25));
  const [[yAxis, y], [xAxis, x], [dyAxis, dy], [dxAxis, dx]] = [b.axis(5), b.axis(5), b.axis(3), b.axis(3)];
  const [row, column] = [e.sub(e.add(y, dy), 1), e.sub(e.add(x, dx), 1)];
  const within = (place: Expression) => e.and(e.compare("ge", place, 0), e.compare("lt", place, 5));
  const result = e.newResult();
  b.run({
    kind: "contraction",
    batch: [],
    rows: [yAxis, xAxis],
    columns: [],
    inner: [dyAxis, dxAxis],
    left: e.select(e.and(within(row), within(column)), e.load(image, e.flatten([row, column], [5, 5])), e.float(0)),
    right: e.load(filter, e.flatten([dy, dx], [3, 3])),
    result,
    stores: [{ buffer: out, index: e.flatten([y, x], [5, 5]), value: e.result(result, "f32") }],
  });
  const [pixels, weights] = [b.of(image), b.of(filter)];
  b.of(out).forEach((value, at) => {
    let sum = 0;
    for (let tap = 0; tap < 9; tap++) {
      const [r, c] = [Math.floor(at / 5) + Math.floor(tap / 3) - 1, at % 5 + tap % 3 - 1];
      if (r >= 0 && r < 5 && c >= 0 && c < 5) sum += pixels[r * 5 + c]! * weights[tap]!;
    }
    assertAlmostEquals(value, sum, 1e-6);
  });
});

Deno.test("interpretKernel() normalizes rows when a nest has reductions that need each other and stores over inner axes", () => {
  const b = new Bench();
  const { e } = b;
  const logits = b.floats(random(12));
  const [out, highest] = [b.floats(new Float32Array(12)), b.floats(new Float32Array(3))];
  const [[outer, i], [inner, j]] = [b.axis(3), b.axis(4)];
  const x = e.load(logits, e.flatten([i, j], [3, 4]));
  const max = e.result(e.newResult(), "f32");
  const shifted = e.unary("exp", e.sub(x, max));
  const sum = e.result(e.newResult(), "f32");
  assert(max.kind === "result" && sum.kind === "result");
  b.run({
    kind: "nest",
    outer: [outer],
    inner: [inner],
    reductions: [
      { result: max.result, type: "f32", combine: "max", value: x },
      { result: sum.result, type: "f32", combine: "sum", value: shifted },
    ],
    stores: [
      { buffer: highest, index: i, value: max },
      { buffer: out, index: e.flatten([i, j], [3, 4]), value: e.div(shifted, sum) },
    ],
  });
  const values = b.of(logits);
  for (let row = 0; row < 3; row++) {
    const part = values.slice(row * 4, row * 4 + 4);
    assertEquals(b.of(highest)[row], Math.max(...part));
    const total = part.reduce((all, value) => all + Math.exp(value), 0);
    part.forEach((value, at) => assertAlmostEquals(b.of(out)[row * 4 + at]!, Math.exp(value) / total, 1e-6));
  }
});

Deno.test("interpretKernel() lets a store read what one before it stored at this point", () => {
  const b = new Bench();
  const { e } = b;
  const [weights, copy] = [b.floats([1, 2, 3]), b.floats([0, 0, 0])];
  const [axis, i] = b.axis(3);
  const old = e.load(weights, i);
  b.run({
    kind: "nest",
    outer: [axis],
    inner: [],
    reductions: [],
    stores: [{ buffer: weights, index: i, value: e.mul(old, 10) }, { buffer: copy, index: i, value: old }],
  });
  assertEquals(b.of(copy), [10, 20, 30]);
});

Deno.test("interpretKernel() gives the first place of argMax and argMin, and reduces integers and truth values", () => {
  const b = new Bench();
  const { e } = b;
  const [values, truths] = [b.ints([3, 9, 9, -1, 5, -1]), b.ints([1, 1, 0, 1, 0, 0], "bool")];
  const [[inner, j], [second, k]] = [b.axis(3), b.axis(2)];
  const place = e.flatten([j, k], [3, 2]);
  const combines = ["argMax", "argMin", "max", "min", "sum", "prod", "all", "any"] as const;
  const reductions = combines.map((combine) => {
    const value = combine === "all" || combine === "any" ? e.load(truths, place) : e.load(values, place);
    return { result: e.newResult(), type: value.type, combine, value };
  });
  const outs = reductions.map(() => b.ints([-7]));
  b.run({
    kind: "nest",
    outer: [],
    inner: [inner, second],
    reductions,
    stores: reductions.map(({ result, type }, at) => ({
      buffer: outs[at]!,
      index: e.int(0),
      value: e.result(result, type),
    })),
  });
  assertEquals(outs.map((out) => b.of(out)[0]), [1, 3, 9, -1, 24, 3 * 9 * 9 * 5, 0, 1]);
});

Deno.test("interpretKernel() passes NaN on in max and sum and skips it in argMax but at the first place, as tfjs does", () => {
  for (const [values, place] of [[[1, NaN, 3], 2], [[NaN, 1, 3], 0]] as const) {
    const b = new Bench();
    const { e } = b;
    const input = b.floats(values);
    const [outs, where] = [b.floats([0, 0, 0]), b.ints([9])];
    const [inner, j] = b.axis(3);
    const value = e.load(input, j);
    const floats = (["max", "min", "sum"] as const).map((combine) => {
      return { result: e.newResult(), type: "f32" as const, combine, value };
    });
    const first = { result: e.newResult(), type: "i32" as const, combine: "argMax" as const, value };
    b.run({
      kind: "nest",
      outer: [],
      inner: [inner],
      reductions: [...floats, first],
      stores: [
        ...floats.map(({ result, type }, at) => ({ buffer: outs, index: e.int(at), value: e.result(result, type) })),
        { buffer: where, index: e.int(0), value: e.result(first.result, "i32") },
      ],
    });
    assertEquals(b.of(outs), [NaN, NaN, NaN]);
    assertEquals(b.of(where), [place]);
  }
});

Deno.test("interpretKernel() runs sums along an axis when a scan is exclusive, reverse, both or neither", () => {
  const expected: Record<string, number[]> = {
    "false,false": [1, 3, 6, 4, 9, 15],
    "false,true": [0, 1, 3, 0, 4, 9],
    "true,false": [6, 5, 3, 15, 11, 6],
    "true,true": [5, 3, 0, 11, 6, 0],
  };
  for (const reverse of [false, true]) {
    for (const exclusive of [false, true]) {
      const b = new Bench();
      const { e } = b;
      const [values, out] = [b.floats([1, 2, 3, 4, 5, 6]), b.floats(new Float32Array(6))];
      const [[outer, i], [along, j]] = [b.axis(2), b.axis(3)];
      const index = e.flatten([i, j], [2, 3]);
      const result = e.newResult();
      b.run({
        kind: "scan",
        outer: [outer],
        along,
        reverse,
        exclusive,
        combine: "sum",
        value: e.load(values, index),
        result,
        stores: [{ buffer: out, index, value: e.result(result, "f32") }],
      });
      assertEquals(b.of(out), expected[`${reverse},${exclusive}`], `reverse ${reverse}, exclusive ${exclusive}`);
    }
  }
});

Deno.test("interpretKernel() combines values in order and drops those outside when given a scatter", () => {
  const expected = { set: [7, 5, 100, 6], sum: [7, 19, 100, 6], max: [7, 10, 100, 6], min: [0, 0, 100, 0] };
  for (const combine of ["set", "sum", "max", "min"] as const) {
    const b = new Bench();
    const { e } = b;
    const target = b.floats([0, 0, 100, 0]);
    const [indices, values] = [b.ints([1, 0, -1, 1, 4, 3, 1]), b.floats([10, 7, 1000, 4, 1000, 6, 5])];
    const [inner, j] = b.axis(7);
    b.run({
      kind: "scatter",
      outer: [],
      inner: [inner],
      target,
      index: e.load(indices, j),
      value: e.load(values, j),
      combine,
    });
    assertEquals(b.of(target), expected[combine], combine);
  }
});

Deno.test("interpretKernel() draws the numbers of uniformValues() and normalValues()", () => {
  const b = new Bench();
  const { e } = b;
  const step = [3, 9] as const;
  const out = b.floats(new Float32Array(27));
  const [axis, i] = b.axis(9);
  b.run({
    kind: "nest",
    outer: [axis],
    inner: [],
    reductions: [],
    stores: (["uniform", "normal", "truncatedNormal"] as const).map((distribution, at) => ({
      buffer: out,
      index: e.add(i, 9 * at),
      value: e.random(distribution, at % 2, i),
    })),
  }, { keys: [foldIn(step, 0), foldIn(step, 1)] });
  assertEquals(b.of(out).slice(0, 9), [...uniformValues(foldIn(step, 0), 9)]);
  assertEquals(b.of(out).slice(9, 18), [...normalValues(foldIn(step, 1), 9)]);
});

Deno.test("interpretKernel() redraws truncated normals beyond 2 and leaves the others", () => {
  const b = new Bench();
  const { e } = b;
  const out = b.floats(new Float32Array(4000));
  const [axis, i] = b.axis(4000);
  const stores = [{ buffer: out, index: i, value: e.random("truncatedNormal", 0, i) }];
  b.run({ kind: "nest", outer: [axis], inner: [], reductions: [], stores }, { keys: [[1, 2]] });
  const drawn = b.of(out);
  const normal = normalValues([1, 2], 4000);
  let redrawn = 0;
  drawn.forEach((value, at) => {
    assert(Math.abs(value) <= 2);
    if (Math.abs(normal[at]!) <= 2) assertEquals(value, normal[at]);
    else redrawn++;
  });
  // 4.55 % of 4000 lie beyond: 182, give or take 4 deviations of 13.
  assert(redrawn > 130 && redrawn < 234, `${redrawn} redrawn`);
  // The deviation of a normal cut at 2 is 0.8796.
  assertAlmostEquals(Math.sqrt(drawn.reduce((sum, value) => sum + value * value, 0) / 4000), 0.8796, 0.03);
});

Deno.test("interpretKernel() keeps NaN in arithmetic and makes comparisons with it false but ne", () => {
  const b = new Bench();
  for (const operation of ["max", "min", "add", "mul"] as const) {
    assertEquals(b.binary(operation, [NaN, 1, 2], [1, NaN, 3]).slice(0, 2), [NaN, NaN], operation);
  }
  for (const operation of ["eq", "lt", "le", "gt", "ge"] as const) {
    assertEquals(b.binary(operation, [NaN, 1, NaN], [1, NaN, NaN]), [0, 0, 0], operation);
  }
  assertEquals(b.binary("ne", [NaN, 1, NaN], [1, NaN, NaN]), [1, 1, 1]);
  assertEquals(b.unary("isNan", [NaN, Infinity, 1]), [1, 0, 0]);
  assertEquals(b.unary("isInf", [NaN, -Infinity, 1]), [0, 1, 0]);
  assertEquals(b.unary("isFinite", [NaN, Infinity, 1]), [0, 0, 1]);
});

Deno.test("interpretKernel() computes functions as documented at their ends", () => {
  const b = new Bench();
  assertEquals(b.unary("round", [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4, -2.6]), [0, 2, 2, -0, -2, -2, 2, -3]);
  assertEquals(b.unary("sigmoid", [-200, 0, 200, Infinity, -Infinity, NaN]), [0, 0.5, 1, 1, 0, NaN]);
  const tiny = Math.fround(Math.exp(-20));
  assertEquals(b.unary("softplus", [-20, 200, Infinity, -Infinity, NaN]), [tiny, 200, Infinity, 0, NaN]);
  assertEquals(b.unary("rsqrt", [4, 0, -1]), [0.5, Infinity, NaN]);
  // Abramowitz and Stegun, table 7.1.
  const erf = [0.1124629160, 0.5204998778, 0.8427007929, -0.9953222650, 1, NaN].map(Math.fround);
  assertEquals(
    b.unary("erf", [0.1, 0.5, 1, -2, Infinity, NaN]).map((x) => x.toPrecision(6)),
    erf.map((x) => x.toPrecision(6)),
  );
  assertEquals(b.binary("floorMod", [5, -5, 5, -5], [3, 3, -3, -3]), [2, 1, -1, -2]);
  assertEquals(b.binary("floorDiv", [5, -5, 5, 1], [3, 3, -3, 0]), [1, -2, -2, Infinity]);
});

Deno.test("interpretKernel() wraps integers, divides them by 0 to 0, and cuts fractions off when casting", () => {
  const b = new Bench();
  const { e } = b;
  assertEquals(b.binary("floorDiv", [7, -7, 7, 5], [2, 2, -2, 0], "i32"), [3, -4, -4, 0]);
  assertEquals(b.binary("floorMod", [7, -7, 7, 5], [2, 2, -2, 0], "i32"), [1, 1, -1, 0]);
  assertEquals(b.binary("add", [0x7fffffff, 1], [1, -3], "i32"), [-0x80000000, -2]);
  assertEquals(b.binary("mul", [0x10001, -3], [0x10001, 5], "i32"), [0x20001, -15]);
  assertEquals(b.binary("shiftLeft", [3, 1], [4, 31], "i32"), [48, -0x80000000]);
  assertEquals(b.binary("shiftRight", [-16, 16], [2, 2], "i32"), [-4, 4]);
  assertEquals(b.binary("bitXor", [6, -1], [3, 1], "i32"), [5, -2]);
  const x = b.floats([2.9, -2.9, NaN, 0, -0]);
  assertEquals(b.map(5, (i) => e.cast(e.load(x, i), "i32")), [2, -2, 0, 0, 0]);
  assertEquals(b.map(5, (i) => e.cast(e.load(x, i), "bool")), [1, 1, 1, 0, 0]);
  const large = b.ints([0x1000001, -3]);
  assertEquals(b.map(2, (i) => e.cast(e.load(large, i), "f32")), [0x1000000, -3]);
});

Deno.test("interpretKernel() rounds every operation in float32 and none in float64", () => {
  const b = new Bench();
  const { e } = b;
  const x = b.floats([1]);
  const tiny = (i: Expression) => e.add(e.add(e.load(x, i), 2 ** -24), 2 ** -24);
  assertEquals(b.map(2, tiny)[0], 1);
  assertEquals(b.map(2, tiny, { precision: "float64" })[0], 1 + 2 ** -23);
});

Deno.test("interpretKernel() clamps loads outside, and throws at stores and input loads outside", () => {
  const b = new Bench();
  const { e } = b;
  const x = b.floats([1, 2, 3]);
  assertEquals(b.map(5, (i) => e.load(x, e.sub(i, 1))), [1, 1, 2, 3, 3]);
  const input = b.floats([1, 2, 3], { kind: "input", group: "x", index: 0 });
  assertThrows(() => b.map(5, (i) => e.load(input, i)), RangeError, "element 3");
  const [axis, i] = b.axis(5);
  const stores = [{ buffer: x, index: i, value: e.float(1) }];
  assertThrows(
    () => b.run({ kind: "nest", outer: [axis], inner: [], reductions: [], stores }),
    RangeError,
    "element 3",
  );
});

Deno.test("interpretKernel() throws when an array has the wrong type or is missing", () => {
  const b = new Bench();
  const { e } = b;
  const x = b.floats([1, 2, 3]);
  b.arrays.set(x, new Int32Array(3));
  assertThrows(() => b.map(3, (i) => e.load(x, i)), TypeError, "Int32Array");
  b.arrays.delete(x);
  assertThrows(() => b.map(3, (i) => e.load(x, i)), TypeError, "no array");
  assertThrows(() => b.map(3, () => e.column("lr")), TypeError, '"lr"');
});

Deno.test("interpretPlan() gives each step its rows, columns, keys and parts of outputs, and keeps variables", () => {
  const e = new Expressions();
  const input = e.buffer("u8", 2, { kind: "input", group: "x", index: 0 });
  const rows = e.buffer("i32", 2, { kind: "rows" });
  const state = e.buffer("f32", 5, { kind: "state" });
  const total = e.buffer("f32", 2, { kind: "variable", path: "total" });
  total.within = { buffer: state, offset: 3 };
  const sums = e.buffer("f32", 2, { kind: "sums" });
  const scale = e.buffer("f32", 2, { kind: "constant", values: Float32Array.of(1, 100) });
  const batch = e.axis(2);
  const pixel = e.axis(2);
  assert(batch.kind === "axis" && pixel.kind === "axis");
  const loaded = e.cast(e.load(input, e.add(e.mul(e.load(rows, batch), 2), pixel)), "f32");
  const result = e.newResult();
  const sum = e.mul(e.mul(e.result(result, "f32"), e.load(scale, pixel)), e.column("lr"));
  const kernels: Kernel[] = [{
    kind: "nest",
    outer: [pixel.axis],
    inner: [batch.axis],
    reductions: [{ result, type: "f32", combine: "sum", value: loaded }],
    stores: [
      { buffer: total, index: pixel, value: e.add(e.load(total, pixel), sum) },
      { buffer: sums, index: pixel, value: e.add(e.load(total, pixel), e.random("uniform", 1, pixel)) },
    ],
  }];
  const memory = new Map<Buffer, NumberArray>([
    [input, Uint8Array.of(1, 2, 3, 4, 5, 6)],
    [rows, Int32Array.of(0, 1, 2, 2)],
    [state, Float32Array.of(9, 9, 9, 1000, 2000)],
  ]);
  const keys = [1, 2, 3, 4, 5, 6, 7, 8];
  const plan = {
    expressions: e,
    kernels,
    variables: new Map([["total", total]]),
    inputs: [input],
    rows,
    columns: ["momentum", "lr"],
    streams: 2,
    sums,
    outputs: [],
    scratch: [],
    constants: [scale],
  };
  interpretPlan(plan, { arrays: memory, table: [0, 1, 0, 10], keys }, 2);
  assertEquals([...memory.get(state)!], [9, 9, 9, 1000 + 4 + 100, 2000 + 600 + 12000]);
  const [first, second] = [uniformValues([3, 4], 2), uniformValues([7, 8], 2)];
  const expected = [1004 + first[0]!, 2600 + first[1]!, 1104 + second[0]!, 14600 + second[1]!];
  assertEquals([...memory.get(sums)!], expected.map(Math.fround));
  assertThrows(() => interpretPlan(plan, { arrays: memory, table: [0, 1, 0], keys }, 2), TypeError, "table");
});

Deno.test("interpretKernel() takes a dense layer of 32 rows through 784 to 128 units in well under a second", () => {
  const b = new Bench();
  const { e } = b;
  const [left, right] = [b.floats(random(32 * 784)), b.floats(random(784 * 128, 2))];
  const out = b.floats(new Float32Array(32 * 128));
  const [[rows, m], [columns, n], [inner, k]] = [b.axis(32), b.axis(128), b.axis(784)];
  const result = e.newResult();
  const start = performance.now();
  b.run({
    kind: "contraction",
    batch: [],
    rows: [rows],
    columns: [columns],
    inner: [inner],
    left: e.load(left, e.flatten([m, k], [32, 784])),
    right: e.load(right, e.flatten([k, n], [784, 128])),
    result,
    stores: [{ buffer: out, index: e.flatten([m, n], [32, 128]), value: e.result(result, "f32") }],
  });
  assert(performance.now() - start < 1000, `${performance.now() - start} ms`);
  const [x, w] = [b.of(left), b.of(right)];
  let last = 0;
  for (let p = 0; p < 784; p++) last += x[31 * 784 + p]! * w[p * 128 + 127]!;
  assertAlmostEquals(b.of(out).at(-1)!, last, 1e-3);
});
