/**
 * How long training steps take through `fit`.
 *
 * @module
 */
import { type AdapterKind, webgpu, webGpuCounts } from "@stride/stride/executors";
import { webgpu as device } from "@stride/stride/devices";
import { strideModel } from "../stride_model.ts";
import { batchSizeOf, median, trainingData } from "../workloads.ts";

/** How a workload is trained. */
export interface TrainingOptions {
  readonly kernelsFor: AdapterKind;
  /** Whether kernels are measured. */
  readonly tuner: boolean;
  /** How long to measure. */
  readonly seconds: number;
}

/** What was measured. */
export interface TrainingTimes {
  readonly stepsPerExecution: number;
  readonly msPerStep: number;
  readonly best: number;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly firstStepMs: number;
  readonly submissions: number;
  readonly maps: number;
}

/** Steps of an execution, and of the shortest epoch. */
const STEPS: Readonly<Record<string, number>> = { dense1: 1000, mlp: 100, cnn: 20, gpt: 10 };
/** Epochs that are measured. */
const EPOCHS = 5;
/** The tuner may take as long as it likes, in ms: `firstStepMs` has it in it. */
const BUDGET = 60_000;
/** The most that the data of an epoch may take, in bytes. */
const DATA_BYTES = 2 ** 28;

/** Trains a workload, and takes the time. */
export async function timeTraining(
  workload: string,
  { kernelsFor, tuner, seconds }: TrainingOptions,
): Promise<TrainingTimes> {
  const stepsPerExecution = STEPS[workload]!;
  const executor = webgpu({ kernelsFor, ...(tuner ? { tuner: { force: true, budget: BUDGET } } : {}) });
  const model = strideModel(workload, { executor, device: "webgpu", stepsPerExecution });
  const batchSize = batchSizeOf(workload);
  const started = performance.now();
  await model.fit(trainingData(workload, batchSize), { batchSize, verbose: 0 });
  const firstStepMs = performance.now() - started;
  const epochs = async (steps: number, count: number) => {
    const times: number[] = [];
    let [begun, before] = [0, webGpuCounts(device())];
    await model.fit(trainingData(workload, batchSize * steps), {
      batchSize,
      epochs: count,
      verbose: 0,
      callbacks: [{
        name: "times",
        onEpochBegin() {
          before = webGpuCounts(device());
          begun = performance.now();
        },
        onEpochEnd() {
          times.push((performance.now() - begun) / steps);
        },
      }],
    });
    return { times, before };
  };
  // The first epoch uploads the data, and drivers compile what it runs.
  const { times: [, trial] } = await epochs(stepsPerExecution, 2);
  const rowBytes = Object.values(trainingData(workload, 1)).reduce((sum, { values }) => sum + values.byteLength, 0);
  const most = Math.floor(DATA_BYTES / (rowBytes * batchSize));
  const wanted = Math.min(1000 * seconds / EPOCHS / trial!, most);
  const stepsPerEpoch = Math.max(1, Math.round(wanted / stepsPerExecution)) * stepsPerExecution;
  const { times: [, ...times], before } = await epochs(stepsPerEpoch, EPOCHS + 1);
  const after = webGpuCounts(device());
  model.dispose();
  return {
    stepsPerExecution,
    msPerStep: median(times),
    best: Math.min(...times),
    epochs: times.length,
    stepsPerEpoch,
    firstStepMs,
    submissions: after.submissions - before.submissions,
    maps: after.maps - before.maps,
  };
}
