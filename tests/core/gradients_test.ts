/**
 * The gradients that Stride adds to tfjs, against finite differences and traced.
 *
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { realFft, registerMissingGradients } from "../../core/gradients/mod.ts";
import { uniformValues } from "../../core/random.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { tracePhase } from "../../plugins/compiler/mod.ts";
import { makeBatch, makeStep, replay, runEagerly } from "../compiler/steps.ts";

await tf.setBackend("cpu");
registerMissingGradients();

// tfjs's cpu kernel of tensorScatterUpdate writes into its input, hence the sums with zero below.
interface Case {
  readonly name: string;
  /** Shapes of what is differentiated. */
  readonly inputs: readonly (readonly number[])[];
  readonly compute: (...inputs: Tensor[]) => Tensor;
  /** Values in place of random ones in [-1, 1), by input. */
  readonly values?: readonly (readonly number[] | undefined)[];
}

const ints = (values: number[], shape: number[]) => tf.tensor(values, shape, "int32");
const crop = (method: "bilinear" | "nearest", size: [number, number]) => (image: Tensor, boxes?: Tensor) =>
  tf.image.cropAndResize(
    image as tf.Tensor4D,
    (boxes ?? tf.tensor2d(BOXES, [3, 4])) as tf.Tensor2D,
    ints([0, 1, 0], [3]) as tf.Tensor1D,
    size,
    method,
    0.5,
  );
// The last one leaves the image; no position is on a pixel.
const BOXES = [0.11, 0.07, 0.83, 0.71, 0.9, 0.93, 0.21, 0.17, -0.3, 0.13, 0.57, 1.21];
const resize =
  (method: "resizeBilinear" | "resizeNearestNeighbor", size: [number, number], ...flags: boolean[]) => (x: Tensor) =>
    tf.image[method](x as tf.Tensor4D, size, ...flags);

