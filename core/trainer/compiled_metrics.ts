/**
 * The `metrics` and `weightedMetrics` of compile, applied to a model's outputs.
 *
 * @module
 */
import { describeValue } from "../data/host_array.ts";
import { TraceError } from "../errors.ts";
import { knownNames } from "../known_names.ts";
import { meanMetric } from "../mean_metric.ts";
import type { BoundMetric, HostMetric, Metric, MetricFunction } from "../metric.ts";
import { isPlainObject, mapNested } from "../nested.ts";
import { applyMask } from "../reduce.ts";
import type { Registry } from "../registry.ts";
import { formatShape, type Tensor } from "../tf.ts";
import { isCrossentropy } from "./compiled_loss.ts";
import { alignOptions, alignSampleWeights, alignTensors, openShape, outputNames, variantByShape } from "./outputs.ts";
import { getMask, type Prediction } from "./step_scope.ts";

/** One metric: by name, as an object or as a function of `(yTrue, yPred)`. */
export type MetricChoice<Name extends string = string> = Name | Metric | HostMetric | MetricFunction;

/** The metrics of one output. */
export type OutputMetrics<Name extends string = string> = MetricChoice<Name> | readonly MetricChoice<Name>[];

/**
 * The metrics of a model: a list for its one output; for several outputs a list with an entry for each of them, or an
 * object by output name.
 */
export type MetricsSpec<Name extends string = string> =
  | readonly (OutputMetrics<Name> | null)[]
  | { readonly [output: string]: OutputMetrics<Name> | null };

/** A metric of one output, bound to its shapes, and the name under which it is reported. */
export interface MetricEntry {
  /** The name in the logs. */
  readonly name: string;
  /** Whether smaller or larger is better. */
  readonly direction: "min" | "max";
  /** Its state and how to decode it. */
  readonly bound: BoundMetric;
  /** The index of its output. */
  readonly output: number;
  /** Whether sample weights count. */
  readonly weighted: boolean;
}

/** A metric of one output that is computed on the host from all predictions. */
export interface HostEntry {
  /** The name in the logs. */
  readonly name: string;
  /** The metric. */
  readonly metric: HostMetric;
  /** The index of its output. */
  readonly output: number;
  /** Whether sample weights count. */
  readonly weighted: boolean;
}

/** Whether a metric is computed on the host from all predictions. */
export function isHostMetric(metric: unknown): metric is HostMetric {
  return isObject(metric) && typeof (metric as unknown as HostMetric).compute === "function";
}

/** Metrics by output. Which ones there are is known once shapes are. */
export class CompiledMetrics {
  readonly #specs: readonly { readonly spec: MetricsSpec; readonly weighted: boolean }[];
  readonly #registry: Registry;
  #entries: readonly MetricEntry[] | undefined;
  #hostEntries: readonly HostEntry[] = [];
  #boundTo: string | undefined;

  /**
   * @throws {RangeError} If a name is unknown.
   * @throws {TypeError} If something is no metric.
   */
  constructor(metrics: MetricsSpec, weightedMetrics: MetricsSpec, registry: Registry) {
    this.#specs = [{ spec: metrics, weighted: false }, { spec: weightedMetrics, weighted: true }];
    this.#registry = registry;
    for (const { spec } of this.#specs) {
      if (!Array.isArray(spec) && !isPlainObject(spec)) {
        throw new TypeError(
          `Cannot compile: metrics must be a list, as in ["accuracy"], or an object by output name; found ${
            describeValue(spec)
          }.`,
        );
      }
      for (const list of Object.values(spec)) {
        for (const choice of metricList(list)) checkChoice(choice, registry);
      }
    }
  }

  /** Whether smaller or larger values of a metric are better; `undefined` for names that are no metric's. */
  direction(name: string): "min" | "max" | undefined {
    return this.#entries?.find((entry) => entry.name === name)?.direction ??
      this.#hostEntries.find((entry) => entry.name === name)?.metric.direction;
  }

