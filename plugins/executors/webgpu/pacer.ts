/**
 * When to submit and when to look, so that the event loop lives on.
 *
 * Deno waits for the device inside of calls: `mapAsync` and `onSubmittedWorkDone` until everything submitted has run, and
 * on software adapters `submit` too. So the pacer learns how long steps take, sleeps that long on a timer, and makes such
 * a call shortly before it would return at once: what is left of it tells how long the steps really took. Should calls
 * return at once and their promises tell, as in browsers, it notices, and waits for these.
 *
 * @module
 */
import type { CountedQueue } from "./counted_queue.ts";

/** How long a submission should take at most, in ms: what a wrong guess blocks is a part of it. */
const SUBMISSION_MS = 50;
/** How much work may be waiting where submitting does not block, in ms. */
const LEAD_MS = 100;
/** How long a call may block without a thought, in ms. */
const SLACK_MS = 8;
/** After so many ms without one, the event loop gets a turn. */
const TURN_MS = 25;
/** A call that took longer, in ms, has waited for the device. */
const WAITED_MS = 0.5;
/** How many times as many steps a submission may have as any that was measured. */
const GROWTH = 8;
/** No sleep is longer, whatever a stalled machine made of a measurement, in ms. */
const MOST_SLEEP_MS = 500;
/** An answer that took longer than this to arrive, in ms, has waited for the device: Deno looks for answers every 10 ms. */
const ANSWER_MS = 15;

/** How long the steps of one program take. */
export class Timing {
  /** In ms; `undefined` before the first measurement. */
  perStep: number | undefined;
  /** The most steps that were measured together. */
  measured = 0;
  /** Whether all shaders have run: some drivers compile them only then. */
  warm: boolean;

  /** Nothing is known. @param warm Whether all shaders have run before. */
  constructor(warm: boolean) {
    this.warm = warm;
  }
}

/** Time, and waiting with the event loop alive. Both in ms. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<void>;
}

const CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

interface Flight {
  readonly timing: Timing;
  readonly steps: number;
  /** Whether shaders run for the first time: how long that takes says nothing. */
  readonly cold: boolean;
}

/** Keeps track of what is on its way on one device. One user at a time: see `turn`. */
export class Pacer {
  readonly #queue: CountedQueue;
  readonly #clock: Clock;
  #blocks: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #flights: Flight[] = [];
  /** When the device began with them. */
  #began = 0;
  #turned: number;
  /** Whether calls for an answer return at once, and the answer waits: not in Deno 2.9. `undefined`: not known yet. */
  #answersLater: boolean | undefined;

  /**
   * Nothing is on its way.
   *
   * @param blocks Whether `submit` waits until what was submitted before has run.
   * @param clock What time is measured with. @default the real one
   */
  constructor(queue: CountedQueue, blocks: boolean, clock: Clock = CLOCK) {
    this.#queue = queue;
    this.#blocks = blocks;
    this.#clock = clock;
    this.#turned = clock.now();
  }

  /** Waits for everybody who came before, then calls `body`. */
  turn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(body);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Calls `start` when everything submitted has run. Those who come later need not wait for what it promises. */
  async whenIdle<T>(start: () => Promise<T>): Promise<T> {
    const { done } = await this.turn(async () => {
      await this.idle();
      const done = start();
      done.catch(() => {});
      return { done };
    });
    return await done;
  }

  /** How many steps, or which part of one, the next submission should have. 0: as little as possible. */
  portion({ perStep, measured, warm }: Timing): number {
    // Compiling may take long: a shader at a time lets the event loop live on in between.
    if (!warm) return 0;
    if (perStep === undefined) return 1;
    return Math.min(measured * GROWTH, SUBMISSION_MS / Math.max(perStep, 1e-6));
  }

