/**
 * Watching one reported value: finding it, and telling better from worse.
 *
 * @module
 */
import type { CallbackContext, Json } from "../core/callback.ts";
import type { Logs } from "../core/step.ts";

/** What is watched, and what counts as better. */
export interface MonitorOptions {
  /** The name of the value, as in the history. @default "val_loss" */
  readonly monitor?: string;
  /** Changes smaller than this are none; the sign is ignored. */
  readonly minDelta?: number;
  /** Whether smaller or larger is better; `"auto"` asks the metric. @default "auto" */
  readonly mode?: "auto" | "min" | "max";
}

/** One value in the logs of epoch after epoch. */
export class Monitor {
  readonly #owner: string;
  readonly #purpose: string;
  readonly #name: string;
  readonly #minDelta: number;
  readonly #mode: "auto" | "min" | "max";
  #warned = false;

  /**
   * @param owner The callback, for messages. @param purpose What it cannot do without the value, for messages.
   * @throws {RangeError} If the mode is unknown, or the delta is not a number.
   */
  constructor(owner: string, purpose: string, options: MonitorOptions & { readonly minDelta: number }) {
    const { monitor = "val_loss", minDelta, mode = "auto" } = options;
    if (mode !== "auto" && mode !== "min" && mode !== "max") {
      throw new RangeError(`Cannot make ${owner}: mode is "${mode}"; expected "auto", "min" or "max".`);
    }
    if (!Number.isFinite(minDelta)) {
      throw new RangeError(`Cannot make ${owner}: minDelta is ${minDelta}; expected a finite number.`);
    }
    this.#owner = owner;
    this.#purpose = purpose;
    this.#name = monitor;
    this.#minDelta = Math.abs(minDelta);
    this.#mode = mode;
  }

  /** Gets ready for another run. */
  reset(): void {
    this.#warned = false;
  }

  /** The value; `undefined`, with a warning the first time, where the logs do not have it. */
  value(logs: Logs): number | undefined {
    const value = logs[this.#name];
    if (value === undefined && !this.#warned) {
      this.#warned = true;
      console.warn(
        `Warning: ${this.#owner} cannot ${this.#purpose}: "${this.#name}" is not among the values of the epoch. ` +
          `Available: ${Object.keys(logs).join(", ") || "(none)"}.`,
      );
    }
    return value;
  }

  /**
   * Whether a value is better than another, by more than the smallest change that counts.
   *
   * @throws {RangeError} If it is not known which direction is better.
   */
  improves(value: number, than: number | undefined, context: CallbackContext): boolean {
    const direction = this.#mode === "auto" ? context.model.direction(this.#name) : this.#mode;
    if (direction === undefined) {
      throw new RangeError(
        `${this.#owner} cannot tell whether smaller or larger values of "${this.#name}" are better: it is the loss of ` +
          'no output and no compiled metric. Pass mode: "min" or mode: "max".',
      );
    }
    if (than === undefined) return true;
    return direction === "min" ? value + this.#minDelta < than : value - this.#minDelta > than;
  }
}

/** A number, or none, as JSON has it: infinities and NaN are spelled out. */
export function numberToJson(value: number | undefined): Json {
  return value === undefined ? null : Number.isFinite(value) ? value : String(value);
}

/** The inverse of `numberToJson`. */
export function numberFromJson(value: Json | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
