import { assert, assertAlmostEquals, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import type { LearningRateSchedule, Optimizer } from "../../core/optimizer.ts";
import { Registry } from "../../core/registry.ts";
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import {
  adadelta,
  adafactor,
  adagrad,
  adam,
  adamax,
  adamW,
  cosineDecay,
  cosineDecayRestarts,
  createOptimizer,
  exponentialDecay,
  ftrl,
  inverseTimeDecay,
  lamb,
  lion,
  muon,
  nadam,
  type OptimizerName,
  optimizers,
  piecewiseConstantDecay,
  polynomialDecay,
  rmsprop,
  sgd,
} from "../../plugins/optimizers/mod.ts";
import { takeStep, testOptimizerContract, testWeight } from "../contracts/optimizer_contract.ts";
import keras from "./optimizers_keras.json" with { type: "json" };

await tf.ready();

/** The tolerance that the goldens ask for. */
function assertClose(found: ArrayLike<number>, expected: readonly number[], what: string): void {
  assertEquals(found.length, expected.length, what);
  expected.forEach((value, i) => assertAlmostEquals(found[i]!, value, 2e-4 * Math.abs(value) + 2e-5, `${what}[${i}]`));
}

function read({ variable }: StepVariable): number[] {
  return [...variable.dataSync<"float32">()];
}

// The contract, for every optimizer and for every option that changes what a step does.

const contracts: Readonly<Record<string, () => Optimizer>> = {
  "sgd()": () => sgd(),
  "sgd({ momentum })": () => sgd({ momentum: 0.9, clipnorm: 1 }),
  "sgd({ nesterov })": () => sgd({ momentum: 0.9, nesterov: true, globalClipnorm: 1 }),
  "sgd({ gradientAccumulationSteps })": () => sgd({ momentum: 0.5, gradientAccumulationSteps: 3, useEma: true }),
  "rmsprop()": () => rmsprop(),
  "rmsprop({ momentum, centered })": () => rmsprop({ momentum: 0.5, centered: true, clipvalue: 1 }),
  "adam()": () => adam(),
  "adam({ amsgrad })": () => adam({ amsgrad: true, weightDecay: 0.01 }),
  "adam({ every shared option })": () =>
    adam({
      weightDecay: 0.01,
      excludeFromWeightDecay: { paths: ["bias"] },
      globalClipnorm: 2,
      useEma: true,
      emaMomentum: 0.5,
      emaOverwriteFrequency: 2,
      lossScaleFactor: 8,
      gradientAccumulationSteps: 2,
    }),
  "adamW()": () => adamW(),
  "adagrad()": () => adagrad(),
  "adadelta()": () => adadelta(),
  "adamax()": () => adamax(),
  "nadam()": () => nadam(),
  "ftrl()": () => ftrl({ learningRate: 0.05 }),
  "ftrl({ learningRatePower, l1 })": () =>
    ftrl({ learningRate: 0.05, learningRatePower: -0.8, l1RegularizationStrength: 0.01, beta: 0.1 }),
  "lion()": () => lion(),
  "adafactor()": () => adafactor(),
  "lamb()": () => lamb(),
  "muon()": () => muon(),
};
for (const [name, create] of Object.entries(contracts)) testOptimizerContract(name, create);

// Keras's own numbers.

const start = (): StepVariable[] => [
  testWeight("kernel", [0.5, -1, 0.25, 1.5, 0.75, -0.5], [2, 3]),
  testWeight("tall", [0.2, -0.4, 0.6], [3, 1]),
  testWeight("bias", [0.1, -0.2, 0], [3]),
  testWeight("cube", Array.from({ length: 8 }, (_, i) => -1 + 2 * i / 7), [2, 2, 2]),
];

/** The gradients that optimizers_keras.json was made with. */
function kerasGradient(step: number, index: number, shape: readonly number[]): Tensor {
  const values = Array.from(
    { length: shape.reduce((product, size) => product * size, 1) },
    (_, k) => Math.sin(1.3 * k + 0.7 * step + index) + 0.25 * Math.cos(2.1 * step - k),
  );
  return tf.tensor(values, [...shape], "float32");
}

function kerasSteps(optimizer: Optimizer, variables: readonly StepVariable[], from: number, to: number): void {
  for (let step = from; step < to; step++) {
    tf.tidy(() =>
      takeStep(optimizer, variables.map(({ variable }, i) => kerasGradient(step, i, variable.shape)), variables)
    );
  }
}

for (const { optimizer: name, options, weights, averages } of keras.optimizers) {
  Deno.test(`${name}() equals Keras's when made with ${JSON.stringify(options)}`, () => {
    const optimizer = optimizers[name as OptimizerName](options);
    const variables = start();
    optimizer.build(variables);
    kerasSteps(optimizer, variables, 0, 7);
    variables.forEach((weight, i) => assertClose(read(weight), weights[i]!, weight.path));
    averages?.forEach((values, i) => assertClose(read(optimizer.averages![i]!), values, `average of ${i}`));
    assertEquals(optimizer.averages === undefined, averages === undefined);
    optimizer.dispose();
    tf.dispose(variables.map(({ variable }) => variable));
  });
}

// Whole trainings by Keras, where its reference results are beside the repository.

interface HostArray {
  readonly shape: number[];
  readonly values: number[];
}

interface Golden {
  readonly initialWeights: readonly HostArray[];
  readonly compile: { readonly optimizer: Readonly<Record<string, unknown>> & { readonly class: OptimizerName } };
  readonly fit: { readonly batch_size: number; readonly epochs: number };
  readonly x: HostArray;
  readonly y: HostArray;
  readonly expected: {
    readonly history: { readonly loss: readonly number[] };
    readonly finalWeights: readonly HostArray[];
  };
}

const goldens = new URL("../../../shared/goldens/training/", import.meta.url);
const goldenNames = listGoldens();
if (goldenNames.length === 0) {
  console.warn(`NOT CHECKED against whole Keras trainings: found none in ${goldens.pathname}`);
}

function listGoldens(): readonly string[] {
  try {
    return [...Deno.readDirSync(goldens)].map(({ name }) => name)
      .filter((name) => /^(opt_|schedule_|accumulation_)/.test(name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

Deno.test({
  name: "every optimizer golden of Keras is there",
  ignore: goldenNames.length === 0,
  fn: () => assert(goldenNames.length >= 25, `${goldenNames.length} goldens`),
});

for (const name of goldenNames) {
  Deno.test(`training equals Keras's in ${name}`, async () => {
    const golden: Golden = JSON.parse(await Deno.readTextFile(new URL(name, goldens)));
    const { class: optimizerName, ...options } = golden.compile.optimizer;
    const optimizer = optimizers[optimizerName](camelCase(options));
    const weights = golden.initialWeights.map(({ shape, values }, i) => testWeight(`weight_${i}`, values, shape));
    optimizer.build(weights);
    const losses = train(optimizer, weights, golden);
    optimizer.finalize?.(weights);
    assertClose(losses, golden.expected.history.loss, "loss");
    weights.forEach((weight, i) => assertClose(read(weight), golden.expected.finalWeights[i]!.values, weight.path));
    optimizer.dispose();
    tf.dispose(weights.map(({ variable }) => variable));
  });
}

/** Trains a network of two dense layers on mean squared error; the mean loss of each epoch. */
function train(optimizer: Optimizer, weights: readonly StepVariable[], { x, y, fit }: Golden): number[] {
  const [kernel1, bias1, kernel2, bias2] = weights.map(({ variable }) => variable) as [
    tf.Variable,
    tf.Variable,
    tf.Variable,
    tf.Variable,
  ];
  const rows = x.shape[0]!;
  const inputs = tf.tensor(x.values, x.shape, "float32");
  const targets = tf.tensor(y.values, y.shape, "float32");
  const part = (tensor: Tensor, first: number, count: number): Tensor =>
    tf.slice(tensor, [first, 0], [count, tensor.shape[1]!]);
  const losses = Array.from({ length: fit.epochs }, () => {
    let sum = 0;
    for (let first = 0; first < rows; first += fit.batch_size) {
      const count = Math.min(fit.batch_size, rows - first);
      tf.tidy(() => {
        const forward = (): tf.Scalar => {
          const hidden = part(inputs, first, count).matMul(kernel1).add(bias1).tanh();
          return hidden.matMul(kernel2).add(bias2).sub(part(targets, first, count)).square().mean();
        };
        const { value, grads } = tf.variableGrads(forward, weights.map(({ variable }) => variable));
        sum += value.dataSync()[0]! * count;
        takeStep(optimizer, weights.map(({ variable }) => grads[variable.name] ?? null), weights);
      });
    }
    return sum / rows;
  });
  tf.dispose([inputs, targets]);
  return losses;
}

// deno-lint-ignore no-explicit-any -- the options of six schedules, from a file.
const schedules: Readonly<Record<string, (options: any) => LearningRateSchedule>> = {
  exponential: exponentialDecay,
  piecewise: piecewiseConstantDecay,
  polynomial: polynomialDecay,
  inverse_time: inverseTimeDecay,
  cosine_warmup: cosineDecay,
  cosine_restarts: cosineDecayRestarts,
};

function camelCase(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => {
      const name = key.replaceAll(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
      if (typeof value !== "object" || value === null || Array.isArray(value)) return [name, value];
      const { schedule, ...rest } = value as { schedule: string };
      return [name, schedules[schedule]!(camelCase(rest))];
    }),
  );
}

// Closed forms and edges.

Deno.test("adam() takes a first step of the learning rate against the sign of each gradient", () => {
  const weight = testWeight("w", [1, 1, 1], [3]);
  const optimizer = adam({ learningRate: 0.1, epsilon: 0 });
  optimizer.build([weight]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([3, -0.001, 700])], [weight]));
  assertClose(read(weight), [0.9, 1.1, 0.9], "w");
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("nadam() has the same row when it is asked out of order or far ahead", () => {
  const factor = (step: number): number => 0.9 * (1 - 0.5 * 0.96 ** step);
  const product = (steps: number): number =>
    Array.from({ length: steps }, (_, i) => factor(i + 1)).reduce((a, b) => a * b);
  const optimizer = nadam({ learningRate: 1 });
  for (const iteration of [20, 3, 4, 0, 19]) {
    const step = iteration + 1;
    const [, momentumStep, gradientStep] = optimizer.row(iteration);
    assertAlmostEquals(momentumStep!, factor(step + 1) / (1 - product(step + 1)), 1e-12);
    assertAlmostEquals(gradientStep!, (1 - factor(step)) / (1 - product(step)), 1e-12);
  }
  assertAlmostEquals(optimizer.row(1e9)[1]!, 0.9, 1e-12);
});

Deno.test("adafactor() keeps row and column means for matrices and a full slot for vectors", () => {
  const weights = start();
  const slots = adafactor().build(weights);
  assertEquals(slots.map(({ path, variable }) => [path, variable.shape]), [
    ["adafactor/kernel/row", [2]],
    ["adafactor/kernel/column", [3]],
    ["adafactor/tall/row", [3]],
    ["adafactor/tall/column", [1]],
    ["adafactor/bias/velocity", [3]],
    ["adafactor/cube/row", [2, 2]],
    ["adafactor/cube/column", [2, 2]],
  ]);
  tf.dispose([...slots, ...weights].map(({ variable }) => variable));
});

Deno.test("lamb() takes Adam's own step when a weight or its step is zero", () => {
  const weights = [testWeight("zero", [0, 0], [2]), testWeight("still", [3, 4], [2])];
  const optimizer = lamb({ learningRate: 0.1, epsilon: 1e-7 });
  optimizer.build(weights);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([5, -5]), tf.zeros([2])], weights));
  assertClose(read(weights[0]!), [-0.1, 0.1], "zero");
  assertEquals(read(weights[1]!), [3, 4]);
  optimizer.dispose();
  tf.dispose(weights.map(({ variable }) => variable));
});

Deno.test("muon() orthogonalizes updates of hidden matrices and leaves the rest to Adam", () => {
  const weights = [
    testWeight("hidden/kernel", [0, 0, 0, 0, 0, 0], [3, 2]),
    testWeight("Embedding_1/table", [0, 0, 0, 0], [2, 2]),
    testWeight("output/kernel", [0, 0, 0, 0], [2, 2]),
  ];
  const optimizer = muon({ learningRate: 1, rmsRate: null, excludeLayers: [/^output\//] });
  const slots = optimizer.build(weights);
  assertEquals(slots.map(({ path }) => path), [
    "muon/hidden/kernel/momentum",
    "muon/Embedding_1/table/momentum",
    "muon/Embedding_1/table/velocity",
    "muon/output/kernel/momentum",
    "muon/output/kernel/velocity",
  ]);
  tf.tidy(() => {
    const square = tf.tensor2d([1, 2, 3, -4], [2, 2]);
    takeStep(optimizer, [tf.tensor2d([1, 2, -3, 4, 5, 6], [3, 2]), square, square], weights);
  });
  const [a, b, c, d, e, f] = read(weights[0]!) as [number, number, number, number, number, number];
  // Five Newton-Schulz iterations bring singular values into about [0.7, 1.2]: columns are nearly orthonormal.
  const first = a * a + c * c + e * e;
  const second = b * b + d * d + f * f;
  for (const norm of [first, second]) assert(norm > 0.4 && norm < 1.5, `${norm}`);
  assert(Math.abs(a * b + c * d + e * f) < 0.35);
  optimizer.dispose();
  tf.dispose(weights.map(({ variable }) => variable));
});

Deno.test("ftrl() makes weights exactly zero when l1 outweighs their gradients", () => {
  const weight = testWeight("w", [0.5, 0.5], [2]);
  const optimizer = ftrl({ learningRate: 0.1, l1RegularizationStrength: 2 });
  optimizer.build([weight]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([0.1, -40])], [weight]));
  assertEquals(read(weight)[0], 0);
  assert(read(weight)[1]! > 0);
  optimizer.learningRate = 0;
  assertThrows(() => optimizer.row(1), RangeError, "learning rate is 0");
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("weightDecay shrinks all weights but the excluded ones when gradients are zero", () => {
  const paths = ["dense/kernel", "dense/bias", "norm/gamma"];
  const weights = paths.map((path) => testWeight(path, [2, -2], [2]));
  const optimizer = sgd({
    learningRate: 0.5,
    weightDecay: 0.1,
    excludeFromWeightDecay: { paths: ["bias", /^norm\//g] },
  });
  optimizer.build(weights);
  for (let i = 0; i < 2; i++) tf.tidy(() => takeStep(optimizer, weights.map(() => tf.zeros([2])), weights));
  const shrunk = 2 * 0.95 ** 2;
  assertClose(read(weights[0]!), [shrunk, -shrunk], "kernel");
  assertEquals(weights.slice(1).map(read), [[2, -2], [2, -2]]);
  optimizer.dispose();
  tf.dispose(weights.map(({ variable }) => variable));
});

Deno.test("clipping scales gradients by their own norm, by all norms, or cuts elements", () => {
  const cases: [Parameters<typeof sgd>[0], number[][]][] = [
    [{ clipnorm: 1 }, [[0.6, 0.8], [0.3, 0.4]]],
    [{ globalClipnorm: 1 }, [[3, 4], [0.3, 0.4]].map((g) => g.map((x) => x / Math.hypot(3, 4, 0.3, 0.4)))],
    [{ globalClipnorm: 10 }, [[3, 4], [0.3, 0.4]]],
    [{ clipvalue: 0.35 }, [[0.35, 0.35], [0.3, 0.35]]],
  ];
  for (const [options, expected] of cases) {
    const weights = [testWeight("a", [0, 0], [2]), testWeight("b", [0, 0], [2]), testWeight("c", [7], [1])];
    const optimizer = sgd({ learningRate: 1, ...options });
    optimizer.build(weights);
    tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-3, -4]), tf.tensor1d([-0.3, -0.4]), null], weights));
    assertClose(read(weights[0]!), expected[0]!, JSON.stringify(options));
    assertClose(read(weights[1]!), expected[1]!, JSON.stringify(options));
    assertEquals(read(weights[2]!), [7]);
    optimizer.dispose();
    tf.dispose(weights.map(({ variable }) => variable));
  }
});

Deno.test("globalClipnorm makes every gradient NaN when one is infinite", () => {
  const weights = [testWeight("a", [1], [1]), testWeight("b", [1], [1])];
  const optimizer = sgd({ globalClipnorm: 1 });
  optimizer.build(weights);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([Infinity]), tf.tensor1d([0.5])], weights));
  assertEquals(weights.map(read), [[NaN], [NaN]]);
  optimizer.dispose();
  tf.dispose(weights.map(({ variable }) => variable));
});

