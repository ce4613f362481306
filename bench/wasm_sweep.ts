/**
 * Is any shape of a product or convolution slow in WebAssembly, next to others like it?
 *
 * ```sh
 * deno run -A bench/wasm_sweep.ts [--only products|convolutions] [--ms 30]
 * ```
 *
 * Prints GFLOP/s on one thread, the best of several rounds in which all shapes of a table take turns; packing and padding count.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import type { Plan } from "@stride/stride/compiler";
import { placeOf } from "../plugins/compiler/ir/buffers.ts";
import { Expressions } from "../plugins/compiler/ir/expressions.ts";
import { reads, writes } from "../plugins/compiler/ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression } from "../plugins/compiler/ir/types.ts";
import { allocate } from "../plugins/compiler/passes/allocate.ts";
import { generateModule, prepare } from "../plugins/executors/wasm/codegen/mod.ts";

const args = parseArgs(Deno.args, { string: ["only", "ms"] });
const milliseconds = Number(args.ms ?? 30);
const ROUNDS = 5;

/** Something that can be run again and again. */
interface Case {
  readonly flops: number;
  readonly run: () => void;
}

function caseOf(ir: Expressions, kernel: Contraction): Case {
  const buffers = new Set([...reads(kernel), ...writes(kernel)]);
  const plan: Plan = prepare({
    expressions: ir,
    kernels: [kernel],
    variables: new Map(),
    inputs: [],
    columns: [],
    streams: 0,
    outputs: [],
    // What is read first and written last must not share memory.
    scratch: [],
    constants: [...buffers],
  });
  const { offsets, size } = allocate(plan, { alignment: 64 });
  const addresses = new Map<Buffer, number>([...offsets].map(([buffer, offset]) => [buffer, 1024 + offset]));
  let end = 1024 + Math.ceil(size / 64) * 64 + 64;
  for (const buffer of buffers) {
    addresses.set(buffer, end);
    end += Math.ceil(buffer.size / 16) * 64 + 64;
  }
  const pages = Math.ceil((end + 1024) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  new Float32Array(memory.buffer).forEach((_, i, all) => all[i] = (i % 17) / 17);
  const address = (buffer: Buffer): number => {
    const { root, offset } = placeOf(buffer);
    return addresses.get(root)! + 4 * offset;
  };
  const layout = { address, table: end, keys: end, control: 64, memoryPages: { initial: pages, maximum: pages } };
  const bytes = generateModule(plan, layout, { relaxed: true, threads: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const run = exports.run as (first: number, steps: number, thread: number, threads: number) => void;
  const points = [...kernel.batch, ...kernel.rows, ...kernel.columns, ...kernel.inner];
  return { flops: 2 * points.reduce((product, { size }) => product * size, 1), run: () => run(0, 1, 0, 1) };
}

/** GFLOP/s of all cases, which take turns. */
function rates(cases: readonly Case[]): number[] {
  const timed = cases.map(({ flops, run }) => {
    for (let i = 0; i < 20; i++) run();
    const started = performance.now();
    for (let i = 0; i < 3; i++) run();
    const times = Math.max(1, Math.ceil(milliseconds / ROUNDS / ((performance.now() - started) / 3)));
    return { flops, run, times, best: Infinity };
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (const each of timed) {
      const started = performance.now();
      for (let i = 0; i < each.times; i++) each.run();
      each.best = Math.min(each.best, (performance.now() - started) / each.times);
    }
  }
  return timed.map(({ flops, best }) => flops / best / 1e6);
}

function print(title: string, columns: readonly string[], rows: readonly { name: string; cases: readonly Case[] }[]) {
  const results = rates(rows.flatMap(({ cases }) => cases));
  console.log(`\n| ${title} | ${columns.join(" | ")} |\n|---|${columns.map(() => "---|").join("")}`);
  rows.forEach(({ name }, row) => {
    const own = results.slice(row * columns.length, (row + 1) * columns.length);
    console.log(`| ${name} | ${own.map((rate) => rate.toFixed(1)).join(" | ")} |`);
  });
}

const axes = (...places: readonly Expression[]): Axis[] =>
  places.flatMap((place) => place.kind === "axis" ? [place.axis] : []);

interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposed?: "left" | "right";
}

function product({ m, n, k, transposed }: Product): Case {
  const ir = new Expressions();
  const buffer = (size: number): Buffer => ir.buffer("f32", size, { kind: "scratch" });
  const [row, column, sum] = [ir.axis(m), ir.axis(n), ir.axis(k)];
  const left = transposed === "left" ? ir.flatten([sum, row], [k, m]) : ir.flatten([row, sum], [m, k]);
  const right = transposed === "right" ? ir.flatten([column, sum], [n, k]) : ir.flatten([sum, column], [k, n]);
  const result = ir.newResult();
  return caseOf(ir, {
    kind: "contraction",
    batch: [],
    rows: axes(row),
    columns: axes(column),
    inner: axes(sum),
    left: ir.load(buffer(m * k), left, "f32"),
    right: ir.load(buffer(k * n), right, "f32"),
    result,
    stores: [{
      buffer: buffer(m * n),
      index: ir.flatten([row, column], [m, n]),
      value: ir.result(result, "f32"),
    }],
  });
}

if (args.only !== "convolutions") {
  const ms = [1, 2, 3, 5, 8, 16, 64, 127, 1024];
  for (const transposed of [undefined, "left", "right"] as const) {
    const kind = transposed === undefined ? "A B" : transposed === "left" ? "Aᵀ B" : "A Bᵀ";
    for (const k of [64, 300]) {
      const ns = [1, 2, 3, 4, 7, 8, 10, 16, 33, 128, 512];
      print(
        `${kind}, K = ${k}: M by N`,
        ns.map(String),
        ms.map((m) => ({
          name: String(m),
          cases: ns.map((n) => product({ m, n, k, transposed })),
        })),
      );
    }
    const ks = [1, 2, 3, 4, 5, 8, 12, 13, 16, 31, 64, 784, 4096];
    print(
      `${kind}, M = N: by K`,
      ks.map(String),
      [16, 128].map((m) => ({
        name: String(m),
        cases: ks.map((k) => product({ m, n: m, k, transposed })),
      })),
    );
  }
}
type Pass = "forward" | "to the input" | "to the filter";

/** A 3 × 3 convolution of 8 images of 16 × 16, or one of its gradients. Its input is there with what it is padded with. */
function convolution(pass: Pass, channels: number, filters: number): Case {
  const ir = new Expressions();
  const [images, size, window] = [8, 16, 3];
  const [n, y, x] = [ir.axis(images), ir.axis(size), ir.axis(size)];
  const [dy, dx, channel, filter] = [ir.axis(window), ir.axis(window), ir.axis(channels), ir.axis(filters)];
  const load = (places: readonly Expression[], shape: readonly number[]) => {
    const buffer = ir.buffer("f32", shape.reduce((product, each) => product * each, 1), { kind: "scratch" });
    return ir.load(buffer, ir.flatten(places, shape), "f32");
  };
  const padded = size + window - 1;
  const images4 = (of: Expression, depth: number) =>
    load([n, ir.add(y, dy), ir.add(x, dx), of], [images, padded, padded, depth]);
  const gradient = load([n, y, x, filter], [images, size, size, filters]);
  const mirrored = (place: Expression) => ir.sub(ir.int(window - 1), place);
  const filterShape = [window, window, channels, filters];
  const forms = {
    "forward": {
      rows: [n, y, x],
      columns: [filter],
      inner: [dy, dx, channel],
      left: images4(channel, channels),
      right: load([dy, dx, channel, filter], filterShape),
    },
    "to the input": {
      rows: [n, y, x],
      columns: [channel],
      inner: [dy, dx, filter],
      left: images4(filter, filters),
      right: load([mirrored(dy), mirrored(dx), channel, filter], filterShape),
    },
    "to the filter": {
      rows: [dy, dx, channel],
      columns: [filter],
      inner: [n, y, x],
      left: images4(channel, channels),
      right: gradient,
    },
  };
  const { rows, columns, inner, left, right } = forms[pass];
  const result = ir.newResult();
  const places = [...axes(...rows), ...axes(...columns)];
  const shape = places.map(({ size }) => size);
  const stored = ir.buffer("f32", shape.reduce((product, each) => product * each, 1), { kind: "scratch" });
  return caseOf(ir, {
    kind: "contraction",
    batch: [],
    rows: axes(...rows),
    columns: axes(...columns),
    inner: axes(...inner),
    left,
    right,
    result,
    stores: [{
      buffer: stored,
      index: ir.flatten(places.map((axis) => ir.axisExpression(axis)), shape),
      value: ir.result(result, "f32"),
    }],
  });
}

if (args.only !== "products") {
  const sizes = [1, 2, 3, 4, 8, 13, 16, 32, 64];
  for (const pass of ["forward", "to the input", "to the filter"] as const) {
    print(
      `convolution, ${pass}: channels by filters`,
      sizes.map(String),
      sizes.map((channels) => ({
        name: String(channels),
        cases: sizes.map((filters) => convolution(pass, channels, filters)),
      })),
    );
  }
}
Deno.exit(0);