  /** Waits until this many steps more may be submitted. */
  async room(timing: Timing, steps: number): Promise<void> {
    const left = this.#left();
    const unknown = timing.perStep === undefined || this.#flights.some(({ timing }) => timing.perStep === undefined);
    const cost = this.#blocks ? 0 : steps * (timing.perStep ?? 0);
    const most = this.#blocks ? SLACK_MS : LEAD_MS;
    if (this.#flights.length > 0 && (unknown || left + cost > most || steps > timing.measured)) await this.idle();
    else await this.breathe();
  }

  /** Gives the event loop a turn, if it has not had one for long. */
  async breathe(): Promise<void> {
    if (this.#clock.now() - this.#turned > TURN_MS) await this.#sleep(0);
  }

  /** Submits, and takes note of it. */
  submit(commands: GPUCommandBuffer, dispatches: number, flight: Flight): void {
    const before = this.#clock.now();
    this.#queue.submit([commands], dispatches);
    const waited = this.#clock.now() - before;
    if (this.#flights.length > 0 && (waited > WAITED_MS || this.#blocks)) {
      if (waited > SLACK_MS) this.#blocks = true;
      this.#finished(waited > WAITED_MS ? "now" : "before");
    }
    if (this.#flights.length === 0) this.#began = this.#clock.now();
    this.#flights.push(flight);
  }

  /** Waits until everything submitted has run. */
  async idle(): Promise<void> {
    if (this.#flights.length > 0) {
      const left = this.#left();
      // A first measurement must not be hidden by sleeping: a short one is worth blocking for.
      const known = this.#flights.every(({ timing, steps }) => steps <= timing.measured);
      const sleep = known ? left * 0.92 - 1 : left - SUBMISSION_MS / 2;
      if (sleep > 1) await this.#sleep(Math.min(sleep, MOST_SLEEP_MS));
      const before = this.#clock.now();
      const answer = this.#queue.done().catch(() => {});
      let end = this.#clock.now();
      if (end - before > WAITED_MS) this.#answersLater = false;
      // Either all had run by now, or the call does not wait: then the answer must be waited for.
      else if (this.#answersLater ?? (!known || left > WAITED_MS)) {
        await answer;
        const answered = this.#clock.now();
        this.#answersLater ??= await this.#learnsLater(answered - before);
        if (this.#answersLater) end = answered;
      }
      this.#finished(end - before > WAITED_MS ? "now" : sleep > 1 ? "asleep" : "before", end);
    }
    await this.breathe();
  }

  /** Whether answers tell when work has ended; `undefined` if that is not clear. @param waited How long the last took, in ms. */
  async #learnsLater(waited: number): Promise<true | undefined> {
    if (waited > ANSWER_MS) return true;
    const idle = this.#clock.now();
    await this.#queue.done().catch(() => {});
    return this.#clock.now() - idle < ANSWER_MS / 3 ? true : undefined;
  }

  /** How many ms what was submitted should still take. */
  #left(): number {
    if (this.#flights.length === 0) return 0;
    return Math.max(0, this.#began + this.#expected() - this.#clock.now());
  }

  #expected(): number {
    return this.#flights.reduce((sum, { timing, steps }) => sum + steps * (timing.perStep ?? 0), 0);
  }

  /**
   * Everything has run.
   *
   * @param when Only just, some time before, or while the pacer slept as long as it had expected.
   * @param end When it was known. @default now
   */
  #finished(when: "now" | "before" | "asleep", end = this.#clock.now()): void {
    const elapsed = end - this.#began;
    const expected = this.#expected();
    const flown = new Map<Timing, number>();
    for (const { timing, steps, cold } of this.#flights) {
      if (!cold) flown.set(timing, (flown.get(timing) ?? 0) + steps);
    }
    this.#flights = [];
    for (const [timing, steps] of flown) {
      const { perStep } = timing;
      const found = perStep !== undefined && expected > 0 ? perStep * elapsed / expected : elapsed / steps;
      if (perStep === undefined || steps > timing.measured) timing.perStep = found;
      // What ran with few steps says little about many.
      else if (when === "now") timing.perStep = perStep + (found - perStep) * Math.min(0.5, steps / timing.measured);
      else if (when === "asleep") timing.perStep = Math.min(found, perStep * 0.85);
      else timing.perStep = Math.min(found, perStep);
      timing.measured = Math.max(timing.measured, steps);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await this.#clock.sleep(ms);
    this.#turned = this.#clock.now();
  }
}
