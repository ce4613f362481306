/**
 * Cutting data into epochs and executions: the rules of `stepsPerEpoch`, of data that run short, and of reading ahead.
 *
 * @module
 */
import type { Batch, Feed } from "../batch.ts";
import type { Plan } from "../strategy.ts";
import { AutoSteps } from "./auto_steps.ts";

/**
 * After how many batches an epoch of unknown length may be an endless one. ImageNet in batches of 32 has 40,000, and
 * steps of 2 ms take more than three minutes for these: late enough for nearly every epoch to have ended, early enough
 * for someone who waits to read it. A longer one only gets a needless line.
 */
const SUSPICIOUS_BATCHES = 100_000;

/** The batches of one execution. */
export interface Portion {
  /** The first step, from 0 in each epoch. */
  readonly first: number;
  /** At least one. */
  readonly batches: readonly Batch[];
  /** Called once the batches have been queued: starts reading the next ones. */
  queued(): void;
}

/**
 * The epochs of one run over one feed.
 *
 * ```ts
 * import { ArrayDataset, Epochs, type Plan } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = { shape: [10], dtype: "float32", values: new Float32Array(10) } as const;
 * const data = new ArrayDataset({ x }, 10, { batchSize: 2 });
 * await using feed = data.open({ index: 0, count: 1 });
 * const epochs = new Epochs({ data, stepsPerExecution: 2 } as unknown as Plan, feed);
 * const portions: number[][] = [];
 * for await (const { first, batches } of epochs.next()) portions.push([first, batches.length]);
 * assertEquals(portions, [[0, 2], [2, 2], [4, 1]]);
 * ```
 */
export class Epochs {
  readonly #plan: Plan;
  readonly #feed: Feed;
  readonly #auto: AutoSteps | undefined;
  #ahead: Promise<readonly Batch[]> | undefined;
  /** Whether the pass has given its last batch. */
  #ended = false;
  /** Whether this pass has given any batch. */
  #started = false;
  #exhausted = false;
  #steps: number | undefined;

  /** The epochs of a plan. @param feed Disposed by whoever opened it. */
  constructor(plan: Plan, feed: Feed) {
    this.#plan = plan;
    this.#feed = feed;
    this.#auto = plan.stepsPerExecution === "auto" ? new AutoSteps() : undefined;
    const { batches } = plan.data;
    const known = batches !== undefined && Number.isFinite(batches) ? batches : undefined;
    this.#steps = plan.stepsPerEpoch ?? known;
  }

  /** Steps in an epoch, as far as is known. */
  get steps(): number | undefined {
    return this.#steps;
  }

  /** Whether the data have ended for good. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  /** The portions of the next epoch. */
  async *next(): AsyncGenerator<Portion> {
    if (this.#plan.restart && this.#started) await this.#rewind();
    this.#auto?.begin();
    const target = this.#plan.stepsPerEpoch;
    let done = 0;
    while (!this.#exhausted && (target === undefined || done < target)) {
      const count = Math.min(
        this.#plan.stepsPerExecution === "auto" ? this.#auto!.steps : this.#plan.stepsPerExecution,
        (target ?? Infinity) - done,
      );
      const batches = await (this.#ahead ?? this.#feed.next(count));
      this.#ahead = undefined;
      this.#ended = batches.length < count;
      if (batches.length === 0) {
        // The last epoch took exactly what there was: this one begins with the next pass.
        if (done === 0 && this.#started && await this.#rewind()) continue;
        break;
      }
      this.#started = true;
      const first = done;
      done += batches.length;
      // Nothing is stopped: a generator that never ends looks like a long one, here as in Keras.
      if (this.#steps === undefined && first < SUSPICIOUS_BATCHES && done >= SUSPICIOUS_BATCHES) {
        this.#plan.warn(mayBeEndless(done));
      }
      yield {
        first,
        batches,
        queued: () => {
          this.#auto?.queued(batches.length);
          this.#readAhead(count, (target ?? Infinity) - done);
        },
      };
    }
    if (target === undefined) this.#steps = done;
    else if (done < target) this.#plan.warn(ranOut(done, target));
    if (this.#ended && !this.#plan.restart) await this.#rewind();
  }

  /** While these steps run, reads the next ones of this epoch. A size that the tuner may change is not read ahead. */
  #readAhead(count: number, left: number): void {
    if (this.#ended || this.#auto !== undefined || left <= 0) return;
    this.#ahead = this.#feed.next(Math.min(count, left));
    // Failing is reported when the batches are asked for.
    this.#ahead.catch(() => {});
  }

  async #rewind(): Promise<boolean> {
    await this.#ahead?.catch(() => {});
    this.#ahead = undefined;
    this.#ended = false;
    this.#started = false;
    const again = await this.#feed.rewind();
    this.#exhausted = !again;
    return again;
  }
}

function mayBeEndless(done: number): string {
  return `The data have not ended after ${done} batches. If they are endless, this epoch is too: say how many steps it ` +
    "has, with stepsPerEpoch (steps of evaluate and predict, validationSteps for validation data).";
}

function ranOut(done: number, target: number): string {
  return `Your input ran out of data: the epoch ended after ${done} of ${target} steps. ` +
    "Make sure that your data set can give at least stepsPerEpoch batches, or repeat it.";
}