Deno.test("clipnorm and globalClipnorm leave gradients of zero alone", () => {
  for (const options of [{ clipnorm: 1 }, { globalClipnorm: 1 }]) {
    const weight = testWeight("a", [1, 2], [2]);
    const optimizer = sgd(options);
    optimizer.build([weight]);
    tf.tidy(() => takeStep(optimizer, [tf.zeros([2])], [weight]));
    assertEquals(read(weight), [1, 2]);
    optimizer.dispose();
    weight.variable.dispose();
  }
});

Deno.test("gradientAccumulationSteps updates by the mean of each window and keeps a partial one", () => {
  const weight = testWeight("w", [0], [1]);
  const optimizer = sgd({ learningRate: 1, momentum: 0.5, gradientAccumulationSteps: 3 });
  const slots = optimizer.build([weight]);
  const seen = [3, 6, 9, 30, 60, 90, 5, 7].map((gradient) => {
    tf.tidy(() => takeStep(optimizer, [tf.tensor1d([gradient])], [weight]));
    return read(weight)[0]!;
  });
  // Means are 6 and 60; momentum is 0.5 * 6 + 60 at the second update, and the last window is not full.
  assertClose(seen, [0, 0, -6, -6, -6, -69, -69, -69], "w");
  assertEquals(Object.fromEntries(slots.map((slot) => [slot.path, read(slot)])), {
    "sgd/w/gradient_accumulator": [12],
    "sgd/w/momentum": [-63],
  });
  assertEquals(optimizer.iterations, 8);
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("gradientAccumulationSteps keeps NaN out of weights until the update and then passes it on", () => {
  const weight = testWeight("w", [1], [1]);
  const optimizer = adam({ gradientAccumulationSteps: 2 });
  optimizer.build([weight]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([NaN])], [weight]));
  assertEquals(read(weight), [1]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([1])], [weight]));
  assertEquals(read(weight), [NaN]);
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("schedules count batches and bias corrections count updates when gradients are accumulated", () => {
  const seen: number[] = [];
  const schedule = (step: number): number => (seen.push(step), 1);
  const optimizer = adam({ learningRate: schedule, gradientAccumulationSteps: 2, useEma: true });
  const column = (name: string): number[] =>
    [0, 1, 2, 3].map((i) => optimizer.row(i)[optimizer.columns.indexOf(name)]!);
  const stepSize = (step: number): number => Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step);
  assertEquals(column("stepSize"), [stepSize(1), stepSize(1), stepSize(2), stepSize(2)]);
  assertEquals(seen, [0, 1, 2, 3]);
  assertEquals(column("applies"), [0, 1, 0, 1]);
  assertEquals(column("averageMomentum"), [0, 0, 0.99, 0.99]);
});

