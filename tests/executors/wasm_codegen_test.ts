import { assert, assertEquals, assertThrows } from "@std/assert";
import { type RandomKey, uniformValues } from "../../core/random.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { normalAt, truncatedNormalAt } from "../../plugins/compiler/ir/interpret_functions.ts";
import type { NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type {
  Buffer,
  Expression,
  Kernel,
  Scan,
  Scatter,
  Store,
  UnaryOperation,
} from "../../plugins/compiler/ir/types.ts";
import { axesIn } from "../../plugins/compiler/lower/lowering.ts";
import { generateModule, prepare } from "../../plugins/executors/wasm/codegen/mod.ts";
import { generator } from "../compiler/random_numbers.ts";
import { planOf, prepareRun, runInterpreter, type RunOptions, runWasm } from "./wasm_codegen_run.ts";

const scratch = (ir: Expressions, size: number, type: Buffer["type"] = "f32") =>
  ir.buffer(type, size, { kind: "scratch" });

function floats(random: () => number, size: number): Float32Array {
  return Float32Array.from({ length: size }, () => random() * 2 - 1);
}

/** The largest error, in parts of the largest number. */
function errorOf(values: NumberArray, expected: NumberArray): number {
  let [error, scale] = [0, 1e-30];
  expected.forEach((number, i) => {
    if (Number.isFinite(number)) scale = Math.max(scale, Math.abs(number));
    const difference = Object.is(values[i], number) ? 0 : Math.abs(values[i]! - number);
    error = Math.max(error, Number.isNaN(difference) ? Infinity : difference);
  });
  return error / scale;
}

/** Compares all buffers that kernels write with the interpreter's in float64, on one thread and on several. */
async function check(
  ir: Expressions,
  kernels: readonly Kernel[],
  arrays: ReadonlyMap<Buffer, NumberArray>,
  { tolerance = 2e-6, threads = [1], what = "", ...options }: Omit<RunOptions, "threads"> & {
    readonly tolerance?: number;
    readonly threads?: readonly number[];
    readonly what?: string;
  } = {},
): Promise<void> {
  const plan = planOf(ir, kernels);
  const expected = runInterpreter(plan, arrays, options);
  const written = new Set(
    kernels.flatMap((kernel) =>
      kernel.kind === "scatter" ? [kernel.target] : kernel.stores.map(({ buffer }) => buffer)
    ),
  );
  let first: ((buffer: Buffer) => NumberArray) | undefined;
  for (const count of threads) {
    const values = await runWasm(plan, arrays, { ...options, threads: count });
    for (const buffer of written) {
      const error = errorOf(values(buffer), expected(buffer));
      assert(error <= tolerance, `${what}: buffer ${buffer.id} is off by ${error} on ${count} threads`);
      if (first !== undefined) {
        assertEquals(values(buffer), first(buffer), `${what}: ${count} threads give other numbers`);
      }
    }
    first ??= values;
  }
}

/** One value at each of some points. */
async function evaluated(
  count: number,
  value: (ir: Expressions, place: Expression) => Expression,
  options: RunOptions & { readonly arrays?: ReadonlyMap<Buffer, NumberArray>; readonly ir?: Expressions } = {},
  more: Parameters<typeof planOf>[2] = {},
): Promise<NumberArray> {
  const ir = options.ir ?? new Expressions();
  const place = ir.axis(count);
  const result = value(ir, place);
  const target = scratch(ir, count, result.type === "f32" ? "f32" : "i32");
  const kernel: Kernel = {
    kind: "nest",
    outer: axesIn([place]),
    inner: [],
    reductions: [],
    stores: [{ buffer: target, index: place, value: ir.cast(result, target.type as "f32") }],
  };
  return (await runWasm(planOf(ir, [kernel], more), options.arrays ?? new Map(), options))(target);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** The error function: its series, or its continued fraction. */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a > 6) return Math.sign(x);
  if (a < 2.5) {
    let [sum, term] = [0, x];
    for (let n = 0; n < 80; n++) {
      sum += term / (2 * n + 1);
      term *= -x * x / (n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}

const FUNCTIONS: readonly [UnaryOperation, (x: number) => number, ...(readonly [number, number])[]][] = [
  ["exp", Math.exp, [-105, 89], [-1, 1]],
  ["expm1", Math.expm1, [-20, 89], [-1e-3, 1e-3], [-1, 1]],
  ["log", Math.log, [1e-45, 1e-38], [0, 2], [0, 1e38], [0.9, 1.1]],
  ["log1p", Math.log1p, [-1, 1], [-1e-3, 1e-3], [0, 1e30]],
  ["sin", Math.sin, [-10, 10], [-1e5, 1e5], [-1e9, 1e9]],
  ["cos", Math.cos, [-10, 10], [-1e5, 1e5], [-1e9, 1e9]],
  ["tan", Math.tan, [-10, 10]],
  ["asin", Math.asin, [-1, 1]],
  ["acos", Math.acos, [-1, 1]],
  ["atan", Math.atan, [-3, 3], [-1e5, 1e5]],
  ["sinh", Math.sinh, [-89, 89], [-1, 1], [-1e-3, 1e-3]],
  ["cosh", Math.cosh, [-89, 89], [-1, 1]],
  ["tanh", Math.tanh, [-10, 10], [-1e-3, 1e-3]],
  ["asinh", Math.asinh, [-10, 10], [-1e30, 1e30], [-1e-3, 1e-3]],
  ["acosh", Math.acosh, [1, 2], [1, 1e30]],
  ["atanh", Math.atanh, [-1, 1], [-1e-3, 1e-3]],
  ["erf", erf, [-4, 4], [-1, 1], [-1e-3, 1e-3]],
  ["sigmoid", sigmoid, [-85, 85], [-1, 1]],
  ["softplus", softplus, [-100, 100], [-3, 3]],
  ["rsqrt", (x) => 1 / Math.sqrt(x), [0, 10]],
];
const SPECIAL = Float32Array.of(NaN, Infinity, -Infinity, 0, 1, -1, 2, -2, 100, -100, 1000, -1000);

function ulp(x: number): number {
  const exponent = Math.floor(Math.log2(Math.max(Math.abs(x), 2 ** -126)));
  return 2 ** (exponent - 23);
}

for (const relaxed of [true, false]) {
  Deno.test(`elementary functions are within 3 ulp when madd is ${relaxed ? "fused" : "not fused"}`, async () => {
    for (const [operation, exact, ...ranges] of FUNCTIONS) {
      const samples = ranges.flatMap(([low, high]) =>
        Array.from({ length: 2001 }, (_, i) => low + (high - low) * i / 2000)
      );
      const xs = Float32Array.of(...samples, ...SPECIAL);
      const ir = new Expressions();
      const input = scratch(ir, xs.length);
      const arrays = new Map([[input, xs]]);
      const ys = await evaluated(xs.length, (_, at) => ir.unary(operation, ir.load(input, at)), {
        ir,
        arrays,
        relaxed,
      });
      xs.forEach((x, i) => {
        const [y, expected] = [ys[i]!, exact(x)];
        const message = `${operation}(${x}) is ${y}, expected ${expected}`;
        if (!Number.isFinite(Math.fround(expected)) || !Number.isFinite(y)) {
          assert(Object.is(y, Math.fround(expected)), message);
        } else if (Math.abs(expected) > 2 ** -126) {
          // Sine and cosine near their zeros, of large angles, are as exact as those near 1.
          const large = (operation === "sin" || operation === "cos") && Math.abs(x) > 1e5;
          assert(Math.abs(y - expected) <= Math.max(3 * ulp(expected), large ? 2e-7 : 0), message);
        } else assert(Math.abs(y - expected) <= 2 ** -126, message); // Denormals are 0.
      });
    }
  });
}

Deno.test("pow() and atan2() give what Math gives, NaN and infinity included", async () => {
  const random = generator(3);
  const pairs = [...SPECIAL, 0.5, 3, -3].flatMap((a) => [...SPECIAL, 0.5, 3, -3].map((b) => [a, b]));
  for (let i = 0; i < 5000; i++) pairs.push([Math.exp(random() * 20 - 10), random() * 20 - 10]);
  for (let i = 0; i < 5000; i++) pairs.push([random() * 10 - 5, Math.round(random() * 10 - 5)]);
  const [as, bs] = [0, 1].map((i) => Float32Array.from(pairs, (pair) => pair[i]!)) as [Float32Array, Float32Array];
  for (const [operation, exact] of [["pow", Math.pow], ["atan2", Math.atan2]] as const) {
    const ir = new Expressions();
    const [a, b] = [scratch(ir, as.length), scratch(ir, bs.length)];
    const arrays = new Map([[a, as], [b, bs]]);
    const ys = await evaluated(as.length, (_, at) => ir.binary(operation, ir.load(a, at), ir.load(b, at)), {
      ir,
      arrays,
    });
    ys.forEach((y, i) => {
      const expected = exact(as[i]!, bs[i]!);
      const message = `${operation}(${as[i]}, ${bs[i]}) is ${y}, expected ${expected}`;
      if (Number.isFinite(Math.fround(expected))) assert(Math.abs(y - expected) <= 3 * ulp(expected), message);
      else assert(Object.is(y, Math.fround(expected)), message);
    });
  }
});

Deno.test("max() and min() keep NaN, comparisons with it are false but for ne", async () => {
  const ir = new Expressions();
  const input = scratch(ir, 6);
  const arrays = new Map([[input, Float32Array.of(NaN, -1, 2, NaN, 0, Infinity)]]);
  const relu = await evaluated(6, (_, at) => ir.binary("max", ir.load(input, at), ir.float(0)), { ir, arrays });
  assertEquals([...relu], [NaN, 0, 2, NaN, 0, Infinity]);
  for (const [operation, expected] of [["lt", [0, 1, 0, 0, 1, 0]], ["ne", [1, 1, 1, 1, 1, 1]]] as const) {
    const truths = await evaluated(6, (_, at) => ir.compare(operation, ir.load(input, at), 1), { ir, arrays });
    assertEquals([...truths], [...expected]);
  }
});

Deno.test("random numbers have the bits of core/random.ts when they are uniform, and few ulps of error else", async () => {
  const keys: RandomKey[][] = [[[1, 2], [0xdeadbeef, 0x12345678]], [[3, 4], [5, 0xffffffff]]];
  const [steps, count] = [2, 1001];
  const draw = async (distribution: "uniform" | "normal" | "truncatedNormal", stream: number) => {
    const ir = new Expressions();
    const place = ir.axis(count);
    const target = ir.buffer("f32", count, { kind: "output", index: 0 });
    const value = ir.random(distribution, stream, place);
    const kernel: Kernel = {
      kind: "nest",
      outer: axesIn([place]),
      inner: [],
      reductions: [],
      stores: [{ buffer: target, index: place, value }],
    };
    const values = await runWasm(planOf(ir, [kernel], { streams: 2 }), new Map(), { steps, keys });
    return values(target) as Float32Array;
  };
  for (const stream of [0, 1]) {
    const [uniform, normal, truncated] = await Promise.all(
      (["uniform", "normal", "truncatedNormal"] as const).map((distribution) => draw(distribution, stream)),
    );
    for (let step = 0; step < steps; step++) {
      const key = keys[step]![stream]!;
      assertEquals(uniform!.slice(step * count, (step + 1) * count), uniformValues(key, count));
      for (let i = 0; i < count; i++) {
        const error = Math.abs(normal![step * count + i]! - normalAt(key, i));
        assert(error < 2e-6, `normal ${i} is off by ${error}`);
        assert(Math.abs(truncated![step * count + i]! - truncatedNormalAt(key, i)) < 2e-6);
      }
    }
  }
});

interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly batch?: number;
}

function product(ir: Expressions, [m, n, k]: readonly [number, number, number], options: ProductOptions = {}) {
  const { transposeA, transposeB, batch = 1 } = options;
  const [b, i, j, p] = [batch, m, n, k].map((size) => ir.axis(size)) as [
    Expression,
    Expression,
    Expression,
    Expression,
  ];
  const [left, right, target, bias] = [batch * m * k, batch * k * n, batch * m * n, n].map((size) =>
    scratch(ir, size)
  ) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const result = ir.newResult();
  const kernel: Kernel = {
    kind: "contraction",
    batch: axesIn([b]),
    rows: axesIn([i]),
    columns: axesIn([j]),
    inner: axesIn([p]),
    left: ir.load(left, transposeA ? ir.flatten([b, p, i], [batch, k, m]) : ir.flatten([b, i, p], [batch, m, k])),
    right: ir.load(right, transposeB ? ir.flatten([b, j, p], [batch, n, k]) : ir.flatten([b, p, j], [batch, k, n])),
    result,
    stores: [{
      buffer: target,
      index: ir.flatten([b, i, j], [batch, m, n]),
      value: ir.binary("max", ir.add(ir.result(result, "f32"), ir.load(bias, j)), ir.float(0)),
    }],
  };
  return { kernel, left, right, target, bias };
}

Deno.test("products are right for all transposes, batches and odd sizes, on any number of threads", async () => {
  const random = generator(5);
  const sizes: (readonly [number, number, number, number?])[] = [
    [1, 1, 1],
    [1, 10, 7],
    [4, 8, 16],
    [5, 9, 17],
    [64, 10, 33],
    [7, 3, 5, 3],
    [2, 64, 64, 2],
    [66, 31, 100],
    [1, 200, 50],
    [50, 1, 40],
    [12, 40, 260],
    [16, 128, 130],
    [11, 12, 13],
    [18, 9, 20],
    [29, 17, 5],
  ];
  for (let i = 0; i < 8; i++) {
    const size = () => 1 + Math.floor(random() ** 2 * 40);
    sizes.push([size(), size(), size(), 1 + Math.floor(random() * 3)]);
  }
  let at = 0;
  for (const [m, n, k, batch = 1] of sizes) {
    for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true], [true, true]]) {
      const ir = new Expressions();
      const { kernel, left, right, bias } = product(ir, [m, n, k], { transposeA, transposeB, batch });
      const arrays = new Map([left, right, bias].map((buffer) => [buffer, floats(random, buffer.size)]));
      const what = `${batch} x ${m} x ${n} x ${k} ${transposeA} ${transposeB}`;
      const threads = at % 8 === 0 ? [1, 2, 3] : [1];
      await check(ir, [kernel], arrays, { what, threads, relaxed: at++ % 2 === 0 });
    }
  }
});

