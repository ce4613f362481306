import { assert, assertEquals, assertThrows } from "@std/assert";
import { TraceError } from "../../core/errors.ts";
import { uniformValues } from "../../core/random.ts";
import { tf } from "../../core/tf.ts";
import { scanRules } from "../../plugins/compiler/lower/scans.ts";
import { assertAllChecked, captureRuns, checkOps, Draw, interpretLowered, lowerRun, type Run } from "./lower_checks.ts";

Deno.test("scanRules yield what the CPU kernels yield when shapes are drawn at random", async () => {
  const draw = new Draw(31);
  const counts = [];
  for (let round = 0; round < 20; round++) {
    counts.push(
      await checkOps(scanRules, () => {
        const shape = draw.sizes(draw.int(1, 3), 6);
        const axis = draw.int(0, shape.length - 1);
        const [exclusive, reverse] = [draw.pick([true, false]), draw.pick([true, false])];
        tf.cumsum(draw.floats(shape), axis, exclusive, reverse);
        tf.cumsum(draw.ints(shape, 0, 1).cast("bool"), axis, exclusive, reverse);
        tf.cumprod(draw.ints(shape, -3, 3), axis, exclusive, reverse);
        // Few numbers, so that some are equal.
        tf.topk(draw.ints(shape, -3, 3), draw.int(1, shape.at(-1)!));
        tf.topk(draw.ints(shape, -3, 3).cast("float32"), draw.int(1, shape.at(-1)!));
        const [rows, length] = [draw.int(1, 3), draw.int(1, 9)];
        const sorted = tf.cumsum(draw.ints([rows, length], 0, 2), 1);
        const values = draw.ints([rows, draw.int(1, 5)], -1, 18);
        tf.searchSorted(sorted, values, draw.pick(["left", "right"] as const));
        tf.searchSorted(sorted.cast("float32"), values.cast("float32"), draw.pick(["left", "right"] as const));
      }),
    );
  }
  assertAllChecked(scanRules, counts, ["Multinomial"]);
});

Deno.test("scanRules TopK gives NaN the first ranks when some numbers are NaN", async () => {
  const run = (await captureRuns(() => tf.topk(tf.tensor1d([1, 5, 2, 5]), 4))).find(({ kernel }) => kernel === "TopK")!;
  const inputs = { x: { ...run.inputs.x!, values: Float32Array.of(1, NaN, 2, NaN) } };
  const [values, places] = interpretLowered(lowerRun(scanRules, { ...run, inputs }, "memory"));
  assertEquals(values, [NaN, NaN, 2, 1]);
  assertEquals(places, [1, 3, 2, 0]);
});

const drawRun = async (logits: tf.Tensor2D, samples: number, normalized: boolean): Promise<Run> =>
  (await captureRuns(() => tf.multinomial(logits, samples, 7, normalized))).find(({ kernel }) =>
    kernel === "Multinomial"
  )!;

Deno.test("scanRules Multinomial inverts the distribution function when it draws from a stream", async () => {
  const draw = new Draw(5);
  const logits = draw.floats<tf.Tensor2D>([3, 4]);
  const values = await logits.array();
  const run = await drawRun(logits, 50, false);
  const [samples] = interpretLowered(lowerRun(scanRules, run, "computed", 0), { keys: [[1, 2]] });
  const drawn = uniformValues([1, 2], 150);
  values.forEach((row, which) => {
    const powers = row.map((logit) => Math.exp(logit));
    const total = powers.reduce((sum, power) => sum + power);
    let passed = 0;
    const limits = powers.map((power) => (passed += power) / total).slice(0, -1);
    for (let sample = 0; sample < 50; sample++) {
      const place = which * 50 + sample;
      const number = drawn[place]!;
      // A number that close to a limit may fall to either side of it.
      if (limits.some((limit) => Math.abs(limit - number) < 1e-6)) continue;
      assertEquals(samples![place], limits.filter((limit) => number >= limit).length);
    }
  });
  assert(new Set(samples).size > 1);
});

Deno.test("scanRules Multinomial draws the only event and takes probabilities when it is given them", async () => {
  const only = await drawRun(tf.tensor2d([[1], [2]]), 3, false);
  assertEquals(interpretLowered(lowerRun(scanRules, only, "memory", 0), { keys: [[1, 2]] }), [[0, 0, 0, 0, 0, 0]]);
  const certain = await drawRun(tf.tensor2d([[0, 1, 0], [0, 0, 1]]), 4, true);
  const drawn = interpretLowered(lowerRun(scanRules, certain, "memory", 0), { keys: [[1, 2]] });
  assertEquals(drawn, [[1, 1, 1, 1, 2, 2, 2, 2]]);
});

Deno.test("scanRules Multinomial refuses when the user gives a seed", async () => {
  const run = await drawRun(tf.tensor2d([[1, 2]]), 3, false);
  const error = assertThrows(() => lowerRun(scanRules, run, "memory"), TraceError, "seed of its own");
  assertEquals(error.code, "unknown-kernel");
});
