/**
 * Counters of a callback that start afresh with each run, unless they were loaded to continue an interrupted one.
 *
 * @module
 */
import type { Json } from "../core/callback.ts";

/** A callback's counters. */
export class Resumable<State> {
  readonly #initial: () => State;
  #current: State;
  #loaded = false;

  /** @param initial The counters at the beginning of a run. */
  constructor(initial: () => State) {
    this.#initial = initial;
    this.#current = initial();
  }

  /** The counters. */
  get current(): State {
    return this.#current;
  }

  /** Called when training begins: counters that were just loaded are kept. @returns Whether they were. */
  begin(): boolean {
    const { loaded } = this;
    if (!loaded) this.#current = this.#initial();
    return loaded;
  }

  /** Called in each epoch: what was loaded is now in use, so that the next run starts afresh. */
  use(): State {
    this.#loaded = false;
    return this.#current;
  }

  /** Whether counters were loaded and not yet used. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** Takes over saved counters. */
  load(state: State): void {
    this.#current = state;
    this.#loaded = true;
  }
}

/**
 * The fields of a saved state.
 *
 * @param owner The callback, for messages.
 * @throws {TypeError} If it is no object.
 */
export function savedFields(owner: string, value: Json): { readonly [key: string]: Json } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `Cannot load the state of ${owner}: expected the object that its save() gave; found ${JSON.stringify(value)}.`,
    );
  }
  return value as { readonly [key: string]: Json };
}