Deno.test("useEma averages weights from the first update on and finalize() puts averages in their place", () => {
  const weight = testWeight("w", [1], [1]);
  const frozen = testWeight("frozen", [5], [1]);
  const optimizer = sgd({ learningRate: 1, useEma: true, emaMomentum: 0.75 });
  optimizer.build([weight, frozen]);
  let expected = 0;
  for (let i = 0; i < 4; i++) {
    tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-1]), null], [weight, frozen]));
    const value = 2 + i;
    expected = i === 0 ? value : 0.75 * expected + 0.25 * value;
    assertClose(read(optimizer.averages![0]!), [expected], `step ${i}`);
  }
  assertEquals(read(optimizer.averages![1]!), [5]);
  const { numTensors } = tf.memory();
  optimizer.finalize!([weight, frozen]);
  assertEquals(tf.memory().numTensors, numTensors);
  assertClose(read(weight), [expected], "weight");
  assertEquals(read(frozen), [5]);
  optimizer.dispose();
  assertEquals(optimizer.averages, undefined);
  tf.dispose([weight.variable, frozen.variable]);
});

Deno.test("useEma starts the average of a weight that joins later from its value", () => {
  const first = testWeight("first", [1], [1]);
  const late = testWeight("late", [8], [1]);
  const optimizer = sgd({ learningRate: 0, useEma: true });
  optimizer.build([first]);
  for (let i = 0; i < 3; i++) tf.tidy(() => takeStep(optimizer, [tf.ones([1])], [first]));
  optimizer.build([first, late]);
  tf.tidy(() => takeStep(optimizer, [tf.ones([1]), tf.ones([1])], [first, late]));
  assertClose(read(optimizer.averages![1]!), [8], "late");
  optimizer.dispose();
  tf.dispose([first.variable, late.variable]);
});

