/**
 * A model's step: its overridable methods, cut into phases, with sums laid out and decoded.
 *
 * @module
 */
import type { HostArray, TensorBatch } from "../batch.ts";
import type { Nested } from "../nested.ts";
import type { Optimizer } from "../optimizer.ts";
import type { RandomKey } from "../random.ts";
import type {
  Logs,
  Phase,
  PhaseOutput,
  Step,
  StepContext,
  StepKind,
  StepTable,
  StepVariable,
  SumsSegment,
} from "../step.ts";
import { type Tensor, tf, type Variable } from "../tf.ts";
import { StepScope } from "./step_scope.ts";

/** What computing gradients gives: return it from `trainStep`. */
export interface StepResult {
  /** The loss that gradients were taken of; reported as `loss` unless `logs` has one. */
  readonly loss?: Tensor;
  /** Gradients by variable, as `this.gradients` returns them. */
  readonly gradients: ReadonlyMap<Variable, Tensor>;
  /** More values to report: scalars, means over this batch. */
  readonly logs?: Readonly<Record<string, Tensor>>;
}

/** One phase of a model's step. */
export interface ModelPhase {
  /** `train`, or what the model calls it. */
  readonly name: string;
  /** The variables that it trains. */
  readonly variables: readonly StepVariable[];
  /** Computes it within a scope. Gradients where there are any, or predictions. */
  run(batch: TensorBatch, context: StepContext): { readonly result?: StepResult; readonly outputs?: Nested<Tensor> };
  /** What updates its variables. */
  readonly optimizer?: Optimizer;
  /** Applies gradients. */
  apply?(gradients: readonly (Tensor | null)[], scalars: Readonly<Record<string, Tensor>>): void;
}

/** Metrics of the phase's prediction. */
export interface MetricSums {
  readonly name: string;
  readonly size: number;
  readonly combine: "sum" | "max" | "min";
  result(state: Float64Array): number | Record<string, number>;
  readonly sums: Tensor;
}

/** What a step needs of its model. */
export interface StepOptions {
  readonly kind: StepKind;
  readonly phases: readonly ModelPhase[];
  readonly variables: readonly StepVariable[];
  /** Metric sums of what a scope recorded. */
  metrics(scope: StepScope): readonly MetricSums[];
  /** What metrics on the host need of what a scope recorded, and their values; absent where there are none. */
  readonly host?: {
    outputs(scope: StepScope): Nested<Tensor> | undefined;
    logs(outputs: readonly Nested<HostArray>[]): Logs;
  };
  /** Told once of what the user should know. */
  warn(message: string): void;
  /** What random numbers derive from, for the run that is going on. */
  key(): RandomKey;
  /** Steps taken so far, where no optimizer counts them. */
  readonly counter: { steps: number };
}

interface Segment extends SumsSegment {
  readonly name: string;
  /** `mean`: a sum over rows, divided by the number of rows when decoded. */
  readonly decode: "rows" | "mean" | ((state: Float64Array) => number | Record<string, number>);
}

/** Builds the step of a model. */
export function modelStep(options: StepOptions): Step {
  const layouts: (readonly Segment[])[] = options.phases.map(() => []);
  const columns = options.phases.flatMap((phase) =>
    (phase.optimizer?.columns ?? []).map((column) => `${phase.name}/${column}`)
  );
  const { phases } = options;
  const rowOf = ({ optimizer }: ModelPhase, step: number): readonly number[] =>
    optimizer?.row(optimizer.iterations + step) ?? [];
  const first = (): number => options.phases[0]!.optimizer?.iterations ?? options.counter.steps;
  return {
    kind: options.kind,
    variables: options.variables,
    phases: options.phases.map((phase, index) => stepPhase(phase, index, options, layouts)),
    get sums() {
      return layouts.flat();
    },
    table(steps: number): StepTable {
      const rows: (readonly number[])[] = [];
      for (let i = 0; i < steps; i++) {
        // One phase is the rule, and its row need not be copied: small models spend as long here as in their steps.
        rows.push(phases.length === 1 ? rowOf(phases[0]!, i) : phases.flatMap((phase) => rowOf(phase, i)));
      }
      return { columns, rows, first: first(), key: options.key() };
    },
    advance(steps: number): void {
      for (const optimizer of new Set(options.phases.map((phase) => phase.optimizer))) {
        if (optimizer !== undefined) optimizer.iterations += steps;
      }
      options.counter.steps += steps;
    },
    decode: (sums) => decodeSums(layouts, sums),
    ...(options.host === undefined ? {} : { hostLogs: options.host.logs }),
  };
}

