/**
 * Runs one file of a folder laid out like `goldens/training`.
 *
 * @module
 */
import { type FitOptions, Model, oneDevice, type Tensor, tf } from "./stride.ts";
import type { Callback, CompileOptions, HostArray, LossSpec, MetricsSpec, Optimizer } from "@stride/stride/core";
import { builtins } from "@stride/stride";
import { buildModel, kerasWeights } from "./build_model.ts";
import { type CaseResult, Comparison } from "./compare.ts";
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
  readonly executor: string;
  readonly device: string;
}

/** Trains as Keras did and compares everything that it reported. */
export async function runTrainingCase(golden: TrainingCase, { executor, device }: RunWith): Promise<CaseResult> {
  const compared = new Comparison();
  const layers = buildModel(golden.model);
  setInitialWeights(layers, golden.initialWeights);
  const model = oneDevice({ device }).scope(() => Model.from(layers));
  model.compile({ ...compileArguments(golden.compile), executor });
  const data = {
    x: hostData(golden.x),
    y: hostData(golden.y),
    ...(golden.sampleWeight ? { sampleWeight: hostData(golden.sampleWeight) } : {}),
  };
  const history = await model.fit(data, fitArguments(golden));
  const { expected } = golden;
  compared.equal("epochs", history.epoch, expected.epochs);
  compared.equal("history keys", Object.keys(history.history).sort(), Object.keys(expected.history).sort());
  for (const [key, values] of Object.entries(expected.history)) {
    compared.numbers(`history.${key}`, history.history[key] ?? [], values);
  }
  for (const [index, variable] of kerasWeights(layers).entries()) {
    compared.numbers(`finalWeights[${index}]`, await variable.data(), expected.finalWeights[index]?.values ?? []);
  }
  const batchSize = golden.fit.batch_size as number | undefined;
  const evaluated = await model.evaluate(data, { batchSize, verbose: 0 });
  for (const [key, value] of Object.entries(expected.evaluate)) {
    compared.number(`evaluate.${key}`, evaluated[key], value);
  }
  if (expected.predictFirst5) await comparePredictions(compared, model, data.x, expected.predictFirst5);
  model.dispose();
  return compared.result(golden.name);
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

function hostData(data: GoldenData): HostArray | Record<string, HostArray> {
  if ("values" in data && Array.isArray(data.values)) return hostArray(data as GoldenArray);
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

async function comparePredictions(
  compared: Comparison,
  model: Model,
  x: HostArray | Record<string, HostArray>,
  expected: NonNullable<TrainingCase["expected"]["predictFirst5"]>,
): Promise<void> {
  const first5 = (array: HostArray): HostArray => {
    const size = array.values.length / array.shape[0]!;
    return { ...array, shape: [5, ...array.shape.slice(1)], values: array.values.slice(0, 5 * size) };
  };
  const input = ArrayBuffer.isView(x.values)
    ? first5(x as HostArray)
    : Object.fromEntries(Object.entries(x as Record<string, HostArray>).map(([name, array]) => [name, first5(array)]));
  const predicted = await model.predict<Tensor | Tensor[]>({ x: input }, { verbose: 0 });
  const outputs = Array.isArray(predicted) ? predicted : [predicted];
  const wanted: readonly GoldenArray[] = Array.isArray(expected)
    ? expected
    : "values" in expected && Array.isArray(expected.values)
    ? [expected as GoldenArray]
    : (model.outputNames ?? []).map((name) => (expected as Record<string, GoldenArray>)[name]!);
  compared.equal("number of outputs", outputs.length, wanted.length);
  for (const [index, output] of outputs.entries()) {
    compared.numbers(`predictFirst5[${index}]`, await output.data(), wanted[index]?.values ?? []);
    output.dispose();
  }
}
