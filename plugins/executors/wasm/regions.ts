/**
 * The memory that holds what differs from step to step: rows, the step table, random keys, sums, outputs.
 *
 * There is room for two executions: while one runs, the host prepares the next.
 *
 * @module
 */
import type { Batch, HostArray } from "../../../core/batch.ts";
import type { Nested } from "../../../core/nested.ts";
import { foldIn } from "../../../core/random.ts";
import type { StepTable } from "../../../core/step.ts";
import { isValueInfo, mapLeaves } from "../../compiler/graph.ts";
import { arraysOf } from "../../compiler/signature.ts";
import { bytesOf } from "../../compiler/ir/buffers.ts";
import { returnedArray } from "../returned_array.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import type { Block, SharedMemory } from "./memory.ts";
import { leafOf } from "./residents.ts";

/** Executions are cut so that what each needs of this memory stays below: 16 MiB are copied in some 3 ms. */
const EXECUTION_BYTES = 2 ** 24;
/** With small batches, preparing so many steps takes the host some milliseconds. */
const MOST_STEPS = 4096;

/** One of the two: `half · capacity` is its first step. */
export type HalfIndex = 0 | 1;

/** What a program's steps read and write, part by part. */
export class Regions {
  /** The most steps of one job. */
  readonly capacity: number;
  /** The step table, `[2 · capacity, columns]`. */
  readonly table: number;
  /** Keys of random streams, `[2 · capacity, streams, 2]`. */
  readonly keys: number;
  readonly #memory: SharedMemory;
  readonly #plan: Plan;
  readonly #batchRows: number;
  /** Inputs that are copied batch by batch; of others only row numbers are. */
  readonly #staged: readonly Buffer[];
  readonly #blocks: Block[] = [];
  readonly #addresses = new Map<Buffer, number>();

  /**
   * Takes the memory.
   *
   * @param options.batchRows Samples in a batch.
   * @param options.staged Whether inputs are copied batch by batch, rather than resident.
   */
  constructor(memory: SharedMemory, plan: Plan, { batchRows, staged }: { batchRows: number; staged: boolean }) {
    this.#memory = memory;
    this.#plan = plan;
    this.#batchRows = batchRows;
    this.#staged = staged ? plan.inputs : [];
    const { rows, sums, outputs, columns, streams } = plan;
    const parts = [rows, sums, ...outputs].filter((buffer) => buffer !== undefined);
    const step = parts.reduce((sum, part) => sum + bytesOf(part), 0) + columns.length * 4 + streams * 8 +
      this.#staged.reduce((sum, input) => sum + bytesOf(input) * batchRows, 0);
    this.capacity = Math.max(1, Math.min(MOST_STEPS, Math.floor(EXECUTION_BYTES / step)));
    const take = (bytesOfStep: number, what: string): number => {
      const block = memory.allocate(2 * this.capacity * bytesOfStep, what);
      this.#blocks.push(block);
      return block.address;
    };
    try {
      for (const part of parts) this.#addresses.set(part, take(bytesOf(part), "what each step returns"));
      for (const input of this.#staged) this.#addresses.set(input, take(bytesOf(input) * batchRows, "batches"));
      this.table = take(columns.length * 4, "the step table");
      this.keys = take(streams * 8, "random keys");
    } catch (error) {
      this.free();
      throw error;
    }
    if (staged && rows !== undefined) {
      // Row `r` of the staged batches is row `r` of the staged inputs.
      const numbers = memory.view("i32", this.#addresses.get(rows)!, 2 * this.capacity * rows.size);
      for (let row = 0; row < numbers.length; row++) numbers[row] = row;
    }
  }

  /** Where step 0 of a buffer is; `undefined` where it is none of these. */
  address(buffer: Buffer): number | undefined {
    return this.#addresses.get(buffer);
  }

  /** Copies batches and their part of the step table to where a half's steps find them. @param first The first batch's row of the table. */
  write(half: HalfIndex, batches: readonly Batch[], table: StepTable, first: number): void {
    const start = half * this.capacity;
    this.#writeTable(start, batches.length, table, first);
    this.#writeKeys(start, batches.length, table, first);
    batches.forEach((batch, index) => this.#writeBatch(start + index, batch));
  }

  /** A view of the sums of a half's first steps, one after the other; empty where steps have none. */
  sums(half: HalfIndex, steps: number): Float32Array {
    const { sums } = this.#plan;
    if (sums === undefined) return new Float32Array();
    const first = this.#addresses.get(sums)! / 4 + half * this.capacity * sums.size;
    return this.#memory.f32.subarray(first, first + steps * sums.size);
  }

  /** What one step returns, copied; absent where it returns nothing. */
  outputs(half: HalfIndex, step: number): Nested<HostArray> | undefined {
    const { outputs, returns } = this.#plan;
    if (returns === undefined) return undefined;
    return mapLeaves(returns, isValueInfo, (info, index): HostArray => {
      const buffer = outputs[index]!;
      const at = this.#addresses.get(buffer)! + (half * this.capacity + step) * bytesOf(buffer);
      return returnedArray(info, this.#memory.view(buffer.type, at, buffer.size));
    });
  }

  /** Gives the memory back. */
  free(): void {
    this.#blocks.splice(0).forEach((block) => block.free());
  }

  #writeTable(start: number, steps: number, table: StepTable, first: number): void {
    const { columns } = this.#plan;
    const { f32 } = this.#memory;
    let at = this.table / 4 + start * columns.length;
    const places = columns.map((column) => {
      const place = table.columns.indexOf(column);
      if (place < 0) {
        throw new RangeError(
          `Cannot run the step: the step table has no column "${column}", only ${table.columns.join(", ") || "none"}.`,
        );
      }
      return place;
    });
    for (let step = first; step < first + steps; step++) {
      for (const place of places) f32[at++] = table.rows[step]![place]!;
    }
  }

  #writeKeys(start: number, steps: number, table: StepTable, first: number): void {
    const { streams } = this.#plan;
    if (streams === 0) return;
    const { i32 } = this.#memory;
    let at = this.keys / 4 + start * streams * 2;
    for (let step = first; step < first + steps; step++) {
      const key = foldIn(table.key, table.first + step);
      for (let stream = 0; stream < streams; stream++) {
        const [low, high] = foldIn(key, stream);
        i32[at++] = low;
        i32[at++] = high;
      }
    }
  }

  #writeBatch(step: number, batch: Batch): void {
    const { rows } = this.#plan;
    if (rows === undefined) return;
    if (this.#staged.length === 0) {
      if (batch.source === undefined) throw new TypeError("Cannot run a batch of its own values on resident data.");
      this.#memory.i32.set(batch.indices, this.#addresses.get(rows)! / 4 + step * rows.size);
      return;
    }
    const arrays = arraysOf(batch);
    for (const input of this.#staged) {
      const { values } = leafOf(arrays, input);
      const rowBytes = bytesOf(input);
      const address = this.#addresses.get(input)! + step * this.#batchRows * rowBytes;
      const view = this.#memory.view(input.type, address, this.#batchRows * input.size);
      if (batch.source === undefined) view.set(values);
      else {
        batch.indices.forEach((row, index) => {
          view.set(values.subarray(row * input.size, (row + 1) * input.size), index * input.size);
        });
      }
    }
  }
}
