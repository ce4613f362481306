/**
 * `trainOnBatch`, `testOnBatch` and `predictOnBatch`: runs that are fed one batch at a time.
 *
 * @module
 */
import type { Batch, Dataset, Feed } from "../batch.ts";
import { type ClassWeight, withClassWeight } from "../data/class_weight.ts";
import { type ArraySource, loadArrays } from "../data/source.ts";
import type { Nested } from "../nested.ts";
import type { Logs, StepKind } from "../step.ts";
import type { Run, Started } from "../strategy.ts";
import type { Tensor } from "../tf.ts";
import { concatOutputs } from "./predict.ts";
import { startRun, type Trainee } from "./trainee.ts";

/** The arguments of `trainOnBatch`. */
export interface OnBatchOptions {
  /** Weights by class number. @default none */
  readonly classWeight?: ClassWeight;
}

/** A data set that holds the one batch that was put there last. */
class OneBatch implements Dataset {
  readonly batches: number = 1;
  batch: Batch | undefined;

  peek(): Promise<Batch | undefined> {
    return Promise.resolve(this.batch);
  }

  open(): Feed {
    let taken = false;
    return {
      next: () => {
        const batches = taken || this.batch === undefined ? [] : [this.batch];
        taken = true;
        return Promise.resolve(batches);
      },
      rewind: () => {
        taken = false;
        return Promise.resolve(true);
      },
      position: () => ({ pass: 0, batch: taken ? 1 : 0 }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

/** The runs of a model that are fed by hand, kept so that steps are compiled once. */
export class OnBatchRuns {
  #runs = new Map<StepKind, { readonly run: Run; readonly data: OneBatch }>();

  /** One train or test step. @returns Values of this batch alone. */
  async run(trainee: Trainee, kind: StepKind, source: ArraySource, options: OnBatchOptions): Promise<Logs> {
    const { run } = await this.#start(trainee, kind, source, options);
    return await run.settle();
  }

  /** One predict step. */
  async predict(trainee: Trainee, source: ArraySource): Promise<Nested<Tensor>> {
    const { run, started } = await this.#start(trainee, "predict", source, {});
    const outputs = await started.outputs.read();
    await run.settle();
    return concatOutputs(outputs);
  }

  /** Forgets the runs; they are disposed in the background. */
  clear(): void {
    for (const { run } of this.#runs.values()) void run[Symbol.asyncDispose]();
    this.#runs = new Map();
  }

  async #start(
    trainee: Trainee,
    kind: StepKind,
    source: ArraySource,
    { classWeight }: OnBatchOptions,
  ): Promise<{ run: Run; started: Started }> {
    const { arrays, rows } = await loadArrays(source, "the batch");
    const batch: Batch = {
      rows,
      globalRows: rows,
      arrays: classWeight === undefined ? arrays : withClassWeight(arrays, classWeight),
    };
    let kept = this.#runs.get(kind);
    if (kept === undefined) {
      const data = new OneBatch();
      data.batch = batch;
      const run = await startRun(
        { ...trainee, stepsPerExecution: 1 },
        { kind, data, stepsPerEpoch: 1, restart: true, warn: () => {} },
      );
      kept = { run, data };
      this.#runs.set(kind, kept);
    }
    kept.data.batch = batch;
    for await (const execution of kept.run.epoch(0)) return { run: kept.run, started: await execution.start() };
    throw new Error("The strategy gave no execution for a batch.");
  }
}
