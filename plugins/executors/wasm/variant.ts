/**
 * A plan made to run: its memory, its module, and the jobs in flight.
 *
 * @module
 */
import type { Batch, HostArray } from "../../../core/batch.ts";
import type { Nested } from "../../../core/nested.ts";
import type { Step, StepTable } from "../../../core/step.ts";
import { bytesOf, elementBytes, rootOf } from "../../compiler/ir/buffers.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { allocate } from "../../compiler/passes/allocate.ts";
import { checkLookups } from "../check_lookups.ts";
import { controlBytes } from "./codegen/mod.ts";
import type { GenerateModule, ModuleLayout } from "./layout.ts";
import type { Block } from "./memory.ts";
import type { Job, LoadedModule, WorkerPool } from "./pool.ts";
import { type HalfIndex, Regions } from "./regions.ts";
import type { ResidentArrays } from "./residents.ts";
import type { WasmRuntime } from "./runtime.ts";
import type { Sums } from "./sums.ts";
import { ThreadCount } from "./thread_count.ts";
import { offsetOf, type Places } from "./variables.ts";
import { type PlannedVariable, plannedVariables } from "../../compiler/state/planned_variables.ts";

/** What a plan is made to run with. */
export interface VariantOptions {
  /** Where it runs. */
  readonly runtime: WasmRuntime;
  /** The threads on which it runs. */
  readonly pool: WorkerPool;
  /** What was planned. */
  readonly step: Step;
  /** Makes modules. */
  readonly generate: GenerateModule;
  /** The most threads to use. */
  readonly threads: number;
  /** Whether they are all started for the first step, however little there is to do. @default false */
  readonly allAtOnce?: boolean;
  /** Whether modules may use relaxed instructions. */
  readonly relaxed: boolean;
  /** Samples in a batch. */
  readonly batchRows: number;
  /** Where the data set lies, which the variant lets go of in the end; absent where batches are copied one by one. */
  readonly residents?: ResidentArrays;
  /** Makes the device tfjs's current one. */
  readonly activate: () => void;
}

/** Steps that are queued or have run, whose results lie in the memory until they are taken out. */
export interface Execution {
  /** Waits, and takes the results out. Calling it again does nothing. */
  finish(): Promise<void>;
  /** What the steps returned; complete once finished. */
  readonly outputs: readonly Nested<HostArray>[];
}

/** One plan of a program: what batches of one signature run. */
export class Variant {
  readonly #plan: Plan;
  readonly #options: VariantOptions;
  readonly #variables: readonly PlannedVariable[];
  readonly #threads: ThreadCount;
  readonly #regions: Regions;
  /** Where constants and scratch lie. */
  readonly #addresses = new Map<Buffer, number>();
  readonly #held: { free(): unknown }[] = [];
  readonly #barriers: Block;
  readonly #executions: [Execution | undefined, Execution | undefined] = [undefined, undefined];
  #next: HalfIndex = 0;
  #places: Places | undefined;
  #module: LoadedModule | undefined;

  /** Takes memory; the module is made when it first runs. @throws {RangeError} If there is not enough. */
  constructor(plan: Plan, options: VariantOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#variables = plannedVariables(plan, options.step);
    this.#threads = new ThreadCount(plan.kernels, options);
    const { runtime: { memory }, batchRows, residents } = options;
    try {
      this.#regions = this.#keep(new Regions(memory, plan, { batchRows, staged: residents === undefined }));
      this.#barriers = this.#keep(memory.allocate(controlBytes(this.#threads.most), "barriers"));
      this.#placeConstants();
      this.#placeGradients();
      this.#placeScratch();
    } catch (error) {
      this.#free();
      throw error;
    }
  }

  /** The most batches of one `queue`. */
  get capacity(): number {
    return this.#regions.capacity;
  }

  /** The most threads that run it. */
  get threads(): number {
    return this.#threads.most;
  }

