import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Loss } from "../../core/loss.ts";
import { applyLoss, applyMask, reduceLoss, squeezeOrExpandToSameRank } from "../../core/reduce.ts";
import { Registry } from "../../core/registry.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import * as L from "../../plugins/losses/mod.ts";
import { type LossCase, lossTable, type TableArray } from "../golden/loss_table.ts";

await tf.setBackend("cpu");

const { losses } = L;

function array(values: readonly number[], shape: readonly number[] = [values.length], dtype = "float32"): TableArray {
  return { shape, dtype, values };
}

/** Numbers from 0 to 1, the same in every run. */
function numbers(count: number, seed: number): number[] {
  let state = seed * 2654435761 >>> 0;
  return Array.from({ length: count }, () => {
    state = Math.imul(state ^ state >>> 15, 2246822519) + 3266489917 >>> 0;
    return (state >>> 8) / 2 ** 24;
  });
}

function uniform(shape: number[], seed: number, low = 0, high = 1): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return tf.tensor(numbers(count, seed).map((x) => low + (high - low) * x), shape);
}

function labels(shape: number[], classes: number, seed: number, dtype: "int32" | "float32" = "int32"): Tensor {
  return tf.tidy(() => tf.cast(tf.floor(uniform(shape, seed, 0, classes)), dtype));
}

interface Example {
  readonly loss: Loss;
  readonly yTrue: () => Tensor;
  readonly yPred: () => Tensor;
}

const oneHot = () => tf.tidy(() => tf.oneHot(labels([5], 4, 3) as tf.Tensor1D, 4));
const logits = () => uniform([5, 4], 1, -2, 2);
const probabilities = () => uniform([5, 4], 2, 0.1, 0.9);
const zerosAndOnes = () => labels([5, 4], 2, 4, "float32");

const EXAMPLES: Record<string, Example> = {
  meanSquaredError: { loss: L.meanSquaredError(), yTrue: () => uniform([5, 4], 7), yPred: logits },
  meanAbsoluteError: { loss: L.meanAbsoluteError(), yTrue: () => uniform([5, 4], 7), yPred: logits },
  meanAbsolutePercentageError: {
    loss: L.meanAbsolutePercentageError(),
    yTrue: () => uniform([5, 4], 7, 1, 2),
    yPred: logits,
  },
  meanSquaredLogarithmicError: {
    loss: L.meanSquaredLogarithmicError(),
    yTrue: () => uniform([5, 4], 7),
    yPred: probabilities,
  },
  huber: { loss: L.huber({ delta: 0.5 }), yTrue: () => uniform([5, 4], 7), yPred: logits },
  logCosh: { loss: L.logCosh(), yTrue: () => uniform([5, 4], 7), yPred: logits },
  cosineSimilarity: { loss: L.cosineSimilarity(), yTrue: () => uniform([5, 4], 7), yPred: logits },
  poisson: { loss: L.poisson(), yTrue: () => labels([5, 4], 6, 7), yPred: probabilities },
  klDivergence: { loss: L.klDivergence(), yTrue: () => uniform([5, 4], 7), yPred: probabilities },
  binaryCrossentropy: { loss: L.binaryCrossentropy(), yTrue: zerosAndOnes, yPred: probabilities },
  "binaryCrossentropy from logits": {
    loss: L.binaryCrossentropy({ fromLogits: true, labelSmoothing: 0.1 }),
    yTrue: zerosAndOnes,
    yPred: logits,
  },
  categoricalCrossentropy: { loss: L.categoricalCrossentropy(), yTrue: oneHot, yPred: probabilities },
  "categoricalCrossentropy from logits on axis 1": {
    loss: L.categoricalCrossentropy({ fromLogits: true, axis: 1 }),
    yTrue: () => uniform([2, 3, 2], 8),
    yPred: () => uniform([2, 3, 2], 9, -2, 2),
  },
  sparseCategoricalCrossentropy: {
    loss: L.sparseCategoricalCrossentropy(),
    yTrue: () => labels([5], 4, 3),
    yPred: probabilities,
  },
  "sparseCategoricalCrossentropy from logits without class 1": {
    loss: L.sparseCategoricalCrossentropy({ fromLogits: true, ignoreClass: 1 }),
    yTrue: () => labels([5, 1], 3, 5, "float32"),
    yPred: logits,
  },
  categoricalGeneralizedCrossEntropy: {
    loss: L.categoricalGeneralizedCrossEntropy({ q: 0.7 }),
    yTrue: () => labels([5], 4, 3),
    yPred: probabilities,
  },
  binaryFocalCrossentropy: {
    loss: L.binaryFocalCrossentropy({ gamma: 1.5, applyClassBalancing: true }),
    yTrue: zerosAndOnes,
    yPred: probabilities,
  },
  categoricalFocalCrossentropy: {
    loss: L.categoricalFocalCrossentropy({ fromLogits: true }),
    yTrue: oneHot,
    yPred: logits,
  },
  hinge: { loss: L.hinge(), yTrue: zerosAndOnes, yPred: logits },
  squaredHinge: { loss: L.squaredHinge(), yTrue: zerosAndOnes, yPred: logits },
  categoricalHinge: { loss: L.categoricalHinge(), yTrue: oneHot, yPred: logits },
  dice: { loss: L.dice(), yTrue: zerosAndOnes, yPred: probabilities },
  "tversky for each sample": {
    loss: L.tversky({ alpha: 0.3, beta: 0.7, axis: [1] }),
    yTrue: zerosAndOnes,
    yPred: probabilities,
  },
  circle: {
    loss: L.circle({ gamma: 4 }),
    yTrue: () => tf.tensor1d([0, 1, 0, 1, 2]),
    yPred: () => tf.tidy(() => tf.div(logits(), tf.norm(logits(), 2, 1, true))),
  },
  ctc: {
    loss: L.ctc(),
    yTrue: () => tf.tensor2d([[1, 1, 0], [2, 1, 3]]),
    yPred: () => uniform([2, 6, 4], 6, -1, 1),
  },
};

