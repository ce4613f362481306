/**
 * Prints how training goes.
 *
 * @module
 */
import type { Callback, CallbackContext, Hooks } from "../core/callback.ts";
import type { Pending } from "../core/pending.ts";
import type { Logs } from "../core/step.ts";
import { barLine, type Progress, summaryLine } from "./progress_line.ts";

/** How progress is printed. */
export interface ProgbarLoggerOptions {
  /** 0 prints nothing, 1 a bar, 2 one line an epoch. @default what the run was asked for */
  readonly verbose?: 0 | 1 | 2;
  /** Takes the text. @default writes to standard output */
  readonly write?: (text: string) => void;
  /** Whether lines can be redrawn; where not, a bar is printed once, when it is full. @default that of standard output */
  readonly isTerminal?: boolean;
  /** Whether a terminal shows colours. @default true, unless `NO_COLOR` is set */
  readonly color?: boolean;
  /** Columns of the terminal; lines that are redrawn are cut to fit. @default the terminal's, at each drawing */
  readonly columns?: number;
  /** The time in ms. @default `performance.now` */
  readonly now?: () => number;
}

/**
 * Prints progress as Keras does: a bar with the values so far (`verbose` 1), or one line an epoch (`verbose` 2).
 * Runs add it by themselves unless they are silent. Validation inside of fit stays silent: its values stand at the
 * end of the epoch's line.
 *
 * A bar on a terminal is redrawn at most every 50 ms, and only then are values read from the device. Training does not
 * wait for them: they are drawn when they come, one reading at a time. Elsewhere nothing is read and no control
 * characters are written.
 *
 * Source: Keras, `callbacks/progbar_logger.py` and `utils/progbar.py`. Different here: an epoch that was cut short
 * shows the steps that were done, not all of them, and the time for a step leaves the first execution out whatever its
 * number of steps.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { progbarLogger } from "@stride/stride/callbacks";
 * import { assertMatch } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * let printed = "";
 * const progress = progbarLogger({ verbose: 2, write: (text) => printed += text });
 * await model.fit({ x: [[0], [1]], y: [[1], [1]] }, { epochs: 2, verbose: 0, callbacks: [progress] });
 * assertMatch(printed, /^Epoch 1\/2\n1\/1 - \d+s - \d+[mu]?s\/step - loss: \d\.\d{4}\nEpoch 2\/2\n/);
 * ```
 */
export function progbarLogger(options: ProgbarLoggerOptions = {}): Callback {
  return new ProgbarLogger(options);
}

/** The least time between two drawings, ms. */
const INTERVAL = 50;

/** What is being counted: one epoch, evaluation or prediction. */
interface Count {
  readonly verbose: 1 | 2;
  readonly redraws: boolean;
  readonly context: CallbackContext;
  readonly start: number;
  /** Steps done. */
  seen: number;
  /** The end of the first execution: it compiles, and is left out of the time for a step. */
  first?: { readonly steps: number; readonly time: number };
  lastDrawn: number;
  /** Columns that the last drawing took. */
  width: number;
  /** Values being read and then drawn. */
  reading?: Promise<void>;
}

class ProgbarLogger implements Callback {
  readonly name: string = "progbarLogger";
  readonly #options: ProgbarLoggerOptions;
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  /** The run of fit that is going on: what is tested within it is its validation. */
  #fit: CallbackContext | undefined;
  #count: Count | undefined;

  constructor(options: ProgbarLoggerOptions) {
    this.#options = options;
    this.#write = options.write ?? writeToStdout;
    this.#now = options.now ?? (() => performance.now());
  }

  onTrainBegin(_: Hooks["onTrainBegin"], context: CallbackContext): void {
    this.#fit = context;
  }

