/**
 * Hooks, and how they are called. Every hook is a line of `Hooks`; callbacks and dispatch derive from it.
 *
 * @module
 */
import { CallbackError } from "./errors.ts";
import type { Nested } from "./nested.ts";
import type { HostArray } from "./batch.ts";
import type { Pending } from "./pending.ts";
import { SlowCallbacks } from "./slow_callbacks.ts";
import type { Logs, StepVariable } from "./step.ts";
import type { Optimizer } from "./optimizer.ts";

/** The beginning of an execution: one step, or several. */
export interface BatchBeginEvent {
  /** The first step of the execution, from 0 in each epoch. */
  readonly batch: number;
}

/** The end of an execution. */
export interface BatchEndEvent {
  /** The last step of the execution. */
  readonly batch: number;
  /** Values over the epoch so far. Nothing is read from the device unless a hook calls `read()`. */
  readonly logs: Pending<Logs>;
}

/** The end of an execution of predict. */
export interface PredictBatchEndEvent {
  /** The last step of the execution. */
  readonly batch: number;
  /** What the model returned, one entry a batch. */
  readonly outputs: Pending<readonly Nested<HostArray>[]>;
}

/** Every hook and what it is told. An empty event stands for hooks that are told nothing. */
export interface Hooks {
  /** Fit begins. */
  onTrainBegin: Record<never, never>;
  /** Fit ends, unless it failed. */
  onTrainEnd: { readonly logs: Logs };
  /** An epoch begins, counted from 0. */
  onEpochBegin: { readonly epoch: number };
  /** Logs may be changed: History records what the callbacks before it leave. */
  onEpochEnd: { readonly epoch: number; readonly logs: Logs };
  /** An execution of the epoch is about to start; its data exist. */
  onTrainBatchBegin: BatchBeginEvent;
  /** An execution of the epoch has been started. */
  onTrainBatchEnd: BatchEndEvent;
  /** Evaluation or validation begins. */
  onTestBegin: Record<never, never>;
  /** Evaluation or validation ends. */
  onTestEnd: { readonly logs: Logs };
  /** An execution of evaluation is about to start. */
  onTestBatchBegin: BatchBeginEvent;
  /** An execution of evaluation has been started. */
  onTestBatchEnd: BatchEndEvent;
  /** Prediction begins. */
  onPredictBegin: Record<never, never>;
  /** Prediction ends. */
  onPredictEnd: Record<never, never>;
  /** An execution of prediction is about to start. */
  onPredictBatchBegin: BatchBeginEvent;
  /** An execution of prediction has been started. */
  onPredictBatchEnd: PredictBatchEndEvent;
}

const HOOK_NAMES: Readonly<Record<keyof Hooks, true>> = {
  onTrainBegin: true,
  onTrainEnd: true,
  onEpochBegin: true,
  onEpochEnd: true,
  onTrainBatchBegin: true,
  onTrainBatchEnd: true,
  onTestBegin: true,
  onTestEnd: true,
  onTestBatchBegin: true,
  onTestBatchEnd: true,
  onPredictBegin: true,
  onPredictEnd: true,
  onPredictBatchBegin: true,
  onPredictBatchEnd: true,
};

/** The name of a hook. */
export type HookName = keyof Hooks;

/** The names of all hooks. */
export const hookNames: readonly HookName[] = Object.keys(HOOK_NAMES) as HookName[];

/** What callbacks may do with the model that they watch. */
export interface CallbackModel {
  /** The optimizer: its learning rate may be read and set. `undefined` when the model is not compiled. */
  readonly optimizer: Optimizer | undefined;
  /** Copies of all weights, on the device; the caller disposes them. */
  getWeights(): import("./tf.ts").Tensor[];
  /** Replaces all weights. */
  setWeights(weights: readonly import("./tf.ts").Tensor[]): void;
  /** The weights that `optimizer` trains, in the order in which it was built with them; its `averages` go along. */
  readonly trained: readonly StepVariable[];
  /** Whether smaller or larger values of a reported name are better; `undefined` for unknown names. */
  direction(name: string): "min" | "max" | undefined;
}

/** What every hook gets beside its event. */
export interface CallbackContext {
  /** The model in training, evaluation or prediction. */
  readonly model: CallbackModel;
  /** What the run was asked for. */
  readonly params: RunParams;
  /** Whether this replica speaks for all: prints, writes files and sends messages. Exactly one does. */
  readonly chief: boolean;
  /** Ends the run after the current execution; validation and the end hooks still run. */
  stop(): void;
}

/** What a run was asked for. */
export interface RunParams {
  /** Index of the last epoch, or 1 outside fit. */
  readonly epochs: number;
  /** The first epoch. */
  readonly initialEpoch: number;
  /** Steps in an epoch; `undefined` until the data have been read once. */
  readonly steps: number | undefined;
  /** How much is printed. */
  readonly verbose: 0 | 1 | 2;
}

