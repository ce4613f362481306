import { assertAlmostEquals, assertEquals } from "@std/assert";
import { tf } from "../../core/tf.ts";
import { imageRules } from "../../plugins/compiler/lower/images.ts";
import { assertAllChecked, captureRuns, checkOps, Draw, interpretLowered, lowerRun, type Run } from "./lower_checks.ts";

type Pair = [number, number];
type Mode = "constant" | "reflect" | "wrap" | "nearest";

interface Runner {
  runKernel(name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor;
}

Deno.test("imageRules yield what the CPU kernels yield when images are resized at random", async () => {
  const draw = new Draw(61);
  for (let round = 0; round < 40; round++) {
    await checkOps(imageRules, () => {
      const images = draw.floats<tf.Tensor4D>([draw.int(1, 2), draw.int(1, 6), draw.int(1, 6), draw.int(1, 3)]);
      const size: Pair = [draw.int(1, 12), draw.int(1, 12)];
      const [alignCorners, halfPixelCenters] = draw.pick([[true, false], [false, true], [false, false]]) as [
        boolean,
        boolean,
      ];
      tf.image.resizeBilinear(images, size, alignCorners, halfPixelCenters);
      tf.image.resizeNearestNeighbor(images, size, alignCorners, halfPixelCenters);
      const dy = draw.floats([images.shape[0], ...size, images.shape[3]]);
      const engine = tf.engine() as unknown as Runner;
      for (const kernel of ["ResizeBilinearGrad", "ResizeNearestNeighborGrad"]) {
        engine.runKernel(kernel, { images, dy }, { alignCorners, halfPixelCenters, size });
      }
    });
  }
});

Deno.test("imageRules yield what the CPU kernels yield when images are cut and moved at random", async () => {
  const draw = new Draw(62);
  const counts = [];
  for (let round = 0; round < 40; round++) {
    counts.push(
      await checkOps(imageRules, () => {
        const [batch, height, width] = [draw.int(1, 3), draw.int(2, 6), draw.int(2, 6)];
        const images = draw.floats<tf.Tensor4D>([batch, height, width, 3]);
        const boxes = draw.int(1, 4);
        // Eighths, some of them outside; method "nearest" at places whose halves no rounding reaches.
        const corners = tf.div(draw.ints([boxes, 4], -1, 9), 8) as tf.Tensor2D;
        const owners = draw.ints<tf.Tensor1D>([boxes], 0, batch - 1);
        tf.image.cropAndResize(images, corners, owners, [draw.int(1, 5), draw.int(1, 5)], "bilinear", -1);
        const odd = tf.add(corners, tf.scalar(0.013)) as tf.Tensor2D;
        tf.image.cropAndResize(images, odd, owners, [draw.int(1, 5), draw.int(1, 5)], "nearest", 7);
        tf.image.rotateWithOffset(images, draw.int(-30, 30) / 10, draw.pick([0, 4]), draw.pick([0.5, 0.3]));
        tf.image.rotateWithOffset(images, draw.int(-30, 30) / 10, [1, 2, 3], [0.2, 0.7]);
        const four = draw.floats<tf.Tensor4D>([1, height, width, 4]);
        tf.image.rotateWithOffset(four, draw.int(-30, 30) / 10, [1, 2, 3]);
        const near = (places: number[]) => places.map((place) => place + draw.int(-64, 64) / 100 + 0.003);
        const transforms = tf.tensor2d([[...near([1, 0, 0, 0, 1, 0]), 0.01, 0.02]]);
        const mode = draw.pick<Mode>(["constant", "reflect", "wrap", "nearest"]);
        const method = draw.pick(["nearest", "bilinear"] as const);
        const one = draw.floats<tf.Tensor4D>([1, height, width, 2]);
        tf.image.transform(one, transforms, method, mode, 5, draw.pick([undefined, [4, 7] as Pair]));
        const far = tf.mul(transforms, tf.tensor2d([[4, 4, 20, 4, 4, 20, 0, 0]])) as tf.Tensor2D;
        tf.image.transform(one, far, "bilinear", mode, 5);
        tf.image.resizeBilinear(one, [3, 3]);
        tf.grad((value: tf.Tensor) => tf.image.resizeBilinear(value as tf.Tensor4D, [3, 3]))(one);
        tf.grad((value: tf.Tensor) => tf.image.resizeNearestNeighbor(value as tf.Tensor4D, [3, 3]))(one);
      }),
    );
  }
  assertAllChecked(imageRules, counts);
});

const onlyRun = async (kernel: string, body: () => unknown): Promise<Run> =>
  (await captureRuns(body)).find((run) => run.kernel === kernel)!;

Deno.test("imageRules Transform moves every image when there are several", async () => {
  const draw = new Draw(63);
  const images = draw.floats<tf.Tensor4D>([2, 4, 5, 2]);
  const transforms = draw.floats<tf.Tensor2D>([2, 8]);
  const run = await onlyRun("Transform", () => tf.image.transform(images, transforms, "bilinear", "reflect"));
  const [found] = interpretLowered(lowerRun(imageRules, run, "memory"));
  const expected = (await Promise.all(
    [0, 1].map((image) =>
      onlyRun(
        "Transform",
        () => tf.image.transform(images.slice([image], [1]), transforms.slice([image], [1]), "bilinear", "reflect"),
      )
    ),
  )).flatMap(({ outputs }) => [...outputs[0]!.values]);
  expected.forEach((value, place) => assertAlmostEquals(found![place]!, value, 1e-5 * Math.max(1, Math.abs(value))));
});

Deno.test("imageRules CropAndResize keeps the edge when a box reaches to the end of an image", async () => {
  const images = new Draw(64).floats<tf.Tensor4D>([1, 6, 7, 1]);
  for (const start of [0, 0.1, 0.37, 0.731]) {
    const run = await onlyRun(
      "CropAndResize",
      () =>
        tf.image.cropAndResize(
          images,
          [[start, start, 1, 1]] as unknown as tf.Tensor2D,
          tf.tensor1d([0], "int32"),
          [4, 3],
          "bilinear",
          99,
        ),
    );
    const [found] = interpretLowered(lowerRun(imageRules, run, "memory"));
    assertEquals(found!.at(-1), run.inputs.image!.values.at(-1));
  }
});

Deno.test("imageRules read no table when images grow by a whole factor to the nearest neighbour", async () => {
  const images = new Draw(65).floats<tf.Tensor4D>([1, 3, 4, 2]);
  const grow = () =>
    tf.grad((value: tf.Tensor) => tf.image.resizeNearestNeighbor(value as tf.Tensor4D, [6, 12]))(images);
  for (const kernel of ["ResizeNearestNeighbor", "ResizeNearestNeighborGrad"]) {
    const { lower } = lowerRun(imageRules, await onlyRun(kernel, grow), "memory");
    assertEquals(lower.constants.length, 0, kernel);
  }
});
