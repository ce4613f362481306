import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { normalValues, type RandomKey, threefry, uniformValues } from "../../core/random.ts";
import type { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import type { NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import { erf, softplus } from "../../plugins/compiler/ir/interpret_functions.ts";
import type {
  Axis,
  BinaryOperation,
  Buffer,
  Combine,
  Contraction,
  Expression,
  Kernel,
  Nest,
  Scan,
  Scatter,
  Store,
  UnaryOperation,
} from "../../plugins/compiler/ir/types.ts";
import { Emitter } from "../../plugins/executors/webgpu/wgsl/emitter.ts";
import { OperandMemory } from "../../plugins/executors/webgpu/wgsl/memory.ts";
import { type ComputeShader, printKernel, TUNINGS } from "../../plugins/executors/webgpu/wgsl/mod.ts";
import { webgpuTest } from "../webgpu.ts";
import { type Convolution, convolution, product, scratch } from "./wgsl_contractions.ts";
import {
  axesOfSizes,
  compare,
  contextOf,
  difference,
  interpretKernels,
  noise,
  runInOneDispatch,
  runOnDevice,
  type Setting,
  setting,
} from "./wgsl_device.ts";

/** Sums of some hundred float32 products differ from float64 by less than this part of the largest. */
const SUMS = 3e-6;

function nest(outer: readonly Axis[], stores: readonly Store[], rest: Partial<Nest> = {}): Nest {
  return { kind: "nest", outer, inner: [], reductions: [], stores, ...rest };
}

/** How often a shader's text names an element of memory. */
function accessesIn(code: string): number {
  return code.match(/\bm\d+\[/g)!.length;
}

/** A function of each element of an array, on the device. */
async function mapped(
  xs: Float32Array,
  map: (x: Expression, pool: Expressions) => Expression,
  type: "f32" | "i32" = "f32",
): Promise<NumberArray> {
  const where = setting();
  const { pool } = where;
  const [axes, [i]] = axesOfSizes(pool, [xs.length]);
  const from = scratch(pool, xs.length);
  const to = scratch(pool, xs.length, type);
  const result = type === "f32" ? new Float32Array(xs.length) : new Int32Array(xs.length);
  const kernel = nest(axes, [{ buffer: to, index: i!, value: map(pool.load(from, i!), pool) }]);
  await runOnDevice([kernel], new Map<Buffer, NumberArray>([[from, xs], [to, result]]), where);
  return result;
}

/** The distance of neighbouring float32 numbers. */
function ulp(x: number): number {
  const size = Math.abs(x);
  return size < 2 ** -126 ? 2 ** -149 : 2 ** (Math.floor(Math.log2(size)) - 23);
}

const EDGES = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 3e38, -3e38, 1e-10, -1e-10];

/** Each function, float64's, and where it is compared. */
const FUNCTIONS: readonly (readonly [UnaryOperation, (x: number) => number, number, number])[] = [
  ["exp", Math.exp, -110, 90],
  ["expm1", Math.expm1, -1, 1],
  ["expm1", Math.expm1, -30, 89],
  ["log", Math.log, 0.9, 1.1],
  ["log", Math.log, 0, 1e6],
  ["log", Math.log, 0, 1e-38],
  ["log1p", Math.log1p, -0.9, 10],
  ["tanh", Math.tanh, -12, 12],
  ["tanh", Math.tanh, -0.01, 0.01],
  ["sigmoid", (x) => 1 / (1 + Math.exp(-x)), -80, 80],
  ["softplus", softplus, -80, 80],
  ["sinh", Math.sinh, -89, 89],
  ["cosh", Math.cosh, -89, 89],
  ["asinh", Math.asinh, -10, 10],
  ["acosh", Math.acosh, 1, 10],
  ["atanh", Math.atanh, -0.999, 0.999],
  ["atan", Math.atan, -10, 10],
  ["asin", Math.asin, -1, 1],
  ["acos", Math.acos, -1, 1],
  ["sin", Math.sin, -8000, 8000],
  ["cos", Math.cos, -8000, 8000],
  ["sin", Math.sin, -1e9, 1e9],
  ["cos", Math.cos, -1e9, 1e9],
  ["sin", Math.sin, -1e16, 1e16],
  ["cos", Math.cos, -3e38, 3e38],
  ["tan", Math.tan, -10, 10],
  ["erf", erf, -4, 4],
  ["sqrt", Math.sqrt, 0, 100],
  ["rsqrt", (x) => 1 / Math.sqrt(x), 0.001, 100],
  ["sign", Math.sign, -1, 1],
  ["floor", Math.floor, -10, 10],
  ["ceil", Math.ceil, -10, 10],
];

webgpuTest("printKernel() computes functions within 5 ulp of float64 and keeps NaN and infinity", async () => {
  for (const [operation, reference, low, high] of FUNCTIONS) {
    const random = noise(1024).map((x) => low + (high - low) * (x + 1) / 2);
    const xs = Float32Array.from([...EDGES, ...random]);
    const actual = await mapped(xs, (x, pool) => pool.unary(operation, x));
    xs.forEach((x, i) => {
      const expected = operation === "sign" && Number.isNaN(x) ? NaN : reference(x);
      if (Object.is(Math.fround(expected), actual[i]!) || Math.fround(expected) === actual[i]!) return;
      // Near their zeros sine and cosine are as exact as float32 holds the angle's distance from them.
      const tolerance = Math.max(5 * ulp(expected), low <= -8000 ? 2e-7 : 0);
      assert(Math.abs(actual[i]! - expected) <= tolerance, `${operation}(${x}) = ${actual[i]}, expected ${expected}`);
    });
  }
});

/** Runs a function of two numbers on all pairs of some. */
async function pairs(xs: readonly number[], ys: readonly number[], operation: BinaryOperation): Promise<NumberArray> {
  const where = setting();
  const { pool } = where;
  const [axes, [i, j]] = axesOfSizes(pool, [xs.length, ys.length]);
  const [a, b, to] = [scratch(pool, xs.length), scratch(pool, ys.length), scratch(pool, xs.length * ys.length)];
  const value = pool.cast(pool.binary(operation, pool.load(a, i!), pool.load(b, j!)), "f32");
  const result = new Float32Array(to.size);
  const kernel = nest(axes, [{ buffer: to, index: pool.flatten([i!, j!], [xs.length, ys.length]), value }]);
  const arrays = new Map<Buffer, NumberArray>([[a, Float32Array.from(xs)], [b, Float32Array.from(ys)], [to, result]]);
  await runOnDevice([kernel], arrays, where);
  return result;
}

webgpuTest("printKernel() compares, takes extremes and powers of NaN and infinity as JavaScript does", async () => {
  const xs = [NaN, Infinity, -Infinity, 0, -0, 1, -1, 2, -2, 0.5, 3e38, -1.5];
  const ys = [NaN, Infinity, -Infinity, 0, 1, -1, 2, 3, -3, 0.5, -0.5, 1e10, 100.25];
  const references: Partial<Record<BinaryOperation, (a: number, b: number) => number>> = {
    eq: (a, b) => Number(a === b),
    ne: (a, b) => Number(a !== b),
    lt: (a, b) => Number(a < b),
    le: (a, b) => Number(a <= b),
    gt: (a, b) => Number(a > b),
    ge: (a, b) => Number(a >= b),
    max: Math.max,
    min: Math.min,
    pow: Math.pow,
    atan2: Math.atan2,
    mul: (a, b) => a * b,
    sub: (a, b) => a - b,
  };
  for (const [operation, reference] of Object.entries(references)) {
    const actual = await pairs(xs, ys, operation as BinaryOperation);
    xs.forEach((x, i) =>
      ys.forEach((y, j) => {
        const expected = Math.fround(reference(x, y));
        const found = actual[i * ys.length + j]!;
        const same = Object.is(found, expected) || Math.abs(found - expected) <= 5 * ulp(expected) ||
          found === expected;
        assert(same, `${operation}(${x}, ${y}) = ${found}, expected ${expected}`);
      })
    );
  }
  const bases = [...noise(60, 3)].map((x) => Math.exp(x * 3));
  const powers = [...noise(60, 4)].map((x) => x * 25);
  const actual = await pairs(bases, powers, "pow");
  bases.forEach((x, i) =>
    powers.forEach((y, j) => {
      const expected = Math.fround(x) ** Math.fround(y);
      assertLessOrEqual(Math.abs(actual[i * 60 + j]! - expected), 5 * ulp(expected), `${x} ** ${y}`);
    })
  );
});

webgpuTest("printKernel() does not lose NaN in products with zero, differences, casts and relu", async () => {
  const xs = Float32Array.of(NaN, Infinity, 2, -2.7);
  const zero = await mapped(xs, (x, pool) => pool.mul(x, 0));
  assertEquals([...zero], [NaN, NaN, 0, 0].map((x, i) => i === 3 ? zero[3]! : x));
  assertEquals([...await mapped(xs, (x, pool) => pool.sub(x, x))], [NaN, NaN, 0, 0]);
  assertEquals([...await mapped(xs, (x, pool) => pool.binary("max", x, pool.float(0)))], [NaN, Infinity, 2, 0]);
  assertEquals([...await mapped(Float32Array.of(NaN, 7.9, -7.9, 0), (x, pool) => pool.cast(x, "i32"), "i32")], [
    0,
    7,
    -7,
    0,
  ]);
  const truth = await mapped(xs, (x, pool) => pool.cast(pool.cast(x, "bool"), "i32"), "i32");
  assertEquals([...truth], [1, 1, 1, 1]);
});

webgpuTest("printKernel() divides integers as floorDiv and floorMod say", async () => {
  const where = setting();
  const { pool } = where;
  const [axes, [i, j]] = axesOfSizes(pool, [9, 9]);
  const of = (x: Expression) => pool.sub(x, 4);
  const [a, b, c] = [scratch(pool, 81, "i32"), scratch(pool, 81, "i32"), scratch(pool, 81, "i32")];
  const index = pool.flatten([i!, j!], [9, 9]);
  // Loads, so that nothing is folded.
  const from = scratch(pool, 9, "i32");
  const [x, y] = [pool.load(from, i!), pool.load(from, j!)];
  const kernel = nest(axes, [
    { buffer: a, index, value: pool.binary("floorDiv", x, y) },
    { buffer: b, index, value: pool.binary("floorMod", x, y) },
    { buffer: c, index, value: pool.add(pool.floorDiv(of(i!), 3), pool.floorMod(of(j!), 3)) },
  ]);
  const arrays = new Map<Buffer, NumberArray>([a, b, c].map((buffer) => [buffer, new Int32Array(81)]));
  arrays.set(from, Int32Array.from({ length: 9 }, (_, k) => k - 4));
  assertEquals((await compare([kernel], arrays, where)).worst, 0);
});

webgpuTest("printKernel() draws core's random numbers", async () => {
  const keys = Uint32Array.of(1, 2, 0xdeadbeef, 4, 5, 6, 7, 8);
  for (const size of [7, 256]) {
    const where = setting({ streams: 2, keys, steps: 2 });
    const { pool } = where;
    const [axes, [i]] = axesOfSizes(pool, [size]);
    const buffers = [0, 1, 2].map(() => scratch(pool, size));
    const distributions = ["uniform", "normal", "truncatedNormal"] as const;
    const kernel = nest(
      axes,
      distributions.map((kind, n) => ({ buffer: buffers[n]!, index: i!, value: pool.random(kind, 1, i!) })),
    );
    const arrays = new Map<Buffer, NumberArray>(buffers.map((buffer) => [buffer, new Float32Array(size)]));
    const { reference } = await compare([kernel], arrays, where, 1);
    const key: RandomKey = [7, 8];
    assertEquals(arrays.get(buffers[0]!), uniformValues(key, size));
    const normals = normalValues(key, size);
    arrays.get(buffers[1]!)!.forEach((x, at) => assertLessOrEqual(Math.abs(x - normals[at]!), 2e-6));
    arrays.get(buffers[2]!)!.forEach((x, at) =>
      assertLessOrEqual(Math.abs(x - reference.get(buffers[2]!)![at]!), 2e-6)
    );
  }
  assertEquals(threefry([0, 0], 0, 0), [0x6b200159, 0x99ba4efe]);
});

/** A map with broadcasts, a transposed load, a guarded shifted one and a condition. */
function mixedMap(where: Setting, [n, m]: readonly [number, number]): [Kernel, Map<Buffer, NumberArray>] {
  const { pool } = where;
  const [axes, [i, j]] = axesOfSizes(pool, [n, m]);
  const [a, b, row, to, flags] = [
    scratch(pool, n * m),
    scratch(pool, n * m),
    scratch(pool, m),
    scratch(pool, n * m),
    scratch(pool, n * m, "bool"),
  ];
  const index = pool.flatten([i!, j!], [n, m]);
  const left = pool.sub(j!, 1);
  const shifted = pool.select(
    pool.and(pool.compare("ge", left, 0), pool.compare("lt", left, m)),
    pool.load(a, pool.flatten([i!, left], [n, m])),
    pool.float(0),
  );
  const x = pool.add(pool.mul(pool.load(a, index), pool.load(row, j!)), pool.load(b, pool.flatten([j!, i!], [m, n])));
  const value = pool.add(pool.unary("tanh", x), shifted);
  const stores = [
    { buffer: to, index, value },
    { buffer: flags, index, value: pool.compare("gt", value, 0) },
  ];
  const arrays = new Map<Buffer, NumberArray>([
    [a, noise(n * m, 1)],
    [b, noise(n * m, 2)],
    [row, noise(m, 3)],
    [to, new Float32Array(n * m)],
    [flags, new Int32Array(n * m)],
  ]);
  return [nest(axes, stores), arrays];
}

webgpuTest("printKernel() computes maps of any shape", async () => {
  for (const shape of [[1, 1], [3, 5], [64, 12], [7, 64], [33, 100]] as const) {
    for (const tuning of [TUNINGS.software, TUNINGS.discrete]) {
      const where = setting({ tuning });
      const [kernel, arrays] = mixedMap(where, shape);
      assertLessOrEqual((await compare([kernel], arrays, where)).worst, 1e-6, `${shape}`);
    }
  }
});

webgpuTest("printKernel() updates in place, a later store reading what an earlier one left", async () => {
  const where = setting({ columns: ["unused", "rate"], table: Float32Array.of(0, 0, 9, 0.25), steps: 2 });
  const { pool } = where;
  for (const size of [5, 512]) {
    const [axes, [i]] = axesOfSizes(pool, [size]);
    const [weight, moment, gradient] = [0, 1, 2].map(() => pool.buffer("f32", size, { kind: "variable", path: "w" }));
    const grown = pool.add(pool.mul(pool.load(moment!, i!), 0.5), pool.load(gradient!, i!));
    const kernel = nest(axes, [
      { buffer: moment!, index: i!, value: grown },
      {
        buffer: weight!,
        index: i!,
        value: pool.sub(pool.load(weight!, i!), pool.mul(pool.load(moment!, i!), pool.column("rate"))),
      },
    ]);
    const arrays = new Map<Buffer, NumberArray>(
      [weight!, moment!, gradient!].map((buffer, k) => [buffer, noise(size, k)]),
    );
    assertLessOrEqual((await compare([kernel], arrays, where, 1)).worst, 1e-6);
  }
});

webgpuTest("printKernel() reads rows of bytes and float32 and writes the step's part", async () => {
  const where = setting({ steps: 3 });
  const { pool } = where;
  for (const features of [6, 64]) {
    const batch = 8;
    const [axes, [i, j]] = axesOfSizes(pool, [batch, features]);
    const rows = pool.buffer("i32", batch, { kind: "rows" });
    const bytes = pool.buffer("u8", features, { kind: "input", group: "x", index: 0 });
    const floats = pool.buffer("f32", features, { kind: "input", group: "x", index: 1 });
    const output = pool.buffer("f32", batch * features, { kind: "output", index: 0 });
    const flags = pool.buffer("bool", batch * features, { kind: "output", index: 1 });
    const at = pool.add(pool.mul(pool.load(rows, i!), features), j!);
    const value = pool.add(pool.mul(pool.cast(pool.load(bytes, at), "f32"), 1 / 255), pool.load(floats, at));
    const index = pool.flatten([i!, j!], [batch, features]);
    const kernel = nest(axes, [
      { buffer: output, index, value },
      { buffer: flags, index, value: pool.load(bytes, at, "bool") },
    ]);
    const samples = 20;
    const arrays = new Map<Buffer, NumberArray>([
      [rows, Int32Array.from({ length: 3 * batch }, (_, k) => (k * 7) % samples)],
      [bytes, Uint8Array.from({ length: samples * features }, (_, k) => (k * 37) % 256 * (k % 3 ? 1 : 0))],
      [floats, noise(samples * features)],
      [output, new Float32Array(3 * batch * features)],
      [flags, new Int32Array(3 * batch * features)],
    ]);
    for (const step of [0, 2]) {
      assertLessOrEqual((await compare([kernel], arrays, where, step)).worst, 1e-6);
    }
    const written = [...arrays.get(output)!.slice(batch * features, 2 * batch * features)];
    assert(written.every((x) => x === 0), "Step 1's part was written.");
  }
});

const COMBINES: readonly Combine[] = ["sum", "prod", "max", "min", "all", "any", "argMax", "argMin"];

webgpuTest("printKernel() reduces every way, over rows and columns, in one shader or in stages", async () => {
  const shapes: readonly (readonly [number, number])[] = [[1, 1], [5, 3], [3, 200], [1, 5000], [300, 16], [2, 1031]];
  for (const [width, length] of shapes) {
    for (const transposed of [false, true]) {
      const where = setting();
      const { pool } = where;
      const [outer, [i]] = axesOfSizes(pool, [width]);
      const [inner, [j]] = axesOfSizes(pool, [length]);
      const from = scratch(pool, width * length);
      const x = pool.load(
        from,
        transposed ? pool.flatten([j!, i!], [length, width]) : pool.flatten([i!, j!], [width, length]),
      );
      const arrays = new Map<Buffer, NumberArray>([[from, noise(width * length, width)]]);
      const stores: Store[] = [];
      const reductions = COMBINES.map((combine) => {
        const logical = combine === "all" || combine === "any";
        const type = logical ? "bool" as const : combine.startsWith("arg") ? "i32" as const : "f32" as const;
        const buffer = scratch(pool, width, type);
        arrays.set(buffer, type === "f32" ? new Float32Array(width) : new Int32Array(width));
        const result = pool.newResult();
        stores.push({ buffer, index: i!, value: pool.result(result, type) });
        const value = logical
          ? pool.compare("gt", x, combine === "all" ? -0.99 : 0.99)
          : combine === "prod"
          ? pool.add(pool.mul(x, 0.01), 1)
          : x;
        return { result, type, combine, value };
      });
      const kernel = nest(outer, stores, { inner, reductions });
      const { worst, shaders } = await compare([kernel], arrays, where);
      // A product of 5000 numbers is rounded 5000 times: √5000 · 2^-24 is 4e-6.
      assertLessOrEqual(worst, 1e-5, `${width} of ${length}, ${transposed}`);
      if (length === 5000) assert(shaders.length > 1);
    }
  }
});

webgpuTest("printKernel() gives NaN for sums and extremes that meet NaN", async () => {
  for (const length of [8, 4000]) {
    const where = setting();
    const { pool } = where;
    const [inner, [j]] = axesOfSizes(pool, [length]);
    const from = scratch(pool, length);
    const to = ["sum", "max", "min"].map(() => scratch(pool, 1));
    const values = noise(length);
    values[3] = NaN;
    const results = to.map(() => pool.newResult());
    const kernel = nest(
      [],
      to.map((buffer, n) => ({ buffer, index: pool.int(0), value: pool.result(results[n]!, "f32") })),
      {
        inner,
        reductions: (["sum", "max", "min"] as const).map((combine, n) => ({
          result: results[n]!,
          type: "f32",
          combine,
          value: pool.load(from, j!),
        })),
      },
    );
    const arrays = new Map<Buffer, NumberArray>([
      [from, values],
      ...to.map((buffer) => [buffer, new Float32Array(1)] as const),
    ]);
    await runOnDevice([kernel], arrays, where);
    for (const buffer of to) assertEquals(arrays.get(buffer)![0], NaN);
  }
});

/** Softmax with its sum of logarithms: reductions that need one another, and stores with and without inner axes. */
function softmax(where: Setting, [rows, classes]: readonly [number, number]): [Kernel, Map<Buffer, NumberArray>] {
  const { pool } = where;
  const [outer, [i]] = axesOfSizes(pool, [rows]);
  const [inner, [j]] = axesOfSizes(pool, [classes]);
  const [from, to, logs] = [scratch(pool, rows * classes), scratch(pool, rows * classes), scratch(pool, rows)];
  const index = pool.flatten([i!, j!], [rows, classes]);
  const [most, sum] = [pool.newResult(), pool.newResult()];
  const exp = pool.unary("exp", pool.sub(pool.load(from, index), pool.result(most, "f32")));
  const kernel = nest(outer, [
    { buffer: logs, index: i!, value: pool.add(pool.unary("log", pool.result(sum, "f32")), pool.result(most, "f32")) },
    { buffer: to, index, value: pool.div(exp, pool.result(sum, "f32")) },
  ], {
    inner,
    reductions: [
      { result: most, type: "f32", combine: "max", value: pool.load(from, index) },
      { result: sum, type: "f32", combine: "sum", value: exp },
    ],
  });
  const arrays = new Map<Buffer, NumberArray>([
    [from, noise(rows * classes).map((x) => x * 20)],
    [to, new Float32Array(rows * classes)],
    [logs, new Float32Array(rows)],
  ]);
  return [kernel, arrays];
}

webgpuTest("printKernel() computes a softmax of any shape", async () => {
  for (const shape of [[64, 10], [300, 12], [2, 3000], [1, 7], [5, 1]] as const) {
    const where = setting();
    const [kernel, arrays] = softmax(where, shape);
    assertLessOrEqual((await compare([kernel], arrays, where)).worst, SUMS, `${shape}`);
  }
});

webgpuTest("printKernel() sums more than the 65,535 iterations that a loop may have", async () => {
  const length = 300_000;
  const where = setting();
  const { pool } = where;
  const [inner, [j]] = axesOfSizes(pool, [length]);
  const to = scratch(pool, 1, "i32");
  const result = pool.newResult();
  const kernel = nest([], [{ buffer: to, index: pool.int(0), value: pool.result(result, "i32") }], {
    inner,
    reductions: [{ result, type: "i32", combine: "sum", value: pool.floorMod(j!, 7) }],
  });
  const arrays = new Map<Buffer, NumberArray>([[to, new Int32Array(1)]]);
  const { worst, shaders } = await compare([kernel], arrays, where);
  assertEquals(worst, 0);
  assert(shaders.every(({ loopIterations }) => loopIterations <= 65535));
});

webgpuTest("printKernel() multiplies matrices of any shape, transposed or not", async () => {
  const shapes = [[1, 1, 1, 1], [1, 5, 7, 3], [3, 17, 33, 9], [1, 1, 10, 64], [2, 100, 1, 37], [4, 12, 20, 32], [
    1,
    64,
    10,
    20,
  ], [
    1,
    18,
    30,
    2000,
  ]] as const;
  for (const [batch, rows, columns, inner] of shapes) {
    for (const which of [0, 1, 2, 7]) {
      const where = setting({ tuning: which % 3 === 0 ? TUNINGS.discrete : TUNINGS.software });
      const sizes = {
        batch,
        rows,
        columns,
        inner,
        transposeA: (which & 1) > 0,
        transposeB: (which & 2) > 0,
        transposeResult: (which & 4) > 0,
      };
      const [kernel, arrays] = product(where, sizes);
      assertLessOrEqual((await compare([kernel], arrays, where)).worst, SUMS, JSON.stringify(sizes));
    }
  }
});

webgpuTest("printKernel() does long work on sums in loops, in place", async () => {
  // Odd numbers of sums, which are taken by number; inner sizes that are loaded in fours or not, with few terms or many.
  const shapes = [[16, 32, 12], [9, 10, 12], [16, 16, 128], [7, 13, 64], [5, 3, 37], [1, 11, 64], [13, 1, 40]] as const;
  for (const [rows, columns, inner] of shapes) {
    const where = setting();
    const { pool } = where;
    const transposeA = rows === 7 || rows === 16;
    const [plain, arrays] = product(where, { batch: 1, rows, columns, inner, transposeA, transposeB: rows === 13 });
    const [weight, moment] = [0, 1].map(() => pool.buffer("f32", rows * columns, { kind: "variable", path: "w" }));
    const { index } = plain.stores[0]!;
    const gradient = pool.result(plain.result, "f32");
    const grown = pool.add(pool.mul(pool.load(moment!, index), 0.9), pool.unary("tanh", gradient));
    const square = pool.unary("sqrt", pool.unary("abs", grown));
    const kernel: Contraction = {
      ...plain,
      stores: [
        { buffer: moment!, index, value: grown },
        { buffer: weight!, index, value: pool.sub(pool.load(weight!, index), pool.div(square, pool.add(square, 1))) },
        ...plain.stores,
      ],
    };
    arrays.set(weight!, noise(rows * columns, 8)).set(moment!, noise(rows * columns, 9));
    assertLessOrEqual((await compare([kernel], arrays, where)).worst, SUMS, `${rows} by ${columns}, ${inner} terms`);
    // Compiling time grows with the square of the storage accesses.
    for (const { code } of printKernel(kernel, contextOf(where))) {
      assertLessOrEqual(accessesIn(code), 32);
    }
  }
});

webgpuTest("printKernel() convolves, with strides and padding, and computes both gradients", async () => {
  const all: readonly Convolution[] = [
    [2, 28, 28, 1, 16, 3, 1, 0],
    [2, 13, 13, 16, 32, 3, 1, 0],
    [2, 9, 7, 3, 5, 2, 2, 1],
    [2, 8, 8, 4, 8, 5, 1, 2],
    [1, 6, 6, 8, 4, 1, 1, 0],
    [2, 12, 10, 4, 12, 3, 2, 1],
  ];
  for (const sizes of all) {
    for (const kind of ["output", "input", "filter"] as const) {
      const where = setting();
      const [kernel, arrays] = convolution(where, kind, sizes);
      assertLessOrEqual((await compare([kernel], arrays, where)).worst, SUMS, `${kind} ${sizes}`);
    }
  }
});

webgpuTest("printKernel() scans forwards and backwards, short and long", async () => {
  for (const length of [5, 4100]) {
    for (const [reverse, exclusive] of [[false, false], [true, false], [false, true], [true, true]] as const) {
      for (const combine of ["sum", "prod"] as const) {
        const where = setting();
        const { pool } = where;
        const [outer, [i]] = axesOfSizes(pool, [3]);
        const [[along], [j]] = axesOfSizes(pool, [length]);
        const [from, to] = [scratch(pool, 3 * length), scratch(pool, 3 * length)];
        const index = pool.flatten([i!, j!], [3, length]);
        const x = pool.load(from, index);
        const result = pool.newResult();
        const kernel: Scan = {
          kind: "scan",
          outer,
          along: along!,
          reverse,
          exclusive,
          combine,
          value: combine === "sum" ? x : pool.add(pool.mul(x, 0.001), 1),
          result,
          stores: [{ buffer: to, index, value: pool.result(result, "f32") }],
        };
        const arrays = new Map<Buffer, NumberArray>([[from, noise(3 * length)], [to, new Float32Array(3 * length)]]);
        assertLessOrEqual(
          (await compare([kernel], arrays, where)).worst,
          2e-5,
          `${length} ${reverse} ${exclusive} ${combine}`,
        );
      }
    }
  }
});

webgpuTest("printKernel() scatters in order and drops what lies outside", async () => {
  for (const combine of ["set", "sum", "max", "min"] as const) {
    const where = setting();
    const { pool } = where;
    const [count, depth, places] = [50, 6, 9];
    const [outer, [d]] = axesOfSizes(pool, [depth]);
    const [inner, [n]] = axesOfSizes(pool, [count]);
    const [ids, values, target] = [
      scratch(pool, count, "i32"),
      scratch(pool, count * depth),
      scratch(pool, places * depth),
    ];
    const id = pool.load(ids, n!);
    const inside = pool.and(pool.compare("ge", id, 0), pool.compare("lt", id, places));
    const kernel: Scatter = {
      kind: "scatter",
      outer,
      inner,
      target,
      index: pool.select(inside, pool.add(pool.mul(id, depth), d!), pool.int(-1)),
      value: pool.load(values, pool.flatten([n!, d!], [count, depth])),
      combine,
    };
    const arrays = new Map<Buffer, NumberArray>([
      [ids, Int32Array.from({ length: count }, (_, k) => (k * 5) % 12 - 1)],
      [values, noise(count * depth)],
      [target, noise(places * depth, 2)],
    ]);
    assertLessOrEqual((await compare([kernel], arrays, where)).worst, 1e-6, combine);
  }
});

webgpuTest("printSingleDispatch() does whole steps, one after the other", async () => {
  const steps = 4;
  const table = Float32Array.of(0.1, 0.2, 0.05, 0.3);
  const where = setting({ columns: ["rate"], table, steps, streams: 1, keys: Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
  const { pool } = where;
  const [forward, arrays] = product(where, { batch: 1, rows: 6, columns: 11, inner: 5 });
  const [x, weight] = [...arrays.keys()] as [Buffer, Buffer];
  const rows = pool.buffer("i32", 6, { kind: "rows" });
  const bytes = pool.buffer("u8", 5, { kind: "input", group: "x", index: 0 });
  const sums = pool.buffer("f32", 2, { kind: "sums" });
  const [axes, [i, j]] = axesOfSizes(pool, [6, 5]);
  const byte = pool.cast(pool.load(bytes, pool.add(pool.mul(pool.load(rows, i!), 5), j!)), "f32");
  const noisy = pool.add(pool.mul(byte, 1 / 255), pool.random("uniform", 0, pool.flatten([i!, j!], [6, 5])));
  const gather = nest(axes, [{ buffer: x, index: pool.flatten([i!, j!], [6, 5]), value: noisy }]);
  const result = forward.stores[0]!.buffer;
  const [inner, [k]] = axesOfSizes(pool, [66]);
  const [total, most] = [pool.newResult(), pool.newResult()];
  const measure = nest([], [
    { buffer: sums, index: pool.int(0), value: pool.result(total, "f32") },
    { buffer: sums, index: pool.int(1), value: pool.result(most, "f32") },
  ], {
    inner,
    reductions: [
      { result: total, type: "f32", combine: "sum", value: pool.load(result, k!) },
      { result: most, type: "f32", combine: "max", value: pool.load(result, k!) },
    ],
  });
  const [places, [at]] = axesOfSizes(pool, [55]);
  const moved = pool.sub(
    pool.load(weight, at!),
    pool.mul(pool.column("rate"), pool.load(result, at!)),
  );
  const update = nest(places, [{ buffer: weight, index: at!, value: moved }]);
  arrays.set(rows, Int32Array.from({ length: 6 * steps }, (_, n) => (n * 5) % 9));
  arrays.set(bytes, Uint8Array.from({ length: 45 }, (_, n) => n * 29));
  arrays.set(sums, new Float32Array(2 * steps));
  const kernels = [gather, forward, measure, update];
  const reference = new Map([...arrays].map(([buffer, array]) => [buffer, array.slice()] as const));
  interpretKernels(kernels, reference, where);
  const { code } = await runInOneDispatch(kernels, arrays, where);
  for (const [buffer, array] of arrays) assertLessOrEqual(difference(array, reference.get(buffer)!), SUMS);
  // `update` and `measure` read the same: they need no barrier between them, but the other pairs and the steps do.
  assertEquals(code.match(/storageBarrier/g)!.length, 3);
});

webgpuTest("printKernel() has small weights as uniforms, unless the shader writes where they lie", async () => {
  const state = { kind: "variable", path: "w" } as const;
  for (
    const { weights, bytes, columns } of [
      { weights: state, bytes: 65536, columns: 24 },
      { weights: state, bytes: 12 * 24 * 4, columns: 24 },
      { weights: state, bytes: 12 * 24 * 4 - 1, columns: 24 },
      { weights: state, bytes: 65536, columns: 22 },
      { weights: undefined, bytes: 65536, columns: 24 },
    ]
  ) {
    const where = setting({ tuning: { ...TUNINGS.software, uniformBytes: bytes } });
    const sizes = { batch: 1, rows: 20, columns, inner: 12, weights };
    const [kernel, arrays] = product(where, sizes);
    const { worst, shaders: [shader] } = await compare([kernel], arrays, where);
    assertLessOrEqual(worst, SUMS);
    const accessOf = (size: number) => shader!.operands.find(({ buffer }) => buffer.size === size)!.access;
    // Rows of 22 columns are not loaded in fours, and uniforms can only be.
    const uniform = weights !== undefined && bytes >= 12 * columns * 4 && columns % 4 === 0;
    assertEquals(accessOf(12 * columns), uniform ? "uniform" : weights ? "read" : "read_write");
    assertEquals(accessOf(20 * columns), "read_write");
    assertEquals(shader!.code.includes(`var<uniform> `), shader!.operands.some(({ access }) => access === "uniform"));
  }
});

Deno.test("Emitter gives no variable the name of a type", () => {
  const { pool: expressions, columns, streams, tuning } = setting();
  const emitter = new Emitter({ expressions, columns, streams, tuning }, new OperandMemory());
  const names = Array.from({ length: 100 }, () => emitter.newName("i"));
  assertEquals(new Set(names).size, 100);
  assert(!names.includes("i32"));
});

Deno.test("printKernel() leaves no loop to be written out where loops are kept, but short ones", () => {
  const where = setting();
  const loops = (classes: number, keepsLoops: boolean) => {
    const [kernel] = softmax(where, [64, classes]);
    const context = { ...contextOf(where), tuning: { ...where.tuning, keepsLoops } };
    const [{ code }] = printKernel(kernel, context) as [ComputeShader];
    return [...code.matchAll(/for \(var \w+ = (\w+);/g)].map(([, first]) => first);
  };
  // The largest, the sum, and the stores.
  assertEquals(loops(10, true), ["zero", "zero", "zero"]);
  assertEquals(loops(10, false), ["0", "0", "0"]);
  assertEquals(loops(7, true), ["0", "0", "0"]);
});

Deno.test("printKernel() gives equal text for equal kernels of different plans", () => {
  const print = (start: number) => {
    const where = setting();
    // Other expressions and buffers that were made before.
    for (let i = 0; i < start; i++) mixedMap(where, [i + 2, 3]);
    return [
      product(where, { batch: 1, rows: 20, columns: 24, inner: 12 })[0],
      mixedMap(where, [64, 12])[0],
      softmax(where, [9, 12])[0],
    ]
      .flatMap((kernel) =>
        printKernel(kernel, { expressions: where.pool, columns: [], streams: 0, tuning: where.tuning })
      )
      .map(({ code }) => code);
  };
  assertEquals(print(0), print(5));
});
