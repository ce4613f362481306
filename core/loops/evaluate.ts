/**
 * The evaluation loop, also for the validation of fit.
 *
 * @module
 */
import type { DataSource } from "../data/source.ts";
import type { Logs } from "../step.ts";
import type { Run } from "../strategy.ts";
import { evaluationData } from "./data.ts";
import { checkOptions, type EvaluateOptions } from "./options.ts";
import { startRun, type Trainee } from "./trainee.ts";
import { resolveVerbose, type RunCallbacks, runCallbacks, warnOnce } from "./verbose.ts";

/** Runs evaluate. */
export async function evaluateLoop(trainee: Trainee, data: DataSource, options: EvaluateOptions): Promise<Logs> {
  const warn = warnOnce();
  checkOptions("evaluate", options);
  options.signal?.throwIfAborted();
  const set = await evaluationData(data, options.batchSize, warn, "the evaluation data");
  await using run = await startRun(trainee, {
    kind: "test",
    data: set,
    warn,
    ...(options.steps === undefined ? {} : { stepsPerEpoch: options.steps }),
  });
  const params = {
    epochs: 1,
    initialEpoch: 0,
    get steps() {
      return run.steps;
    },
    verbose: resolveVerbose(options.verbose),
  };
  const callbacks = runCallbacks(trainee, options.callbacks ?? [], params);
  return await evaluateRun(trainee, run, callbacks, options);
}

/** One accumulation over the run's data, with the test hooks. A stop asked for before it began does not cut it short. */
export async function evaluateRun(
  trainee: Trainee,
  run: Run,
  { list, stopped }: RunCallbacks,
  { signal }: { readonly signal?: AbortSignal },
): Promise<Logs> {
  const alreadyStopped = stopped();
  await list.call("onTestBegin", {});
  for await (const execution of run.epoch(0)) {
    await list.call("onTestBatchBegin", { batch: execution.first });
    const { logs } = await execution.start();
    await list.call("onTestBatchEnd", { batch: execution.first + execution.steps - 1, logs });
    signal?.throwIfAborted();
    if (await trainee.strategy.agree(stopped() && !alreadyStopped)) break;
  }
  const logs = await run.settle();
  await list.call("onTestEnd", { logs });
  return logs;
}
