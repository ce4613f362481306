/**
 * Runs steps as they are written: tfjs executes each operation as it comes.
 *
 * @module
 */
import type { Batch, HostArray, TensorBatch } from "../../core/batch.ts";
import { batchToTensors } from "../../core/data/batch_tensors.ts";
import { oneRow } from "../../core/data/one_row.ts";
import type { Device } from "../../core/device.ts";
import type { Exchange, Executor, Program, ProgramRun } from "../../core/executor.ts";
import { leaves, mapNested, type Nested, packLike } from "../../core/nested.ts";
import { pending } from "../../core/pending.ts";
import { combineSums } from "../../core/run/epoch_sums.ts";
import { foldIn, hostRandomSource, withRandomSource } from "../../core/random.ts";
import type { PhaseOutput, Step, StepContext, StepTable, StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";

/**
 * Runs steps eagerly on tfjs's backend of the device. Reads back once for each look, however many steps lie between.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { eager } from "@stride/stride/executors";
 * import { assertEquals } from "@std/assert";
 *
 * const dense = tf.layers.dense({ units: 1, inputShape: [1], kernelInitializer: "ones" });
 * const model = Model.from(tf.sequential({ layers: [dense] }));
 * model.compile({ loss: "mse", executor: eager() });
 * assertEquals((await model.evaluate({ x: [[1], [2]], y: [[1], [4]] }, { verbose: 0 })).loss, 2);
 * ```
 */
export function eager(): Executor {
  return {
    name: "eager",
    load: (step, { device, replica }) => Promise.resolve(new EagerProgram(step, device, replica?.index ?? 0)),
  };
}

/** How many steps' sums are joined by one kernel, so that a long execution holds few tensors. */
const JOINED_STEPS = 64;

class EagerProgram implements Program {
  readonly #step: Step;
  readonly #device: Device;
  readonly #replica: number;
  /** Each slot holds the sums of every step of one execution, one after the other, until the host adds them in float64. */
  readonly #slots = new Map<number, readonly Tensor[]>();
  readonly #outputs = new Set<Nested<Tensor>>();
  /** Which variables of each phase the loss depends on, as the last `compute` found: the others have no gradient. */
  readonly #reached: (readonly boolean[])[] = [];

  constructor(step: Step, device: Device, replica: number) {
    this.#step = step;
    this.#device = device;
    this.#replica = replica;
  }

  run(batches: readonly Batch[], table: StepTable, slot: number): Promise<ProgramRun> {
    this.#device.activate();
    tf.dispose([...this.#slots.get(slot) ?? []]);
    this.#slots.delete(slot);
    const outputs: Nested<Tensor>[] = [];
    const joined: Tensor[] = [];
    let parts: Tensor[] = [];
    try {
      batches.forEach((batch, index) => {
        const { sums, output } = this.#runStep(batch, table, index);
        if (sums !== undefined) parts.push(sums);
        if (parts.length === JOINED_STEPS) {
          joined.push(join(parts));
          parts = [];
        }
        if (output !== undefined) {
          outputs.push(output);
          this.#outputs.add(output);
        }
      });
      if (parts.length > 0) joined.push(join(parts));
      this.#slots.set(slot, joined);
    } catch (error) {
      tf.dispose([...parts, ...joined]);
      throw error;
    }
    this.#device.check();
    return Promise.resolve({ outputs: pending(() => Promise.all(outputs.map((output) => this.#read(output)))) });
  }

  async compute(phase: number, batch: Batch, table: StepTable): Promise<Exchange> {
    this.#device.activate();
    const states = this.#states();
    // A replica without rows contributes zeros, laid out as one row would be.
    const empty = batch.rows === 0;
    const tensors = withRandomSource(stepRandom(table, 0), () =>
      tf.tidy(() => {
        const before = states.map(({ variable }) => variable.clone());
        const { input, context } = this.#enter(empty ? oneRow(batch) : batch, table, 0);
        const { gradients = [], sums } = this.#step.phases[phase]!.compute(input, context);
        const share = context.rows / context.globalRows;
        const written = states.map(({ variable }) => variable.clone());
        const moved = (mean: tf.Variable): Tensor => {
          const index = states.findIndex(({ variable }) => variable === mean);
          return tf.sub(written[index]!, before[index]!);
        };
        states.forEach(({ variable }, index) => variable.assign(before[index]!.clone()));
        const after = states.map(({ acrossReplicas, spread }, index) => {
          if (acrossReplicas !== "mean") return tf.mul(written[index]!, this.#replica === 0 ? 1 : 0);
          const apart = spread && tf.div(tf.square(moved(spread.mean)), spread.rate);
          return tf.mul(apart ? tf.add(written[index]!, apart) : written[index]!, share);
        });
        this.#reached[phase] = gradients.map((gradient) => gradient !== null);
        const values = [...gradients.filter((gradient) => gradient !== null), ...after].map((tensor) =>
          tensor.flatten()
        );
        return [values.length > 0 ? tf.concat1d(values as tf.Tensor1D[]) : tf.tensor1d([]), sums ?? tf.tensor1d([])];
      }));
    const [values, sums] = await Promise.all(tensors.map((tensor) => tensor.data<"float32">()));
    tensors.forEach((tensor) => tensor.dispose());
    this.#device.check();
    return empty
      ? { values: new Float32Array(values!.length), sums: new Float32Array(sums!.length) }
      : { values: values!, sums: sums! };
  }

  apply(phase: number, exchange: Exchange, batch: Batch, table: StepTable): Promise<void> {
    this.#device.activate();
    tf.tidy(() => {
      const { variables, apply } = this.#step.phases[phase]!;
      let offset = 0;
      const next = ({ variable }: StepVariable): Tensor => {
        const values = exchange.values.slice(offset, offset += variable.size);
        return tf.tensor(values, variable.shape, "float32");
      };
      const reached = this.#reached[phase] ?? [];
      const gradients = variables.map((variable, index) => reached[index] ? next(variable) : null);
      const states = this.#states();
      const agreed = states.map(next);
      const values = states.map(({ spread }, index) => {
        if (spread === undefined) return agreed[index]!;
        const mean = agreed[states.findIndex(({ variable }) => variable === spread.mean)]!;
        return tf.sub(agreed[index]!, tf.div(tf.square(tf.sub(mean, spread.mean)), spread.rate));
      });
      states.forEach(({ variable }, index) => variable.assign(values[index]!));
      if (apply !== undefined) {
        const context = { rows: batch.rows, globalRows: batch.globalRows, scalars: scalarsOf(table, 0) };
        apply.call(this.#step.phases[phase], gradients, context);
      }
    });
    this.#device.check();
    return Promise.resolve();
  }

  async sums(slots: readonly number[]): Promise<readonly Float64Array[]> {
    const held = slots.map((slot) => {
      const parts = this.#slots.get(slot);
      if (parts === undefined) {
        throw new RangeError(`Cannot read sums slot ${slot}: nothing was run in it since it was read.`);
      }
      this.#slots.delete(slot);
      return parts;
    });
    const all = held.flat();
    if (all.length === 0) return slots.map(() => new Float64Array());
    this.#device.activate();
    const packed = join(all);
    const values = await packed.data<"float32">();
    packed.dispose();
    this.#device.check();
    let offset = 0;
    return held.map((parts) => {
      const length = parts.reduce((sum, { size }) => sum + size, 0);
      return this.#total(values.subarray(offset, offset += length));
    });
  }

  settle(): Promise<void> {
    this.#device.check();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    tf.dispose([...this.#slots.values()].flat());
    this.#slots.clear();
    for (const output of this.#outputs) leaves(output).forEach((tensor) => tensor.dispose());
    this.#outputs.clear();
    return Promise.resolve();
  }

  #runStep(batch: Batch, table: StepTable, index: number): { sums?: Tensor; output?: Nested<Tensor> } {
    let output: Nested<Tensor> | undefined;
    const results = withRandomSource(stepRandom(table, index), () =>
      tf.tidy(() => {
        const { input, context } = this.#enter(batch, table, index);
        const parts: Tensor[] = [];
        for (const phase of this.#step.phases) {
          const computed: PhaseOutput = phase.compute(input, context);
          if (computed.gradients !== undefined) phase.apply?.(computed.gradients, context);
          if (computed.sums !== undefined) parts.push(computed.sums);
          output = computed.outputs ?? output;
        }
        const sums = parts.length > 1 ? tf.concat1d(parts as tf.Tensor1D[]) : parts[0];
        return [...sums === undefined ? [] : [sums], ...output === undefined ? [] : leaves(output)];
      }));
    // The outputs come last, and are held by `output` already.
    const hasSums = results.length > (output === undefined ? 0 : leaves(output).length);
    return { ...(hasSums ? { sums: results[0] } : {}), ...(output === undefined ? {} : { output }) };
  }

  /** The batch as tensors, and the step's row of the table as scalars; both belong to the tidy around. */
  #enter(batch: Batch, table: StepTable, index: number): { input: TensorBatch; context: StepContext } {
    return {
      input: batchToTensors(batch),
      context: { rows: batch.rows, globalRows: batch.globalRows, scalars: scalarsOf(table, index) },
    };
  }

  /** Adds up the sums of several steps. */
  #total(values: Float32Array): Float64Array {
    const size = this.#step.sums.reduce((sum, segment) => sum + segment.size, 0);
    const total = Float64Array.from(values.subarray(0, size));
    for (let offset = size; offset < values.length; offset += size) {
      combineSums(this.#step, total, values.subarray(offset, offset + size));
    }
    return total;
  }

  async #read(output: Nested<Tensor>): Promise<Nested<HostArray>> {
    const tensors = leaves(output);
    const values = await Promise.all(tensors.map((tensor) => tensor.data()));
    this.#device.check();
    this.#outputs.delete(output);
    const arrays = tensors.map((tensor, index): HostArray => ({
      shape: tensor.shape,
      dtype: tensor.dtype === "int32" || tensor.dtype === "bool" ? tensor.dtype : "float32",
      values: values[index] as HostArray["values"],
    }));
    mapNested(output, (tensor) => tensor.dispose());
    return packLike(output, arrays);
  }

  #states(): readonly StepVariable[] {
    return this.#step.variables.filter(({ role }) => role === "state");
  }
}

/** Vectors one after the other; the parts are disposed. */
function join(parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const joined = tf.concat1d([...parts] as tf.Tensor1D[]);
  tf.dispose([...parts]);
  return joined;
}

/** Random numbers of one step: those of the run's key at this step, whatever the execution that it is part of. */
function stepRandom({ key, first }: StepTable, index: number): ReturnType<typeof hostRandomSource> {
  return hostRandomSource(foldIn(key, first + index));
}

function scalarsOf({ columns, rows }: StepTable, index: number): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(columns.map((column, j) => [column, tf.scalar(rows[index]![j]!)]));
}