/** A value that survives JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A hook: told its event and the context; awaited when it returns a promise. */
export type HookMethod<K extends HookName> = (event: Hooks[K], context: CallbackContext) => void | Promise<void>;

/** Any of the hooks. */
export type HookMethods = {
  [K in HookName]?: HookMethod<K>;
};

/** Something to do while a model trains: any of the hooks, in an object or a class. Hooks that return promises are awaited. */
export interface Callback extends HookMethods {
  /** For messages. @default the class name */
  readonly name?: string;
  /**
   * What must survive an interruption beside weights and optimizer. `save` is awaited, after any hook; `load` is called
   * before the first epoch, before or after `onTrainBegin`.
   */
  readonly state?: { save(): Json | Promise<Json>; load(value: Json): void };
}

/**
 * The name of a callback for messages.
 *
 * ```ts
 * import { type Callback, callbackName } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * class Progress implements Callback {}
 * assertEquals(callbackName(new Progress()), "Progress");
 * assertEquals(callbackName({ onTrainEnd: () => {} }), "callback");
 * ```
 */
export function callbackName(callback: Callback): string {
  return callback.name ?? (callback.constructor === Object ? "callback" : callback.constructor.name);
}

/** The same event, noting whether its logs are read. */
function watchReading<Event extends object>(event: Event, noteRead: () => void): Event {
  const { logs } = event as { readonly logs?: Pending<Logs> };
  if (logs === undefined) return event;
  return {
    ...event,
    logs: {
      read: () => {
        noteRead();
        return logs.read();
      },
    },
  };
}

/** Hooks that are misspelt would never be called. */
function checkHooks(callback: Callback): void {
  for (let level: object | null = callback; level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    const unknown = Object.getOwnPropertyNames(level).find((name) => /^on[A-Z]/.test(name) && !(name in HOOK_NAMES));
    if (unknown !== undefined) {
      throw new TypeError(
        `Callback "${callbackName(callback)}" has "${unknown}", which is no hook and would never be called. Hooks: ` +
          `${hookNames.join(", ")}.`,
      );
    }
  }
}

/**
 * Callbacks in order. Knows beforehand who listens to what, so that hooks nobody has cost nothing.
 *
 * ```ts
 * import { type CallbackContext, CallbackList } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const context = { chief: true, stop: () => {} } as CallbackContext;
 * const epochs: number[] = [];
 * const list = new CallbackList([
 *   { onEpochBegin: ({ epoch }) => void epochs.push(epoch) },
 *   { onEpochBegin: async ({ epoch }) => void epochs.push(await Promise.resolve(epoch + 100)) },
 * ], context);
 * await list.call("onEpochBegin", { epoch: 3 });
 * assertEquals(epochs, [3, 103]);
 * ```
 */
export class CallbackList {
  readonly #callbacks: readonly Callback[];
  readonly #context: CallbackContext;
  readonly #listeners = new Map<HookName, readonly Callback[]>();
  readonly #slow: SlowCallbacks;

  /**
   * A list of callbacks.
   *
   * @param callbacks In the order in which they are called.
   * @param context What every hook gets.
   * @param warn Told of a callback that is slower than the steps. @default nobody
   * @throws {TypeError} If a callback has a method that looks like a hook and is none.
   */
  constructor(callbacks: readonly Callback[], context: CallbackContext, warn: (message: string) => void = () => {}) {
    callbacks.forEach(checkHooks);
    this.#callbacks = callbacks;
    this.#context = context;
    this.#slow = new SlowCallbacks(warn);
  }

  /**
   * Calls one hook of every callback, in order, each awaited before the next.
   *
   * @throws {CallbackError} If one throws; those after it are not called.
   */
  async call<K extends HookName>(hook: K, event: Hooks[K]): Promise<void> {
    const timed = hook === "onTrainBatchBegin" || hook === "onTrainBatchEnd";
    if (hook === "onTrainBatchBegin") this.#slow.begin();
    else if (!timed) this.#slow.pause();
    for (const callback of this.#find(hook)) {
      const started = timed ? performance.now() : 0;
      let read = false;
      const watched = timed ? watchReading(event, () => read = true) : event;
      try {
        await (callback[hook] as HookMethod<K>).call(callback, watched, this.#context);
      } catch (cause) {
        throw new CallbackError(callbackName(callback), hook, cause);
      }
      // A hook that reads waits for the device: that is the steps' time.
      if (timed && !read) this.#slow.called(callbackName(callback), hook, performance.now() - started);
    }
  }

  #find(hook: HookName): readonly Callback[] {
    let found = this.#listeners.get(hook);
    if (found === undefined) {
      found = this.#callbacks.filter((callback) => callback[hook] !== undefined);
      this.#listeners.set(hook, found);
    }
    return found;
  }
}