/** Sums so that each prediction counts differently, and none twice. */
function weightedSum(loss: Loss, yTrue: Tensor, yPred: Tensor): Tensor {
  const values = loss.values(yTrue, yPred);
  return tf.sum(tf.mul(values, tf.reshape(tf.linspace(1, 2, values.size), values.shape)));
}

for (const [name, { loss, yTrue, yPred }] of Object.entries(EXAMPLES)) {
  Deno.test(`${name} has the gradient that finite differences give`, () => {
    tf.engine().startScope();
    try {
      const target = yTrue();
      const at = yPred();
      const gradient = tf.grad((x) => weightedSum(loss, target, x) as tf.Scalar)(at).dataSync();
      const values = at.dataSync();
      // float32 values of size 10, steps of 2e-3: errors of about 1e-3.
      const step = 2e-3;
      for (let index = 0; index < values.length; index++) {
        const [up, down] = [step, -step].map((by) => {
          const moved = values.slice();
          moved[index] = moved[index]! + by;
          return weightedSum(loss, target, tf.tensor(moved, at.shape)).dataSync()[0]!;
        }) as [number, number];
        const expected = (up - down) / (2 * step);
        assertAlmostEquals(gradient[index]!, expected, 5e-3 * (1 + Math.abs(expected)), `${name} at ${index}`);
      }
    } finally {
      tf.engine().endScope();
    }
  });
}