  /** The metrics, bound to the shapes of a prediction: "accuracy" may mean another one when targets change theirs. */
  bind({ y, yPred }: Prediction, known?: readonly string[]): readonly MetricEntry[] {
    const shapes = JSON.stringify([y, yPred].map((part) => part && mapNested(part, openShape)));
    if (this.#entries !== undefined && this.#boundTo === shapes) return this.#entries;
    this.#entries = undefined;
    this.#boundTo = shapes;
    if (this.#specs.every(({ spec }) => Object.keys(spec).length === 0)) return this.#entries = [];
    const names = outputNames(yPred, known);
    const predictions = alignTensors(yPred, names, "predictions");
    const targets = alignTensors(y, names, "targets y");
    const entries: MetricEntry[] = [];
    const hostEntries: HostEntry[] = [];
    const counts = new Map<string, number>();
    for (const { spec, weighted } of this.#specs) {
      this.#byOutput(spec, names, weighted).forEach((choices, output) => {
        for (const choice of choices) {
          const yTrue = targets[output];
          if (yTrue === undefined) {
            throw new TypeError(`Cannot compute metrics of output "${names[output]}": there are no targets for it.`);
          }
          const metric = this.#resolve(choice, yTrue, predictions[output]!);
          const name = uniqueName(counts, metric.name, names.length > 1 ? names[output] : undefined, weighted);
          if (isHostMetric(metric)) {
            hostEntries.push({ name, metric, output, weighted });
            continue;
          }
          entries.push({
            name,
            direction: metric.direction,
            bound: bindMetric(metric, yTrue, predictions[output]!),
            output,
            weighted,
          });
        }
      });
    }
    this.#hostEntries = hostEntries;
    return this.#entries = entries;
  }

  /** Whether there are any metrics. */
  get any(): boolean {
    return this.#specs.some(({ spec }) => Object.values(spec).flatMap(metricList).length > 0);
  }

  /** Whether any metric is computed on the host from all predictions. */
  get needsPredictions(): boolean {
    return this.#specs.some(({ spec }) =>
      Object.values(spec).flatMap(metricList).some((choice) =>
        isHostMetric(choice) ||
        (typeof choice === "string" && this.#registry.has("metrics", choice) &&
          isHostMetric(this.#registry.create("metrics", choice)))
      )
    );
  }

  /** The metrics that are computed on the host; known once bound. */
  get hostEntries(): readonly HostEntry[] {
    return this.#hostEntries;
  }

  /** One vector of sums for each entry. */
  update({ y, yPred, sampleWeight }: Prediction, known?: readonly string[]): readonly Tensor[] {
    const entries = this.bind({ y, yPred }, known);
    if (entries.length === 0) return [];
    const names = outputNames(yPred, known);
    const predictions = alignTensors(yPred, names, "predictions");
    const targets = alignTensors(y, names, "targets y");
    const weights = alignSampleWeights(sampleWeight, names);
    return entries.map(({ name, bound, output, weighted }) => {
      const prediction = predictions[output]!;
      const weight = weighted ? weights[output] : undefined;
      const mask = getMask(prediction);
      const masked = bound.masked && mask !== null ? applyMask({ sampleWeight: weight, mask }, "sum") : weight;
      const sums = updateMetric(name, bound, { yTrue: targets[output]!, yPred: prediction, sampleWeight: masked });
      if (sums.rank !== 1 || sums.size !== bound.size) {
        throw new TypeError(
          `Metric "${name}" gave sums of shape ${
            formatShape(sums.shape)
          }; expected [${bound.size}], as its build() said.`,
        );
      }
      return sums;
    });
  }

  #byOutput(spec: MetricsSpec, names: readonly string[], weighted: boolean): readonly (readonly MetricChoice[])[] {
    if (Array.isArray(spec) && (spec.length === 0 || names.length === 1)) {
      const flat = spec.length === 1 && Array.isArray(spec[0]) ? spec[0] as readonly MetricChoice[] : spec;
      return names.map((_, index) => index === 0 ? flat.flatMap(metricList) : []);
    }
    const what = weighted ? "`weightedMetrics`" : "`metrics`";
    return alignOptions<OutputMetrics>(spec as readonly OutputMetrics[], names, what, { exact: false }).map(metricList);
  }