const CASES: readonly Case[] = [
  { name: "einsum of matrices", inputs: [[2, 3], [3, 4]], compute: (a, b) => tf.einsum("ij,jk->ik", a, b) },
  { name: "einsum transposed", inputs: [[2, 3, 2], [4, 3]], compute: (a, b) => tf.einsum("bij,ki->bkj", a, b) },
  { name: "einsum of one operand", inputs: [[2, 3, 4]], compute: (a) => tf.einsum("ijk->ki", a) },
  {
    name: "einsum that sums a letter of one term",
    inputs: [[2, 3], [4, 2]],
    compute: (a, b) => tf.einsum("ij,ki->k", a, b),
  },
  { name: "einsum that keeps all letters", inputs: [[2], [3]], compute: (a, b) => tf.einsum("i,j->ji", a, b) },
  { name: "einsum to a scalar", inputs: [[2, 3], [2, 3]], compute: (a, b) => tf.einsum("ij,ij->", a, b) },
  { name: "a sum of all", inputs: [[2, 3, 4]], compute: (x) => tf.square(tf.sum(x)) },
  { name: "a sum along two axes", inputs: [[2, 3, 4]], compute: (x) => tf.square(tf.sum(x, [0, -1])) },
  { name: "a sum that keeps its axis", inputs: [[2, 3]], compute: (x) => tf.square(tf.sum(x, 1, true)) },
  { name: "a sum of one number", inputs: [[]], compute: (x) => tf.square(tf.sum(x)) },
  { name: "a mean of all", inputs: [[2, 3]], compute: (x) => tf.square(tf.mean(x)) },
  { name: "a mean along an axis", inputs: [[2, 3, 4]], compute: (x) => tf.square(tf.mean(x, 1)) },
  { name: "gatherND of elements", inputs: [[3, 4]], compute: (x) => tf.gatherND(x, ints([0, 1, 2, 3, 0, 1], [3, 2])) },
  { name: "gatherND of rows", inputs: [[3, 4]], compute: (x) => tf.gatherND(x, ints([2, 0, 2, 1], [2, 2, 1])) },
  { name: "gatherND of one", inputs: [[3, 4]], compute: (x) => tf.gatherND(x, ints([1, 2], [2])) },
  { name: "scatterND", inputs: [[3, 2]], compute: (x) => tf.scatterND(ints([1, 4, 1], [3, 1]), x, [5, 2]) },
  {
    name: "tensorScatterUpdate",
    inputs: [[4, 2], [2, 2]],
    compute: (x, updates) => tf.tensorScatterUpdate(tf.add(x, 0), ints([3, 1], [2, 1]), updates),
  },
  {
    name: "tensorScatterUpdate twice at one place",
    inputs: [[2, 3], [3]],
    compute: (x, updates) => tf.tensorScatterUpdate(tf.add(x, 0), ints([0, 1, 1, 2, 0, 1], [3, 2]), updates),
  },
  { name: "topk", inputs: [[2, 2, 5]], compute: (x) => tf.topk(x, 3).values },
  {
    name: "gather by topk's indices",
    inputs: [[6]],
    compute: (x) => tf.gather(tf.square(x), tf.topk(x, 3).indices),
  },
  { name: "cumsum along axis 0", inputs: [[3, 2]], compute: (x) => tf.cumsum(x, 0) },
  { name: "cumsum along a middle axis, exclusive", inputs: [[2, 3, 4]], compute: (x) => tf.cumsum(x, 1, true) },
  { name: "cumsum along axis 0, reverse", inputs: [[3, 2, 2]], compute: (x) => tf.cumsum(x, 0, false, true) },
  { name: "cumsum along the last axis", inputs: [[2, 3]], compute: (x) => tf.cumsum(x, 1, true, true) },
  { name: "cumprod", inputs: [[2, 7]], compute: (x) => tf.cumprod(x, 1) },
  { name: "cumprod of zeros", inputs: [[5]], values: [[2, 0, 3, 0, 1.5]], compute: (x) => tf.cumprod(x, 0) },
  { name: "cumprod along axis 0, exclusive", inputs: [[4, 2]], compute: (x) => tf.cumprod(x, 0, true) },
  { name: "cumprod, reverse", inputs: [[2, 5]], compute: (x) => tf.cumprod(x, 1, false, true) },
  { name: "cumprod, exclusive and reverse", inputs: [[2, 3, 2]], compute: (x) => tf.cumprod(x, 1, true, true) },
  { name: "cumprod of one element", inputs: [[2, 1]], compute: (x) => tf.cumprod(x, 1) },
  { name: "stridedSlice", inputs: [[5, 6]], compute: (x) => tf.stridedSlice(x, [1, 0], [5, 6], [2, 4]) },
  { name: "stridedSlice backwards", inputs: [[5, 6]], compute: (x) => tf.stridedSlice(x, [4, 5], [0, 0], [-2, -1]) },
  {
    name: "stridedSlice with masks",
    inputs: [[3, 4, 5]],
    compute: (x) => tf.stridedSlice(x, [0, 1, 1], [0, 2, 4], [1, 1, 1], 1, 1, 0, 0, 2),
  },
  {
    name: "stridedSlice with an ellipsis and a new axis",
    inputs: [[3, 4, 5]],
    compute: (x) => tf.stridedSlice(x, [0, 0, 1], [0, 0, 5], [1, 1, 2], 0, 0, 1, 2),
  },
  { name: "cropAndResize by the image", inputs: [[2, 4, 5, 2]], compute: crop("bilinear", [3, 2]) },
  { name: "cropAndResize, nearest", inputs: [[2, 4, 5, 1]], compute: crop("nearest", [2, 3]) },
  {
    name: "cropAndResize by the boxes",
    inputs: [[2, 4, 5, 2], [3, 4]],
    values: [undefined, BOXES],
    compute: crop("bilinear", [3, 2]),
  },
  {
    name: "cropAndResize to one pixel",
    inputs: [[2, 4, 5, 1], [3, 4]],
    values: [undefined, BOXES],
    compute: crop("bilinear", [1, 1]),
  },
  { name: "resizeBilinear up", inputs: [[2, 2, 3, 2]], compute: resize("resizeBilinear", [5, 4]) },
  { name: "resizeBilinear down, corners", inputs: [[1, 5, 4, 1]], compute: resize("resizeBilinear", [2, 3], true) },
  { name: "resizeBilinear, centres", inputs: [[1, 2, 4, 1]], compute: resize("resizeBilinear", [5, 3], false, true) },
  { name: "resizeNearestNeighbor", inputs: [[2, 2, 3, 2]], compute: resize("resizeNearestNeighbor", [4, 7]) },
  {
    name: "resizeNearestNeighbor, corners",
    inputs: [[1, 5, 3, 1]],
    compute: resize("resizeNearestNeighbor", [3, 4], true),
  },
  {
    name: "resizeNearestNeighbor, centres",
    inputs: [[1, 5, 3, 1]],
    compute: resize("resizeNearestNeighbor", [3, 4], false, true),
  },
  { name: "bandPart of a matrix", inputs: [[3, 3]], compute: (x) => tf.linalg.bandPart(x, -1, 0) },
  { name: "bandPart of a batch", inputs: [[2, 3, 4]], compute: (x) => tf.linalg.bandPart(x, 1, 1) },
  { name: "split into one part", inputs: [[2, 3]], compute: (x) => tf.split(x, 1, 1)[0]! },
  { name: "split", inputs: [[2, 5]], compute: (x) => tf.split(x, [2, 3], 1)[1]! },
  { name: "unstack", inputs: [[3, 2]], compute: (x) => tf.unstack(x, 1)[1]! },
  { name: "depthToSpace", inputs: [[2, 2, 3, 8]], compute: (x) => tf.depthToSpace(x as tf.Tensor4D, 2) },
  { name: "maximum of a matrix and a row", inputs: [[3, 4], [4]], compute: (a, b) => tf.maximum(a, b) },
  { name: "minimum of a column and a row", inputs: [[3, 1], [1, 4]], compute: (a, b) => tf.minimum(a, b) },
  { name: "squaredDifference of a row and a batch", inputs: [[3], [2, 2, 3]], compute: tf.squaredDifference },
  { name: "squaredDifference of a scalar", inputs: [[2, 3], []], compute: tf.squaredDifference },
  { name: "matMul of a batch and a matrix", inputs: [[4, 2, 3], [1, 3, 2]], compute: (a, b) => tf.matMul(a, b) },
  {
    name: "matMul of batches of other ranks, transposed",
    inputs: [[2, 3], [2, 3, 4, 3]],
    compute: (a, b) => tf.matMul(a, b, false, true),
  },
  {
    // Not both repeated: tfjs's own kernel, which this file runs, confuses the batches then.
    name: "matMul of batches of other ranks, both transposed",
    inputs: [[3, 3, 2], [2, 3, 4, 3]],
    compute: (a, b) => tf.matMul(a, b, true, true),
  },
  { name: "max along a middle axis", inputs: [[2, 4, 3]], compute: (x) => tf.max(x, 1) },
  { name: "min of all", inputs: [[2, 4]], compute: (x) => tf.mul(tf.min(x), [1, 2]) },
  { name: "min along two axes, kept", inputs: [[2, 4, 3]], compute: (x) => tf.min(x, [0, -1], true) },
  { name: "diag", inputs: [[2, 2]], compute: (x) => tf.diag(x) },
  {
    name: "realFft",
    inputs: [[2, 5]],
    compute: (x) => {
      const { real, imag } = realFft(x, { fftLength: 8 });
      return tf.add(tf.square(real), tf.mul(imag, 2));
    },
  },
];

