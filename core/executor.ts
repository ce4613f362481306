/**
 * How one replica runs steps: as they are, or compiled, many at a time.
 *
 * @module
 */
import type { Batch, HostArray, Shard } from "./batch.ts";
import type { Device } from "./device.ts";
import type { Nested } from "./nested.ts";
import type { Pending } from "./pending.ts";
import type { Step, StepTable } from "./step.ts";

/** Runs steps on one device. */
export interface Executor {
  /** The name it is registered under. */
  readonly name: string;
  /** Prepares a step. The strategy calls it once a run, after opening the device. */
  load(step: Step, options: LoadOptions): Promise<Program>;
  /** For one that chooses: the executor that it stands for on a device. Strategies and the doctor say it to the user. */
  on?(device: Device): Executor;
  /**
   * Runs the pass in which a model is built, on the current device: only its shapes matter, the variables that it creates,
   * and what it reads. Called before `load`, synchronously. @default it runs as it is
   */
  sketch?<T>(pass: () => T): T;
}

/** What an executor is told when it loads a step. */
export interface LoadOptions {
  /** Where to run. */
  readonly device: Device;
  /** How many sums slots the program must hold at the same time. */
  readonly slots: number;
  /** Which replica this is: the first one's states count where replicas do not average. @default the only one */
  readonly replica?: Shard;
}

/** What replicas exchange after computing a phase: plain sums, each replica's part already scaled by its share. */
export interface Exchange {
  /** Gradients, then state variables, one after the other; added over replicas. */
  readonly values: Float32Array;
  /** The sums of this batch, combined over replicas as the step's `sums` layout says. */
  readonly sums: Float32Array;
}

/** A step ready to run. One caller, no overlapping calls. */
export interface Program extends AsyncDisposable {
  /**
   * Runs every phase on each batch in order, and combines their sums in `slot`, which it clears first.
   * Returns when the work is queued, which may be before it has run. Full and ragged batches may be mixed.
   */
  run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun>;
  /** The first half of a phase on one batch, for strategies that exchange: variables are left as they are. */
  compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange>;
  /** The second half: applies gradients and states that all replicas agree on. */
  apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void>;
  /**
   * Reads sums slots and clears them: one wait for the device, however many slots.
   *
   * @throws {RangeError} If nothing was run in a slot since it was read.
   */
  sums(slots: readonly number[]): Promise<readonly ArrayLike<number>[]>;
  /** Waits until everything queued has run. */
  settle(): Promise<void>;
}

/** What running batches gave. */
export interface ProgramRun {
  /** What the steps return, one a batch; read at most once. */
  readonly outputs: Pending<readonly Nested<HostArray>[]>;
}