interface ConvolutionOptions {
  readonly rows: number;
  readonly height: number;
  readonly width: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly taps: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly same?: boolean;
}

/** A convolution, or the gradient of its filter, or of its input where the stride is 1. */
function convolution(ir: Expressions, options: ConvolutionOptions, kind: "forward" | "filter" | "input") {
  const { rows, height, width, inputs, outputs, taps, stride = 1, dilation = 1, same = false } = options;
  const reach = (taps - 1) * dilation + 1;
  const windows = (size: number) => same ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
  const before = (size: number) => same ? Math.floor(Math.max(0, (windows(size) - 1) * stride + reach - size) / 2) : 0;
  const x = { shape: [rows, height, width, inputs], buffer: scratch(ir, rows * height * width * inputs) };
  const y = {
    shape: [rows, windows(height), windows(width), outputs],
    buffer: scratch(ir, rows * windows(height) * windows(width) * outputs),
  };
  const filter = { shape: [taps, taps, inputs, outputs], buffer: scratch(ir, taps * taps * inputs * outputs) };
  const guarded = (from: typeof x, places: Expression[]) => {
    let inside: Expression = ir.number(1, "bool");
    places.forEach((place, i) => {
      inside = ir.and(inside, ir.and(ir.compare("ge", place, 0), ir.compare("lt", place, from.shape[i]!)));
    });
    return ir.select(inside, ir.load(from.buffer, ir.flatten(places, from.shape)), ir.float(0));
  };
  const loops = (sizes: readonly number[]) => sizes.map((size) => ir.axis(size));
  const [n, tapY, tapX, input, output] = loops([rows, taps, taps, inputs, outputs]) as Expression[];
  const [placeY, placeX] = loops(kind === "input" ? [height, width] : y.shape.slice(1, 3)) as Expression[];
  const result = ir.newResult();
  const value = ir.result(result, "f32");
  const place = (window: Expression, tap: Expression, size: number) =>
    ir.sub(ir.add(ir.mul(window, stride), ir.mul(tap, dilation)), before(size));
  const left = kind === "input"
    ? guarded(y, [
      n!,
      ir.add(ir.add(placeY!, tapY!), before(height) - taps + 1),
      ir.add(ir.add(placeX!, tapX!), before(width) - taps + 1),
      output!,
    ])
    : guarded(x, [n!, place(placeY!, tapY!, height), place(placeX!, tapX!, width), input!]);
  const contraction = (
    lists: Record<"rows" | "columns" | "inner", Expression[]>,
    right: Expression,
    target: typeof x,
    places: Expression[],
  ): Kernel => ({
    kind: "contraction",
    batch: [],
    rows: axesIn(lists.rows),
    columns: axesIn(lists.columns),
    inner: axesIn(lists.inner),
    left,
    right,
    result,
    stores: [{ buffer: target.buffer, index: ir.flatten(places, target.shape), value }],
  });
  const filterPlace = (y: Expression, x: Expression) =>
    ir.load(filter.buffer, ir.flatten([y, x, input!, output!], filter.shape));
  if (kind === "forward") {
    const lists = { rows: [n!, placeY!, placeX!], columns: [output!], inner: [tapY!, tapX!, input!] };
    const kernel = contraction(lists, filterPlace(tapY!, tapX!), y, [n!, placeY!, placeX!, output!]);
    return { kernel, given: [x.buffer, filter.buffer] };
  }
  if (kind === "filter") {
    const lists = { rows: [tapY!, tapX!, input!], columns: [output!], inner: [n!, placeY!, placeX!] };
    const right = ir.load(y.buffer, ir.flatten([n!, placeY!, placeX!, output!], y.shape));
    return { kernel: contraction(lists, right, filter, [tapY!, tapX!, input!, output!]), given: [x.buffer, y.buffer] };
  }
  const lists = { rows: [n!, placeY!, placeX!], columns: [input!], inner: [tapY!, tapX!, output!] };
  const right = filterPlace(ir.sub(ir.int(taps - 1), tapY!), ir.sub(ir.int(taps - 1), tapX!));
  return { kernel: contraction(lists, right, x, [n!, placeY!, placeX!, input!]), given: [y.buffer, filter.buffer] };
}