Deno.test("build() keeps momentum when a layer is unfrozen", () => {
  const head = testWeight("head/kernel", [0], [1]);
  const body = testWeight("body/kernel", [0], [1]);
  const optimizer = sgd({ learningRate: 1, momentum: 0.5 });
  const [slot] = optimizer.build([head]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-4])], [head]));
  const slots = optimizer.build([body, head]);
  assertEquals(slots.map(({ path }) => path), ["sgd/body/kernel/momentum", "sgd/head/kernel/momentum"]);
  assertStrictEquals(slots[1]!.variable, slot!.variable);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-4]), tf.tensor1d([0])], [body, head]));
  assertEquals([read(body), read(head)], [[4], [6]]);
  optimizer.dispose();
  tf.dispose([head.variable, body.variable]);
});

Deno.test("learningRate takes effect at the next step when it is assigned midway", () => {
  const weight = testWeight("w", [0], [1]);
  const optimizer = sgd({ learningRate: 1 });
  optimizer.build([weight]);
  const step = (): number => {
    tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-1])], [weight]));
    return read(weight)[0]!;
  };
  assertEquals(step(), 1);
  optimizer.learningRate = 0.25;
  assertEquals(step(), 1.25);
  optimizer.learningRate = (iteration) => iteration * 10;
  assertEquals(step(), 21.25);
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("row() names the step when a schedule returns no learning rate", () => {
  const optimizer = adam({ learningRate: (step) => step > 2 ? NaN : 0.1 });
  optimizer.row(2);
  assertThrows(
    () => optimizer.row(3),
    RangeError,
    'Cannot take step 3 of optimizer "adam": its learning rate schedule returned NaN; expected a finite number >= 0.',
  );
});

