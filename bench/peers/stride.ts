/**
 * Stride as a contender: `WORKLOAD EXECUTOR DEVICE STEPS_PER_EXECUTION [STEPS]`.
 *
 * A round is an epoch of one long `fit` on data in memory, from its begin hook to its end hook: shuffling, batches, and the
 * one read-back of an epoch are in it; tracing and compilation are not.
 *
 * @module
 */
import type { Model } from "@stride/stride";
import { strideModel } from "../stride_model.ts";
import { batchSizeOf, mostSteps, trainingData } from "../workloads.ts";
import { type Rounds, serve } from "./serve.ts";

const [name = "", executor = "", device = "", stepsPerExecution = "", steps] = Deno.args;
const batchSize = batchSizeOf(name);

/** A fit whose epochs wait to be asked for. */
function epochs(model: Model, count: number): Rounds {
  let begin = Promise.withResolvers<void>();
  let end = Promise.withResolvers<void>();
  const ended = new AbortController();
  const fit = model.fit(trainingData(name, batchSize * count), {
    batchSize,
    epochs: Number.MAX_SAFE_INTEGER,
    verbose: 0,
    signal: ended.signal,
    callbacks: [{
      name: "rounds",
      onEpochBegin: () => begin.promise,
      onEpochEnd: () => {
        begin = Promise.withResolvers();
        end.resolve();
      },
    }],
  });
  fit.catch((error) => end.reject(error));
  return {
    run() {
      end = Promise.withResolvers();
      begin.resolve();
      return end.promise;
    },
    async close() {
      ended.abort();
      begin.resolve();
      end.promise.catch(() => {});
      await fit.catch((error) => {
        if (!ended.signal.aborted) throw error;
      });
    },
  };
}

const model = strideModel(name, { executor, device, stepsPerExecution: Number(stepsPerExecution) });
await serve({
  unit: Number(stepsPerExecution),
  most: mostSteps(name),
  async first() {
    const data = trainingData(name, batchSize);
    const started = performance.now();
    await model.fit(data, { batchSize, verbose: 0 });
    return performance.now() - started;
  },
  rounds: (count) => Promise.resolve(epochs(model, count)),
}, steps === undefined ? undefined : Number(steps));