Deno.test("convolutions and their gradients are right with padding, strides and dilation", async () => {
  const random = generator(6);
  const cases: ConvolutionOptions[] = [
    { rows: 2, height: 8, width: 9, inputs: 1, outputs: 16, taps: 3 },
    { rows: 3, height: 7, width: 7, inputs: 16, outputs: 32, taps: 3 },
    { rows: 2, height: 9, width: 8, inputs: 3, outputs: 5, taps: 3, same: true },
    { rows: 1, height: 11, width: 11, inputs: 4, outputs: 8, taps: 5, same: true, stride: 2 },
    { rows: 2, height: 6, width: 6, inputs: 2, outputs: 3, taps: 2, stride: 2 },
    { rows: 2, height: 10, width: 10, inputs: 5, outputs: 9, taps: 3, dilation: 2, same: true },
    { rows: 16, height: 14, width: 14, inputs: 8, outputs: 16, taps: 3, same: true },
    { rows: 4, height: 5, width: 5, inputs: 1, outputs: 1, taps: 3, same: true },
  ];
  for (const options of cases) {
    for (const kind of ["forward", "filter", "input"] as const) {
      if (kind === "input" && (options.stride ?? 1) * (options.dilation ?? 1) > 1) continue;
      for (const prepared of [true, false]) {
        const ir = new Expressions();
        const { kernel, given } = convolution(ir, options, kind);
        const arrays = new Map(given.map((buffer) => [buffer, floats(random, buffer.size)]));
        const threads = prepared && options.taps === 3 ? [1, 2] : [1];
        await check(ir, [kernel], arrays, {
          what: `${kind} ${JSON.stringify(options)}`,
          prepared,
          threads,
          tolerance: 1e-5,
        });
      }
    }
  }
});