Deno.test("lossScaleFactor divides gradients by what the loss was multiplied by", () => {
  const weight = testWeight("w", [0], [1]);
  const optimizer = sgd({ learningRate: 1, lossScaleFactor: 16 });
  assertEquals(optimizer.lossScale, 16);
  assertEquals(sgd().lossScale, 1);
  optimizer.build([weight]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([-32])], [weight]));
  assertEquals(read(weight), [2]);
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("createOptimizer() gives a rule of one line everything that optimizers share", () => {
  const weight = testWeight("w", [1], [1]);
  const optimizer = createOptimizer({
    name: "descent",
    update: ({ gradient, weight, scalars }) => ({ weight: weight.sub(gradient.mul(scalars.learningRate)) }),
  }, { learningRate: 0.5, name: "mine", clipvalue: 1, useEma: true });
  assertEquals(optimizer.build([weight]).map(({ path }) => path), ["mine/w/average"]);
  tf.tidy(() => takeStep(optimizer, [tf.tensor1d([9])], [weight]));
  assertEquals(read(weight), [0.5]);
  optimizer.dispose();
  weight.variable.dispose();
});

Deno.test("build() and apply() say what is wrong when variables are not those expected", () => {
  const weight = testWeight("w", [1], [1]);
  const other = testWeight("other", [1], [1]);
  const twin = testWeight("w", [1], [1]);
  const integers = { ...other, variable: tf.tidy(() => tf.variable(tf.tensor1d([1], "int32"))) };
  const optimizer = sgd();
  assertThrows(() => optimizer.build([weight, twin]), RangeError, 'two variables have the path "w"');
  assertThrows(() => optimizer.build([integers]), TypeError, '"other" has dtype int32; expected float32');
  optimizer.build([weight]);
  assertThrows(
    () => tf.tidy(() => takeStep(optimizer, [tf.ones([1])], [other])),
    Error,
    'Optimizer "sgd" cannot update "other": it was built for w.',
  );
  tf.tidy(() => takeStep(optimizer, [], []));
  optimizer.dispose();
  tf.dispose([weight, other, twin, integers].map(({ variable }) => variable));
});