Deno.test("losses compute values and gradients without reading from the device", () => {
  const engine = tf.engine() as unknown as Record<"read" | "readSync", () => never>;
  const refuse = (): never => {
    throw new Error("A loss read a value.");
  };
  for (const [name, { loss, yTrue, yPred }] of Object.entries(EXAMPLES)) {
    const before = tf.memory().numTensors;
    const [target, prediction] = [yTrue(), yPred()];
    const weights = tf.ones([prediction.shape[0]!]);
    const { read, readSync } = engine;
    Object.assign(engine, { read: refuse, readSync: refuse });
    try {
      for (let repeat = 0; repeat < 3; repeat++) {
        tf.tidy(() => {
          const run = (x: Tensor) => applyLoss(loss, target, x, { sampleWeight: weights }) as tf.Scalar;
          return tf.grad(run)(prediction);
        }).dispose();
      }
    } finally {
      Object.assign(engine, { read, readSync });
    }
    tf.dispose([target, prediction, weights]);
    assertEquals(tf.memory().numTensors, before, `${name} leaks tensors`);
  }
});

Deno.test("every loss gives finite values and gradients where predictions are extreme", () => {
  const extremes = tf.tensor2d([[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]]);
  const huge = tf.tensor2d([[1e4, -1e4, 0, 0], [-1e4, 1e4, 0, 0], [0, 0, 0, 0], [50, 60, 70, 1e3]]);
  const classes = tf.tensor1d([0, 0, 3, 1], "int32");
  const rows = tf.oneHot(classes, 4, 1, 0, "float32");
  const cases: [Loss, Tensor, Tensor][] = [
    [L.cosineSimilarity(), rows, extremes],
    [L.klDivergence(), rows, extremes],
    [L.poisson(), rows, extremes],
    [L.binaryCrossentropy(), rows, extremes],
    [L.binaryCrossentropy({ fromLogits: true }), rows, huge],
    [L.categoricalCrossentropy({ fromLogits: true }), rows, huge],
    [L.sparseCategoricalCrossentropy({ fromLogits: true }), classes, huge],
    [L.categoricalFocalCrossentropy({ fromLogits: true, gamma: 0.5 }), rows, huge],
    [L.binaryFocalCrossentropy({ gamma: 0.5 }), rows, extremes],
    [L.binaryFocalCrossentropy({ gamma: 0 }), rows, extremes],
    [L.categoricalGeneralizedCrossEntropy(), classes, extremes],
    [L.logCosh(), rows, huge],
    [L.dice(), tf.zeros([4, 4]), tf.zeros([4, 4])],
    [L.tversky(), tf.zeros([4, 4]), tf.zeros([4, 4])],
    [L.circle(), tf.tensor1d([0, 1, 2, 3]), rows],
    [L.circle(), tf.tensor1d([0, 0, 0, 0]), rows],
    [L.ctc(), tf.tensor2d([[1, 1, 1], [0, 0, 0]]), tf.zeros([2, 2, 3])],
  ];
  for (const [loss, yTrue, yPred] of cases) {
    const value = loss.values(yTrue, yPred).dataSync();
    const gradient = tf.grad((x) => applyLoss(loss, yTrue, x) as tf.Scalar)(yPred).dataSync();
    assert([...value, ...gradient].every(Number.isFinite), `${loss.name}: ${value} with gradient ${gradient}`);
  }
});

Deno.test("meanAbsoluteError() has gradient 0 when there is no error", () => {
  const x = tf.tensor2d([[1, 2]]);
  const gradient = tf.grad((p) => applyLoss(L.meanAbsoluteError(), x, p) as tf.Scalar)(x);
  assertEquals([...gradient.dataSync()], [0, 0]);
});

Deno.test("categoricalHinge() shares the gradient between equal classes", () => {
  const gradient = tf.grad((p) => applyLoss(L.categoricalHinge(), tf.tensor2d([[1, 0, 0]]), p) as tf.Scalar)(
    tf.tensor2d([[0, 2, 2]]),
  );
  assertEquals([...gradient.dataSync()], [-1, 0.5, 0.5]);
});

Deno.test("crossentropies from logits stay exact when logits are large", () => {
  const yPred = tf.tensor2d([[1000, 0], [0, 1000]]);
  assertEquals([
    ...L.sparseCategoricalCrossentropy({ fromLogits: true }).values(tf.tensor1d([0, 0], "int32"), yPred).dataSync(),
  ], [0, 1000]);
  assertEquals([
    ...L.binaryCrossentropy({ fromLogits: true }).values(tf.tensor2d([[1, 0], [1, 0]]), yPred).dataSync(),
  ], [Math.fround(Math.LN2 / 2), Math.fround(500 + Math.LN2 / 2)]);
});

