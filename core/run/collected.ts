/**
 * Outputs of every step, kept for metrics that are computed on the host from all of them.
 *
 * @module
 */
import type { HostArray } from "../batch.ts";
import type { Nested } from "../nested.ts";
import type { Pending } from "../pending.ts";
import type { Logs, Step } from "../step.ts";

/**
 * The outputs of one epoch after another; nothing where the step needs none.
 *
 * ```ts
 * import { Collected, type HostArray, pending, type Step } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const hostLogs: Step["hostLogs"] = (outputs) => ({ batches: outputs.length });
 * const collected = new Collected({ hostLogs } as Step);
 * const output: HostArray = { shape: [1], dtype: "float32", values: Float32Array.of(1) };
 * collected.add(pending(() => Promise.resolve([output, output])));
 * assertEquals(await collected.logs(), { batches: 2 });
 * ```
 */
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
