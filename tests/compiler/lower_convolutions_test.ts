import { assert, assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { points, strides } from "../../plugins/compiler/ir/shape.ts";
import type { Contraction } from "../../plugins/compiler/ir/types.ts";
import { convolutionRules } from "../../plugins/compiler/lower/convolutions.ts";
import { depthwiseRules } from "../../plugins/compiler/lower/depthwise.ts";
import type { Rules } from "../../plugins/compiler/lower/rules.ts";
import { assertAllChecked, captureRuns, checkOps, checkRun, Draw, lowerRun, type Run } from "./lower_checks.ts";

interface Runner {
  runKernel(name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor;
}

type Activation = "relu" | "elu" | "relu6" | "prelu" | "leakyrelu" | "sigmoid" | "linear";

const ACTIVATIONS: readonly Activation[] = ["relu", "elu", "relu6", "prelu", "leakyrelu", "sigmoid", "linear"];

/** A convolution and its gradients, drawn at random: strides or dilations, paddings, both formats. */
function convolution(draw: Draw): void {
  const [batch, inputs, outputs] = draw.sizes(3, 3) as [number, number, number];
  const [height, width] = [draw.int(4, 8), draw.int(4, 8)];
  const taps: [number, number] = [draw.int(1, 3), draw.int(1, 3)];
  const dilated = draw.int(0, 3) === 0;
  const stride: [number, number] = dilated ? [1, 1] : [draw.int(1, 3), draw.int(1, 3)];
  const dilation: [number, number] = dilated ? [draw.int(1, 2), draw.int(1, 2)] : [1, 1];
  const format = draw.pick(["NHWC", "NCHW"] as const);
  const explicit: [number, number][] = [[0, 0], [draw.int(0, 2), 1], [0, draw.int(0, 2)], [0, 0]];
  const last = format === "NHWC";
  const pad = draw.pick(["same", "valid", "explicit"] as const);
  const padding = pad !== "explicit"
    ? pad
    : (last ? explicit : [explicit[0]!, explicit[3]!, explicit[1]!, explicit[2]!]) as tf.backend_util.ExplicitPadding;
  const x = draw.floats<tf.Tensor4D>(last ? [batch, height, width, inputs] : [batch, inputs, height, width]);
  const filter = draw.floats<tf.Tensor4D>([...taps, inputs, outputs]);
  const y = tf.conv2d(x, filter, stride, padding, format, dilation);
  if (!dilated) {
    const attrs = { strides: stride, pad: padding, dataFormat: format, dimRoundingMode: undefined };
    const dy = draw.floats(y.shape);
    const engine = tf.engine() as unknown as Runner;
    engine.runKernel("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape: x.shape });
    engine.runKernel("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape: filter.shape });
  }
  const activation = draw.pick(ACTIVATIONS);
  const slopes = draw.pick([[outputs], [1]]);
  const fused = {
    x,
    filter,
    strides: stride,
    pad: padding,
    dataFormat: format,
    dilations: dilation,
    bias: draw.pick([undefined, draw.floats([outputs]), draw.floats([1])]),
    activation,
    preluActivationWeights: activation === "prelu" ? draw.floats(slopes) : undefined,
    leakyreluAlpha: 0.3,
  };
  tf.fused.conv2d(fused as unknown as Parameters<typeof tf.fused.conv2d>[0]);
}

Deno.test("convolutionRules yield what the CPU kernels yield when windows are drawn at random in 2D", async () => {
  const draw = new Draw(41);
  for (let round = 0; round < 60; round++) await checkOps(convolutionRules, () => convolution(draw));
});

Deno.test("convolutionRules yield what the CPU kernels yield when windows are drawn at random in 3D", async () => {
  const draw = new Draw(42);
  const counts = [];
  for (let round = 0; round < 15; round++) {
    counts.push(
      await checkOps(convolutionRules, () => {
        const taps = draw.sizes(3, 3) as [number, number, number];
        const stride = draw.sizes(3, 3) as [number, number, number];
        const [batch, inputs, outputs] = draw.sizes(3, 2) as [number, number, number];
        const x = draw.floats<tf.Tensor5D>([batch, draw.int(5, 6), draw.int(5, 6), draw.int(5, 6), inputs]);
        const filter = draw.floats<tf.Tensor5D>([...taps, inputs, outputs]);
        const pad = draw.pick(["same", "valid"] as const);
        const dy = draw.floats(tf.conv3d(x, filter, stride, pad).shape);
        tf.conv3d(x, filter, 1, pad, "NDHWC", draw.sizes(3, 2) as [number, number, number]);
        const engine = tf.engine() as unknown as Runner;
        const attrs = { strides: stride, pad };
        engine.runKernel("Conv3DBackpropInputV2", { dy, filter }, { ...attrs, inputShape: x.shape });
        engine.runKernel("Conv3DBackpropFilterV2", { x, dy }, { ...attrs, filterShape: filter.shape });
      }),
    );
  }
  const draw2d = new Draw(43);
  for (let round = 0; round < 6; round++) counts.push(await checkOps(convolutionRules, () => convolution(draw2d)));
  assertAllChecked(convolutionRules, counts);
});

async function contractionsOf(body: () => unknown, kernel: string): Promise<{ run: Run; found: Contraction[] }> {
  const run = (await captureRuns(body)).find((each) => each.kernel === kernel)!;
  const { kernels } = lowerRun(convolutionRules, run, "memory").lower;
  assert(kernels.every(({ kind }) => kind === "contraction"), "only products");
  return { run, found: kernels as Contraction[] };
}

Deno.test("convolutionRules guard nothing when windows stay inside", async () => {
  const draw = new Draw(44);
  const x = draw.floats<tf.Tensor4D>([2, 7, 6, 3]);
  const filter = draw.floats<tf.Tensor4D>([3, 2, 3, 4]);
  const valid = await contractionsOf(() => tf.conv2d(x, filter, 2, "valid"), "Conv2D");
  assertEquals(valid.found.map(({ left, right }) => [left.kind, right.kind]), [["load", "load"]]);
  const same = await contractionsOf(() => tf.conv2d(x, filter, 1, "same"), "Conv2D");
  assertEquals(same.found.map(({ left, right }) => [left.kind, right.kind]), [["select", "load"]]);
});

Deno.test("convolutionRules make plain matrix products when windows are single elements", async () => {
  const draw = new Draw(45);
  const x = draw.floats<tf.Tensor4D>([2, 5, 6, 3]);
  const filter = draw.floats<tf.Tensor4D>([1, 1, 3, 4]);
  const attrs = { strides: 1, pad: "same", dataFormat: "NHWC" };
  const engine = tf.engine() as unknown as Runner;
  const dy = draw.floats([2, 5, 6, 4]);
  const bodies = {
    Conv2D: () => tf.conv2d(x, filter, 1, "same"),
    Conv2DBackpropInput: () =>
      engine.runKernel("Conv2DBackpropInput", { dy, filter }, { ...attrs, inputShape: x.shape }),
    Conv2DBackpropFilter: () =>
      engine.runKernel("Conv2DBackpropFilter", { x, dy }, { ...attrs, filterShape: filter.shape }),
  };
  for (const [kernel, body] of Object.entries(bodies)) {
    const { found } = await contractionsOf(body, kernel);
    assertEquals(found.length, 1);
    const [{ batch, rows, columns, inner, left, right }] = found as [Contraction];
    assertEquals([batch, rows, columns, inner].map(({ length }) => length), [0, 1, 1, 1], kernel);
    for (const side of [left, right]) assert(side.kind === "load" && strides(side.index)!.axes.size === 2);
  }
});

Deno.test("convolutionRules multiply no tap that is skipped when the gradient of a strided input is taken", async () => {
  const draw = new Draw(46);
  const engine = tf.engine() as unknown as Runner;
  const multiplications = async (taps: number, stride: number) => {
    const x = draw.floats<tf.Tensor4D>([1, 8, 8, 2]);
    const filter = draw.floats<tf.Tensor4D>([taps, taps, 2, 4]);
    const dy = draw.floats(tf.conv2d(x, filter, stride, "valid").shape);
    const attrs = { strides: stride, pad: "valid", dataFormat: "NHWC", inputShape: x.shape };
    const { run, found } = await contractionsOf(
      () => engine.runKernel("Conv2DBackpropInput", { dy, filter }, attrs),
      "Conv2DBackpropInput",
    );
    checkRun(convolutionRules, run);
    return found.reduce(
      (sum, each) => sum + points([...each.batch, ...each.rows, ...each.columns, ...each.inner]),
      0,
    );
  };
  const each = 2 * 4;
  assertEquals(await multiplications(2, 2), 64 * each);
  assertEquals(await multiplications(1, 2), 16 * each);
  assertEquals(await multiplications(3, 2), 64 * 4 * each);
  assertEquals(await multiplications(2, 1), 64 * 4 * each);
});

Deno.test("depthwiseRules yield what the CPU kernels yield when windows are drawn at random", async () => {
  const draw = new Draw(47);
  const counts = [];
  const rules: Rules = depthwiseRules;
  for (let round = 0; round < 30; round++) {
    counts.push(
      await checkOps(rules, () => {
        const [batch, channels, multiplier] = draw.sizes(3, 3) as [number, number, number];
        const x = draw.floats<tf.Tensor4D>([batch, draw.int(5, 7), draw.int(5, 7), channels]);
        const filter = draw.floats<tf.Tensor4D>([draw.int(1, 3), draw.int(1, 3), channels, multiplier]);
        const stride: [number, number] = [draw.int(1, 3), draw.int(1, 3)];
        const pad = draw.pick(["same", "valid", 1] as const);
        const dilated = draw.int(0, 2) === 0;
        const dilation = dilated ? draw.sizes(2, 2) as [number, number] : 1;
        const rounding = pad === 1 ? "floor" as const : undefined;
        tf.depthwiseConv2d(x, filter, dilated ? 1 : stride, pad, "NHWC", dilation, rounding);
        tf.grads((a, b) =>
          tf.mul(
            tf.depthwiseConv2d(a as tf.Tensor4D, b as tf.Tensor4D, stride, pad, "NHWC", 1, rounding),
            tf.scalar(0.7),
          ).square()
        )([x, filter]);
        tf.fused.depthwiseConv2d({
          x,
          filter,
          strides: stride,
          pad: draw.pick(["same", "valid"] as const),
          bias: draw.floats([channels * multiplier]),
          activation: draw.pick(["relu", "elu", "relu6", "sigmoid"] as const),
        });
        const small = draw.floats<tf.Tensor3D>([draw.int(1, 3), draw.int(1, 3), channels]);
        const wide = draw.sizes(2, 2) as [number, number];
        tf.grads((a, b) =>
          tf.dilation2d(a as tf.Tensor4D, b as tf.Tensor3D, stride, draw.pick(["same", "valid"] as const), wide)
            .square()
        )([x, small]);
      }),
    );
  }
  assertAllChecked(rules, counts);
});