Deno.test("sparseCategoricalCrossentropy() leaves ignored entries out of the mean, and out of the gradient", () => {
  const loss = L.sparseCategoricalCrossentropy({ ignoreClass: -1 });
  const yTrue = tf.tensor1d([0, -1, 1], "int32");
  const yPred = tf.tensor2d([[0.5, 0.5], [NaN, 0], [0.75, 0.25]]);
  const run = (x: Tensor) => applyLoss(loss, yTrue, x) as tf.Scalar;
  assertAlmostEquals(run(yPred).dataSync()[0]!, (Math.LN2 + Math.log(4)) / 2, 1e-6);
  const gradient = tf.grad(run)(yPred).dataSync();
  assertEquals([...gradient.slice(2, 4)], [0, 0]);
  assert(gradient.every(Number.isFinite));
});

Deno.test("circle() equals a float64 reference", () => {
  const classes = [0, 1, 0, 1, 2];
  const embeddings = EXAMPLES.circle!.yPred();
  const vectors = embeddings.arraySync() as number[][];
  const [gamma, margin] = [16, 0.25];
  const values = L.circle({ gamma, margin }).values(tf.tensor1d(classes), embeddings).dataSync();
  for (const [i, a] of vectors.entries()) {
    let [pull, push] = [0, 0];
    for (const [j, b] of vectors.entries()) {
      const distance = Math.max(0, 1 - a.reduce((sum, x, k) => sum + x * b[k]!, 0));
      if (classes[i] !== classes[j]) {
        push += Math.exp(gamma * Math.max(0, 1 + margin - distance) * (1 - margin - distance));
      } else if (i !== j) pull += Math.exp(gamma * (margin + distance) * (distance - margin));
    }
    assertAlmostEquals(values[i]!, Math.log1p(pull * push), 1e-4 * (1 + Math.log1p(pull * push)));
  }
});

Deno.test("ctc() equals the sum over all alignments", () => {
  const [steps, classes] = [5, 3];
  const targets = [[1, 2, 0], [1, 1, 0], [2, 0, 0], [1, 2, 1], [0, 0, 0]];
  const yPred = uniform([targets.length, steps, classes], 12, -2, 2);
  const scores = tf.logSoftmax(yPred).arraySync() as number[][][];
  const values = L.ctc().values(tf.tensor2d(targets), yPred).dataSync();
  for (const [row, target] of targets.entries()) {
    let probability = 0;
    for (let path = 0; path < classes ** steps; path++) {
      const symbols = Array.from({ length: steps }, (_, step) => Math.floor(path / classes ** step) % classes);
      const collapsed = symbols.filter((symbol, at) => symbol !== 0 && symbol !== symbols[at - 1]);
      if (collapsed.join() !== target.filter((label) => label !== 0).join()) continue;
      probability += Math.exp(symbols.reduce((sum, symbol, step) => sum + scores[row]![step]![symbol]!, 0));
    }
    assertAlmostEquals(values[row]!, -Math.log(probability), 1e-4);
  }
});

Deno.test("losses align targets that lack or have a last axis of size 1", () => {
  const column = tf.tensor2d([[1], [2]]);
  const row = tf.tensor1d([0, 0]);
  assertEquals([...L.meanSquaredError().values(row, column).dataSync()], [1, 4]);
  assertEquals([...L.meanSquaredError().values(column, row).dataSync()], [1, 4]);
  assertEquals(L.binaryCrossentropy().values(tf.zeros([2, 3]), tf.zeros([2, 3, 1])).shape, [2]);
  assertEquals(squeezeOrExpandToSameRank(tf.zeros([2, 3]), tf.zeros([2, 3, 4])).map(({ shape }) => shape), [
    [2, 3],
    [2, 3, 4],
  ]);
});