let stream = 0;

function draw(shape: readonly number[]): Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(uniformValues([++stream, 9], size).map((value) => 2 * value - 1), [...shape]);
}

function prepare({ inputs, values, compute }: Case) {
  stream = 0;
  const variables = inputs.map((shape, index) => {
    const given = values?.[index];
    return tf.tidy(() => tf.variable(given === undefined ? draw(shape) : tf.tensor([...given], [...shape])));
  });
  const projection = tf.tidy(() => draw(compute(...variables).shape));
  const loss = () => tf.sum(tf.mul(compute(...variables), projection)) as tf.Scalar;
  return { variables, projection, loss };
}

for (const given of CASES) {
  Deno.test(`registerMissingGradients() gives the gradient of finite differences when it is of ${given.name}`, () => {
    const { variables, projection, loss } = prepare(given);
    const held = tf.memory().numTensors;
    const { value, grads } = tf.variableGrads(loss, variables);
    assertEquals(tf.memory().numTensors, held + 1 + variables.length);
    for (const variable of variables) {
      const gradient = grads[variable.name]!.dataSync();
      const base = Float32Array.from(variable.dataSync());
      const scale = Math.max(1, ...gradient.map(Math.abs));
      const at = (index: number, step: number) => {
        const moved = base.slice();
        moved[index]! += step;
        return tf.tidy(() => {
          variable.assign(tf.tensor(moved, variable.shape));
          return loss().dataSync()[0]!;
        });
      };
      base.forEach((_, index) => {
        const step = 2e-3;
        const slope = (at(index, step) - at(index, -step)) / (2 * step);
        assertAlmostEquals(gradient[index]!, slope, 2e-3 * scale, `element ${index} of [${variable.shape}]`);
      });
      assert(gradient.some((element) => element !== 0));
      tf.tidy(() => variable.assign(tf.tensor(base, variable.shape)));
    }
    tf.dispose([value, grads, variables, projection]);
  });

  Deno.test(`tracePhase() records the gradient when it is of ${given.name}`, () => {
    const { variables, projection, loss } = prepare(given);
    const batchInfo = {
      rows: 1,
      globalRows: 1,
      columns: ["lr"],
      arrays: { x: { shape: [1], dtype: "float32" as const } },
    };
    using step = makeStep({ weights: variables, loss: ({ x }) => tf.mul(loss(), tf.sum(x as Tensor)) });
    const { compute } = tracePhase(step, 0, batchInfo);
    tf.tidy(() => {
      const batch = makeBatch(batchInfo);
      const scalars = { lr: tf.scalar(0.1) };
      const expected = runEagerly(step, batch, scalars, [3, 4]);
      const byPath = Object.fromEntries(step.variables.map(({ path, variable }) => [path, variable as Tensor]));
      const computed = replay(compute, { variables: byPath, batch, scalars, key: [3, 4] });
      assertEquals(computed.gradients.map((gradient) => gradient && [...gradient.dataSync()]), expected.gradients);
    });
    projection.dispose();
  });
}