/** A random nest: broadcast and permuted operands, guarded and gathered loads, chained reductions. */
function randomNest(ir: Expressions, random: () => number) {
  const int = (low: number, high: number) => low + Math.floor(random() * (high - low + 1));
  const pick = <T>(list: readonly T[]): T => list[int(0, list.length - 1)]!;
  const size = () => pick([1, 2, 3, 4, 5, 7, 8, 9, 16, 37]);
  const outer = Array.from({ length: int(0, 3) }, () => ir.axis(size()));
  const inner = Array.from({ length: int(0, 2) }, () => ir.axis(size()));
  const arrays = new Map<Buffer, NumberArray>();
  const sizeOf = (place: Expression) => place.kind === "axis" ? place.axis.size : 1;
  const shuffled = (list: readonly Expression[]) =>
    list.map((x) => [random(), x] as const).sort((a, b) => a[0] - b[0]).map(([, x]) => x);
  const load = (places: readonly Expression[]): Expression => {
    const used = shuffled(places.filter(() => random() < 0.75));
    const shape = used.map(sizeOf);
    const total = shape.reduce((product, each) => product * each, 1);
    const flat = ir.flatten(used, shape);
    const kind = random();
    if (kind < 0.6) {
      const buffer = scratch(ir, total);
      arrays.set(buffer, floats(random, total));
      return ir.load(buffer, flat);
    }
    if (kind < 0.75) {
      // Shifted: partly outside, 0 there.
      const buffer = scratch(ir, total);
      arrays.set(buffer, floats(random, total));
      const moved = ir.add(flat, int(-3, 3));
      const inside = ir.and(ir.compare("ge", moved, 0), ir.compare("lt", moved, total));
      return ir.select(inside, ir.load(buffer, moved), ir.float(0));
    }
    if (kind < 0.85) {
      const [table, places] = [scratch(ir, 11), scratch(ir, total, "i32")];
      arrays.set(table, floats(random, 11));
      arrays.set(places, Int32Array.from({ length: total }, () => int(0, 10)));
      return ir.load(table, ir.load(places, flat));
    }
    if (kind < 0.93) {
      const divisor = int(2, 5);
      const buffer = scratch(ir, Math.ceil(total / divisor) + divisor);
      arrays.set(buffer, floats(random, buffer.size));
      return ir.load(buffer, ir.add(ir.floorDiv(flat, divisor), ir.floorMod(flat, divisor)));
    }
    const buffer = ir.buffer("u8", total, {
      kind: "constant",
      values: Uint8Array.from({ length: total }, () => int(0, 255)),
    });
    return ir.mul(ir.cast(ir.load(buffer, flat), "f32"), 1 / 256);
  };
  const known: Expression[] = [];
  const value = (places: readonly Expression[], depth: number): Expression => {
    if (depth === 0) return known.length > 0 && random() < 0.3 ? pick(known) : load(places);
    const a = value(places, depth - 1);
    switch (int(0, 8)) {
      case 0:
        return ir.unary(pick(["tanh", "sigmoid", "abs", "neg", "sin"]), a);
      case 1:
        return ir.unary("exp", ir.unary("neg", ir.unary("abs", a)));
      case 2:
        return ir.select(ir.compare("ge", ir.load(masks(places), flatOf(places)), 1), a, value(places, depth - 1));
      case 3:
        return ir.binary("max", a, ir.float(0.125));
      case 4:
        return ir.binary(pick(["max", "min"]), a, value(places, depth - 1));
      case 5:
        return ir.mul(a, value(places, depth - 1));
      default:
        return ir.binary(pick(["add", "sub"]), a, value(places, depth - 1));
    }
  };
  const flatOf = (places: readonly Expression[]) => ir.flatten(places, places.map(sizeOf));
  const masks = (places: readonly Expression[]) => {
    const buffer = scratch(ir, places.map(sizeOf).reduce((product, each) => product * each, 1), "i32");
    arrays.set(buffer, Int32Array.from({ length: buffer.size }, () => int(0, 1)));
    return buffer;
  };
  const all = [...outer, ...inner];
  const reductions = axesIn(inner).length === 0 ? [] : Array.from({ length: int(0, 2) }, () => {
    const result = ir.newResult();
    const combine = pick(["sum", "max", "min", "sum"] as const);
    const reduced = value(all, int(0, 2));
    known.push(ir.result(result, "f32"));
    return { result, type: "f32" as const, combine, value: reduced };
  });
  const stores: Store[] = Array.from({ length: int(1, 3) }, () => {
    const places = axesIn(inner).length > 0 && reductions.length > 0 && random() < 0.6 ? outer : all;
    const order = shuffled(places);
    const buffer = scratch(ir, order.map(sizeOf).reduce((product, each) => product * each, 1));
    return { buffer, index: flatOf(order), value: value(places, int(0, 3)) };
  });
  const kernel: Kernel = { kind: "nest", outer: axesIn(outer), inner: axesIn(inner), reductions, stores };
  return { kernel, arrays };
}

