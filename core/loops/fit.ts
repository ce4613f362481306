/**
 * The training loop: one for every executor and strategy.
 *
 * @module
 */
import type { Callback, RunParams } from "../callback.ts";
import type { Dataset } from "../batch.ts";
import type { ClassWeight } from "../data/class_weight.ts";
import type { DataSource } from "../data/source.ts";
import { History } from "../history.ts";
import type { Logs } from "../step.ts";
import type { Run } from "../strategy.ts";
import { fitData } from "./data.ts";
import { evaluateRun } from "./evaluate.ts";
import { startRun, type Trainee } from "./trainee.ts";
import { resolveVerbose, type RunCallbacks, runCallbacks, type Verbose, warnOnce } from "./verbose.ts";

/** The arguments of fit. */
export interface FitOptions {
  /** Samples in a batch; arrays only. @default 32 */
  readonly batchSize?: number;
  /** The final epoch: training ends when this many have been done, counting from 0. @default 1 */
  readonly epochs?: number;
  /** The epoch to start at, when resuming. @default 0 */
  readonly initialEpoch?: number;
  /** @default "auto" */
  readonly verbose?: Verbose;
  /** Called in order at every hook, before the progress bar and History. @default none */
  readonly callbacks?: readonly Callback[];
  /** The part of the samples, the last ones, to validate on; arrays only. @default 0 */
  readonly validationSplit?: number;
  /** What to validate on. Overrides `validationSplit`. @default none */
  readonly validationData?: DataSource;
  /** Samples in a validation batch; arrays only. @default `batchSize` */
  readonly validationBatchSize?: number;
  /** Steps of each validation; it starts the data afresh every time. @default one pass */
  readonly validationSteps?: number;
  /** Validate after every so many epochs, or after those named, counting from 1. @default 1 */
  readonly validationFreq?: number | readonly number[];
  /** A new order each epoch; `"batch"` shuffles within each batch only. Ignored for data sets. @default true */
  readonly shuffle?: boolean | "batch";
  /** Weights by class number; classes not named weigh 1. Training only. @default none */
  readonly classWeight?: ClassWeight;
  /** Steps in an epoch; the data go on from epoch to epoch. @default one pass */
  readonly stepsPerEpoch?: number;
  /** Ends training when it aborts: fit rejects with its reason after the current execution. @default none */
  readonly signal?: AbortSignal;
}

/** Runs fit. `remember` is told the history before training starts. */
export async function fitLoop(
  trainee: Trainee,
  data: DataSource,
  options: FitOptions,
  remember: (history: History) => void,
): Promise<History> {
  const { epochs = 1, initialEpoch = 0, signal } = options;
  checkEpochs(epochs, initialEpoch);
  checkFrequency(options.validationFreq);
  signal?.throwIfAborted();
  const warn = warnOnce();
  const sets = await fitData(trainee, data, options, warn);
  await using run = await startRun(trainee, {
    kind: "train",
    data: sets.train,
    warn,
    ...(options.stepsPerEpoch === undefined ? {} : { stepsPerEpoch: options.stepsPerEpoch }),
  });
  await using validation = await validationRun(trainee, sets.validation, options, warn);
  const params: RunParams = {
    epochs,
    initialEpoch,
    get steps() {
      return run.steps;
    },
    verbose: resolveVerbose(options.verbose),
  };
  const history = new History(params);
  remember(history);
  const callbacks = runCallbacks(trainee, options.callbacks ?? [], params, [history]);
  const { list, stopped } = callbacks;
  await list.call("onTrainBegin", {});
  let logs: Logs = {};
  for (let epoch = initialEpoch; epoch < epochs && !stopped(); epoch++) {
    await list.call("onEpochBegin", { epoch });
    const steps = await trainEpoch(trainee, run, epoch, callbacks, signal);
    logs = await run.settle();
    if (steps === 0) {
      warn(`Your input ran out of data: it can be read only once, so training stops before epoch ${epoch + 1}.`);
      break;
    }
    if (validation !== undefined && validates(options.validationFreq, epoch)) {
      const values = await evaluateRun(trainee, validation.run, callbacks, { ...(signal ? { signal } : {}) });
      for (const [name, value] of Object.entries(values)) logs[`val_${name}`] = value;
    }
    await list.call("onEpochEnd", { epoch, logs });
    if (run.exhausted && epoch + 1 < epochs && !stopped()) {
      warn(
        `Your input ran out of data: it can be read only once, so training stops after epoch ${
          epoch + 1
        } of ${epochs}.`,
      );
      break;
    }
  }
  trainee.finalize();
  await list.call("onTrainEnd", { logs });
  return history;
}

/** One epoch. @returns How many steps it had. */
async function trainEpoch(
  trainee: Trainee,
  run: Run,
  epoch: number,
  { list, stopped }: RunCallbacks,
  signal: AbortSignal | undefined,
): Promise<number> {
  let done = 0;
  for await (const execution of run.epoch(epoch)) {
    await list.call("onTrainBatchBegin", { batch: execution.first });
    const { logs } = await execution.start();
    done = execution.first + execution.steps;
    await list.call("onTrainBatchEnd", { batch: done - 1, logs });
    signal?.throwIfAborted();
    if (await trainee.strategy.agree(stopped())) break;
  }
  return done;
}

async function validationRun(
  trainee: Trainee,
  data: Dataset | undefined,
  options: FitOptions,
  warn: (message: string) => void,
): Promise<{ readonly run: Run } & AsyncDisposable | undefined> {
  if (data === undefined) return undefined;
  const run = await startRun(trainee, {
    kind: "test",
    data,
    restart: true,
    warn,
    ...(options.validationSteps === undefined ? {} : { stepsPerEpoch: options.validationSteps }),
  });
  return { run, [Symbol.asyncDispose]: () => run[Symbol.asyncDispose]() };
}

function validates(frequency: number | readonly number[] = 1, epoch: number): boolean {
  return typeof frequency === "number" ? (epoch + 1) % frequency === 0 : frequency.includes(epoch + 1);
}

function checkEpochs(epochs: number, initialEpoch: number): void {
  for (const [name, value] of [["epochs", epochs], ["initialEpoch", initialEpoch]] as const) {
    if (!Number.isInteger(value) || value < 0) {
      throw new RangeError(`Cannot fit: ${name} is ${value}; expected an integer of at least 0.`);
    }
  }
}

function checkFrequency(frequency: number | readonly number[] | undefined): void {
  const all = frequency === undefined ? [] : typeof frequency === "number" ? [frequency] : frequency;
  if (!all.every((value) => Number.isInteger(value) && value >= 1)) {
    throw new RangeError(
      `Cannot fit: validationFreq is ${frequency}; expected an integer of at least 1, or a list of epochs from 1.`,
    );
  }
}
