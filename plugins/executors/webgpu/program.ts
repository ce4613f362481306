/**
 * A step, ready to run on a WebGPU device.
 *
 * @module
 */
import type { Batch, HostArray } from "../../../core/batch.ts";
import type { Exchange, Program, ProgramRun } from "../../../core/executor.ts";
import type { Nested } from "../../../core/nested.ts";
import { pending } from "../../../core/pending.ts";
import type { Step, StepTable } from "../../../core/step.ts";
import type { PlanOptions } from "../../compiler/compile.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { areAlike, hostInputs, signatureOf, withoutValues } from "../../compiler/signature.ts";
import { CompiledPlan } from "./compiled_plan.ts";
import type { ProgramOptions } from "./program_options.ts";
import { Halves } from "./halves.ts";
import { type PendingOutputs, unpackOutputs } from "./outputs.ts";
import { Snapshots } from "./snapshots.ts";
import { OTHER_BINDINGS } from "./single_step.ts";
import { SumSlots } from "./sum_slots.ts";

/** Runs batches as submissions to a queue. */
export class WebGpuProgram implements Program {
  readonly #step: Step;
  readonly #options: ProgramOptions;
  readonly #sums: SumSlots;
  readonly #plans = new Map<string, CompiledPlan>();
  readonly #halves: Halves;
  readonly #snapshots: Snapshots;
  readonly #outputs = new Set<PendingOutputs>();
  #last: { readonly batch: Batch; readonly columns: string; readonly plan: CompiledPlan } | undefined;
  #disposed = false;

  /** Nothing is compiled yet. */
  constructor(step: Step, options: ProgramOptions) {
    this.#step = step;
    this.#options = options;
    this.#sums = new SumSlots(step, options.runtime);
    this.#halves = new Halves(step, {
      ...options,
      planOptions: (batch) => this.#planOptions(batch),
      compile: (plan) => this.#compile(plan),
    });
    this.#snapshots = new Snapshots(step, options.runtime, options.snapshotSeconds);
    options.runtime.enter(this);
  }

  /** Labels of the shaders of each plan so far. */
  get shaders(): readonly (readonly string[])[] {
    return [...this.#plans.values()].map(({ labels }) => labels);
  }

  async run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun> {
    this.#check();
    const { pacer } = this.#options.runtime;
    const outputs: PendingOutputs[] = [];
    await this.#guard(() =>
      pacer.turn(async () => {
        this.#sums.clear(slot);
        for (let first = 0; first < batches.length;) {
          const plan = await this.#planFor(batches[first]!, table);
          const most = Math.min(batches.length, first + plan.capacity(batches[first]!));
          let end = first + 1;
          while (end < most && areAlike(batches[first]!, batches[end]!)) end++;
          const given = await this.#execute(plan, batches.slice(first, end), { table, first, slot });
          if (given !== undefined) outputs.push(given);
          first = end;
        }
        await this.#snapshots.takeIfDue();
      })
    );
    return { outputs: pending(() => this.#read(outputs)) };
  }

  compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    this.#check();
    return this.#guard(() => this.#halves.compute(phase, batch, table));
  }

  apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void> {
    this.#check();
    return this.#guard(() => this.#halves.apply(phase, exchange, batch, table));
  }

  sums(slots: readonly number[]): Promise<readonly Float64Array[]> {
    return this.#guard(() => this.#sums.read(slots));
  }

  async settle(): Promise<void> {
    const { pacer } = this.#options.runtime;
    await this.#guard(() =>
      pacer.turn(async () => {
        await this.#snapshots.takeIfDue();
        await pacer.idle();
      })
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const { runtime, device } = this.#options;
    await this.#snapshots.end();
    await runtime.pacer.turn(() => {
      for (const { readBack } of this.#outputs) runtime.readBacks.drop(readBack);
      this.#outputs.clear();
      for (const plan of this.#plans.values()) plan.destroy();
      this.#plans.clear();
      this.#halves.destroy();
      this.#sums.destroy();
      this.#last = undefined;
      device.activate();
      runtime.leave(this);
      return Promise.resolve();
    });
  }

  async #execute(
    plan: CompiledPlan,
    batches: readonly Batch[],
    { table, first, slot }: { readonly table: StepTable; readonly first: number; readonly slot: number },
  ): Promise<PendingOutputs | undefined> {
    const { readBacks } = this.#options.runtime;
    const prepared = await plan.prepare(batches);
    const { sums, outputs } = prepared;
    const kept = sums && await this.#sums.reserve(slot, sums.size);
    const returned = plan.plan.returns === undefined ? undefined : {
      plan: plan.plan,
      steps: batches.length,
      readBack: await readBacks.reserve(outputs.reduce((bytes, { size }) => bytes + size, 0)),
    };
    await plan.execute(prepared, {
      table,
      first,
      after: (encoder) => {
        if (kept) encoder.copyBufferToBuffer(sums!.buffer, sums!.offset, kept.buffer, kept.offset, kept.size);
        if (returned) readBacks.copy(encoder, returned.readBack, outputs);
      },
    });
    if (returned !== undefined) this.#outputs.add(returned);
    return returned;
  }

  async #read(pendingOutputs: readonly PendingOutputs[]): Promise<readonly Nested<HostArray>[]> {
    if (pendingOutputs.length === 0) return [];
    this.#check();
    for (const each of pendingOutputs) this.#outputs.delete(each);
    const { readBacks } = this.#options.runtime;
    const read = await this.#guard(() => readBacks.read(pendingOutputs.map(({ readBack }) => readBack)));
    return pendingOutputs.flatMap((each, index) => unpackOutputs(each, read[index]!));
  }

  async #planFor(batch: Batch, table: StepTable): Promise<CompiledPlan> {
    const columns = table.columns.join();
    if (this.#last?.columns === columns && areAlike(this.#last.batch, batch)) return this.#last.plan;
    const signature = signatureOf(batch, table);
    const options = this.#planOptions(batch);
    const key = JSON.stringify([signature, options.inputs]);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      this.#options.device.activate();
      plan = await this.#compile(this.#options.plan(this.#step, signature, options));
      this.#plans.set(key, plan);
    }
    this.#last = { batch: withoutValues(batch), columns, plan };
    return plan;
  }

  #planOptions(batch: Batch): PlanOptions {
    const { maxStorageBuffersPerShaderStage } = this.#options.runtime.device.limits;
    return { inputs: hostInputs(batch), maxOperands: maxStorageBuffersPerShaderStage - OTHER_BINDINGS };
  }

  #compile(plan: Plan): Promise<CompiledPlan> {
    const { runtime, print, tuning, tuner, device } = this.#options;
    return CompiledPlan.compile(plan, {
      step: this.#step,
      runtime,
      program: this,
      print,
      tuning,
      tuner,
      activate: () => device.activate(),
    });
  }

  /** Errors of the device come before those that they cause, and before wrong results. */
  async #guard<T>(body: () => Promise<T>): Promise<T> {
    const { device } = this.#options;
    try {
      const result = await body();
      device.check();
      return result;
    } catch (error) {
      // A copy fails before the device says that it is lost.
      await new Promise((resolve) => setTimeout(resolve, 0));
      device.check();
      throw error;
    }
  }

  #check(): void {
    if (this.#disposed) throw new Error("Cannot run steps: the program was disposed.");
    this.#options.device.activate();
    this.#options.device.check();
  }
}