Deno.test("random numbers are the same however a nest walks over them", async () => {
  const key: RandomKey = [7, 8];
  for (
    const [rows, columns, offset] of [[5, 24, 0], [6, 40, 16], [3, 200, 8], [7, 9, 0], [2, 33, 1], [64, 12, 0], [
      1,
      20_004,
      0,
    ], [1, 20_007, 8]] as const
  ) {
    for (const distribution of ["uniform", "normal"] as const) {
      const ir = new Expressions();
      const [i, j] = [ir.axis(rows), ir.axis(columns)];
      const [target, bias] = [scratch(ir, rows * columns), scratch(ir, columns)];
      const place = ir.flatten([i, j], [rows, columns]);
      // The bias keeps the loops from becoming one.
      const value = ir.add(ir.random(distribution, 0, ir.add(place, offset)), ir.load(bias, j));
      const stores = [{ buffer: target, index: place, value }];
      const kernel: Kernel = { kind: "nest", outer: axesIn([i, j]), inner: [], reductions: [], stores };
      const values = (await runWasm(planOf(ir, [kernel], { streams: 1 }), new Map(), { keys: [[key]] }))(target);
      const uniform = uniformValues(key, offset + rows * columns);
      values.forEach((number, at) => {
        if (distribution === "uniform") assertEquals(number, uniform[offset + at]);
        else assert(Math.abs(number - normalAt(key, offset + at)) < 2e-6, `${rows} ${columns}: ${at} is ${number}`);
      });
    }
  }
});