function stepPhase(phase: ModelPhase, index: number, options: StepOptions, layouts: (readonly Segment[])[]): Phase {
  const { optimizer, apply } = phase;
  return {
    name: phase.name,
    variables: phase.variables,
    compute(batch, context): PhaseOutput {
      using scope = new StepScope(context, {
        training: options.kind === "train",
        ...(optimizer?.lossScale === undefined ? {} : { lossScale: optimizer.lossScale }),
      });
      return scope.run(() => {
        const { result, outputs } = phase.run(batch, context);
        if (options.kind === "predict") return { outputs };
        const gradients = result && optimizer ? alignGradients(result, phase.variables, phase.name) : undefined;
        const untrained = gradients === undefined ? [] : phase.variables.filter((_, i) => gradients[i] === null);
        if (untrained.length > 0) {
          options.warn(
            `The loss does not depend on ${untrained.map(({ path }) => path).join(", ")}: they are not trained.`,
          );
        }
        const parts = collect(scope, result, options, phase.name);
        const segments = parts.map(({ segment }) => segment);
        if (layouts[index]!.length === 0) {
          checkNames(segments, layouts.flat());
          layouts[index] = segments;
        } else checkLayout(layouts[index]!, segments);
        const sums = tf.concat1d(parts.map(({ sums }) => sums.rank === 1 ? sums as tf.Tensor1D : sums.as1D()));
        const collected = options.host?.outputs(scope);
        return {
          ...(gradients === undefined ? {} : { gradients }),
          sums,
          ...(collected === undefined ? {} : { outputs: collected }),
        };
      });
    },
    ...(apply === undefined ? {} : {
      apply(gradients: readonly (Tensor | null)[], context: StepContext): void {
        const scalars = Object.fromEntries(
          (optimizer?.columns ?? []).map((column) => [column, context.scalars[`${phase.name}/${column}`]!]),
        );
        apply.call(phase, gradients, scalars);
      },
    }),
  };
}

function alignGradients(
  { gradients }: StepResult,
  variables: readonly StepVariable[],
  phase: string,
): readonly (Tensor | null)[] {
  if (!(gradients instanceof Map)) {
    throw new TypeError(
      `The ${phase} step returned no gradients: expected the result of this.gradients(() => loss), or an object that holds ` +
        "its `gradients` map.",
    );
  }
  const known = new Set(variables.map(({ variable }) => variable));
  for (const variable of gradients.keys()) {
    if (!known.has(variable)) {
      throw new RangeError(
        `The ${phase} step returned a gradient for variable "${variable.name}", which is none of its trainable variables: ` +
          `${variables.map(({ path }) => path).join(", ")}. Was it frozen after compile? Then call compile() again.`,
      );
    }
  }
  return variables.map(({ variable }) => gradients.get(variable) ?? null);
}

interface Part {
  readonly segment: Segment;
  readonly sums: Tensor;
}

function collect(
  scope: StepScope,
  result: StepResult | undefined,
  options: StepOptions,
  phase: string,
): readonly Part[] {
  const { rows, globalRows } = scope.context;
  const mean = (name: string, sums: Tensor): Part => ({
    segment: { name, size: 1, combine: "sum", decode: "mean" },
    sums,
  });
  const parts: Part[] = [
    { segment: { name: "rows", size: 1, combine: "sum", decode: "rows" }, sums: tf.tensor1d([rows]) },
  ];
  const metrics = options.metrics(scope);
  const logs = { ...Object.fromEntries(scope.logs), ...result?.logs };
  const loss = result?.loss ?? scope.loss;
  const several = options.phases.length > 1;
  if (loss !== undefined) {
    const total = tf.mul(loss, globalRows);
    if (several) parts.push(mean(`${phase}_loss`, total));
    if (!("loss" in logs)) parts.push(mean("loss", total));
  }
  if (scope.outputLosses.size > 1) {
    for (const [output, value] of scope.outputLosses) parts.push(mean(`${output}_loss`, tf.mul(value, globalRows)));
  }
  for (const [name, value] of Object.entries(logs)) {
    if (!(value instanceof tf.Tensor) || value.size !== 1) {
      throw new TypeError(`Cannot report "${name}": expected a scalar tensor; found ${describe(value)}.`);
    }
    parts.push(mean(name, tf.mul(value, rows)));
  }
  for (const { sums, name, size, combine, result: decode } of metrics) {
    parts.push({ segment: { name: several ? `${phase}_${name}` : name, size, combine, decode }, sums });
  }
  return parts;
}

function describe(value: unknown): string {
  return value instanceof tf.Tensor ? `a tensor of shape [${value.shape}]` : String(value);
}

/** Refuses values that would be mixed up under one name. */
function checkNames(segments: readonly Segment[], others: readonly Segment[]): void {
  const shared = new Set(["rows", "loss"]);
  const taken = new Set(others.map(({ name }) => name).filter((name) => !shared.has(name)));
  for (const { name } of segments) {
    if (taken.has(name)) {
      throw new TypeError(`Cannot report "${name}" twice in one step: choose another name for one of the two values.`);
    }
    if (name !== "loss") taken.add(name);
  }
}

function checkLayout(known: readonly Segment[], found: readonly Segment[]): void {
  const names = (layout: readonly Segment[]): string => layout.map(({ name, size }) => `${name}[${size}]`).join(", ");
  if (names(known) !== names(found)) {
    throw new TypeError(
      `A step must report the same values for every batch: found ${names(found)}; expected ${names(known)}. ` +
        "Call model.recompile() when what the step computes has changed.",
    );
  }
}

function decodeSums(layouts: readonly (readonly Segment[])[], sums: Float64Array): Logs {
  const logs: Logs = {};
  let offset = 0;
  for (const layout of layouts) {
    let rows = 0;
    for (const { name, size, decode } of layout) {
      const state = sums.subarray(offset, offset + size);
      offset += size;
      if (decode === "rows") rows = state[0]!;
      // Of several phases the losses add up; no other name stands twice.
      else if (decode === "mean") logs[name] = (logs[name] ?? 0) + (rows === 0 ? 0 : state[0]! / rows);
      else {
        const value = decode(state);
        if (typeof value === "number") logs[name] = value;
        else Object.assign(logs, value);
      }
    }
  }
  // With several phases the total comes after the first one's own loss.
  return logs.loss === undefined ? logs : { loss: logs.loss, ...logs };
}