  #resolve(choice: MetricChoice, yTrue: Tensor, yPred: Tensor): Metric | HostMetric {
    if (typeof choice === "object") return choice;
    if (typeof choice === "function") return meanMetric(choice.name || "metric", choice);
    const variant = variantByShape(openShape(yTrue), openShape(yPred));
    const name = isAccuracy(choice)
      ? `${variant}_accuracy`
      : isCrossentropy(choice)
      ? `${variant}_crossentropy`
      : choice;
    if (!this.#registry.has("metrics", name)) {
      const loss = this.#registry.create("losses", name);
      return meanMetric(choice, (target, prediction) => loss.values(target, prediction));
    }
    const metric = this.#registry.create("metrics", name);
    return isHostMetric(metric)
      ? { name: choice, direction: metric.direction, compute: (all) => metric.compute(all) }
      : { name: choice, direction: metric.direction, build: (a, b) => metric.build(a, b) };
  }
}

function isAccuracy(name: string): boolean {
  return name === "accuracy" || name === "acc";
}

function metricList(choices: OutputMetrics | null): readonly MetricChoice[] {
  if (choices === null || choices === undefined) return [];
  return Array.isArray(choices) ? choices : [choices as MetricChoice];
}

function checkChoice(choice: MetricChoice, registry: Registry): void {
  if (typeof choice === "string") {
    if (isAccuracy(choice) || isCrossentropy(choice) || registry.has("metrics", choice)) return;
    if (registry.has("losses", choice)) return;
    const known = ["accuracy", ...registry.names("metrics"), ...registry.names("losses")];
    throw new RangeError(`Unknown metric "${choice}". ${knownNames(choice, known)}`);
  }
  if (
    typeof choice === "function" || isHostMetric(choice) || (isObject(choice) && typeof choice.build === "function")
  ) return;
  throw new TypeError(
    `Cannot compile: expected a metric by name, a Metric or a function (yTrue, yPred) => tensor; found ${
      isPlainObject(choice) ? `an object with ${Object.keys(choice)}` : String(choice)
    }.`,
  );
}

function isObject(value: unknown): value is Metric {
  return typeof value === "object" && value !== null;
}

function bindMetric(metric: Metric, yTrue: Tensor, yPred: Tensor): BoundMetric {
  try {
    return metric.build(openShape(yTrue), openShape(yPred));
  } catch (cause) {
    throw metricError(metric.name, yTrue, yPred, cause);
  }
}

function updateMetric(
  name: string,
  bound: BoundMetric,
  { yTrue, yPred, sampleWeight }: { yTrue: Tensor; yPred: Tensor; sampleWeight: Tensor | undefined },
): Tensor {
  try {
    return bound.update(yTrue, yPred, sampleWeight);
  } catch (cause) {
    // A trace is refused for reasons that have nothing to do with shapes.
    throw cause instanceof TraceError ? cause : metricError(name, yTrue, yPred, cause);
  }
}

function metricError(name: string, yTrue: Tensor, yPred: Tensor, cause: unknown): TypeError {
  return new TypeError(
    `Cannot compute metric "${name}" of targets ${formatShape(openShape(yTrue))} and predictions ${
      formatShape(openShape(yPred))
    }: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause },
  );
}

/** Keras's rule: `<output>_<name>`; a weighted metric that meets its own name is `weighted_<name>`; then numbers. */
function uniqueName(counts: Map<string, number>, name: string, output: string | undefined, weighted: boolean): string {
  const withOutput = (base: string): string => output === undefined ? base : `${output}_${base}`;
  for (const candidate of weighted ? [withOutput(name), withOutput(`weighted_${name}`)] : [withOutput(name)]) {
    if (!counts.has(candidate)) {
      counts.set(candidate, 1);
      return candidate;
    }
  }
  const taken = withOutput(weighted ? `weighted_${name}` : name);
  const index = counts.get(taken)!;
  counts.set(taken, index + 1);
  return `${taken}_${index}`;
}
