import { assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { normalizationRules } from "../../plugins/compiler/lower/normalization.ts";
import { poolingRules } from "../../plugins/compiler/lower/pooling.ts";
import { assertAllChecked, captureRuns, checkOps, Draw, interpretLowered, lowerRun } from "./lower_checks.ts";

type Three = [number, number, number];

Deno.test("poolingRules yield what the CPU kernels yield when windows are drawn at random", async () => {
  const draw = new Draw(51);
  const counts = [];
  for (let round = 0; round < 40; round++) {
    counts.push(
      await checkOps(poolingRules, () => {
        const x = draw.floats<tf.Tensor4D>([draw.int(1, 2), draw.int(3, 7), draw.int(3, 7), draw.int(1, 3)]);
        const size: [number, number] = [draw.int(1, 3), draw.int(1, 3)];
        const stride: [number, number] = [draw.int(1, 4), draw.int(1, 4)];
        const pad = draw.pick(["same", "valid"] as const);
        tf.grad((value: tf.Tensor) => tf.maxPool(value as tf.Tensor4D, size, stride, pad).square())(x);
        tf.grad((value: tf.Tensor) => tf.avgPool(value as tf.Tensor4D, size, stride, pad).square())(x);
        tf.maxPool(x, 2, stride, 1, "floor");
        tf.avgPool(x, 3, stride, 1, "ceil");
        tf.maxPoolWithArgmax(x, size, stride, pad, draw.pick([true, false]));
        tf.maxPool(draw.ints<tf.Tensor4D>(x.shape, -9, -1), size, stride, pad);
        const cube = draw.floats<tf.Tensor5D>([draw.int(1, 2), ...draw.sizes(3, 3).map((each) => each + 2), 2]);
        const [size3d, stride3d] = [draw.sizes(3, 3) as Three, draw.sizes(3, 4) as Three];
        tf.grad((value: tf.Tensor) => tf.maxPool3d(value as tf.Tensor5D, size3d, stride3d, pad).square())(cube);
        tf.grad((value: tf.Tensor) => tf.avgPool3d(value as tf.Tensor5D, size3d, stride3d, pad).square())(cube);
      }),
    );
  }
  assertAllChecked(poolingRules, counts);
});

Deno.test("poolingRules add nothing up when the windows of a gradient do not overlap", async () => {
  const draw = new Draw(52);
  const runs = await captureRuns(() => {
    const x = draw.floats<tf.Tensor4D>([2, 6, 6, 3]);
    tf.grad((value: tf.Tensor) => tf.maxPool(value as tf.Tensor4D, 2, 2, "valid"))(x);
    tf.grad((value: tf.Tensor) => tf.avgPool(value as tf.Tensor4D, 2, 2, "valid"))(x);
  });
  const kernels = (kernel: string) =>
    lowerRun(poolingRules, runs.find((run) => run.kernel === kernel)!, "memory").lower.kernels.length;
  // One for the places of the largest elements.
  assertEquals([kernels("MaxPoolGrad"), kernels("AvgPoolGrad")], [1, 0]);
});

Deno.test("poolingRules show NaN when a window has one", async () => {
  const run = (await captureRuns(() => tf.maxPool(tf.ones([1, 2, 4, 1]) as tf.Tensor4D, 2, 2, "valid")))
    .find(({ kernel }) => kernel === "MaxPool")!;
  const x = { ...run.inputs.x!, values: Float32Array.of(1, NaN, 2, 3, 4, 5, 6, 7) };
  assertEquals(interpretLowered(lowerRun(poolingRules, { ...run, inputs: { x } }, "memory")), [[NaN, 7]]);
});

Deno.test("normalizationRules yield what the CPU kernels yield when statistics are drawn at random", async () => {
  const draw = new Draw(53);
  const counts = [];
  for (let round = 0; round < 20; round++) {
    counts.push(
      await checkOps(normalizationRules, () => {
        const channels = draw.int(1, 6);
        const x = draw.floats<tf.Tensor4D>([draw.int(1, 2), draw.int(1, 3), draw.int(1, 3), channels]);
        const radius = draw.int(0, 7);
        const bias = draw.int(1, 3);
        tf.grad((value: tf.Tensor) =>
          tf.localResponseNormalization(value as tf.Tensor4D, radius, bias, 0.3, draw.pick([0.5, 0.75])).square()
        )(x);
        const statistic = () => draw.floats<tf.Tensor1D>([channels]);
        const scale = draw.pick([undefined, statistic()]);
        tf.batchNorm(x, statistic(), statistic().square(), draw.pick([undefined, statistic()]), scale, 0.1);
        const full = () => draw.floats<tf.Tensor4D>([1, 1, 1, channels]);
        tf.batchNorm(x, full(), full().square() as tf.Tensor4D, full(), full());
      }),
    );
  }
  assertAllChecked(normalizationRules, counts);
});
