import { assertEquals } from "@std/assert";
import { explain } from "../../plugins/compiler/explain.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { formatKernel, formatPlan } from "../../plugins/compiler/ir/format.ts";
import { measureKernel, measureKernels } from "../../plugins/compiler/ir/measure.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Axis, Contraction, Expression, Nest, Scan, Scatter } from "../../plugins/compiler/ir/types.ts";

/** A dense layer with relu, then the softmax of its rows: [4, 8] to [4, 3]. */
function twoKernels() {
  const e = new Expressions();
  const x = e.buffer("f32", 8, { kind: "input", group: "x", index: 0 });
  const rows = e.buffer("i32", 4, { kind: "rows" });
  const state = e.buffer("f32", 27, { kind: "state" });
  const weights = e.buffer("f32", 24, { kind: "variable", path: "dense/kernel" });
  weights.within = { buffer: state, offset: 0 };
  const bias = e.buffer("f32", 3, { kind: "variable", path: "dense/bias" });
  bias.within = { buffer: state, offset: 24 };
  const hidden = e.buffer("f32", 12, { kind: "scratch" });
  const output = e.buffer("f32", 12, { kind: "output", index: 0 });
  const [[m, i], [n, j], [k, p]] = [axis(e, 4), axis(e, 3), axis(e, 8)];
  const dense: Contraction = {
    kind: "contraction",
    batch: [],
    rows: [m],
    columns: [n],
    inner: [k],
    left: e.load(x, e.add(e.mul(e.load(rows, i), 8), p)),
    right: e.load(weights, e.flatten([p, j], [8, 3])),
    result: e.newResult(),
    stores: [],
  };
  const sum = e.result(dense.result, "f32");
  const activated = e.binary("max", e.add(sum, e.load(bias, j)), e.float(0));
  const first = { ...dense, stores: [{ buffer: hidden, index: e.flatten([i, j], [4, 3]), value: activated }] };
  const [[outer, r], [inner, c]] = [axis(e, 4), axis(e, 3)];
  const at = e.flatten([r, c], [4, 3]);
  const [max, total] = [e.newResult(), e.newResult()];
  const shifted = e.unary("exp", e.sub(e.load(hidden, at), e.result(max, "f32")));
  const softmax: Nest = {
    kind: "nest",
    outer: [outer],
    inner: [inner],
    reductions: [
      { result: max, type: "f32", combine: "max", value: e.load(hidden, at) },
      { result: total, type: "f32", combine: "sum", value: shifted },
    ],
    stores: [{ buffer: output, index: at, value: e.div(shifted, e.result(total, "f32")) }],
  };
  const plan: Plan = {
    expressions: e,
    kernels: [first, softmax],
    variables: new Map([["dense/kernel", weights], ["dense/bias", bias]]),
    inputs: [x],
    rows,
    columns: [],
    streams: 0,
    outputs: [output],
    scratch: [hidden],
    constants: [],
  };
  return { first, softmax, plan };
}

function axis(e: Expressions, size: number): [Axis, Expression] {
  const expression = e.axis(size);
  if (expression.kind !== "axis") throw new RangeError(`no axis of size ${size}`);
  return [expression.axis, expression];
}

Deno.test("formatPlan() shows buffers, loops, reductions and stores, and names long parts that occur twice", () => {
  assertEquals(
    formatPlan(twoKernels().plan),
    `variable dense/kernel: f32[24] = state2 from 0
variable dense/bias: f32[3] = state2 from 24
input x0: f32[8]
rows rows: i32[4]
scratch s5: f32[12]
output output0: f32[12]

#0 contraction rows i < 4 columns j < 3 inner k < 8
  r0 = sum x0[k + 8 * rows[i]] * dense/kernel[j + 3 * k]
  s5[3 * i + j] = max(r0 + dense/bias[j], 0)

#1 nest outer i < 4 inner j < 3
  r1 = max s5[3 * i + j]
  t0 = exp(s5[3 * i + j] - r1)
  r2 = sum t0
  output0[3 * i + j] = t0 / r2`,
  );
});

