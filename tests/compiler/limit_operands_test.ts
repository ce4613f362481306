import { assert, assertEquals } from "@std/assert";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { interpretKernel, type NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import { operandsOf } from "../../plugins/compiler/ir/shape.ts";
import type { Buffer, Nest } from "../../plugins/compiler/ir/types.ts";
import { limitOperands } from "../../plugins/compiler/passes/limit_operands.ts";

const [ROWS, COLUMNS, TERMS] = [3, 5, 23];

/** For each row, the largest tanh of a sum of many matrices, transposed, whose rows are weighted; and the first of them. */
function planOf(): { plan: Plan; given: Map<Buffer, NumberArray>; results: readonly Buffer[] } {
  const ir = new Expressions();
  const buffer = (size: number): Buffer => ir.buffer("f32", size, { kind: "scratch" });
  const [row, column] = [ir.axis(ROWS), ir.axis(COLUMNS)];
  const terms = Array.from({ length: TERMS }, () => buffer(ROWS * COLUMNS));
  const weights = buffer(ROWS);
  const [largest, first] = [buffer(ROWS), buffer(ROWS)];
  const sum = terms
    .map((term) => ir.load(term, ir.flatten([column, row], [COLUMNS, ROWS])))
    .reduce((total, term) => ir.add(total, ir.mul(term, ir.load(weights, row))));
  const result = ir.newResult();
  const axisOf = (x: typeof row) => x.kind === "axis" ? [x.axis] : [];
  const kernel: Nest = {
    kind: "nest",
    outer: axisOf(row),
    inner: axisOf(column),
    reductions: [{ result, type: "f32", combine: "max", value: ir.unary("tanh", sum) }],
    stores: [
      { buffer: largest, index: row, value: ir.add(ir.result(result, "f32"), ir.load(weights, row)) },
      { buffer: first, index: row, value: ir.load(terms[0]!, row) },
    ],
  };
  const given = new Map([...terms, weights].map((each, k): [Buffer, NumberArray] => [
    each,
    Float32Array.from({ length: each.size }, (_, i) => Math.sin(7 * k + i) / 8),
  ]));
  const plan = {
    expressions: ir,
    kernels: [kernel],
    variables: new Map(),
    inputs: [],
    columns: [],
    streams: 0,
    outputs: [],
    scratch: [...given.keys(), largest, first],
    constants: [],
  };
  return { plan, given, results: [largest, first] };
}

Deno.test("limitOperands() cuts kernels of too many buffers, and every bit stays", () => {
  const { plan, given, results } = planOf();
  const run = ({ kernels, scratch }: Plan): number[][] => {
    const arrays = new Map(scratch.map((each) => [each, given.get(each) ?? new Float32Array(each.size)]));
    for (const kernel of kernels) interpretKernel(kernel, { arrays });
    return results.map((each) => [...arrays.get(each)!]);
  };
  const expected = run(plan);
  for (const maxOperands of [5, 8, 24]) {
    const limited = limitOperands(plan, { maxOperands });
    assert(limited.kernels.every((kernel) => operandsOf(kernel) <= maxOperands), `more than ${maxOperands}`);
    assertEquals(run(limited), expected);
  }
  const all = operandsOf(plan.kernels[0]!);
  assertEquals(limitOperands(plan, { maxOperands: all }).kernels, plan.kernels);
});
