/**
 * What `compile` takes, checked.
 *
 * @module
 */
import type { Executor } from "../executor.ts";
import { describeValue } from "../data/host_array.ts";
import { isPlainObject } from "../nested.ts";
import type { Optimizer } from "../optimizer.ts";
import type { Registry } from "../registry.ts";
import { CompiledLoss, type LossSpec, type LossWeights } from "./compiled_loss.ts";
import { CompiledMetrics, type MetricsSpec } from "./compiled_metrics.ts";

/** Names that complete in the editor; others are looked up at run time. */
export interface KnownNames {
  /** Names of optimizers. */
  readonly optimizers: string;
  /** Names of losses. */
  readonly losses: string;
  /** Names of metrics. */
  readonly metrics: string;
  /** Names of executors. */
  readonly executors: string;
}

/** The arguments of `compile`. */
export interface CompileOptions<Names extends KnownNames = KnownNames> {
  /** By name with its defaults, or an instance; for models of several phases an object by phase name. @default "rmsprop" */
  readonly optimizer?: OptimizerChoice<Names["optimizers"]> | {
    readonly [phase: string]: OptimizerChoice<Names["optimizers"]>;
  };
  /** One loss for all outputs, a list, or by output name. @default none: the model adds its own */
  readonly loss?: LossSpec<Names["losses"]> | null;
  /** What the outputs' losses are multiplied by in their sum. @default 1 each */
  readonly lossWeights?: LossWeights;
  /** Metrics that ignore sample weights. @default none */
  readonly metrics?: MetricsSpec<Names["metrics"]>;
  /** Metrics that count sample weights. @default none */
  readonly weightedMetrics?: MetricsSpec<Names["metrics"]>;
  /** Steps between two looks from the host; `"auto"` settles on executions of 100–200 ms. @default 1 */
  readonly stepsPerExecution?: number | "auto";
  /** What runs the steps. @default "auto" */
  readonly executor?: Names["executors"] | Executor;
}

/** An optimizer by name, or an instance. */
export type OptimizerChoice<Name extends string = string> = Name | Optimizer;

/** What `compile` made of its arguments. */
export interface Compiled {
  readonly loss: CompiledLoss | undefined;
  readonly metrics: CompiledMetrics;
  readonly stepsPerExecution: number | "auto";
  readonly executor: Executor;
  /** The optimizer of a phase; made once. */
  optimizer(phase: string): Optimizer;
  /**
   * Checks that every optimizer that was named has a phase.
   *
   * @throws {RangeError} If one has none.
   */
  checkPhases(phases: readonly string[]): void;
  /** All optimizers made so far. */
  readonly optimizers: readonly Optimizer[];
}

/**
 * Checks the arguments of `compile` and looks names up.
 *
 * @throws {RangeError} If a name is unknown or a number out of range.
 * @throws {TypeError} If something is of the wrong kind.
 */
export function compileOptions(options: CompileOptions, registry: Registry): Compiled {
  const { stepsPerExecution = 1, executor = "auto", optimizer = "rmsprop" } = options;
  const known = [
    "optimizer",
    "loss",
    "lossWeights",
    "metrics",
    "weightedMetrics",
    "stepsPerExecution",
    "executor",
  ];
  const unknown = Object.keys(options).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new TypeError(`Cannot compile: unknown ${unknown.join(", ")}; expected some of ${known.join(", ")}.`);
  }
  if (stepsPerExecution !== "auto" && (!Number.isInteger(stepsPerExecution) || stepsPerExecution < 1)) {
    throw new RangeError(
      `Cannot compile: stepsPerExecution is ${stepsPerExecution}; expected an integer of at least 1, or "auto".`,
    );
  }
  const chosen = optimizersOf(optimizer, registry);
  return {
    loss: options.loss === undefined || options.loss === null
      ? undefined
      : new CompiledLoss(options.loss, options.lossWeights, registry),
    metrics: new CompiledMetrics(options.metrics ?? [], options.weightedMetrics ?? [], registry),
    stepsPerExecution,
    executor: typeof executor === "string" ? registry.create("executors", executor) : executor,
    optimizer: (phase) => chosen.optimizer(phase),
    checkPhases: (phases) => chosen.checkPhases(phases),
    get optimizers() {
      return chosen.optimizers;
    },
  };
}

function optimizersOf(
  choice: NonNullable<CompileOptions["optimizer"]>,
  registry: Registry,
): Pick<Compiled, "optimizer" | "optimizers" | "checkPhases"> {
  const byPhase = isPlainObject(choice) && !isOptimizer(choice);
  const make = (one: OptimizerChoice): Optimizer => {
    if (typeof one === "string") return registry.create("optimizers", one);
    if (isOptimizer(one)) return one;
    throw new TypeError(
      `Cannot compile: expected an optimizer by name or an instance, such as adam({ learningRate: 0.001 }); found ${
        describeValue(one)
      }. tf.train optimizers keep their learning rate on the host: use Stride's of the same name.`,
    );
  };
  const made = new Map<string, Optimizer>();
  const add = (phase: string, one: OptimizerChoice): Optimizer => {
    const optimizer = make(one);
    if ([...made.values()].includes(optimizer)) {
      throw new TypeError(
        `Cannot train phase "${phase}" with an optimizer that serves another phase: pass one for each, as in ` +
          `{ optimizer: { ${[...made.keys(), phase].map((name) => `${name}: adam()`).join(", ")} } }.`,
      );
    }
    made.set(phase, optimizer);
    return optimizer;
  };
  if (byPhase) { for (const [phase, one] of Object.entries(choice)) add(phase, one as OptimizerChoice); }
  // Checked now, so that an unknown name is an error of compile and not of fit.
  else add("train", choice as OptimizerChoice);
  return {
    get optimizers() {
      return [...made.values()];
    },
    checkPhases(phases) {
      const unknown = byPhase ? Object.keys(choice).filter((name) => !phases.includes(name)) : [];
      if (unknown.length > 0) {
        throw new RangeError(
          `Cannot train with optimizers for ${unknown.join(", ")}: the model's phases are ${phases.join(", ")}.`,
        );
      }
      // From here on in the order of the phases, whatever the order in which they were named.
      const inOrder = phases.filter((phase) => made.has(phase)).map((phase) => [phase, made.get(phase)!] as const);
      if (byPhase) {
        made.clear();
        for (const [phase, optimizer] of inOrder) made.set(phase, optimizer);
      }
    },
    optimizer(phase) {
      const found = made.get(phase);
      if (found !== undefined) return found;
      if (byPhase) {
        throw new RangeError(
          `No optimizer for phase "${phase}": found ${[...made.keys()].join(", ")}. Name every phase of the model.`,
        );
      }
      if (made.size === 1 && made.has("train") && phase !== "train") {
        const only = made.get("train")!;
        made.delete("train");
        made.set(phase, only);
        return only;
      }
      return add(phase, choice as OptimizerChoice);
    },
  };
}

function isOptimizer(value: unknown): value is Optimizer {
  return typeof value === "object" && value !== null && typeof (value as Optimizer).apply === "function" &&
    typeof (value as Optimizer).row === "function";
}