  /**
   * Queues batches. Waits where two executions are in flight, and where values have been assigned while one is.
   *
   * @param first The first batch's row of the table.
   * @param sums Where the steps' sums are added when they are taken out.
   * @throws {Error} If a thread has failed.
   * @throws {RangeError} If a number of a batch is no place in the table that it is looked up in.
   */
  async queue(batches: readonly Batch[], table: StepTable, first: number, sums: Sums): Promise<Execution> {
    const { lookups = [] } = this.#plan;
    checkLookups(lookups, batches);
    const half = this.#next;
    await this.#executions[half]?.finish();
    this.#regions.write(half, batches, table, first);
    const { runtime: { variables }, pool, activate } = this.#options;
    const threads = this.#threads.next(batches.length, pool.threads);
    do {
      if (this.#module === undefined || this.#places?.stale) await this.#link(threads);
      await this.#module!.widen(threads);
      await variables.ready(this.#variables);
    } while (this.#places!.stale);
    // From here on nothing is awaited: what was made ready stays so.
    activate();
    variables.enter(this.#variables);
    const job = this.#module!.run(half * this.capacity, batches.length);
    this.#next = half === 0 ? 1 : 0;
    return this.#executions[half] = this.#execution(job, half, batches.length, sums);
  }

  /** The values of a gradient's buffer: a view, for the host to write before steps are queued, or read after. */
  gradient(buffer: Buffer): Float32Array {
    return this.#options.runtime.memory.view("f32", this.#address(buffer), buffer.size) as Float32Array;
  }

  /** Waits for everything queued. */
  async finish(): Promise<void> {
    for (const execution of this.#executions) await execution?.finish();
  }

  /** Frees everything. Nothing may be queued, unless a thread has failed. */
  dispose(): void {
    this.#module?.drop();
    this.#free();
  }

  #execution(job: Job, half: HalfIndex, steps: number, sums: Sums): Execution {
    const { pool } = this.#options;
    const addSums = sums.part();
    const outputs: Nested<HostArray>[] = [];
    let finished = false;
    return {
      outputs,
      finish: async () => {
        if (!finished) await pool.wait(job);
        // Another caller may have been faster.
        if (finished) return;
        finished = true;
        this.#executions[half] = undefined;
        addSums(this.#regions.sums(half, steps));
        for (let step = 0; step < steps; step++) {
          const output = this.#regions.outputs(half, step);
          if (output !== undefined) outputs.push(output);
        }
      },
    };
  }

  /** Makes the module, with variables where they are now. */
  async #link(threads: number): Promise<void> {
    const { runtime: { variables, memory }, pool, generate, relaxed } = this.#options;
    this.#module?.drop();
    this.#module = undefined;
    this.#places?.release();
    this.#places = await variables.acquire(this.#variables);
    const layout: ModuleLayout = {
      address: (buffer) => this.#address(buffer),
      table: this.#regions.table,
      keys: this.#regions.keys,
      control: this.#barriers.address,
      memoryPages: { initial: memory.pages, maximum: memory.pages },
    };
    const bytes = generate(this.#plan, layout, { relaxed, threads: this.#threads.most });
    this.#module = await pool.load(bytes, { threads, barriers: this.#barriers });
  }

  #address(buffer: Buffer): number {
    const found = this.#addresses.get(buffer) ?? this.#places!.addresses.get(buffer) ??
      this.#regions.address(buffer) ?? this.#options.residents?.addresses.get(buffer);
    if (found !== undefined) return found;
    if (buffer.within !== undefined) {
      return this.#address(buffer.within.buffer) + buffer.within.offset * elementBytes(buffer);
    }
    // The group as a whole begins where its first variable would, if that were at its beginning.
    const part = this.#variables.find((variable) => rootOf(variable.buffer) === buffer);
    if (part === undefined) throw new RangeError(`Cannot find a buffer of role "${buffer.role.kind}" in the plan.`);
    return this.#places!.addresses.get(part.buffer)! - offsetOf(part.buffer);
  }

  #placeConstants(): void {
    const { memory } = this.#options.runtime;
    for (const buffer of this.#plan.constants) {
      if (buffer.role.kind !== "constant") continue;
      const block = this.#keep(memory.allocate(bytesOf(buffer), "constants"));
      memory.view(buffer.type, block.address, buffer.size).set(buffer.role.values);
      this.#addresses.set(buffer, block.address);
    }
  }

  #placeGradients(): void {
    const { memory } = this.#options.runtime;
    for (const buffer of this.#plan.gradients ?? []) {
      if (buffer === null || this.#addresses.has(buffer)) continue;
      const { address } = this.#keep(memory.allocate(bytesOf(buffer), "gradients"));
      this.#addresses.set(buffer, address);
    }
  }

  #placeScratch(): void {
    const { offsets, size } = allocate(this.#plan, { alignment: 64 });
    const { address } = this.#keep(this.#options.runtime.scratch(size));
    for (const [buffer, offset] of offsets) this.#addresses.set(buffer, address + offset);
  }

  #keep<T extends { free(): unknown }>(part: T): T {
    this.#held.push(part);
    return part;
  }

  #free(): void {
    this.#places?.release();
    this.#held.splice(0).forEach((part) => part.free());
    this.#options.residents?.release();
  }
}