Deno.test("factories refuse options when they are out of range, misspelt or at odds", () => {
  const outOfRange: readonly (() => Optimizer)[] = [
    () => sgd({ learningRate: -0.1 }),
    () => sgd({ learningRate: Infinity }),
    () => sgd({ momentum: 1.5 }),
    () => sgd({ momentum: -0.5 }),
    () => sgd({ weightDecay: -1 }),
    () => sgd({ clipnorm: 0 }),
    () => sgd({ globalClipnorm: -1 }),
    () => sgd({ clipvalue: 0 }),
    () => sgd({ clipnorm: 1, clipvalue: 1 }),
    () => sgd({ useEma: true, emaMomentum: 1.1 }),
    () => sgd({ useEma: true, emaOverwriteFrequency: 0 }),
    () => sgd({ gradientAccumulationSteps: 1 }),
    () => sgd({ gradientAccumulationSteps: 2.5 }),
    () => sgd({ lossScaleFactor: 0 }),
    () => rmsprop({ rho: 2 }),
    () => adam({ beta1: 1 }),
    () => adam({ epsilon: -1 }),
    () => adagrad({ initialAccumulatorValue: -1 }),
    () => adadelta({ rho: -1 }),
    () => adamax({ beta2: 1 }),
    () => nadam({ beta1: -0.1 }),
    () => ftrl({ learningRatePower: 0.5 }),
    () => ftrl({ l1RegularizationStrength: -1 }),
    () => lion({ beta1: 0 }),
    () => adafactor({ clipThreshold: 0 }),
    () => lamb({ beta2: 1 }),
    () => muon({ nsSteps: -1 }),
  ];
  for (const create of outOfRange) assertThrows(create, RangeError, "Cannot ", create.toString());
  const wrong: readonly unknown[] = [{ momentun: 0.9 }, { momentum: "0.9" }, { momentum: null }, {
    learningRate: "fast",
  }, 0.1];
  for (const options of wrong) {
    assertThrows(() => optimizers.sgd(options), TypeError, "Cannot ", JSON.stringify(options));
  }
  assertThrows(() => optimizers.adamw({ weightDecay: null }), TypeError, "weightDecay is null");
  assertThrows(
    () => sgd({ momentum: 1.5 }),
    RangeError,
    'Cannot create optimizer "sgd": momentum is 1.5; expected a number in [0, 1].',
  );
});

