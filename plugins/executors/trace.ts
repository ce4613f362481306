/**
 * Traces every step before another executor runs it: proves, on any machine, that a compiler can take it.
 *
 * @module
 */
import type { Batch } from "../../core/batch.ts";
import type { Exchange, Executor, LoadOptions, Program, ProgramRun } from "../../core/executor.ts";
import type { Step, StepTable } from "../../core/step.ts";
import { type BatchSignature, type StepGraph, traceStep } from "../compiler/mod.ts";
import { signatureOf } from "../compiler/signature.ts";

/** Options of `trace`. */
export interface TraceOptions {
  /** What runs the steps. */
  readonly inner: Executor;
  /** Receives each graph: once for each signature that batches have. @default nothing is done with graphs */
  readonly onTrace?: (graph: StepGraph, signature: BatchSignature) => void;
}

/**
 * An executor that traces each step on the first batch of each signature, and leaves the numbers to another.
 *
 * A trace proves that a step reads nothing back, keeps no tensors, writes only the variables that it lists, and does the
 * same every time. No code is generated.
 *
 * @throws {TraceError} From `run`, `compute` and `apply`: what the step does that cannot be compiled, and where.
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { eager, trace } from "@stride/stride/executors";
 *
 * const executor = trace({ inner: eager(), onTrace: (graph) => console.log(graph.phases.length, "phases") });
 * assertEquals(executor.name, "trace");
 * ```
 */
export function trace(options: TraceOptions): Executor {
  return {
    name: "trace",
    async load(step: Step, loadOptions: LoadOptions): Promise<Program> {
      return new TraceProgram(step, await options.inner.load(step, loadOptions), options, loadOptions);
    },
  };
}

class TraceProgram implements Program {
  readonly #step: Step;
  readonly #inner: Program;
  readonly #options: TraceOptions;
  readonly #load: LoadOptions;
  readonly #traced = new Set<string>();

  constructor(step: Step, inner: Program, options: TraceOptions, load: LoadOptions) {
    this.#step = step;
    this.#inner = inner;
    this.#options = options;
    this.#load = load;
  }

  // Async, so that a refusal rejects as every other error of a program does.
  // deno-lint-ignore require-await
  async run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun> {
    for (const batch of batches) this.#trace(batch, table);
    return this.#inner.run(batches, table, slot);
  }

  // deno-lint-ignore require-await
  async compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    this.#trace(batch, table);
    return this.#inner.compute(phase, batch, table);
  }

  // deno-lint-ignore require-await
  async apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void> {
    this.#trace(batch, table);
    return this.#inner.apply(phase, exchange, batch, table);
  }

  sums(slots: readonly number[]): Promise<readonly ArrayLike<number>[]> {
    return this.#inner.sums(slots);
  }

  settle(): Promise<void> {
    return this.#inner.settle();
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#inner[Symbol.asyncDispose]();
  }

  #trace(batch: Batch, table: StepTable): void {
    // A replica that has no rows runs no step.
    if (batch.rows === 0) return;
    const signature = signatureOf(batch, table);
    const key = JSON.stringify(signature);
    if (this.#traced.has(key)) return;
    this.#load.device.activate();
    const graph = traceStep(this.#step, signature);
    this.#traced.add(key);
    this.#options.onTrace?.(graph, signature);
  }
}
