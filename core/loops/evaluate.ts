/**
 * The evaluation loop, also for the validation of fit.
 *
 * @module
 */
import type { DataSource } from "../data/source.ts";
import type { Logs } from "../step.ts";
import type { Run } from "../strategy.ts";
import { executionsOf } from "./executions.ts";
import { startLook } from "./look.ts";
import type { EvaluateOptions } from "./options.ts";
import type { Trainee } from "./trainee.ts";
import type { RunCallbacks } from "./verbose.ts";

/** Runs evaluate. */
export async function evaluateLoop(trainee: Trainee, data: DataSource, options: EvaluateOptions): Promise<Logs> {
  const { run, callbacks } = await startLook(trainee, "evaluate", data, options);
  await using _ = run;
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
  for await (const execution of executionsOf(run.epoch(0), signal)) {
    await list.call("onTestBatchBegin", { batch: execution.first });
    const { logs } = await execution.start();
    await list.call("onTestBatchEnd", { batch: execution.first + execution.steps - 1, logs });
    if (await trainee.strategy.agree(stopped() && !alreadyStopped)) break;
  }
  const logs = await run.settle();
  await list.call("onTestEnd", { logs });
  return logs;
}
