/**
 * Outputs of every step, kept for metrics that are computed on the host from all of them.
 *
 * @module
 */
import type { HostArray } from "../batch.ts";
import type { Nested } from "../nested.ts";
import type { Pending } from "../pending.ts";
import type { Logs, Step } from "../step.ts";

/** The outputs of one epoch after another; nothing where the step needs none. */
export class Collected {
  readonly #step: Step;
  #outputs: Promise<readonly Nested<HostArray>[]>[] = [];

  /** Nothing yet. @param step Says whether outputs are needed. */
  constructor(step: Step) {
    this.#step = step;
  }

  /** Forgets the last epoch. */
  reset(): void {
    this.#outputs = [];
  }

  /** Reads and keeps what an execution returned. */
  add(outputs: Pending<readonly Nested<HostArray>[]>): void {
    if (this.#step.hostLogs === undefined) return;
    const read = outputs.read();
    // A failure is reported when the epoch settles.
    read.catch(() => {});
    this.#outputs.push(read);
  }

  /** The values computed from all of them. */
  async logs(): Promise<Logs> {
    if (this.#step.hostLogs === undefined || this.#outputs.length === 0) return {};
    return this.#step.hostLogs((await Promise.all(this.#outputs)).flat());
  }
}
