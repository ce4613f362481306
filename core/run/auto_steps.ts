/**
 * `stepsPerExecution: "auto"`: executions of about 100 to 200 ms.
 *
 * @module
 */
const SHORT_MS = 100;
const LONG_MS = 200;
const MOST_STEPS = 65_536;

/** Settles on a number of steps from how long executions take. Results never depend on it. */
export class AutoSteps {
  #steps = 1;
  #queuedAt: number | undefined;

  /** How many steps the next execution should have. */
  get steps(): number {
    return this.#steps;
  }

  /** An epoch begins: the time since the last steps was validation's and the hooks'. */
  begin(): void {
    this.#queuedAt = undefined;
  }

  /** Called when steps have been queued; the time since the last call is what one execution takes. */
  queued(steps: number): void {
    const now = performance.now();
    const elapsed = this.#queuedAt === undefined ? undefined : now - this.#queuedAt;
    this.#queuedAt = now;
    // A shorter execution at the end of an epoch says nothing about full ones.
    if (elapsed === undefined || steps < this.#steps) return;
    if (elapsed < SHORT_MS) this.#steps = Math.min(this.#steps * 2, MOST_STEPS);
    else if (elapsed > LONG_MS) this.#steps = Math.max(1, Math.floor(this.#steps / 2));
  }
}
