import { assert, assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { REFUSED_KERNELS, SHAPE_RULES } from "../../plugins/compiler/mod.ts";
import { KERNEL_THUNKS } from "./kernel_table.ts";
import { kernelCoverage, type KernelRun, watchKernels } from "./kernel_watch.ts";

await tf.setBackend("cpu");

function checkRule({ kernel, inputs, attrs, outputs, list }: KernelRun): void {
  const rule = SHAPE_RULES[kernel];
  assert(rule !== undefined, `no rule for ${kernel}`);
  const found = rule({ inputs, attrs });
  const what = `${kernel} of ${JSON.stringify(inputs)} with ${JSON.stringify(attrs)}`;
  assertEquals(Array.isArray(found), list, what);
  assertEquals([found].flat(), [...outputs], what);
}

Deno.test("SHAPE_RULES yield what the CPU kernels yield when every covered kernel runs", () => {
  const seen = new Set<string>();
  for (const [name, thunk] of Object.entries(KERNEL_THUNKS)) {
    let runs: KernelRun[] = [];
    try {
      runs = watchKernels(thunk);
    } catch (error) {
      throw new Error(`thunk "${name}" fails on the CPU backend`, { cause: error });
    }
    for (const run of runs) {
      seen.add(run.kernel);
      checkRule(run);
    }
  }
  assertEquals(Object.keys(SHAPE_RULES).filter((kernel) => !seen.has(kernel)), [], "rules that no thunk runs");
});

Deno.test("SHAPE_RULES yield what the CPU kernels yield when shapes are drawn at random", () => {
  let state = 7;
  const draw = (limit: number): number => (state = (state * 48271) % 0x7fffffff) % limit;
  const pick = <T>(options: readonly T[]): T => options[draw(options.length)]!;
  const sizes = (rank: number): number[] => Array.from({ length: rank }, () => 1 + draw(4));
  for (let round = 0; round < 60; round++) {
    const shape = sizes(1 + draw(4));
    const axis = draw(shape.length);
    const other = shape.map((size) => draw(3) === 0 ? 1 : size).slice(draw(shape.length));
    const image: [number, number, number, number] = [1 + draw(2), 4 + draw(5), 4 + draw(5), 1 + draw(3)];
    const kernel: [number, number, number, number] = [1 + draw(3), 1 + draw(3), image[3], 1 + draw(3)];
    const pad = pick(["same", "valid"] as const);
    const runs = watchKernels(() => {
      const x = tf.ones(shape);
      tf.add(x, tf.ones(other));
      tf.sum(x, pick([axis, undefined, [axis]]), pick([true, false]));
      tf.argMax(x, axis);
      tf.transpose(x);
      tf.concat([x, x], axis);
      tf.stack([x, x], draw(shape.length + 1));
      tf.unstack(x, axis);
      tf.gather(x, tf.zeros(sizes(draw(3)), "int32"), axis);
      tf.slice(x, shape.map(() => 0), shape.map((size) => 1 + draw(size)));
      tf.pad(x, shape.map(() => [draw(3), draw(3)] as [number, number]));
      tf.grad((value: tf.Tensor) => tf.conv2d(value as tf.Tensor4D, tf.ones(kernel), 1 + draw(2), pad))(tf.ones(image));
      tf.grad((value: tf.Tensor) => tf.maxPool(value as tf.Tensor4D, 1 + draw(3), 1 + draw(3), pad))(tf.ones(image));
    });
    runs.forEach(checkRule);
  }
});

Deno.test("kernelCoverage() knows a rule or a reason when it goes through every kernel that tfjs names", () => {
  const coverage = kernelCoverage();
  const of = (state: string) => Object.keys(coverage).filter((kernel) => coverage[kernel] === state);
  assert(Object.keys(coverage).length >= 180, "tfjs 4.22 names 180 kernels");
  assertEquals(of("unknown"), []);
  assertEquals(Object.keys(REFUSED_KERNELS).filter((kernel) => kernel in SHAPE_RULES), []);
  for (const kernel of of("refused")) {
    const { reason, advice } = REFUSED_KERNELS[kernel]!;
    assert(reason.length > 20 && advice.length > 10, kernel);
  }
});
