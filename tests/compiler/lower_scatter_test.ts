import { assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { scatterRules } from "../../plugins/compiler/lower/scatter.ts";
import { assertAllChecked, captureRuns, checkOps, Draw, interpretLowered, lowerRun, type Run } from "./lower_checks.ts";

Deno.test("scatterRules yield what the CPU kernels yield when shapes and places are drawn at random", async () => {
  const draw = new Draw(21);
  const counts = [];
  for (let round = 0; round < 20; round++) {
    counts.push(
      await checkOps(scatterRules, () => {
        const shape = draw.sizes(draw.int(1, 3), 5);
        const depth = draw.int(1, shape.length);
        const updates = draw.int(1, 6);
        const least = Math.min(...shape.slice(0, depth)) - 1;
        const indices = draw.ints([updates, depth], 0, least);
        const values = draw.floats([updates, ...shape.slice(depth)]);
        tf.scatterND(indices, values, shape);
        tf.scatterND(indices, draw.ints([updates, ...shape.slice(depth)], -9, 9), shape);
        tf.tensorScatterUpdate(draw.floats(shape), indices, values);
        tf.tensorScatterUpdate(draw.ints(shape, 0, 9), indices, draw.ints(values.shape, -9, 0));
        const rank = draw.int(1, 3);
        const dense = draw.sizes(rank, 5);
        const sparse = draw.ints([updates, rank], 0, Math.min(...dense) - 1);
        tf.sparseToDense(sparse, draw.floats([updates]), dense, tf.scalar(-1));
        tf.sparseToDense(sparse, tf.scalar(3), dense, tf.scalar(0));
        const rows = draw.int(1, 6);
        const ids = draw.ints<tf.Tensor1D>([rows], -1, 4);
        tf.unsortedSegmentSum(draw.floats([rows, ...draw.sizes(draw.int(0, 2))]), ids, draw.int(1, 4));
        const numbers = draw.ints<tf.Tensor1D>([rows], 0, 6);
        tf.bincount(numbers, tf.tensor1d([]), 5);
        tf.bincount(numbers, draw.floats<tf.Tensor1D>([rows]), 5);
        const table = draw.ints<tf.Tensor2D>([rows, draw.int(1, 4)], 0, 6);
        tf.denseBincount(table, draw.floats<tf.Tensor2D>(table.shape), 5);
        tf.denseBincount(table, tf.tensor2d([], [0, 0]), 5, draw.pick([true, false]));
        tf.denseBincount(numbers, draw.floats<tf.Tensor1D>([rows]), 4);
      }),
    );
  }
  assertAllChecked(scatterRules, counts);
});

Deno.test("scatterRules drop updates when their places lie outside", async () => {
  const [run] =
    (await captureRuns(() => tf.scatterND(tf.tensor2d([[0], [2], [1]], [3, 1], "int32"), tf.ones([3, 2]), [4, 2])))
      .filter(({ kernel }) => kernel === "ScatterNd");
  const indices = { ...run!.inputs.indices!, values: Int32Array.of(-1, 4, 1) };
  const moved: Run = { ...run!, inputs: { ...run!.inputs, indices } };
  assertEquals(interpretLowered(lowerRun(scatterRules, moved, "memory")), [[0, 0, 1, 1, 0, 0, 0, 0]]);
});