Deno.test("registerMissingGradients() shares the gradient of max and min when elements are equal", () => {
  const x = tf.tensor2d([[1, 3, 3, 3], [2, 0, 1, 0]]);
  const gradient = (reduce: (x: Tensor) => Tensor) => [...tf.grad((a: Tensor) => tf.sum(reduce(a)))(x).dataSync()];
  const third = Math.fround(1 / 3);
  assertEquals(gradient((a) => tf.max(a, 1)), [0, third, third, third, 1, 0, 0, 0]);
  assertEquals(gradient((a) => tf.min(a, 1)), [1, 0, 0, 0, 0, 0.5, 0, 0.5]);
});

Deno.test("registerMissingGradients() refuses complex gradients by name when a transform is differentiated", () => {
  const x = tf.tensor1d([1, 2, 3, 4]);
  const loss = (input: Tensor) => tf.sum(tf.real(tf.spectral.rfft(input)));
  assertThrows(() => tf.grad(loss)(x), TypeError, "Use realFft(x)");
});

Deno.test("registerMissingGradients() refuses an einsum with a letter twice in a term", () => {
  const x = tf.tensor2d([[1, 2], [3, 4]]);
  assertThrows(() => tf.grad((a: Tensor) => tf.sum(tf.einsum("ii,ij->j", a, x)))(x), Error);
});

Deno.test("registerMissingGradients() gives depthToSpace a gradient when channels come first", () => {
  // The cpu backend has no such forward kernel: the gradient is that of channels last, transposed.
  const dy = draw([2, 3, 4, 6]);
  const { gradFunc } = tf.getGradient("DepthToSpace");
  const gradient = (value: Tensor, dataFormat: string) =>
    gradFunc(value, [], { blockSize: 2, dataFormat }).x!() as Tensor;
  const first = gradient(dy, "NCHW");
  const last = tf.transpose(gradient(tf.transpose(dy, [0, 2, 3, 1]), "NHWC"), [0, 3, 1, 2]);
  assertEquals(first.shape, [2, 12, 2, 3]);
  assertEquals([...first.dataSync()], [...last.dataSync()]);
});

Deno.test("registerMissingGradients() leaves the second derivative when cumprod is differentiated twice", () => {
  // y = x0 · x1 · x2; d²y / dx0 dx1 = x2.
  const product = (x: Tensor) => tf.sum(tf.slice(tf.cumprod(x, 0), [2], [1]));
  const first = tf.grad(product);
  const second = tf.grad((x: Tensor) => tf.sum(tf.slice(first(x), [0], [1])))(tf.tensor1d([2, 3, 5]));
  assertEquals([...second.dataSync()], [0, 5, 3]);
});

Deno.test("realFft() gives what tf.spectral.rfft gives when cut, padded, of odd or even length", () => {
  const x = draw([2, 3, 6]);
  for (const fftLength of [undefined, 4, 5, 9]) {
    const { real, imag } = realFft(x, { fftLength });
    const expected = tf.spectral.rfft(x, fftLength);
    assertEquals(real.shape, expected.shape);
    const [re, im] = [tf.real(expected).dataSync(), tf.imag(expected).dataSync()];
    real.dataSync().forEach((value, index) => assertAlmostEquals(value, re[index]!, 1e-5));
    imag.dataSync().forEach((value, index) => assertAlmostEquals(value, im[index]!, 1e-5));
  }
});

Deno.test("realFft() refuses a scalar, and a length that is not positive", () => {
  assertThrows(() => realFft(tf.scalar(1)), TypeError, "samples along the last axis");
  assertThrows(() => realFft(tf.tensor1d([1]), { fftLength: 0 }), RangeError, "length 0");
});
