/**
 * What evaluate and predict have in common before their loops begin.
 *
 * @module
 */
import type { DataSource } from "../data/source.ts";
import type { Run } from "../strategy.ts";
import { evaluationData } from "./data.ts";
import { checkOptions, type EvaluateOptions } from "./options.ts";
import { startRun, type Trainee } from "./trainee.ts";
import { resolveVerbose, type RunCallbacks, runCallbacks, warnOnce } from "./verbose.ts";

/** A run over data as they are, and its callbacks. Whoever asked for it disposes the run. */
export async function startLook(
  trainee: Trainee,
  action: "evaluate" | "predict",
  data: DataSource,
  options: EvaluateOptions,
): Promise<{ readonly run: Run; readonly callbacks: RunCallbacks }> {
  checkOptions(action, options);
  options.signal?.throwIfAborted();
  const warn = warnOnce();
  const set = await evaluationData(data, options.batchSize, `the data to ${action}`);
  const run = await startRun(trainee, {
    kind: action === "evaluate" ? "test" : "predict",
    data: set,
    warn,
    ...(options.steps === undefined ? {} : { stepsPerEpoch: options.steps }),
  });
  try {
    const params = {
      epochs: 1,
      initialEpoch: 0,
      get steps() {
        return run.steps;
      },
      verbose: resolveVerbose(options.verbose),
    };
    return { run, callbacks: runCallbacks(trainee, options.callbacks ?? [], params) };
  } catch (error) {
    await run[Symbol.asyncDispose]();
    throw error;
  }
}
