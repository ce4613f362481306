/**
 * Telling a callback that takes longer than the steps that it watches.
 *
 * @module
 */

/** How many batches are watched before anything is said. */
const BATCHES = 5;
/** Hooks faster than this are never slow, in ms: the steps of tiny models take microseconds. */
const FAST_MS = 5;

/** Times hooks between the beginnings of executions. */
export class SlowCallbacks {
  readonly #warn: (message: string) => void;
  readonly #hooks = new Map<string, number>();
  #began: number | undefined;
  #executions = 0;
  #elapsed = 0;
  #told = false;

  /** Nothing timed yet. @param warn Told once, about the slowest callback. */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** An execution begins. */
  begin(): void {
    const now = performance.now();
    if (this.#began !== undefined) {
      this.#elapsed += now - this.#began;
      this.#executions++;
    }
    this.#began = now;
    if (this.#executions === BATCHES && !this.#told) this.#judge();
  }

  /** A hook was called. @param ms How long it took, without waiting for the device. */
  called(callback: string, hook: string, ms: number): void {
    const name = `${callback}" in ${hook}`;
    this.#hooks.set(name, (this.#hooks.get(name) ?? 0) + ms);
  }

  /** Time passes outside of batches: validation, the end of an epoch. */
  pause(): void {
    this.#began = undefined;
  }

  #judge(): void {
    this.#told = true;
    const inHooks = [...this.#hooks.values()].reduce((sum, ms) => sum + ms, 0);
    const step = (this.#elapsed - inHooks) / BATCHES;
    const slowest = [...this.#hooks].sort(([, a], [, b]) => b - a)[0];
    if (slowest === undefined) return;
    const hook = slowest[1] / BATCHES;
    if (hook > step && hook > FAST_MS) {
      this.#warn(
        `Callback "${slowest[0]} is slow compared to training: it takes ${hook.toFixed(0)} ms each time, and what it ` +
          `watches ${step.toFixed(0)} ms. Do less in it, or raise stepsPerExecution.`,
      );
    }
  }
}