Deno.test("nests are right for random axes, operands, reductions and stores", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const ir = new Expressions();
    const { kernel, arrays } = randomNest(ir, generator(seed));
    const options = { what: `seed ${seed}`, tolerance: 2e-5, prepared: seed % 3 > 0, relaxed: seed % 2 > 0 };
    await check(ir, [kernel], arrays, { ...options, threads: seed % 25 === 0 ? [1, 2] : [1] });
  }
});

Deno.test("long reductions are right and do not depend on the number of threads", async () => {
  const random = generator(8);
  for (const [outer, inner] of [[1, 100_003], [1, 65536], [16, 5000], [300, 1000], [3, 20_000]] as const) {
    for (const across of [false, true]) {
      const ir = new Expressions();
      const [i, j] = [ir.axis(outer), ir.axis(inner)];
      const input = scratch(ir, outer * inner);
      const result = ir.newResult();
      const place = across ? ir.flatten([j, i], [inner, outer]) : ir.flatten([i, j], [outer, inner]);
      const squares = ir.mul(ir.load(input, place), ir.load(input, place));
      const kernel: Kernel = {
        kind: "nest",
        outer: axesIn([i]),
        inner: axesIn([j]),
        reductions: [{ result, type: "f32", combine: "sum", value: squares }],
        stores: [{ buffer: scratch(ir, outer), index: i, value: ir.unary("sqrt", ir.result(result, "f32")) }],
      };
      const arrays = new Map([[input, floats(random, outer * inner)]]);
      await check(ir, [kernel], arrays, { what: `${outer} of ${inner}, ${across}`, threads: [1, 2, 3] });
    }
  }
});

Deno.test("what a sum computes is kept where it is stored, unless something else lies there", async () => {
  const random = generator(9);
  for (const [rows, columns, blocks] of [[5, 64, 1], [130, 67, 1], [3, 18, 2], [64, 21, 3]] as const) {
    for (const inPlace of [false, true]) {
      const ir = new Expressions();
      const [i, b, j] = [ir.axis(rows), ir.axis(blocks), ir.axis(columns)];
      const [input, other] = [scratch(ir, rows * blocks * columns), scratch(ir, rows * blocks * columns)];
      const target = inPlace ? input : scratch(ir, rows * blocks * columns);
      const place = ir.flatten([i, b, j], [rows, blocks, columns]);
      const x = ir.load(input, place);
      const [largest, sum, mean] = [ir.newResult(), ir.newResult(), ir.newResult()];
      const power = ir.unary("exp", ir.sub(x, ir.result(largest, "f32")));
      const share = ir.binary("div", power, ir.result(sum, "f32"));
      const kernel: Kernel = {
        kind: "nest",
        outer: axesIn([i]),
        inner: axesIn([b, j]),
        reductions: [
          { result: largest, type: "f32", combine: "max", value: x },
          { result: sum, type: "f32", combine: "sum", value: power },
          { result: mean, type: "f32", combine: "sum", value: ir.mul(share, x) },
        ],
        stores: [
          { buffer: other, index: place, value: ir.add(ir.mul(share, x), ir.result(mean, "f32")) },
          { buffer: target, index: place, value: share },
        ],
      };
      const arrays = new Map([[input, floats(random, input.size).map((value) => 4 * value)]]);
      await check(ir, [kernel], arrays, { what: `${rows} x ${blocks} x ${columns}, ${inPlace}`, threads: [1, 2] });
    }
  }
});

