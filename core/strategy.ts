/**
 * Who runs steps, on whose data, and how replicas agree.
 *
 * @module
 */
import type { Batch, Dataset, HostArray } from "./batch.ts";
import type { DeviceCatalog } from "./device.ts";
import type { Executor } from "./executor.ts";
import { isPlainObject, type Nested } from "./nested.ts";
import type { Pending } from "./pending.ts";
import type { PerReplica, ReduceOperation } from "./per_replica.ts";
import type { Logs, Step } from "./step.ts";
import type { Tensor } from "./tf.ts";

/** Runs steps on one replica or many. Made by a factory; a model takes the current one when it is constructed. */
export interface Strategy extends AsyncDisposable {
  /** The name it is registered under. */
  readonly name: string;
  /** What was chosen where the user left it open: the run prints it once. Known when one is prepared. @default nothing to say */
  readonly choice?: string;
  /** How many replicas train together. */
  readonly replicas: number;
  /** Whether this process prints and writes files: one process in a job does. */
  readonly chief: boolean;
  /** Runs `create` with this strategy current, so that models made in it belong to it. Scopes do not nest. */
  scope<T>(create: () => T): T;
  /**
   * Opens this replica's device and makes it current, so that variables can be made on it. Again is free.
   *
   * @param devices Where devices are looked up by name.
   * @throws {DeviceError} If a device asked for by name is not there.
   */
  open(devices: DeviceCatalog): Promise<void>;
  /** Gets ready to run a step over data. The loops call it once for each fit, evaluate or predict. */
  prepare(plan: Plan): Promise<Run>;
  /** Runs a function once for each replica of this process; arguments that are `PerReplica` are taken apart. */
  run<Args extends readonly unknown[], T>(body: (...args: Args) => T, ...args: Args): PerReplica<T>;
  /**
   * Reduces tensors over all replicas. Collective.
   *
   * @param axis `null` combines replicas elementwise; a number also reduces along that axis, and a mean then counts the
   * true number of elements.
   * @returns A new tensor of the caller's, the same on every replica.
   */
  reduce(operation: ReduceOperation, values: PerReplica<Tensor>, axis: number | null): Promise<Tensor>;
  /** The batches of a data set, each cut into the parts of this process's replicas, larger parts first. */
  distribute(data: Dataset): AsyncIterable<PerReplica<Batch>>;
  /** Whether any replica voted yes: how all of them stop together. Collective. */
  agree(vote: boolean): Promise<boolean>;
}

/** What to run, on what, how. The strategy is open. */
export interface Plan {
  /** What each batch does. */
  readonly step: Step;
  /** The data. */
  readonly data: Dataset;
  /** How each replica runs steps; chosen by name among those registered where it is a string. */
  readonly executor: Executor;
  /** Steps in each execution. */
  readonly stepsPerExecution: number | "auto";
  /** Steps in each epoch; the data go on from epoch to epoch. @default one pass an epoch */
  readonly stepsPerEpoch?: number;
  /** Whether every epoch starts the data afresh, as validation does. @default false */
  readonly restart?: boolean;
  /** Told what the user should know: the data ran short. */
  warn(message: string): void;
}

/** A step being run over data. Whoever prepared it disposes it. */
export interface Run extends AsyncDisposable {
  /** Steps in an epoch, as far as is known. */
  readonly steps: number | undefined;
  /** Whether the data have ended for good: a generator that cannot be read again. */
  readonly exhausted: boolean;
  /**
   * The executions of one epoch, none started yet: each is handed out when its data exist. Sums start from zero.
   * An execution that is not started is not run. The loop starts each before asking for the next.
   */
  epoch(index: number): AsyncIterable<Execution>;
  /** Waits for everything started, and returns the epoch's values. Collective. */
  settle(): Promise<Logs>;
}

/** Steps that run together. */
export interface Execution {
  /** The first step, from 0 in each epoch. */
  readonly first: number;
  /** How many steps. */
  readonly steps: number;
  /** Queues them. */
  start(): Promise<Started>;
}

/** Steps that have been queued. */
export interface Started {
  /**
   * Values over the epoch up to and with these steps; where later ones were read before, these too. To be read before the
   * epoch ends.
   */
  readonly logs: Pending<Logs>;
  /** What the steps return, one entry a batch. */
  readonly outputs: Pending<readonly Nested<HostArray>[]>;
}

let current: Strategy | undefined;

/**
 * The strategy whose scope is running, if any.
 *
 * ```ts
 * import { getStrategy } from "@stride/stride/core";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertEquals } from "@std/assert";
 *
 * await using strategy = oneDevice();
 * assertEquals(strategy.scope(() => getStrategy()), strategy);
 * assertEquals(getStrategy(), undefined);
 * ```
 */
export function getStrategy(): Strategy | undefined {
  return current;
}

/**
 * Runs `create` with `strategy` current. Strategies implement `scope` with it.
 *
 * ```ts
 * import { getStrategy, runInScope } from "@stride/stride/core";
 * import { oneDevice } from "@stride/stride/strategies";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * await using strategy = oneDevice();
 * await using other = oneDevice();
 * assertEquals(runInScope(strategy, () => getStrategy()), strategy);
 * assertThrows(() => runInScope(strategy, () => runInScope(other, () => {})), Error, "do not nest");
 * ```
 *
 * @throws {Error} If another strategy's scope is running.
 */
export function runInScope<T>(strategy: Strategy, create: () => T): T {
  if (current !== undefined && current !== strategy) {
    throw new Error(
      `Cannot enter the scope of strategy "${strategy.name}": the scope of "${current.name}" is still running. ` +
        "Scopes of different strategies do not nest; leave one before entering the other.",
    );
  }
  const outer = current;
  current = strategy;
  try {
    return create();
  } finally {
    current = outer;
  }
}

/**
 * One argument as one replica sees it.
 *
 * ```ts
 * import { replicaArgument } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(replicaArgument({ values: ["a", "b"] }, 1), "b");
 * assertEquals(replicaArgument("shared", 1), "shared");
 * ```
 */
export function replicaArgument(argument: unknown, replica: number): unknown {
  const values = (argument as PerReplica<unknown> | undefined | null)?.values;
  const isPerReplica = isPlainObject(argument) && Object.keys(argument).length === 1 && Array.isArray(values);
  return isPerReplica ? values![replica] : argument;
}

/**
 * The parts of every batch of one pass, for the replicas from `first` on.
 *
 * ```ts
 * import { ArrayDataset, distributeBatches } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = { shape: [5], dtype: "float32", values: new Float32Array(5) } as const;
 * const data = new ArrayDataset({ x }, 5, { batchSize: 3 });
 * const rows: number[][] = [];
 * for await (const { values } of distributeBatches(data, { first: 0, count: 2, of: 2 })) {
 *   rows.push(values.map((part) => part.rows));
 * }
 * assertEquals(rows, [[2, 1], [1, 1]]);
 * ```
 */
export async function* distributeBatches(
  data: Dataset,
  replicas: { readonly first: number; readonly count: number; readonly of: number },
): AsyncGenerator<PerReplica<Batch>> {
  const feeds = Array.from(
    { length: replicas.count },
    (_, i) => data.open({ index: replicas.first + i, count: replicas.of }),
  );
  try {
    while (true) {
      const taken = await Promise.all(feeds.map((feed) => feed.next(1)));
      if (taken.some((batches) => batches.length === 0)) return;
      yield { values: taken.map(([batch]) => batch!) };
    }
  } finally {
    for (const feed of feeds) await feed[Symbol.asyncDispose]();
  }
}
