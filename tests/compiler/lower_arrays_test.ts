import { assert, assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { arrayRules } from "../../plugins/compiler/lower/arrays.ts";
import { lookupInts } from "../../plugins/compiler/lower/lookup.ts";
import { Lowering } from "../../plugins/compiler/lower/lowering.ts";
import { assertAllChecked, captureRuns, checkOps, Draw, lowerRun } from "./lower_checks.ts";

Deno.test("arrayRules yield what the CPU kernels yield when shapes are drawn at random", async () => {
  const draw = new Draw(11);
  const counts = [];
  for (let round = 0; round < 40; round++) {
    counts.push(
      await checkOps(arrayRules, () => {
        const shape = draw.sizes(draw.int(1, 4));
        const axis = draw.int(0, shape.length - 1);
        const x = draw.floats(shape);
        const resized = (size: number) => shape.map((each, at) => at === axis ? size : each);
        tf.concat([x, draw.floats(resized(draw.int(1, 3))), draw.floats(resized(draw.int(1, 3)))], axis);
        tf.concat([draw.ints(shape, -9, 9), draw.ints(resized(0), 0, 0), draw.ints(shape, -9, 9)], axis);
        tf.concat([x, draw.floats(resized(0))], axis);
        tf.stack([x, draw.floats(shape)], draw.int(0, shape.length));
        tf.stack([x], draw.int(0, shape.length));
        tf.unstack(x, axis - draw.pick([0, shape.length]));
        const parts = draw.sizes(draw.int(1, 3), 3);
        tf.split(draw.floats(resized(parts.reduce((sum, part) => sum + part))), parts, axis);
        const begin = shape.map((size) => draw.int(0, size - 1));
        tf.slice(x, begin, shape.map((size, at) => draw.pick([-1, draw.int(1, size - begin[at]!)])));
        tf.pad(x, shape.map(() => [draw.int(0, 2), draw.int(0, 2)] as [number, number]), draw.pick([0, 1.5]));
        tf.pad(draw.ints(shape, -9, 9), shape.map(() => [1, 0] as [number, number]), 3);
        const mode = draw.pick(["reflect", "symmetric"] as const);
        const most = (size: number) => mode === "reflect" ? size - 1 : size;
        const paddings = shape.map((size) => [draw.int(0, most(size)), draw.int(0, most(size))] as [number, number]);
        tf.mirrorPad(x, paddings, mode);
        tf.reshape(x, [-1]);
        tf.expandDims(x, draw.int(0, shape.length));
        const permutation = shape.map((_, at) => at);
        permutation.sort(() => draw.pick([-1, 1]));
        tf.transpose(x, permutation);
        tf.tile(x, shape.map(() => draw.int(1, 3)));
        tf.reverse(x, draw.pick([[axis], permutation]));
        tf.gather(x, draw.ints(draw.sizes(draw.int(0, 2)), 0, shape[axis]! - 1), axis);
        tf.oneHot(draw.ints(draw.sizes(draw.int(1, 2)), -2, 5), 4, 2, -1, draw.pick(["float32", "int32"] as const));
        tf.range(draw.int(-5, 5), draw.int(-5, 5), draw.pick([1, 0.3, 2]));
        tf.range(draw.int(-5, 0), draw.int(1, 5), draw.pick([1, 2, 3]), "int32");
        tf.range(3, -4, 1, "int32");
        tf.linspace(draw.int(-3, 3), draw.int(-3, 3), draw.int(1, 6));
        tf.fill(shape, draw.int(-3, 3), draw.pick(["float32", "int32"] as const));
        tf.fill(shape, draw.int(0, 1), "bool");
        tf.diag(draw.floats(draw.sizes(draw.int(1, 2), 3)));
        const strides = shape.map(() => draw.pick([1, 2, 3]));
        tf.stridedSlice(x, shape.map(() => 0), [...shape], strides);
        tf.stridedSlice(x, shape.map(() => -1), shape.map((size) => -size - 1), strides.map((stride) => -stride));
        tf.stridedSlice(x, begin, begin.map((at) => at + 1), shape.map(() => 1), 0, 0, 0, 0, draw.int(0, 3));
        tf.stridedSlice(x, [0, begin[0]!], [1, shape[0]!], [1, 1], 0, 0, 0, 1, 0);
        tf.image.flipLeftRight(draw.floats(draw.sizes(4)));
        const block = draw.int(2, 3);
        const [batch, height, width, depth] = draw.sizes(4, 3) as [number, number, number, number];
        tf.depthToSpace(draw.floats([batch, height, width, depth * block * block]), block);
        const [before, after] = [draw.int(0, 2), draw.int(0, 2)];
        tf.spaceToBatchND(draw.floats([batch, 8 - before - after, 3 * width, depth]), [2, 3], [
          [before, after],
          [0, 0],
        ]);
        tf.batchToSpaceND(draw.floats([batch * 6, height + 2, width + 1, depth]), [2, 3], [[before, after], [1, 2]]);
      }),
    );
  }
  counts.push(
    await checkOps(arrayRules, () => {
      tf.gather(draw.floats([2, 3, 4, 2]), draw.ints([2, 5], 0, 3), 2, 1);
      tf.gather(draw.floats([2, 3, 4, 2]), draw.ints([2, 3, 2], 0, 3), 2, 2);
      tf.gatherND(draw.floats([3, 4, 2]), draw.ints([5, 3], 0, 1));
      tf.gatherND(draw.floats([3, 4, 2]), draw.ints([2, 3, 1], 0, 2));
      tf.gatherND(draw.floats([3, 4]), draw.ints([4, 2], 0, 2));
      tf.broadcastArgs(tf.tensor1d([4, 1, 3], "int32"), tf.tensor1d([5, 1], "int32"));
      tf.broadcastArgs(tf.tensor1d([1], "int32"), tf.tensor1d([2, 5, 1], "int32"));
      tf.logicalNot(tf.concat([draw.ints([3], 0, 1).cast("bool"), draw.ints([2], 0, 1).cast("bool")]));
    }),
  );
  assertAllChecked(arrayRules, counts);
});

Deno.test("arrayRules DepthToSpace moves channels that come first when the format is NCHW", async () => {
  const [run] = (await captureRuns(() => tf.depthToSpace(new Draw(3).floats([2, 3, 2, 8]), 2)))
    .filter(({ kernel }) => kernel === "DepthToSpace");
  const first = (await captureRuns(() => new Draw(3).floats([2, 3, 2, 8]).transpose([0, 3, 1, 2])))
    .find(({ kernel }) => kernel === "Transpose")!.outputs[0]!;
  const { lower, outputs: [value] } = lowerRun(arrayRules, {
    ...run!,
    inputs: { x: first },
    attrs: { ...run!.attrs, dataFormat: "NCHW" },
    outputs: [{ ...run!.outputs[0]!, shape: [2, 2, 6, 4] }],
  }, "memory");
  const { ir } = lower;
  const [n, c, y, x] = [1, 1, 3, 2].map((place) => ir.int(place));
  const last = lowerRun(arrayRules, run!, "memory");
  const read = value!.at([n!, c!, y!, x!]);
  const places = [1, 3, 2, 1].map((place) => last.lower.ir.int(place));
  const same = last.outputs[0]!.at(places);
  assert(read.kind === "load" && read.index.kind === "number");
  assert(same.kind === "load" && same.index.kind === "number");
  assertEquals(first.values[read.index.value], run!.inputs.x!.values[same.index.value]);
});

Deno.test("arrayRules make no kernel but for what is joined when inputs lie in memory", async () => {
  const draw = new Draw(5);
  const runs = await captureRuns(() => {
    const x = draw.floats([2, 3, 4]);
    tf.slice(x, [0, 1, 1], [2, 2, 2]);
    tf.transpose(tf.reverse(x, 1), [2, 0, 1]);
    tf.pad(x, [[1, 1], [0, 2], [0, 0]]);
    tf.gather(x, draw.ints([5], 0, 2), 1);
    tf.reshape(tf.tile(x, [1, 2, 1]), [-1]);
    tf.unstack(x, 1);
    tf.oneHot(draw.ints([5], 0, 2), 3);
    tf.concat([x, x], 1);
  });
  for (const run of runs.filter(({ kernel }) => kernel in arrayRules)) {
    assertEquals(lowerRun(arrayRules, run, "memory").lower.kernels.length, run.kernel === "Concat" ? 2 : 0, run.kernel);
  }
});

Deno.test("lookupInts() computes places without memory when they follow a line or steps", () => {
  const lookup = (values: number[], shape = [values.length]) => {
    const lower = new Lowering(new Expressions());
    const found = lookupInts(lower, values, shape);
    const places = Array.from({ length: values.length }, (_, flat) => lower.ir.unflatten(lower.ir.int(flat), shape));
    return { tables: lower.constants.length, values: places.map((place) => found(place)) };
  };
  const numbers = (values: ReturnType<typeof lookup>["values"]) =>
    values.map((value) => value.kind === "number" ? value.value : "load");
  for (
    const [values, shape] of [[[3, 5, 7, 9]], [[0, 0, 1, 1, 2]], [[4, 4, 4]], [[7]], [[0, 1, 2, 2, 3, 4], [2, 3]]] as [
      number[],
      number[]?,
    ][]
  ) {
    const found = lookup(values, shape);
    assertEquals(found.tables, 0, `${values}`);
    assertEquals(numbers(found.values), values);
  }
  assertEquals(lookup([0, 1, 1, 2]).tables, 1);
  assertEquals(lookup([0, 1, 2, 2, 3, 5], [2, 3]).tables, 1);
});
