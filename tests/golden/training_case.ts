/**
 * Runs one file of a folder laid out like `goldens/training`.
 *
 * @module
 */
import { type FitOptions, Model, oneDevice, type Tensor, tf } from "./stride.ts";
import type {
  Callback,
  CompileOptions,
  Executor,
  HostArray,
  LossSpec,
  MetricsSpec,
  Optimizer,
} from "@stride/stride/core";
import { builtins } from "@stride/stride";
import { buildModel, kerasWeights } from "./build_model.ts";
import { type CaseResult, Comparison, tolerance } from "./compare.ts";
import { camelCase, instance, isKerasObject } from "./keras_options.ts";

/** An array as goldens hold it. */
export interface GoldenArray {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly number[];
}

type GoldenData = GoldenArray | Readonly<Record<string, GoldenArray>>;

/** One run of Keras. */
export interface TrainingCase {
  readonly name: string;
  readonly model: Parameters<typeof buildModel>[0];
  readonly initialWeights: readonly GoldenArray[];
  readonly compile: Readonly<Record<string, unknown>>;
  readonly fit: Readonly<Record<string, unknown>>;
  readonly x: GoldenData;
  readonly y: GoldenData;
  readonly sampleWeight: GoldenData | null;
  readonly classWeight: Readonly<Record<string, number>> | null;
  readonly callbacks?: readonly unknown[] | null;
  readonly expected: {
    readonly history: Readonly<Record<string, readonly number[]>>;
    readonly epochs: readonly number[];
    readonly finalWeights: readonly GoldenArray[];
    readonly evaluate: Readonly<Record<string, number>>;
    readonly predictFirst5?: GoldenData | readonly GoldenArray[];
  };
}

/** Where and how to run. */
export interface RunWith {
  readonly executor: string | Executor;
  readonly device: string;
}

/** Everything that a run reports, as lists of numbers by name. */
type Observed = ReadonlyMap<string, ArrayLike<number>>;

/** How often a case that disagrees is run again from weights that differ by rounding. */
const PERTURBED_RUNS = 6;

/** Keras's value and Stride's are two draws; a handful of runs shows less than their whole range. */
const MOVEMENTS = 3;

/**
 * Trains as Keras did and compares everything that it reported.
 *
 * Where a value disagrees, the case is run again from initial weights changed by one unit in the last place. A value that
 * this alone moves by more than the tolerance is decided by rounding, as the bias in front of a batch normalization is under
 * Adam: its gradient is zero but for rounding, and Adam scales it up. Keras disagrees with itself about such values, with
 * and without its compiler. They are compared within a few times the movement that was seen, and the line says so.
 */
export async function runTrainingCase(golden: TrainingCase, runWith: RunWith): Promise<CaseResult> {
  const expected = expectedOf(golden);
  const observed = await observe(golden, runWith, (value) => value);
  const first = compareAll(golden, observed, expected, () => 0);
  if (first.ok) return first;
  const movement = new Map<string, Float64Array>();
  for (let run = 1; run <= PERTURBED_RUNS; run++) {
    const perturbed = await observe(golden, runWith, nudge(run));
    for (const [name, values] of observed) {
      const moved = movement.get(name) ?? new Float64Array(values.length);
      for (let i = 0; i < values.length; i++) {
        moved[i] = Math.max(moved[i]!, Math.abs(values[i]! - perturbed.get(name)![i]!));
      }
      movement.set(name, moved);
    }
  }
  let largest = 0;
  const second = compareAll(golden, observed, expected, (name, index) => {
    const moved = movement.get(name);
    const wanted = expected.get(name)!;
    if (moved === undefined || !moved.some((distance, i) => distance > tolerance(wanted[i]!))) return 0;
    largest = Math.max(largest, moved[index]!);
    return MOVEMENTS * moved[index]!;
  });
  if (!second.ok) return second;
  return { ...second, note: `rounding alone moves some values by up to ${largest.toExponential(1)}` };
}

/** Changes a float32 by one unit in the last place, up, down or not at all. */
function nudge(run: number): (value: number, index: number) => number {
  return (value, index) =>
    value * (1 + ((Math.imul(index + 1, 0x9e3779b1 + run * 0x85ebca6b) >>> 8) % 3 - 1) * 2 ** -23);
}

function compareAll(
  golden: TrainingCase,
  observed: Observed,
  expected: Observed,
  slack: (name: string, index: number, expected: number) => number,
): CaseResult {
  const compared = new Comparison(slack);
  compared.equal("values", [...observed.keys()].sort(), [...expected.keys()].sort());
  for (const [name, values] of expected) compared.numbers(name, observed.get(name) ?? [], values);
  return compared.result(golden.name);
}

function expectedOf({ expected, model }: TrainingCase): Observed {
  const found = new Map<string, ArrayLike<number>>([["epochs", expected.epochs]]);
  for (const [key, values] of Object.entries(expected.history)) found.set(`history.${key}`, values);
  expected.finalWeights.forEach(({ values }, index) => found.set(`finalWeights[${index}]`, values));
  for (const [key, value] of Object.entries(expected.evaluate)) found.set(`evaluate.${key}`, [value]);
  const { predictFirst5: predictions } = expected;
  if (predictions) {
    const outputs: readonly GoldenArray[] = Array.isArray(predictions)
      ? predictions
      : isGoldenArray(predictions)
      ? [predictions]
      : outputNames(model).map((name) => (predictions as Record<string, GoldenArray>)[name]!);
    outputs.forEach(({ values }, index) => found.set(`predictFirst5[${index}]`, values));
  }
  return found;
}