Deno.test("argMax() and argMin() give the first place, all() and any() truth values", async () => {
  // With many rows the reductions are written out.
  for (const rows of [5, 40]) {
    const ir = new Expressions();
    const [i, j] = [ir.axis(rows), ir.axis(7)];
    const input = scratch(ir, rows * 7);
    const values = Float32Array.from({ length: rows * 7 }, (_, at) => (at * 7) % 5);
    values.set([NaN, 9, 9, 9, 9, 9, 9], 7);
    values.set([1, NaN, 3, 3, 0, 0, 1], 14);
    const element = ir.load(input, ir.flatten([i, j], [rows, 7]));
    const place = (
      combine: "argMax" | "argMin" | "all" | "any",
      type: "i32" | "bool",
      value: Expression,
    ): [Kernel, Buffer] => {
      const target = scratch(ir, rows, "i32");
      const result = ir.newResult();
      return [{
        kind: "nest",
        outer: axesIn([i]),
        inner: axesIn([j]),
        reductions: [{ result, type, combine, value }],
        stores: [{ buffer: target, index: i, value: ir.result(result, type) }],
      }, target];
    };
    const kernels = [
      place("argMax", "i32", element),
      place("argMin", "i32", element),
      place("all", "bool", ir.compare("ge", element, 1)),
      place("any", "bool", ir.compare("gt", element, 3)),
    ];
    const run = await runWasm(planOf(ir, kernels.map(([kernel]) => kernel)), new Map([[input, values]]));
    const table = Array.from({ length: rows }, (_, row) => [...values.subarray(row * 7, row * 7 + 7)]);
    const best = (row: readonly number[], better: (a: number, b: number) => boolean) =>
      row.reduce((at, value, here) => better(value, row[at]!) ? here : at, 0);
    assertEquals([...run(kernels[0]![1])], table.map((row) => best(row, (a, b) => a > b)));
    assertEquals([...run(kernels[1]![1])], table.map((row) => best(row, (a, b) => a < b)));
    assertEquals([...run(kernels[2]![1])], table.map((row) => Number(row.every((value) => value >= 1))));
    assertEquals([...run(kernels[3]![1])], table.map((row) => Number(row.some((value) => value > 3))));
  }
});

Deno.test("scans are right forwards and backwards, inclusive and exclusive", async () => {
  const random = generator(9);
  for (const [rows, length, columns] of [[3, 9, 1], [2, 5, 6], [1, 70, 1], [40, 30, 17]] as const) {
    for (
      const [reverse, exclusive, combine] of [[false, false, "sum"], [true, true, "sum"], [
        false,
        true,
        "prod",
      ]] as const
    ) {
      const ir = new Expressions();
      const [i, along, j] = [ir.axis(rows), ir.axis(length), ir.axis(columns)];
      const place = ir.flatten([i, along, j], [rows, length, columns]);
      const [input, target] = [scratch(ir, rows * length * columns), scratch(ir, rows * length * columns)];
      const result = ir.newResult();
      const kernel: Scan = {
        kind: "scan",
        outer: axesIn([i, j]),
        along: axesIn([along])[0]!,
        reverse,
        exclusive,
        combine,
        value: ir.load(input, place),
        result,
        stores: [{ buffer: target, index: place, value: ir.mul(ir.result(result, "f32"), 2) }],
      };
      const arrays = new Map([[input, floats(random, input.size)]]);
      await check(ir, [kernel], arrays, { what: `${rows} ${length} ${columns} ${reverse}`, threads: [1, 2] });
    }
  }
});

Deno.test("scatters put values in order, drop places outside, and do not depend on the number of threads", async () => {
  const random = generator(10);
  for (const combine of ["set", "sum", "max", "min"] as const) {
    for (const [tokens, features] of [[50, 1], [30, 4], [200, 70], [17, 6]] as const) {
      const ir = new Expressions();
      const [token, feature] = [ir.axis(tokens), ir.axis(features)];
      const [target, rows, values] = [
        scratch(ir, 13 * features),
        scratch(ir, tokens, "i32"),
        scratch(ir, tokens * features),
      ];
      const row = ir.load(rows, token);
      const kernel: Scatter = {
        kind: "scatter",
        outer: axesIn([feature]),
        inner: axesIn([token]),
        target,
        index: ir.add(ir.mul(row, features), feature),
        value: ir.load(values, ir.flatten([token, feature], [tokens, features])),
        combine,
      };
      const arrays = new Map<Buffer, NumberArray>([
        [target, floats(random, target.size)],
        [rows, Int32Array.from({ length: tokens }, () => Math.floor(random() * 16) - 1)],
        [values, floats(random, values.size)],
      ]);
      await check(ir, [kernel], arrays, { what: `${combine} ${tokens} ${features}`, threads: [1, 2] });
    }
  }
});

