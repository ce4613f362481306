/**
 * The two halves of a phase, for strategies that exchange in between.
 *
 * @module
 */
import type { Batch } from "../../../core/batch.ts";
import { oneRow } from "../../../core/data/one_row.ts";
import type { Exchange } from "../../../core/executor.ts";
import type { Step, StepTable } from "../../../core/step.ts";
import { tf } from "../../../core/tf.ts";
import type { PlanOptions } from "../../compiler/compile.ts";
import { bytesOf, placeOf } from "../../compiler/ir/buffers.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { signatureOf } from "../../compiler/signature.ts";
import { packExchange, stateVariables, unpackExchange } from "../exchange.ts";
import type { CompiledPlan, Prepared } from "./compiled_plan.ts";
import type { Range } from "./memory.ts";
import type { ProgramOptions } from "./program_options.ts";

/** What halves are made with. */
export interface HalvesOptions extends ProgramOptions {
  /** How a batch is planned. */
  readonly planOptions: (batch: Batch) => PlanOptions;
  /** Makes a plan run. */
  readonly compile: (plan: Plan) => Promise<CompiledPlan>;
}

interface Compiled {
  readonly compute: CompiledPlan;
  readonly apply?: CompiledPlan;
  /** Elements of each gradient that the loss has. */
  readonly sizes: readonly number[];
}

/** The halves of the phases of one step. */
export class Halves {
  readonly #step: Step;
  readonly #options: HalvesOptions;
  readonly #compiled = new Map<string, Compiled>();
  /** State variables as they were before the last `compute` of each phase. */
  readonly #before: (readonly ArrayLike<number>[])[] = [];

  /** Nothing is compiled yet. */
  constructor(step: Step, options: HalvesOptions) {
    this.#step = step;
    this.#options = options;
  }

  /** Gradients, states and sums of one batch. Variables stay as they are. */
  async compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    const step = this.#step;
    const { runtime: { pacer, readBacks }, replica } = this.#options;
    if (batch.rows === 0) return await this.#nothing(phase, batch, table);
    const copied = await pacer.turn(async () => {
      const { compute } = await this.#halves(phase, batch, table);
      const prepared = await compute.prepare([batch]);
      const { plan } = compute;
      const held = plan.gradients!.filter((gradient) => gradient !== null);
      const ranges = [
        ...prepared.gradients.filter((range) => range !== null),
        ...prepared.outputs,
        ...this.#statesIn(plan, prepared),
        ...prepared.sums ? [prepared.sums] : [],
      ];
      const readBack = await readBacks.reserve(ranges.reduce((sum, { size }) => sum + size, 0));
      await compute.execute(prepared, {
        table,
        first: 0,
        after: (encoder) => readBacks.copy(encoder, readBack, ranges),
      });
      return { readBack, held, plan };
    });
    const { plan } = copied;
    const [bytes] = await readBacks.read([copied.readBack]);
    let offset = 0;
    const next = ({ size, type }: Pick<Buffer, "size" | "type">): Float32Array => {
      const words = new (type === "f32" ? Float32Array : Int32Array)(bytes!, offset, size);
      offset += size * 4;
      return Float32Array.from(words);
    };
    const gradients = copied.held.map(next);
    const after = plan.outputs.map(next);
    const before: ArrayLike<number>[] = [];
    for (const { path, variable } of stateVariables(step)) {
      const buffer = plan.variables.get(path);
      before.push(buffer === undefined ? await variable.data() : next(buffer));
    }
    this.#before[phase] = before;
    const sums = plan.sums ? next(plan.sums) : new Float32Array();
    const values = packExchange({
      step,
      gradients,
      before,
      after,
      share: batch.rows / batch.globalRows,
      first: (replica?.index ?? 0) === 0,
    });
    return { values, sums };
  }

  /** Applies what all replicas agree on. */
  async apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void> {
    const { runtime, device } = this.#options;
    await runtime.pacer.turn(async () => {
      const { apply, sizes } = await this.#halves(phase, batch.rows === 0 ? oneRow(batch) : batch, table);
      const before = this.#before[phase];
      if (before === undefined) throw new Error(`Cannot apply phase ${phase}: it has not been computed.`);
      const { gradients, states } = unpackExchange(this.#step, exchange.values, sizes, before);
      device.activate();
      stateVariables(this.#step).forEach(({ variable }, index) => {
        const { shape, dtype } = variable;
        tf.tidy(() => variable.assign(tf.tensor(states[index]!, [...shape], dtype)));
      });
      if (apply === undefined) return;
      const prepared = await apply.prepare([batch]);
      const given = prepared.gradients.filter((range) => range !== null);
      given.forEach(({ buffer, offset }, index) => {
        const { buffer: bytes } = gradients[index]!;
        runtime.queue.write(buffer, offset, new Uint8Array(bytes as ArrayBuffer));
      });
      await apply.execute(prepared, { table, first: 0 });
    });
  }

  /** Frees what plans hold. */
  destroy(): void {
    for (const { compute, apply } of this.#compiled.values()) {
      compute.destroy();
      apply?.destroy();
    }
    this.#compiled.clear();
  }

  /** What a replica without rows contributes: zeros, laid out as those of one row. */
  async #nothing(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    const { compute: { plan }, sizes } = await this.#options.runtime.pacer.turn(() =>
      this.#halves(phase, oneRow(batch), table)
    );
    const states = stateVariables(this.#step);
    this.#before[phase] = await Promise.all(states.map(({ variable }) => variable.data()));
    const count = [...sizes, ...states.map(({ variable }) => variable.size)].reduce((sum, size) => sum + size, 0);
    return { values: new Float32Array(count), sums: new Float32Array(plan.sums?.size ?? 0) };
  }

  async #halves(phase: number, batch: Batch, table: StepTable): Promise<Compiled> {
    const { planOptions, planPhase, compile, device } = this.#options;
    const signature = signatureOf(batch, table);
    const options = planOptions(batch);
    const key = JSON.stringify([phase, signature, options.inputs]);
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) {
      device.activate();
      const { compute, apply } = planPhase(this.#step, phase, signature, options);
      compiled = {
        compute: await compile(compute),
        ...(apply === undefined ? {} : { apply: await compile(apply) }),
        sizes: (compute.gradients ?? []).filter((gradient) => gradient !== null).map(({ size }) => size),
      };
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  /** Where the state variables lie that a plan uses, in order. */
  #statesIn({ variables }: Plan, { variables: places }: Prepared): readonly Range[] {
    return stateVariables(this.#step).flatMap(({ path }) => {
      const buffer = variables.get(path);
      if (buffer === undefined) return [];
      const place = placeOf(buffer);
      const { buffer: memory, offset } = places.get(place.root)!;
      return [{ buffer: memory, offset: offset + place.offset * 4, size: bytesOf(buffer) }];
    });
  }
}
