/**
 * Copies of variables on the host, for when the device is lost.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import type { Step } from "../../../core/step.ts";
import type { Variable } from "../../../core/tf.ts";
import type { ReadBack } from "./read_backs.ts";
import type { Runtime } from "./runtime.ts";

/** A snapshot takes at most this part of the time. */
const SHARE = 0.02;

/** The variables of one program, as they were some time ago. */
export class Snapshots {
  readonly #variables: readonly Variable[];
  readonly #runtime: Runtime;
  readonly #interval: number;
  #next: number;
  #values = new Map<Variable, Float32Array | Int32Array>();
  #reading: Promise<void> | undefined;
  #ended = false;

  /** None yet. @param seconds How long to wait in between, at least. `Infinity`: none is taken. */
  constructor(step: Step, runtime: Runtime, seconds: number) {
    this.#variables = step.kind === "train" ? step.variables.map(({ variable }) => variable) : [];
    this.#runtime = runtime;
    this.#interval = seconds * 1000;
    this.#next = performance.now() + this.#interval;
    runtime.device.lost.then(() => this.#restore());
  }

  /**
   * Takes a snapshot if it is time for one: what was submitted before is in it. The caller has the pacer's turn. Nothing
   * waits for the values.
   */
  async takeIfDue(): Promise<void> {
    if (this.#variables.length === 0 || this.#reading !== undefined || performance.now() < this.#next) return;
    const { readBacks, state, device } = this.#runtime;
    const placed = this.#variables.flatMap((variable) => {
      const range = state.rangeOf(variable);
      return range === undefined ? [] : [{ variable, range }];
    });
    const ranges = placed.map(({ range }) => range);
    const bytes = ranges.reduce((sum, { size }) => sum + size, 0);
    const readBack = await readBacks.reserve(bytes, { once: true }).catch((error) => this.#giveUp(error));
    if (readBack === undefined) return;
    const encoder = device.createCommandEncoder();
    readBacks.copy(encoder, readBack, ranges);
    this.#runtime.submitCopies(encoder);
    this.#reading = this.#read(readBack, placed.map(({ variable }) => variable));
  }

  /** Waits for the one that is being taken, and takes no more. */
  async end(): Promise<void> {
    await this.#reading;
    this.#ended = true;
    this.#values.clear();
  }

  async #read(readBack: ReadBack, variables: readonly Variable[]): Promise<void> {
    const began = performance.now();
    try {
      const [bytes] = await this.#runtime.readBacks.read([readBack]);
      const values = new Map<Variable, Float32Array | Int32Array>();
      let offset = 0;
      for (const variable of variables) {
        const Words = variable.dtype === "float32" ? Float32Array : Int32Array;
        values.set(variable, new Words(bytes!, offset, variable.size));
        offset += variable.size * 4;
      }
      this.#values = values;
    } catch {
      // The device was lost: whoever runs steps hears of it.
    }
    const now = performance.now();
    this.#next = now + Math.max(this.#interval, (now - began) / SHARE);
    this.#reading = undefined;
  }

  /** Training that leaves no memory for a snapshot goes on without. @throws {unknown} If it is something else. */
  #giveUp(error: unknown): void {
    if (!(error instanceof DeviceError)) throw error;
    this.#next = Infinity;
    console.warn(`Training goes on, but its weights are lost should the device be lost. ${error.message}`);
  }

  /** The device is lost: variables have the values of the last snapshot. */
  #restore(): void {
    if (this.#ended) return;
    for (const [variable, values] of this.#values) {
      if (variable.isDisposed) continue;
      const record = this.#runtime.backend.tensorMap.get(variable.dataId);
      record.values ??= values;
    }
  }
}
