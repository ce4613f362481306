import { assert, assertEquals } from "@std/assert";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { reads, writes } from "../../plugins/compiler/ir/shape.ts";
import type { Buffer, Kernel } from "../../plugins/compiler/ir/types.ts";
import { inPhases } from "../../plugins/executors/wasm/codegen/phases.ts";
import { generator } from "../compiler/random_numbers.ts";

const SIZE = 4;

/** A kernel that adds some buffers up. */
function adding(ir: Expressions, from: readonly Buffer[], to: Buffer): Kernel {
  const i = ir.axis(SIZE);
  const value = from.reduce((sum, buffer) => ir.add(sum, ir.load(buffer, i)), ir.float(1));
  return {
    kind: "nest",
    outer: i.kind === "axis" ? [i.axis] : [],
    inner: [],
    reductions: [],
    stores: [{ buffer: to, index: i, value }],
  };
}

/** Two variables in one buffer, and scratch buffers. */
function buffersOf(ir: Expressions): { readonly variables: readonly Buffer[]; readonly scratch: readonly Buffer[] } {
  const state = ir.buffer("f32", 2 * SIZE, { kind: "state" });
  const variables = ["a", "b"].map((path, at): Buffer => ({
    ...ir.buffer("f32", SIZE, { kind: "variable", path }),
    within: { buffer: state, offset: at * SIZE },
  }));
  return { variables, scratch: Array.from({ length: 6 }, () => ir.buffer("f32", SIZE, { kind: "scratch" })) };
}

Deno.test("inPhases() keeps the order of kernels that need each other", () => {
  const random = generator(3);
  let moved = 0;
  for (let round = 0; round < 200; round++) {
    const ir = new Expressions();
    const { variables, scratch } = buffersOf(ir);
    const all = [...variables, ...scratch];
    const pick = () => all[Math.floor(random() * all.length)]!;
    const kernels = Array.from({ length: 12 }, () => adding(ir, [pick(), pick()], pick()));
    const ordered = inPhases(kernels, round % 4);
    assertEquals(new Set(ordered), new Set(kernels));
    assertEquals(ordered.length, kernels.length);
    kernels.forEach((second, at) => {
      for (const first of kernels.slice(0, at)) {
        const touched = new Set([...reads(first), ...writes(first)]);
        const needs = [...writes(second)].some((buffer) => touched.has(buffer)) ||
          [...reads(second)].some((buffer) => writes(first).has(buffer));
        if (needs) {
          assert(ordered.indexOf(first) < ordered.indexOf(second), `round ${round}: kernel ${at} comes too early`);
        } else if (ordered.indexOf(first) > ordered.indexOf(second)) moved++;
      }
    });
  }
  assert(moved > 0);
});

Deno.test("inPhases() brings updates of variables, and kernels of a phase, together", () => {
  const ir = new Expressions();
  const { variables: [a, b], scratch: [first, second, third, fourth] } = buffersOf(ir);
  const [one, two, three, beside, update] = [
    adding(ir, [a!, b!], first!),
    adding(ir, [first!], second!),
    adding(ir, [second!], third!),
    adding(ir, [], fourth!),
    adding(ir, [first!], a!),
  ];
  const kernels = [one!, two!, three!, beside!, update!];
  assertEquals(inPhases(kernels, 0), [one!, update!, two!, three!, beside!]);
  assertEquals(inPhases(kernels, 1), [one!, update!, two!, beside!, three!]);
  assertEquals(inPhases(kernels, 2), [one!, beside!, update!, two!, three!]);
});