Deno.test("factories take null for Keras's None", () => {
  const shared = {
    name: null,
    weightDecay: null,
    excludeFromWeightDecay: null,
    clipnorm: null,
    globalClipnorm: null,
    clipvalue: null,
    useEma: false,
    emaMomentum: 0.99,
    emaOverwriteFrequency: null,
    lossScaleFactor: null,
    gradientAccumulationSteps: null,
  };
  assertEquals(sgd(shared).columns, ["learningRate"]);
  assertEquals(sgd(shared).name, "sgd");
});

Deno.test("optimizers is a plugin under Keras's names and defaults", () => {
  const registry = Registry.empty.use({ name: "built-in", optimizers });
  const rates: Readonly<Record<OptimizerName, number>> = {
    sgd: 0.01,
    rmsprop: 0.001,
    adam: 0.001,
    adamw: 0.001,
    adagrad: 0.001,
    adadelta: 0.001,
    adamax: 0.001,
    nadam: 0.001,
    ftrl: 0.001,
    lion: 0.001,
    adafactor: 0.001,
    lamb: 0.001,
    muon: 0.001,
  };
  assertEquals(registry.names("optimizers"), Object.keys(rates));
  for (const [name, rate] of Object.entries(rates)) {
    const optimizer = registry.create("optimizers", name);
    assertEquals([optimizer.name, optimizer.learningRate], [name, rate]);
  }
});
