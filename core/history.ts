/**
 * What fit returns.
 *
 * @module
 */
import type { Callback, RunParams } from "./callback.ts";
import type { Logs } from "./step.ts";

/**
 * The values of every epoch, by name.
 *
 * ```ts
 * import { History } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const history = new History({ epochs: 2, initialEpoch: 0, steps: undefined, verbose: 0 });
 * history.onEpochEnd({ epoch: 0, logs: { loss: 2 } });
 * history.onEpochEnd({ epoch: 1, logs: { loss: 1, val_loss: 3 } });
 * assertEquals(history.history, { loss: [2, 1], val_loss: [3] });
 * ```
 */
export class History implements Callback {
  readonly name: string = "history";
  /** Name → one value an epoch. Names that appear later have fewer values, as in Keras. */
  readonly history: Record<string, number[]> = {};
  /** The numbers of the epochs, from 0. */
  readonly epoch: number[] = [];
  /** What fit was asked for. */
  readonly params: RunParams;

  /** An empty history. @param params What fit was asked for. */
  constructor(params: RunParams) {
    this.params = params;
  }

  /** Records an epoch, as the callbacks before left it. */
  onEpochEnd({ epoch, logs }: { readonly epoch: number; readonly logs: Logs }): void {
    this.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs)) (this.history[name] ??= []).push(value);
  }
}