Deno.test("losses refuse shapes that do not fit", () => {
  assertThrows(
    () => L.categoricalCrossentropy().values(tf.zeros([2]), tf.zeros([2, 3])),
    TypeError,
    "[2, 3]",
  );
  assertThrows(
    () => L.sparseCategoricalCrossentropy().values(tf.zeros([2, 3]), tf.zeros([2, 3])),
    TypeError,
    "one-hot",
  );
  assertThrows(() => L.ctc().values(tf.zeros([2]), tf.zeros([2, 3])), TypeError, "[batch, steps, classes]");
  assertThrows(() => L.circle().values(tf.zeros([2]), tf.zeros([3, 3])), TypeError, "[batch, dimensions]");
});

Deno.test("loss factories refuse options out of range", () => {
  assertThrows(() => L.huber({ delta: 0 }), RangeError, "delta");
  assertThrows(() => L.binaryCrossentropy({ labelSmoothing: 2 }), RangeError, "labelSmoothing");
  assertThrows(() => L.hinge({ reduction: "average" as "mean" }), RangeError, "sum_over_batch_size");
});

Deno.test("reduceLoss() follows each reduction when there are weights", () => {
  const values = tf.tensor1d([1, 2, 3, 4]);
  const sampleWeight = tf.tensor1d([1, 0, 2, 1]);
  const reduce = (reduction: Parameters<typeof reduceLoss>[1]["reduction"]) => [
    ...reduceLoss(values, { reduction, sampleWeight }).dataSync(),
  ];
  assertEquals(reduce("sum"), [11]);
  assertEquals(reduce("mean"), [11 / 4]);
  assertEquals(reduce("sum_over_batch_size"), [11 / 4]);
  assertEquals(reduce("mean_with_sample_weight"), [11 / 4]);
  assertEquals(reduce("none"), [1, 0, 6, 4]);
});

Deno.test("reduceLoss() averages over what a mask lets through", () => {
  const values = tf.tensor2d([[1, 2], [3, 100]]);
  const mask = tf.tensor2d([[1, 1], [1, 0]], undefined, "bool");
  assertAlmostEquals(reduceLoss(values, { reduction: "mean", mask }).dataSync()[0]!, 2, 1e-6);
  assertEquals(reduceLoss(values, { reduction: "sum", mask }).dataSync()[0], 6);
  const sampleWeight = tf.tensor1d([2, 1]);
  assertAlmostEquals(reduceLoss(values, { reduction: "mean", mask, sampleWeight }).dataSync()[0]!, 3, 1e-6);
  assertAlmostEquals(
    reduceLoss(values, { reduction: "mean_with_sample_weight", mask, sampleWeight }).dataSync()[0]!,
    9 / 5,
    1e-6,
  );
  assertEquals(applyMask({ mask: tf.zeros([2], "bool") }, "mean")!.dataSync(), new Float32Array(2));
});

Deno.test("reduceLoss() is 0 with gradient 0 when nothing counts", () => {
  const options = { reduction: "mean_with_sample_weight", sampleWeight: tf.zeros([2]) } as const;
  const x = tf.tensor1d([1, 2]);
  assertEquals(reduceLoss(x, options).dataSync()[0], 0);
  assertEquals([...tf.grad((v) => reduceLoss(v, options) as tf.Scalar)(x).dataSync()], [0, 0]);
  assertEquals(reduceLoss(tf.zeros([0]), { reduction: "mean" }).dataSync()[0], 0);
});

Deno.test("reduceLoss() refuses weights that belong to other samples", () => {
  const sampleWeight = tf.ones([3]);
  assertThrows(() => reduceLoss(tf.zeros([2]), { reduction: "mean", sampleWeight }), TypeError, "[3]");
});