  onEpochBegin({ epoch }: Hooks["onEpochBegin"], context: CallbackContext): void {
    this.#begin(context);
    const { epochs } = context.params;
    if (this.#count !== undefined && epochs > 1) this.#write(`Epoch ${epoch + 1}/${epochs}\n`);
  }

  onTrainBatchEnd({ batch, logs }: Hooks["onTrainBatchEnd"]): void {
    this.#step(batch, logs);
  }

  async onEpochEnd({ logs }: Hooks["onEpochEnd"]): Promise<void> {
    await this.#finish(logs);
  }

  onTrainEnd(): void {
    this.#fit = undefined;
  }

  onTestBegin(_: Hooks["onTestBegin"], context: CallbackContext): void {
    if (context !== this.#fit) this.#begin(context);
  }

  onTestBatchEnd({ batch, logs }: Hooks["onTestBatchEnd"], context: CallbackContext): void {
    if (context !== this.#fit) this.#step(batch, logs);
  }

  async onTestEnd({ logs }: Hooks["onTestEnd"], context: CallbackContext): Promise<void> {
    if (context !== this.#fit) await this.#finish(logs);
  }

  onPredictBegin(_: Hooks["onPredictBegin"], context: CallbackContext): void {
    this.#begin(context);
  }

  onPredictBatchEnd({ batch }: Hooks["onPredictBatchEnd"]): void {
    this.#step(batch, undefined);
  }

  async onPredictEnd(): Promise<void> {
    await this.#finish({});
  }

  #begin(context: CallbackContext): void {
    const verbose = this.#options.verbose ?? context.params.verbose;
    const terminal = this.#options.isTerminal ?? Deno.stdout.isTerminal();
    this.#count = verbose === 0 || !context.chief ? undefined : {
      verbose,
      redraws: verbose === 1 && terminal,
      context,
      start: this.#now(),
      seen: 0,
      lastDrawn: -Infinity,
      width: 0,
    };
  }

  #step(batch: number, logs: Pending<Logs> | undefined): void {
    const count = this.#count;
    if (count === undefined) return;
    const now = this.#now();
    count.seen = batch + 1;
    count.first ??= { steps: count.seen, time: now };
    if (!count.redraws || now - count.lastDrawn < INTERVAL) return;
    if (logs === undefined) this.#draw(count, count.seen, {});
    else if (count.reading === undefined) this.#readAndDraw(count, logs);
  }

  #readAndDraw(count: Count, logs: Pending<Logs>): void {
    const { seen } = count;
    count.reading = logs.read().then((values) => {
      count.reading = undefined;
      if (count === this.#count) this.#draw(count, seen, values);
    });
    // A failure is reported at the end of the epoch, or by the run itself.
    count.reading.catch(() => {});
  }

  async #finish(logs: Logs): Promise<void> {
    const count = this.#count;
    if (count === undefined) return;
    await count.reading;
    this.#count = undefined;
    if (count.seen === 0) return;
    const progress = {
      ...this.#progress(count, count.seen, logs),
      target: this.#target(count) ?? count.seen,
      done: true,
    };
    if (count.verbose === 2) return this.#write(`${summaryLine(progress)}\n`);
    const { head, headWidth, tail } = barLine(progress, { color: count.redraws && this.#color });
    this.#write(`${this.#overwrite(count, head, headWidth, tail)}\n`);
  }

  #draw(count: Count, current: number, logs: Logs): void {
    const { head, headWidth, tail } = barLine(this.#progress(count, current, logs), { color: this.#color });
    // A line that wraps could not be overwritten by returning to the beginning of the row.
    const room = Math.max(0, (this.#options.columns ?? terminalColumns()) - 1 - headWidth);
    this.#write(this.#overwrite(count, head, headWidth, tail.slice(0, room)));
    count.lastDrawn = this.#now();
  }

  /** The text that replaces what was drawn before. */
  #overwrite(count: Count, head: string, headWidth: number, tail: string): string {
    if (!count.redraws) return head + tail;
    const width = headWidth + tail.length;
    const blanks = " ".repeat(Math.max(0, count.width - width));
    count.width = width;
    return `\r${head}${tail}${blanks}`;
  }

  #progress(count: Count, current: number, logs: Logs): Progress {
    const now = this.#now();
    const { first } = count;
    // Steps are done some time after they were queued: where the first execution has many of them, its end says little.
    const perStep = first !== undefined && current > 2 * first.steps
      ? (now - first.time) / (current - first.steps)
      : (now - count.start) / current;
    return {
      current,
      target: this.#target(count),
      logs,
      elapsed: (now - count.start) / 1000,
      perStep: perStep / 1000,
      done: false,
    };
  }

  #target({ context }: Count): number | undefined {
    return context.params.steps;
  }

  get #color(): boolean {
    return this.#options.color ?? !Deno.noColor;
  }
}

function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    // A terminal that does not tell its size.
    return Infinity;
  }
}

function writeToStdout(text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}
