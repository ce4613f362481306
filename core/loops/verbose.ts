/**
 * `verbose` and the callbacks that a run gets without asking.
 *
 * @module
 */
import { type Callback, type CallbackContext, CallbackList, type RunParams } from "../callback.ts";
import { describeValue } from "../data/host_array.ts";
import type { Trainee } from "./trainee.ts";

/** How much is printed: nothing, a bar, a line an epoch; `"auto"` is a bar on a terminal and lines elsewhere. */
export type Verbose = 0 | 1 | 2 | "auto";

/** Resolves `"auto"`. */
export function resolveVerbose(verbose: Verbose = "auto"): 0 | 1 | 2 {
  if (![0, 1, 2, "auto"].includes(verbose)) {
    throw new RangeError(`Cannot print with verbose ${verbose}: expected 0 (nothing), 1 (a bar), 2 (lines) or "auto".`);
  }
  return verbose === "auto" ? Deno.stdout.isTerminal() ? 1 : 2 : verbose;
}

/** Callbacks of a run, and whether one of them asked it to stop. */
export interface RunCallbacks {
  readonly list: CallbackList;
  /** Whether a callback called `stop()`. */
  stopped(): boolean;
}

/** The user's callbacks, then those that the run adds. The chief prints; other replicas do not. */
export function runCallbacks(
  trainee: Trainee,
  callbacks: readonly Callback[],
  params: RunParams,
  last: readonly Callback[] = [],
): RunCallbacks {
  const isCallback = (one: unknown): boolean => typeof one === "object" && one !== null;
  if (!Array.isArray(callbacks) || !callbacks.every(isCallback)) {
    throw new TypeError(
      `Cannot use the callbacks: found ${
        describeValue(Array.isArray(callbacks) ? callbacks.find((one) => !isCallback(one)) : callbacks)
      }; expected a list of callbacks, such as [earlyStopping()] or [{ onEpochEnd() { … } }].`,
    );
  }
  const { chief, choice } = trainee.strategy;
  let stopped = false;
  const context: CallbackContext = {
    model: trainee.callbackModel,
    params,
    chief,
    stop: () => {
      stopped = true;
    },
  };
  if (params.verbose !== 0 && chief && choice !== undefined) announce(choice);
  const progress = params.verbose !== 0 && chief ? [trainee.registry.create("callbacks", "progbarLogger")] : [];
  return {
    list: new CallbackList([...callbacks, ...progress, ...last], context, warnAlways),
    stopped: () => stopped,
  };
}

const announced = new Set<string>();

/** Says once in a process what was chosen for the user. */
function announce(choice: string): void {
  if (announced.has(choice)) return;
  announced.add(choice);
  console.log(choice);
}

/** Warns once for each message. */
export function warnOnce(): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    warnAlways(message);
  };
}

/** Warns, whatever was said before. */
export function warnAlways(message: string): void {
  console.warn(`Warning: ${message}`);
}
