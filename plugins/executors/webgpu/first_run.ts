/**
 * How much to submit at once while the shaders of a plan run for the first time.
 *
 * @module
 */

/** The most dispatches of a submission. */
const MOST = 16;
/** Submissions shorter than this, in ms, may be longer; those of more than twice as much should be shorter. */
const SHORT_MS = 25;

/**
 * Portions of a first run. Software drivers compile a shader at its first dispatch, which may take a second: at most one such
 * dispatch is submitted at a time, so that the event loop lives on in between. Shaders that have run follow it.
 *
 * ```ts
 * import { FirstRun } from "./first_run.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const run = new FirstRun(["a", "b", "a", "a", "a", "a", "c"], () => 0);
 * const portions: number[] = [];
 * for (let done = 0; done < 7; done += portions.at(-1)!) portions.push(run.next(done));
 * assertEquals(portions, [1, 1, 1, 2, 1, 1]);
 * ```
 */
export class FirstRun {
  readonly #shaders: readonly unknown[];
  readonly #now: () => number;
  readonly #ran = new Set<unknown>();
  #most = 1;
  /** When the last portion was given, if all of its shaders had run before: of others the time says nothing. */
  #since: number | undefined;

  /** @param shaders In the order of dispatches: equal ones are compiled once. @param now The time in ms. */
  constructor(shaders: readonly unknown[], now: () => number = () => performance.now()) {
    this.#shaders = shaders;
    this.#now = now;
  }

  /** How many dispatches to submit from this one on. Everything before has run. */
  next(from: number): number {
    const now = this.#now();
    if (this.#since !== undefined) {
      const elapsed = now - this.#since;
      if (elapsed < SHORT_MS) this.#most = Math.min(MOST, 2 * this.#most);
      else if (elapsed > 2 * SHORT_MS) this.#most = Math.max(1, this.#most >> 1);
    }
    const isNew = !this.#ran.has(this.#shaders[from]);
    this.#ran.add(this.#shaders[from]);
    this.#since = isNew ? undefined : now;
    let count = 1;
    while (
      count < this.#most && from + count < this.#shaders.length && this.#ran.has(this.#shaders[from + count])
    ) count++;
    return count;
  }
}