Deno.test("generateModule() runs steps with rows, table, sums and variables that live on", async () => {
  const ir = new Expressions();
  const [batch, width, steps, firstStep] = [6, 9, 3, 2];
  const [n, j] = [ir.axis(batch), ir.axis(width)];
  const rows = ir.buffer("i32", batch, { kind: "rows" });
  const images = ir.buffer("u8", width, { kind: "input", group: "x", index: 0 });
  const weights = ir.buffer("f32", width, { kind: "variable", path: "w" });
  const sums = ir.buffer("f32", 1, { kind: "sums" });
  const output = ir.buffer("f32", batch, { kind: "output", index: 0 });
  const [result, total, gradient] = [ir.newResult(), ir.newResult(), ir.newResult()];
  const pixel = ir.mul(ir.cast(ir.load(images, ir.add(ir.mul(ir.load(rows, n), width), j)), "f32"), 1 / 255);
  const kernels: Kernel[] = [{
    kind: "nest",
    outer: axesIn([n]),
    inner: axesIn([j]),
    reductions: [{ result, type: "f32", combine: "sum", value: ir.mul(pixel, ir.load(weights, j)) }],
    stores: [{ buffer: output, index: n, value: ir.result(result, "f32") }],
  }, {
    kind: "nest",
    outer: [],
    inner: axesIn([n]),
    reductions: [{ result: total, type: "f32", combine: "sum", value: ir.load(output, n) }],
    stores: [{ buffer: sums, index: ir.int(0), value: ir.result(total, "f32") }],
  }, {
    kind: "nest",
    outer: axesIn([j]),
    inner: axesIn([n]),
    reductions: [{ result: gradient, type: "f32", combine: "sum", value: ir.mul(pixel, ir.load(output, n)) }],
    stores: [{
      buffer: weights,
      index: j,
      value: ir.sub(ir.load(weights, j), ir.mul(ir.column("lr"), ir.result(gradient, "f32"))),
    }],
  }];
  const plan = planOf(ir, kernels, { columns: ["other", "lr"] });
  const random = generator(11);
  const arrays = new Map<Buffer, NumberArray>([
    [rows, Int32Array.from({ length: batch * (firstStep + steps) }, () => Math.floor(random() * 20))],
    [images, Uint8Array.from({ length: 20 * width }, () => random() * 256)],
    [weights, floats(random, width)],
  ]);
  const columns = { other: [9, 9, 9, 9, 9], lr: [0, 0, 0.1, 0.2, 0.3] };
  const options = { steps, firstStep, columns };
  const expected = runInterpreter(plan, arrays, options);
  for (const threads of [1, 2]) {
    const values = await runWasm(plan, arrays, { ...options, threads });
    for (const buffer of [weights, output, sums]) assert(errorOf(values(buffer), expected(buffer)) < 1e-6);
  }
});

Deno.test("barriers hold over many steps of kernels that read what other threads wrote", async () => {
  const ir = new Expressions();
  const size = 4096;
  const [a, b] = [scratch(ir, size), scratch(ir, size)];
  const turned = (from: Buffer, to: Buffer): Kernel => {
    const i = ir.axis(size);
    const other = ir.sub(ir.int(size - 1), i);
    const near = ir.unary("tanh", ir.add(ir.load(from, other), 0.25));
    const value = ir.add(ir.mul(near, 0.5), ir.mul(ir.load(from, i), 0.375));
    return { kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores: [{ buffer: to, index: i, value }] };
  };
  const plan = planOf(ir, [turned(a, b), turned(b, a)]);
  const arrays = new Map([[a, floats(generator(12), size)]]);
  const alone = (await runWasm(plan, arrays, { steps: 200 }))(a);
  for (const threads of [2, 3]) assertEquals((await runWasm(plan, arrays, { steps: 200, threads }))(a), alone);
});

Deno.test("generateModule() gives kernels that differ in their buffers one function", () => {
  const sizeWith = (count: number) => {
    const ir = new Expressions();
    const buffers = Array.from({ length: count + 1 }, () => scratch(ir, 100));
    const kernels = buffers.slice(1).map((to, at): Kernel => {
      const i = ir.axis(100);
      const value = ir.unary("tanh", ir.load(buffers[at]!, i));
      return { kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores: [{ buffer: to, index: i, value }] };
    });
    return prepareRun(planOf(ir, kernels), new Map()).bytes.length;
  };
  assert((sizeWith(1000) - sizeWith(500)) / 500 < 40, "a kernel more takes a call more");
});

Deno.test("generateModule() refuses a memory that ends right after a buffer", () => {
  const ir = new Expressions();
  const i = ir.axis(16384);
  const buffer = scratch(ir, 16384);
  const stores = [{ buffer, index: i, value: ir.float(1) }];
  const plan = prepare(planOf(ir, [{ kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores }]));
  const layout = { address: () => 64, table: 0, keys: 0, control: 0, memoryPages: { initial: 1, maximum: 1 } };
  assertThrows(() => generateModule(plan, layout, { relaxed: true, threads: 1 }), RangeError, "Leave 64 bytes");
});

Deno.test("generateModule() keeps variables from being denormal, and NaN in them", async () => {
  const given = Float32Array.of(1e-42, -1e-40, 2 ** -126, 1e-20, NaN, Infinity, -0.5);
  for (const relaxed of [true, false]) {
    const ir = new Expressions();
    const [i] = [ir.axis(given.length)];
    const source = scratch(ir, given.length);
    const [kept, squares] = ["kept", "squares"].map((path) =>
      ir.buffer("f32", given.length, { kind: "variable", path })
    ) as [Buffer, Buffer];
    const plain = scratch(ir, given.length);
    const x = ir.load(source, i);
    const stores = [
      { buffer: kept, index: i, value: x },
      { buffer: squares, index: i, value: ir.add(ir.load(squares, i), ir.mul(x, x)) },
      { buffer: plain, index: i, value: x },
    ];
    const plan = planOf(ir, [{ kind: "nest", outer: axesIn([i]), inner: [], reductions: [], stores }]);
    const values = await runWasm(plan, new Map([[source, given], [squares, new Float32Array(given.length)]]), {
      relaxed,
    });
    assertEquals([...values(kept)], [0, 0, 2 ** -126, Math.fround(1e-20), NaN, Infinity, -0.5]);
    assertEquals([...values(squares)], [0, 0, 0, 0, NaN, Infinity, 0.25]);
    assertEquals([...values(plain)], [...given]);
  }
});