function outputNames(model: TrainingCase["model"]): readonly string[] {
  return (model as { readonly outputs?: readonly string[] }).outputs ?? [];
}

async function observe(
  golden: TrainingCase,
  { executor, device }: RunWith,
  change: (value: number, index: number) => number,
): Promise<Observed> {
  const layers = buildModel(golden.model);
  setInitialWeights(layers, golden.initialWeights.map((array) => ({ ...array, values: array.values.map(change) })));
  const model = oneDevice({ device }).scope(() => Model.from(layers));
  model.compile({ ...compileArguments(golden.compile), executor });
  const data = {
    x: hostData(golden.x),
    y: hostData(golden.y),
    ...(golden.sampleWeight ? { sampleWeight: hostData(golden.sampleWeight) } : {}),
  };
  const history = await model.fit(data, fitArguments(golden));
  const found = new Map<string, ArrayLike<number>>([["epochs", history.epoch]]);
  for (const [key, values] of Object.entries(history.history)) found.set(`history.${key}`, values);
  for (const [index, variable] of kerasWeights(layers).entries()) {
    found.set(`finalWeights[${index}]`, await variable.data());
  }
  const batchSize = golden.fit.batch_size as number | undefined;
  const evaluated = await model.evaluate(data, { ...(batchSize === undefined ? {} : { batchSize }), verbose: 0 });
  for (const [key, value] of Object.entries(evaluated)) found.set(`evaluate.${key}`, [value]);
  if (golden.expected.predictFirst5) {
    const predicted = await model.predict<Tensor | Tensor[]>({ x: first5(data.x) }, { verbose: 0 });
    for (const [index, output] of [predicted].flat().entries()) {
      found.set(`predictFirst5[${index}]`, await output.data());
      output.dispose();
    }
  }
  model.dispose();
  return found;
}

function setInitialWeights(layers: tf.LayersModel, values: readonly GoldenArray[]): void {
  const variables = kerasWeights(layers);
  if (variables.length !== values.length) {
    throw new RangeError(`The model has ${variables.length} weights; the golden has ${values.length}.`);
  }
  variables.forEach((variable, index) => {
    const { shape, values: numbers } = values[index]!;
    tf.tidy(() => variable.assign(tf.tensor([...numbers], [...shape], "float32")));
  });
}

function hostArray({ shape, dtype, values }: GoldenArray): HostArray {
  return dtype.startsWith("int") || dtype.startsWith("uint")
    ? { shape, dtype: "int32", values: Int32Array.from(values) }
    : { shape, dtype: "float32", values: Float32Array.from(values) };
}

function isGoldenArray(data: unknown): data is GoldenArray {
  return Array.isArray((data as GoldenArray).values);
}

function hostData(data: GoldenData): HostArray | Record<string, HostArray> {
  if (isGoldenArray(data)) return hostArray(data);
  return Object.fromEntries(
    Object.entries(data as Record<string, GoldenArray>).map(([name, array]) => [name, hostArray(array)]),
  );
}

function compileArguments(given: TrainingCase["compile"]): CompileOptions {
  const { optimizer, loss, metrics, weighted_metrics: weighted, ...rest } = given;
  const named = Object.fromEntries(Object.entries(rest).map(([key, value]) => [camelCase(key), value]));
  return {
    ...named,
    optimizer: instance(builtins, "optimizers", optimizer) as Optimizer | string,
    loss: each(loss, (one) => instance(builtins, "losses", one)) as LossSpec,
    metrics: each(metrics ?? [], (one) => instance(builtins, "metrics", one)) as MetricsSpec,
    weightedMetrics: each(weighted ?? [], (one) => instance(builtins, "metrics", one)) as MetricsSpec,
  };
}

/** Converts leaves of lists and dicts; a class with arguments is a leaf. */
function each(value: unknown, convert: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => each(item, convert));
  if (typeof value === "object" && value !== null && !isKerasObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, each(item, convert)]));
  }
  return convert(value);
}

function fitArguments({ fit, classWeight, callbacks }: TrainingCase): FitOptions {
  const { validation_data: validation, ...rest } = fit;
  const options = Object.fromEntries(Object.entries(rest).map(([key, value]) => [camelCase(key), value]));
  return {
    ...options,
    verbose: 0,
    shuffle: false,
    ...(classWeight ? { classWeight } : {}),
    ...(validation ? { validationData: validationData(validation) } : {}),
    callbacks: (callbacks ?? []).map((callback) => instance(builtins, "callbacks", callback) as Callback),
  };
}

function validationData(given: unknown): { x: HostArray | Record<string, HostArray> } {
  const [x, y, sampleWeight] = Array.isArray(given) ? given as [GoldenData, GoldenData, GoldenData?] : [
    (given as { x: GoldenData }).x,
    (given as { y: GoldenData }).y,
    (given as { sampleWeight?: GoldenData }).sampleWeight,
  ];
  return {
    x: hostData(x),
    ...(y ? { y: hostData(y) } : {}),
    ...(sampleWeight ? { sampleWeight: hostData(sampleWeight) } : {}),
  };
}

function first5(x: HostArray | Record<string, HostArray>): HostArray | Record<string, HostArray> {
  const head = (array: HostArray): HostArray => {
    const size = array.values.length / array.shape[0]!;
    return { ...array, shape: [5, ...array.shape.slice(1)], values: array.values.slice(0, 5 * size) };
  };
  if (ArrayBuffer.isView(x.values)) return head(x as HostArray);
  return Object.fromEntries(Object.entries(x as Record<string, HostArray>).map(([name, array]) => [name, head(array)]));
}
