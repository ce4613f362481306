/**
 * The halves of a phase, for strategies whose replicas exchange gradients in between.
 *
 * @module
 */
import type { Batch } from "../../../core/batch.ts";
import type { Exchange } from "../../../core/executor.ts";
import { leaves } from "../../../core/nested.ts";
import type { Step, StepTable, StepVariable } from "../../../core/step.ts";
import { tf } from "../../../core/tf.ts";
import type { HalfPlans } from "../../compiler/compile.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { HostInput } from "../../compiler/lower/lower_graph.ts";
import type { BatchSignature } from "../../compiler/trace.ts";
import { packExchange, stateVariables, unpackExchange } from "../exchange.ts";
import { Sums } from "./sums.ts";
import { type CommonOptions, Variants } from "./variants.ts";

/** What halves are made with. */
export interface HalvesOptions extends CommonOptions {
  /** Plans the phase. */
  readonly plan: (signature: BatchSignature, inputs: readonly HostInput[]) => HalfPlans;
  /** Which replica this is. */
  readonly replica: number;
}

/** One phase of a step, in two halves. */
export class PhaseHalves {
  readonly #step: Step;
  readonly #replica: number;
  readonly #activate: () => void;
  readonly #compute: Variants;
  readonly #apply: Variants;
  readonly #states: readonly StepVariable[];

  /** Nothing is compiled yet. */
  constructor(step: Step, options: HalvesOptions) {
    this.#step = step;
    this.#replica = options.replica;
    this.#activate = options.activate;
    this.#states = stateVariables(step);
    const plans = new Map<string, HalfPlans>();
    const plan: HalvesOptions["plan"] = (signature, inputs) => {
      const key = JSON.stringify([signature, inputs]);
      const known = plans.get(key) ?? options.plan(signature, inputs);
      plans.set(key, known);
      return known;
    };
    this.#compute = new Variants((signature, inputs) => plan(signature, inputs).compute, options);
    this.#apply = new Variants(
      (signature, inputs) => plan(signature, inputs).apply ?? nothing(plan(signature, inputs)),
      options,
    );
  }

  /** Gradients, then what the phase wrote to states; each with its share, so that replicas' parts add up. */
  async compute(batch: Batch, table: StepTable): Promise<Exchange> {
    const plan = this.#compute.plan(planned(batch), table);
    const gradients = plan.gradients?.filter((buffer) => buffer !== null) ?? [];
    if (batch.rows === 0) {
      const parts = [...gradients, ...this.#states.map(({ variable }) => variable)];
      const size = parts.reduce((sum, part) => sum + part.size, 0);
      return { values: new Float32Array(size), sums: new Float32Array(plan.sums?.size ?? 0) };
    }
    const before = await this.#means();
    const sums = new Sums(this.#step);
    const variant = await this.#compute.get(batch, table);
    const execution = await variant.queue([batch], table, 0, sums);
    await execution.finish();
    const values = packExchange({
      step: this.#step,
      gradients: gradients.map((gradient) => variant.gradient(gradient)),
      before,
      after: execution.outputs.flatMap((output) => leaves(output).map(({ values }) => values)),
      share: batch.rows / batch.globalRows,
      first: this.#replica === 0,
    });
    return { values, sums: Float32Array.from(sums.total()) };
  }

  /** Takes over what all replicas agree on. */
  async apply({ values }: Exchange, batch: Batch, table: StepTable): Promise<void> {
    const plan = this.#apply.plan(planned(batch), table);
    // Laid out as `compute` gives them; what is applied may not need all of them.
    const gradients = this.#compute.plan(planned(batch), table).gradients ?? [];
    const sizes = gradients.flatMap((gradient) => gradient === null ? [] : [gradient.size]);
    const agreed = unpackExchange(this.#step, values, sizes, await this.#means());
    this.#activate();
    this.#states.forEach(({ variable }, index) => {
      tf.tidy(() => variable.assign(tf.tensor(agreed.states[index]!, variable.shape, "float32")));
    });
    if (plan.kernels.length === 0) return;
    const variant = await this.#apply.get(planned(batch), table);
    // What was applied before has read its gradients.
    await variant.finish();
    let given = 0;
    gradients.forEach((gradient, index) => {
      if (gradient === null) return;
      const taken = plan.gradients?.[index];
      if (taken) variant.gradient(taken).set(agreed.gradients[given]!);
      given++;
    });
    await variant.queue([batch], table, 0, new Sums(this.#step));
  }

  /** Waits for everything queued. */
  async finish(): Promise<void> {
    await this.#compute.finish();
    await this.#apply.finish();
  }

  /** Frees everything. */
  dispose(): void {
    this.#compute.dispose();
    this.#apply.dispose();
  }

  /** The values of those states that others go with, by number; nothing for the others. */
  #means(): Promise<readonly ArrayLike<number>[]> {
    const means = new Set(this.#states.map(({ spread }) => spread?.mean));
    return Promise.all(this.#states.map(({ variable }) => means.has(variable) ? variable.data() : []));
  }
}

/** A replica without rows plans what it would for one: gradients are laid out alike. */
function planned(batch: Batch): Batch {
  return batch.rows === 0 ? { ...batch, rows: 1 } : batch;
}

/** What a phase does that applies nothing. */
function nothing({ compute: { expressions } }: HalfPlans): Plan {
  return {
    expressions,
    kernels: [],
    variables: new Map(),
    inputs: [],
    columns: [],
    streams: 0,
    outputs: [],
    scratch: [],
    constants: [],
  };
}
