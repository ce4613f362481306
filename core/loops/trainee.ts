/**
 * What the loops need of a model.
 *
 * @module
 */
import type { Dataset } from "../batch.ts";
import type { CallbackModel } from "../callback.ts";
import type { Executor } from "../executor.ts";
import type { RandomKey } from "../random.ts";
import type { Registry } from "../registry.ts";
import type { Step, StepKind } from "../step.ts";
import type { Plan, Run, Strategy } from "../strategy.ts";

/** A model, as loops see it. */
export interface Trainee {
  readonly strategy: Strategy;
  readonly registry: Registry;
  readonly executor: Executor;
  readonly stepsPerExecution: number | "auto";
  /** What shuffling and random layers derive from in this run. */
  readonly key: RandomKey;
  /** Opens the device, builds the model from the first batch where needed, and gives the step. */
  prepare(data: Dataset, kind: StepKind): Promise<Step>;
  /** Called once when fit ends: moving averages become weights. */
  finalize(): void;
  readonly callbackModel: CallbackModel;
}

/** What the caller of a loop chooses about a run. */
export interface RunChoices {
  readonly kind: StepKind;
  readonly data: Dataset;
  readonly stepsPerEpoch?: number;
  readonly restart?: boolean;
  readonly warn: (message: string) => void;
}

/**
 * A run of a model's step over data.
 *
 * @throws {RangeError} If the data are empty, or endless without a number of steps.
 */
export async function startRun(trainee: Trainee, choices: RunChoices): Promise<Run> {
  const { kind, data, stepsPerEpoch, restart = false, warn } = choices;
  if (stepsPerEpoch !== undefined && (!Number.isInteger(stepsPerEpoch) || stepsPerEpoch < 1)) {
    throw new RangeError(`Cannot run ${stepsPerEpoch} steps in an epoch: expected an integer of at least 1.`);
  }
  if (data.batches === Infinity && stepsPerEpoch === undefined) {
    throw new RangeError(
      `Cannot run ${kind} on endless data: an epoch would never end. Say how many steps it has, with ` +
        `${kind === "train" ? "stepsPerEpoch" : "steps"}.`,
    );
  }
  try {
    const step = await trainee.prepare(data, kind);
    if (step.hostLogs !== undefined && trainee.strategy.replicas > 1) {
      throw new TypeError(
        `Cannot run ${kind} with strategy "${trainee.strategy.name}": a metric is computed from all predictions, and each of ` +
          `its ${trainee.strategy.replicas} replicas sees only a part. Use metrics that are sums, such as auc.`,
      );
    }
    const plan: Plan = {
      step,
      data,
      executor: trainee.executor,
      stepsPerExecution: trainee.stepsPerExecution,
      ...(stepsPerEpoch === undefined ? {} : { stepsPerEpoch }),
      restart,
      warn,
    };
    return await trainee.strategy.prepare(plan);
  } catch (error) {
    await data.release?.();
    throw error;
  }
}