Deno.test("formatKernel() sets parentheses only where they tell, and shows guards, casts, random numbers and columns", () => {
  const e = new Expressions();
  const [a, b] = ["a", "b"].map((path) => e.buffer("f32", 5, { kind: "variable", path })) as [
    ReturnType<Expressions["buffer"]>,
    ReturnType<Expressions["buffer"]>,
  ];
  const [loop, i] = axis(e, 5);
  const [x, y] = [e.load(a, i), e.load(b, i)];
  const shown = (value: Expression) =>
    formatKernel({ kind: "nest", outer: [loop], inner: [], reductions: [], stores: [{ buffer: a, index: i, value }] })
      .split("\n").slice(1).map((line) => line.trim().replace("a[i] = ", ""));
  assertEquals(shown(e.sub(x, e.add(x, y))), ["a[i] - (a[i] + b[i])"]);
  assertEquals(shown(e.add(e.sub(x, y), x)), ["a[i] + (a[i] - b[i])"]);
  assertEquals(shown(e.sub(e.sub(x, y), x)), ["a[i] - b[i] - a[i]"]);
  assertEquals(shown(e.mul(e.add(x, y), e.unary("neg", x))), ["(a[i] + b[i]) * -a[i]"]);
  assertEquals(shown(e.unary("neg", e.add(x, 0.1))), ["-(a[i] + 0.1)"]);
  assertEquals(shown(e.div(x, e.mul(y, e.column("lr")))), ["a[i] / (b[i] * column(lr))"]);
  const guard = e.and(e.compare("ge", e.sub(i, 1), 0), e.unary("not", e.compare("lt", x, y)));
  assertEquals(shown(e.select(guard, e.load(b, e.sub(i, 1)), e.float(0))), [
    "i - 1 >= 0 && !(a[i] < b[i]) ? b[i - 1] : 0",
  ]);
  assertEquals(shown(e.add(e.select(guard, x, y), 1)), ["(i - 1 >= 0 && !(a[i] < b[i]) ? a[i] : b[i]) + 1"]);
  assertEquals(shown(e.cast(e.floorDiv(e.add(i, 7), 4), "f32")), ["f32((i + 3) // 4 + 1)"]);
  assertEquals(shown(e.random("normal", 2, i)), ["normal(stream 2, i)"]);
  assertEquals(shown(e.float(Infinity)), ["Infinity"]);
});

Deno.test("formatKernel() shows scans and scatters, and takes other names for buffers", () => {
  const e = new Expressions();
  const [x, out] = [e.buffer("f32", 6, { kind: "scratch" }), e.buffer("f32", 6, { kind: "scratch" })];
  const [[outer, i], [along, j]] = [axis(e, 2), axis(e, 3)];
  const index = e.flatten([i, j], [2, 3]);
  const scan: Scan = {
    kind: "scan",
    outer: [outer],
    along,
    reverse: true,
    exclusive: true,
    combine: "sum",
    value: e.load(x, index),
    result: 4,
    stores: [{ buffer: out, index, value: e.result(4, "f32") }],
  };
  const names = (buffer: unknown) => buffer === x ? "in" : "out";
  assertEquals(
    formatKernel(scan, names),
    "scan outer i < 2 along j < 3\n  r4 = running exclusive reverse sum in[3 * i + j]\n  out[3 * i + j] = r4",
  );
  const scatter: Scatter = {
    kind: "scatter",
    outer: [outer],
    inner: [along],
    target: out,
    index: e.cast(e.load(x, index), "i32"),
    value: e.float(1),
    combine: "sum",
  };
  assertEquals(
    formatKernel(scatter, names),
    "scatter outer i < 2 inner j < 3\n  out[i32(in[3 * i + j])] += 1",
  );
  assertEquals(measureKernel(scan), { flops: 6, bytesRead: 24, bytesWritten: 24 });
  assertEquals(measureKernel(scatter), { flops: 6, bytesRead: 48, bytesWritten: 24 });
});

Deno.test("measureKernel() counts a contraction as 2 b m n k, functions as 1, and elements once", () => {
  const { first, softmax } = twoKernels();
  // 2 · 4 · 3 · 8, and an addition and a maximum for each of 12; 4 rows of 8, 4 row numbers, 24 weights, 3 biases.
  assertEquals(measureKernel(first), { flops: 192 + 24, bytesRead: (32 + 4 + 24 + 3) * 4, bytesWritten: 48 });
  // max, subtraction, exp, sum and division.
  assertEquals(measureKernel(softmax), { flops: 5 * 12, bytesRead: 48, bytesWritten: 48 });
  assertEquals(measureKernels([first, softmax]), { flops: 276, bytesRead: 300, bytesWritten: 96 });
});

Deno.test("explain() shows kernels, what they come from, totals and memory", () => {
  const { plan, first } = twoKernels();
  const text = explain({ ...plan, kernels: [{ ...first, from: ["MatMul", "Relu"] }, ...plan.kernels.slice(1)] });
  assertEquals(
    text,
    `#  kind         loops          flops  read   written  writes   from
0  contraction  1 | 4 | 3 | 8  216    252 B  48 B     s5       MatMul + Relu
1  nest         4 | 3          60     48 B   48 B     output0
   total                       276    300 B  96 B

memory                               buffers  bytes
variables                            1        108 B
scratch                              1        48 B
inputs, by the row                   1        32 B
rows, sums and outputs, by the step  2        64 B`,
  );
});
