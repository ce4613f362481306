/**
 * A step, ready to run in WebAssembly.
 *
 * @module
 */
import type { Batch, HostArray } from "../../../core/batch.ts";
import type { Exchange, Program, ProgramRun } from "../../../core/executor.ts";
import type { Nested } from "../../../core/nested.ts";
import { pending } from "../../../core/pending.ts";
import type { Step, StepTable } from "../../../core/step.ts";
import type { StepPlanner } from "../../compiler/planner.ts";
import { PhaseHalves } from "./halves.ts";
import type { GenerateModule } from "./layout.ts";
import type { WasmRuntime } from "./runtime.ts";
import { Sums } from "./sums.ts";
import type { Execution } from "./variant.ts";
import { type CommonOptions, Variants } from "./variants.ts";

/** How steps become plans, and plans modules. */
export interface Compiler extends StepPlanner {
  /** Makes modules. */
  readonly generate: GenerateModule;
}

/** What a program runs with. */
export interface ProgramOptions extends Compiler {
  /** Where it runs. */
  readonly runtime: WasmRuntime;
  /** The most threads to use. */
  readonly threads: number;
  /** Whether they are all started for the first step, however little there is to do. @default false */
  readonly allAtOnce?: boolean;
  /** Whether modules may use relaxed instructions. */
  readonly relaxed: boolean;
  /** Which replica this is. */
  readonly replica: number;
  /** Makes the device tfjs's current one. */
  readonly activate: () => void;
}

/** Runs batches as jobs of worker threads. */
export class WasmProgram implements Program {
  readonly #step: Step;
  readonly #options: ProgramOptions;
  /** A program stays with its threads: where one of them fails, what they were doing is lost. */
  readonly #common: CommonOptions;
  readonly #whole: Variants;
  readonly #halves = new Map<number, PhaseHalves>();
  readonly #slots = new Map<number, Sums>();
  #disposed = false;

  /** Nothing is compiled yet. */
  constructor(step: Step, options: ProgramOptions) {
    this.#step = step;
    this.#options = options;
    const { runtime, generate, threads, allAtOnce, relaxed, activate } = options;
    this.#common = { runtime, pool: runtime.pool, step, generate, threads, allAtOnce, relaxed, activate };
    this.#whole = new Variants((signature, inputs) => options.plan(step, signature, { inputs }), this.#common);
  }

  async run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun> {
    this.#check();
    const sums = new Sums(this.#step);
    const executions: Execution[] = [];
    for (let first = 0; first < batches.length;) {
      const variant = await this.#whole.get(batches[first]!, table);
      const count = this.#whole.alike(batches, first, table);
      executions.push(await variant.queue(batches.slice(first, first + count), table, first, sums));
      first += count;
    }
    this.#slots.set(slot, sums);
    return {
      outputs: pending(async () => {
        const outputs: Nested<HostArray>[] = [];
        for (const execution of executions) {
          await execution.finish();
          outputs.push(...execution.outputs);
        }
        return outputs;
      }),
    };
  }

  async compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    this.#check();
    return await this.#half(phase).compute(batch, table);
  }

  async apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void> {
    this.#check();
    await this.#half(phase).apply(exchange, batch, table);
  }

  async sums(slots: readonly number[]): Promise<readonly Float64Array[]> {
    const held = slots.map((slot) => {
      const sums = this.#slots.get(slot);
      if (sums === undefined) {
        throw new RangeError(`Cannot read sums slot ${slot}: nothing was run in it since it was read.`);
      }
      this.#slots.delete(slot);
      return sums;
    });
    await this.settle();
    return held.map((sums) => sums.total());
  }

  async settle(): Promise<void> {
    await this.#whole.finish();
    for (const halves of this.#halves.values()) await halves.finish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    try {
      // Where a thread has failed, the caller has heard of it.
      if (this.#common.pool.failure === undefined) await this.settle();
    } finally {
      this.#whole.dispose();
      for (const halves of this.#halves.values()) halves.dispose();
      this.#halves.clear();
      this.#slots.clear();
    }
  }

  #half(phase: number): PhaseHalves {
    const { planPhase, replica } = this.#options;
    const halves = this.#halves.get(phase) ?? new PhaseHalves(this.#step, {
      ...this.#common,
      replica,
      plan: (signature, inputs) => planPhase(this.#step, phase, signature, { inputs }),
    });
    this.#halves.set(phase, halves);
    return halves;
  }

  #check(): void {
    if (this.#disposed) throw new Error("Cannot run steps: the program was disposed.");
    if (this.#common.pool.failure !== undefined) throw this.#common.pool.failure;
  }
}