Deno.test("losses are found by Keras's names, without regard to case and underscores", () => {
  const registry = Registry.empty.use({ name: "built-in", losses });
  for (const name of ["mse", "MSE", "mean_squared_error", "MeanSquaredError", "meanSquaredError"]) {
    assertEquals(registry.create("losses", name).name, "mean_squared_error");
  }
  assertEquals(registry.create("losses", "logcosh").name, "log_cosh");
  assertEquals(registry.create("losses", "huber", { delta: 2 }).name, "huber_loss");
  assert(!registry.has("losses", "crossentropy"));
});

Deno.test("lossTable() passes closed forms", async () => {
  const base = { args: {}, reduction: "sum_over_batch_size", sampleWeight: null } as const;
  const scalar = (value: number) => array([value], []);
  const table: LossCase[] = [
    { ...base, loss: "MeanSquaredError", yTrue: array([0, 0]), yPred: array([1, 2]), expected: scalar(2.5) },
    {
      ...base,
      loss: "Huber",
      args: { delta: 1 },
      reduction: "none",
      yTrue: array([0, 0], [2, 1]),
      yPred: array([0.5, 3], [2, 1]),
      expected: array([0.125, 2.5]),
    },
    {
      ...base,
      loss: "CategoricalCrossentropy",
      args: { from_logits: true, label_smoothing: 0.5 },
      yTrue: array([1, 0], [1, 2]),
      yPred: array([0, 0], [1, 2]),
      expected: scalar(Math.LN2),
    },
    {
      ...base,
      loss: "SparseCategoricalCrossentropy",
      yTrue: array([1, 0], [2], "int64"),
      yPred: array([0.5, 0.5, 1, 3], [2, 2]),
      sampleWeight: array([2, 4]),
      expected: scalar(Math.LN2 + 2 * Math.log(4)),
    },
    { ...base, loss: "Dice", yTrue: array([1, 1]), yPred: array([1, 0]), expected: scalar(1 / 3) },
  ];
  let count = 0;
  for await (const { name, ok, message } of lossTable(table)) {
    assert(ok, `${name}: ${message}`);
    count++;
  }
  assertEquals(count, table.length);
});

Deno.test("lossTable() fails a case when class, argument, shape or value is not as expected", async () => {
  const base = { args: {}, reduction: "mean", sampleWeight: null, yTrue: array([0]), yPred: array([1]) } as const;
  const table: LossCase[] = [
    { ...base, loss: "NoSuchLoss", expected: array([1], []) },
    { ...base, loss: "MeanSquaredError", args: { no_such: 1 }, expected: array([1], []) },
    { ...base, loss: "MeanSquaredError", expected: array([1]) },
    { ...base, loss: "MeanSquaredError", expected: array([1.001], []) },
    { ...base, loss: "MeanSquaredError", yPred: array([NaN]), expected: array([1], []) },
  ];
  const messages: (string | undefined)[] = [];
  for await (const { ok, message } of lossTable(table)) {
    assert(!ok);
    messages.push(message);
  }
  assertEquals(messages.map((message) => /NoSuchLoss|noSuch|shape|\[0\]/.exec(message ?? "")?.[0]), [
    "NoSuchLoss",
    "noSuch",
    "shape",
    "[0]",
    "[0]",
  ]);
  await assertRejects(() => lossTable(null as unknown as LossCase[]).next(), TypeError);
});

const goldens = new URL("../../../shared/goldens/tables/losses.json", import.meta.url);
const found = await Deno.stat(goldens).then(() => true, () => false);
if (!found) console.warn(`%cNot tested against Keras's losses: no ${goldens.pathname}.`, "color: yellow");

Deno.test({
  name: "lossTable() agrees with Keras in every loss, reduction and weighting",
  ignore: !found,
  async fn() {
    const table: LossCase[] = JSON.parse(await Deno.readTextFile(goldens));
    const failures: string[] = [];
    let count = 0;
    for await (const { name, ok, message } of lossTable(table)) {
      count++;
      if (!ok) failures.push(`${name}: ${message}`);
    }
    assertEquals(failures, []);
    assertEquals(count, table.length);
    assert(count > 0);
  },
});
