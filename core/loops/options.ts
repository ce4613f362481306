/**
 * The arguments of fit, evaluate and predict.
 *
 * @module
 */
import type { Callback } from "../callback.ts";
import type { ClassWeight } from "../data/class_weight.ts";
import type { ArrayInput } from "../data/host_array.ts";
import type { DataSource } from "../data/source.ts";
import type { Nested } from "../nested.ts";
import type { Verbose } from "./verbose.ts";

/** Keras's form of validation data: inputs, targets, and sample weights where there are any. */
export type ValidationTuple = readonly [
  x: Nested<ArrayInput>,
  y: Nested<ArrayInput>,
  sampleWeight?: Nested<ArrayInput>,
];

/** The arguments of fit. */
export interface FitOptions {
  /** Samples in a batch; arrays only. @default 32 */
  readonly batchSize?: number;
  /** The final epoch: training ends when this many have been done, counting from 0. @default 1 */
  readonly epochs?: number;
  /** The epoch to start at, when resuming. @default 0 */
  readonly initialEpoch?: number;
  /** How much is printed. @default "auto" */
  readonly verbose?: Verbose;
  /** Called in order at every hook, before the progress bar and History. @default none */
  readonly callbacks?: readonly Callback[];
  /** The part of the samples, the last ones, to validate on; arrays only. @default 0 */
  readonly validationSplit?: number;
  /** What to validate on. Overrides `validationSplit`. @default none */
  readonly validationData?: DataSource | ValidationTuple;
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

/** The arguments of evaluate. */
export interface EvaluateOptions {
  /** Samples in a batch; arrays only. @default 32 */
  readonly batchSize?: number;
  /** How much is printed. @default "auto" */
  readonly verbose?: Verbose;
  /** How many batches to evaluate. @default all */
  readonly steps?: number;
  /** Called in order at every hook. @default none */
  readonly callbacks?: readonly Callback[];
  /** Rejects with its reason when it aborts. @default none */
  readonly signal?: AbortSignal;
}

/** The arguments of predict. */
export interface PredictOptions {
  /** Samples in a batch; arrays only. @default 32 */
  readonly batchSize?: number;
  /** How much is printed. @default "auto" */
  readonly verbose?: Verbose;
  /** How many batches to predict. @default all */
  readonly steps?: number;
  /** Called in order at every hook. @default none */
  readonly callbacks?: readonly Callback[];
  /** Rejects with its reason when it aborts. @default none */
  readonly signal?: AbortSignal;
}

const FIT: Readonly<Record<keyof FitOptions, true>> = {
  batchSize: true,
  epochs: true,
  initialEpoch: true,
  verbose: true,
  callbacks: true,
  validationSplit: true,
  validationData: true,
  validationBatchSize: true,
  validationSteps: true,
  validationFreq: true,
  shuffle: true,
  classWeight: true,
  stepsPerEpoch: true,
  signal: true,
};

const EVALUATE: Readonly<Record<keyof EvaluateOptions | keyof PredictOptions, true>> = {
  batchSize: true,
  verbose: true,
  steps: true,
  callbacks: true,
  signal: true,
};

/**
 * Refuses options that would be ignored.
 *
 * @throws {TypeError} If one is unknown.
 */
export function checkOptions(action: "fit" | "evaluate" | "predict", options: object): void {
  const known = action === "fit" ? FIT : EVALUATE;
  const unknown = Object.keys(options).filter((name) => !(name in known));
  if (unknown.length === 0) return;
  throw new TypeError(
    `Cannot ${action}: unknown option ${unknown.join(", ")}; expected some of ${Object.keys(known).join(", ")}. ` +
      "Targets and sample weights go with the data: { x, y, sampleWeight }.",
  );
}
