/**
 * The plans of a program, by what batches look like.
 *
 * @module
 */
import type { Batch } from "../../../core/batch.ts";
import type { StepTable } from "../../../core/step.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { HostInput } from "../../compiler/lower/lower_graph.ts";
import { areAlike, hostInputs, signatureOf, withoutValues } from "../../compiler/signature.ts";
import type { BatchSignature } from "../../compiler/trace.ts";
import { Variant, type VariantOptions } from "./variant.ts";

/** Makes a plan for batches of a signature. */
export type Planner = (signature: BatchSignature, inputs: readonly HostInput[]) => Plan;

/** What all variants of a program have in common. */
export type CommonOptions = Omit<VariantOptions, "batchRows" | "residents">;

/** The variants of one planner. */
export class Variants {
  readonly #planner: Planner;
  readonly #options: CommonOptions;
  readonly #variants = new Map<string, Variant>();
  readonly #plans = new Map<string, Plan>();
  readonly #sources = new Map<object, number>();
  /** The last variant, and the batches that run it. */
  #recent: { readonly variant: Variant; readonly batch: Batch; readonly columns: readonly string[] } | undefined;

  /** None yet. @param planner Called once for each signature, on the program's device. */
  constructor(planner: Planner, options: CommonOptions) {
    this.#planner = planner;
    this.#options = options;
  }

  /** The variant that runs a batch. */
  async get(batch: Batch, table: StepTable): Promise<Variant> {
    const { columns } = table;
    if (this.#isRecent(batch, columns)) return this.#recent!.variant;
    const key = `${this.#sourceNumber(batch.source)} ${keyOf(batch, table)}`;
    let variant = this.#variants.get(key);
    if (variant === undefined) {
      variant = await this.#make(this.plan(batch, table), batch);
      this.#variants.set(key, variant);
    }
    this.#recent = { variant, batch: withoutValues(batch), columns };
    return variant;
  }

  /** How many of the batches from `first` on, which `get` was last asked for, run the same variant. */
  alike(batches: readonly Batch[], first: number, { columns }: StepTable): number {
    const end = Math.min(batches.length, first + this.#recent!.variant.capacity);
    let next = first + 1;
    while (next < end && this.#isRecent(batches[next]!, columns)) next++;
    return next - first;
  }

  #isRecent(batch: Batch, columns: readonly string[]): boolean {
    const recent = this.#recent;
    if (recent === undefined || !areAlike(recent.batch, batch)) return false;
    return recent.columns === columns || recent.columns.join() === columns.join();
  }

  /** The plan for a batch. */
  plan(batch: Batch, table: StepTable): Plan {
    const key = keyOf(batch, table);
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      this.#options.activate();
      plan = this.#planner(signatureOf(batch, table), hostInputs(batch));
      this.#plans.set(key, plan);
    }
    return plan;
  }

  /** Waits for everything queued. */
  async finish(): Promise<void> {
    for (const variant of this.#variants.values()) await variant.finish();
  }

  /** Frees everything. Nothing may be queued, unless a thread has failed. */
  dispose(): void {
    for (const variant of this.#variants.values()) variant.dispose();
    this.#variants.clear();
    this.#plans.clear();
    this.#sources.clear();
    this.#recent = undefined;
  }

  async #make(plan: Plan, batch: Batch): Promise<Variant> {
    const residents = batch.source && await this.#options.runtime.residents.acquire(batch.source, plan.inputs);
    try {
      return new Variant(plan, { ...this.#options, batchRows: batch.rows, ...(residents && { residents }) });
    } catch (error) {
      residents?.release();
      throw error;
    }
  }

  /** Tells data sets apart, of which each has its place; batches of their own values have number 0. */
  #sourceNumber(source: object | undefined): number {
    if (source === undefined) return 0;
    const number = this.#sources.get(source) ?? this.#sources.size + 1;
    this.#sources.set(source, number);
    return number;
  }
}

function keyOf(batch: Batch, table: StepTable): string {
  return JSON.stringify([signatureOf(batch, table), hostInputs(batch)]);
}
