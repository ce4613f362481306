/**
 * The plans of a program, by what batches look like.
 *
 * @module
 */
import type { Arrays, Batch, HostArray } from "../../../core/batch.ts";
import { leafNames, leaves } from "../../../core/nested.ts";
import type { StepTable } from "../../../core/step.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { HostInput } from "../../compiler/lower/lower_graph.ts";
import { arraysOf, hostInputs, signatureOf } from "../../compiler/signature.ts";
import type { BatchSignature } from "../../compiler/trace.ts";
import { Variant, type VariantOptions } from "./variant.ts";

/** Makes a plan for batches of a signature. */
export type Planner = (signature: BatchSignature, inputs: readonly HostInput[]) => Plan;

/** What all variants of a program have in common. */
export type CommonOptions = Omit<VariantOptions, "batchRows" | "residents">;

/** What tells, fast, that two batches run the same variant. */
interface BatchLayout {
  readonly rows: number;
  readonly globalRows: number;
  readonly source: object | undefined;
  readonly columns: readonly string[];
  readonly leaves: readonly HostArray[];
  readonly names: string;
}

/** The variants of one planner. */
export class Variants {
  readonly #planner: Planner;
  readonly #options: CommonOptions;
  readonly #variants = new Map<string, Variant>();
  readonly #plans = new Map<string, Plan>();
  readonly #sources = new Map<object, number>();
  /** The last variant, and the batches that run it. */
  #recent: { readonly variant: Variant; readonly layout: BatchLayout } | undefined;

  /** None yet. @param planner Called once for each signature, on the program's device. */
  constructor(planner: Planner, options: CommonOptions) {
    this.#planner = planner;
    this.#options = options;
  }

  /** The variant that runs a batch. */
  async get(batch: Batch, table: StepTable): Promise<Variant> {
    if (this.#recent !== undefined && sameLayout(this.#recent.layout, batch, table.columns)) {
      return this.#recent.variant;
    }
    const key = `${this.#sourceNumber(batch.source)} ${keyOf(batch, table)}`;
    let variant = this.#variants.get(key);
    if (variant === undefined) {
      variant = await this.#make(this.plan(batch, table), batch);
      this.#variants.set(key, variant);
    }
    this.#recent = { variant, layout: layoutOf(batch, table.columns) };
    return variant;
  }

  /** How many of the batches from `first` on, which `get` was last asked for, run the same variant. */
  alike(batches: readonly Batch[], first: number, { columns }: StepTable): number {
    const { variant, layout } = this.#recent!;
    const end = Math.min(batches.length, first + variant.capacity);
    let next = first + 1;
    while (next < end && sameLayout(layout, batches[next]!, columns)) next++;
    return next - first;
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

function layoutOf(batch: Batch, columns: readonly string[]): BatchLayout {
  const arrays = arraysOf(batch);
  return {
    rows: batch.rows,
    globalRows: batch.globalRows,
    source: batch.source,
    columns,
    // The values of a batch are not kept.
    leaves: batch.source === undefined ? leavesOf(arrays).map((leaf) => ({ ...leaf, values: new Uint8Array() })) : [],
    names: namesOf(arrays),
  };
}

function sameLayout(layout: BatchLayout, batch: Batch, columns: readonly string[]): boolean {
  if (layout.rows !== batch.rows || layout.globalRows !== batch.globalRows || layout.source !== batch.source) {
    return false;
  }
  if (layout.columns !== columns && layout.columns.join() !== columns.join()) return false;
  if (batch.source !== undefined) return true;
  const found = leavesOf(batch.arrays);
  return found.length === layout.leaves.length && namesOf(batch.arrays) === layout.names &&
    found.every(({ dtype, scale, shape }, index) => {
      const known = layout.leaves[index]!;
      // The first axis counts samples, of which the batch says how many it has.
      return dtype === known.dtype && scale === known.scale && shape.length === known.shape.length &&
        shape.every((size, axis) => axis === 0 || size === known.shape[axis]);
    });
}

function leavesOf({ x, y, sampleWeight }: Arrays<HostArray>): readonly HostArray[] {
  return [x, y, sampleWeight].flatMap((nested) => nested === undefined ? [] : leaves(nested));
}

/** How leaves are grouped: their names, or how many there are. */
function namesOf({ x, y, sampleWeight }: Arrays<HostArray>): string {
  return [x, y, sampleWeight].map((nested) => {
    if (nested === undefined) return "-";
    return leafNames(nested)?.join() ?? String(leaves(nested).length);
  }).join("|");
}
