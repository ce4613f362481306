/**
 * The prediction loop.
 *
 * @module
 */
import type { HostArray } from "../batch.ts";
import { concatRows } from "../data/host_array.ts";
import type { DataSource } from "../data/source.ts";
import { toTensor } from "../data/batch_tensors.ts";
import { leaves, type Nested, packLike } from "../nested.ts";
import { type Tensor, tf } from "../tf.ts";
import { executionsOf } from "./executions.ts";
import { startLook } from "./look.ts";
import type { PredictOptions } from "./options.ts";
import type { Trainee } from "./trainee.ts";

/** Runs predict. */
export async function predictLoop(
  trainee: Trainee,
  data: DataSource | Tensor,
  options: PredictOptions,
): Promise<Nested<Tensor>> {
  const source = data instanceof tf.Tensor ? { x: data } : data;
  const { run, callbacks: { list, stopped } } = await startLook(trainee, "predict", source, options);
  await using _ = run;
  const batches: Nested<HostArray>[] = [];
  await list.call("onPredictBegin", {});
  for await (const execution of executionsOf(run.epoch(0), options.signal)) {
    await list.call("onPredictBatchBegin", { batch: execution.first });
    const { outputs } = await execution.start();
    await list.call("onPredictBatchEnd", { batch: execution.first + execution.steps - 1, outputs });
    batches.push(...await outputs.read());
    if (await trainee.strategy.agree(stopped())) break;
  }
  await run.settle();
  await list.call("onPredictEnd", {});
  return concatOutputs(batches);
}

/** Outputs of several batches, joined on axis 0. */
export function concatOutputs(batches: readonly Nested<HostArray>[]): Nested<Tensor> {
  const grouping = batches[0]!;
  const columns = leaves(grouping).map((_, index) => batches.map((batch) => leaves(batch)[index]!));
  return packLike(grouping, columns.map((parts) => toTensor(concatRows(parts))));
}
