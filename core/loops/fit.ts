/**
 * The training loop: one for every executor and strategy.
 *
 * @module
 */
import type { RunParams } from "../callback.ts";
import type { Dataset } from "../batch.ts";
import type { DataSource } from "../data/source.ts";
import { History } from "../history.ts";
import type { Logs } from "../step.ts";
import type { Run } from "../strategy.ts";
import { fitData } from "./data.ts";
import { evaluateRun } from "./evaluate.ts";
import { executionsOf } from "./executions.ts";
import { checkOptions, type FitOptions } from "./options.ts";
import { startRun, type Trainee } from "./trainee.ts";
import { resolveVerbose, type RunCallbacks, runCallbacks, warnAlways, warnOnce } from "./verbose.ts";

/** Runs fit. `remember` is told the history before training starts. */
export async function fitLoop(
  trainee: Trainee,
  data: DataSource,
  options: FitOptions,
  remember: (history: History) => void,
): Promise<History> {
  checkOptions("fit", options);
  const { epochs = 1, initialEpoch = 0, signal } = options;
  checkEpochs(epochs, initialEpoch);
  checkFrequency(options.validationFreq);
  signal?.throwIfAborted();
  const warn = warnOnce();
  const sets = await fitData(trainee, data, options, warn);
  await using run = await startRun(trainee, {
    kind: "train",
    data: sets.train,
    // Data that run short are worth a warning each epoch, as in Keras.
    warn: warnAlways,
    ...(options.stepsPerEpoch === undefined ? {} : { stepsPerEpoch: options.stepsPerEpoch }),
  });
  await using validation = await validationRun(trainee, sets.validation, options);
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
  let trained = false;
  for (let epoch = initialEpoch; epoch < epochs && !await trainee.strategy.agree(stopped()); epoch++) {
    await list.call("onEpochBegin", { epoch });
    const steps = await trainEpoch(trainee, run, epoch, callbacks, signal);
    logs = await run.settle();
    if (steps === 0) {
      warn(`Your input ran out of data: it can be read only once, so training stops before epoch ${epoch + 1}.`);
      break;
    }
    trained = true;
    if (validation !== undefined && validates(options.validationFreq, epoch) && !validation.run.exhausted) {
      const values = await evaluateRun(trainee, validation.run, callbacks, { ...(signal ? { signal } : {}) });
      if (validation.run.exhausted) {
        warn("Validation ends here: its data can be read only once. Pass arrays, or a function that opens them anew.");
      }
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
  // Averages of a fit that trained nothing are older than the weights.
  if (trained) trainee.finalize();
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
  for await (const execution of executionsOf(run.epoch(epoch), signal)) {
    await list.call("onTrainBatchBegin", { batch: execution.first });
    const { logs } = await execution.start();
    done = execution.first + execution.steps;
    await list.call("onTrainBatchEnd", { batch: done - 1, logs });
    if (await trainee.strategy.agree(stopped())) break;
  }
  return done;
}

async function validationRun(
  trainee: Trainee,
  data: Dataset | undefined,
  options: FitOptions,
): Promise<{ readonly run: Run } & AsyncDisposable | undefined> {
  if (data === undefined) return undefined;
  const run = await startRun(trainee, {
    kind: "test",
    data,
    restart: true,
    warn: warnAlways,
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
