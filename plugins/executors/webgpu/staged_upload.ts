/**
 * What an execution brings to the device besides what is there: table, random keys, row numbers, batches.
 *
 * @module
 */
import type { Batch } from "../../../core/batch.ts";
import { foldIn } from "../../../core/random.ts";
import type { StepTable } from "../../../core/step.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { leafOf, nameOf, toHostType } from "./batch_leaves.ts";
import { aligned } from "./memory.ts";

/** Where the parts lie, in bytes from the start of the upload. */
export interface UploadLayout {
  /** Steps that it is for. */
  readonly steps: number;
  /** The step table's columns that the plan reads. */
  readonly table: Part;
  /** Keys of the random streams. */
  readonly keys: Part;
  /** Row numbers. */
  readonly rows: Part;
  /** Inputs that are not on the device. */
  readonly inputs: ReadonlyMap<Buffer, Part>;
  /** All of it. */
  readonly bytes: number;
}

/** A part of an upload. */
export interface Part {
  /** The first byte. */
  readonly offset: number;
  /** Bytes, without what fills up the last vector. */
  readonly bytes: number;
}

/** Lays out what `steps` steps of a plan need. @param staged Whether the inputs are part of the upload. */
export function layOut(plan: Plan, steps: number, staged: boolean): UploadLayout {
  let end = 0;
  const part = (bytes: number): Part => {
    const offset = end;
    end = aligned(end + Math.max(bytes, 16));
    return { offset, bytes };
  };
  const rows = plan.rows?.size ?? 0;
  const table = part(steps * plan.columns.length * 4);
  const keys = part(steps * plan.streams * 8);
  const numbers = part(steps * rows * 4);
  const inputs = new Map<Buffer, Part>();
  if (staged) { for (const input of plan.inputs) inputs.set(input, part(steps * rows * rowBytes(input))); }
  return { steps, table, keys, rows: numbers, inputs, bytes: end };
}

/**
 * The most steps that one upload may hold.
 *
 * @param limits Bytes that a kernel can reach in one buffer, and that an upload may have.
 * @throws {RangeError} If not even one step's batch can be reached.
 */
export function mostSteps(
  plan: Plan,
  staged: boolean,
  limits: { readonly binding: number; readonly upload: number },
): number {
  const { table, keys, rows, inputs, bytes } = layOut(plan, 1, staged);
  for (const [input, part] of inputs) {
    if (part.bytes <= limits.binding) continue;
    throw new RangeError(
      `Cannot upload ${
        nameOf(input)
      } of a batch: ${part.bytes} bytes, and a kernel can reach ${limits.binding} in one ` +
        "buffer on this adapter. Use a smaller batchSize.",
    );
  }
  const results = [...plan.sums ? [plan.sums] : [], ...plan.outputs].map(({ size }) => size * 4);
  const largest = Math.max(
    table.bytes,
    keys.bytes,
    rows.bytes,
    ...[...inputs.values()].map(({ bytes }) => bytes),
    ...results,
  );
  const returned = results.reduce((sum, bytes) => sum + bytes, 0);
  return Math.max(
    1,
    Math.min(Math.floor(limits.binding / Math.max(largest, 1)), Math.floor(limits.upload / Math.max(bytes, returned))),
  );
}

/** What is written into an upload. */
export interface UploadContent {
  readonly plan: Plan;
  readonly layout: UploadLayout;
  /** One a step. */
  readonly batches: readonly Batch[];
  readonly table: StepTable;
  /** The first batch's row of the table. */
  readonly first: number;
}

/** Writes the parts into host memory. */
export function writeUpload(memory: ArrayBuffer, { plan, layout, batches, table, first }: UploadContent): void {
  writeTable(new Float32Array(memory, layout.table.offset, layout.table.bytes / 4), plan, table, first);
  writeKeys(new Uint32Array(memory, layout.keys.offset, layout.keys.bytes / 4), plan, table, first);
  const { rows } = plan;
  if (rows === undefined) return;
  const staged = layout.inputs.size > 0;
  const numbers = new Int32Array(memory, layout.rows.offset, layout.rows.bytes / 4);
  batches.forEach((batch, step) => {
    const at = step * rows.size;
    if (batch.source === undefined || staged) {
      for (let row = 0; row < rows.size; row++) numbers[at + row] = at + row;
    } else numbers.set(batch.indices, at);
  });
  for (const [input, part] of layout.inputs) {
    const target = viewOf(memory, input, part);
    batches.forEach((batch, step) => writeRows(target, step * rows.size * input.size, batch, input));
  }
}

function writeTable(target: Float32Array, { columns }: Plan, table: StepTable, first: number): void {
  const places = columns.map((column) => table.columns.indexOf(column));
  const steps = target.length / Math.max(columns.length, 1);
  for (let step = 0, i = 0; step < steps; step++) {
    const row = table.rows[first + step]!;
    for (const place of places) target[i++] = row[place]!;
  }
}

function writeKeys(target: Uint32Array, { streams }: Plan, table: StepTable, first: number): void {
  for (let i = 0, step = 0; i < target.length; step++) {
    const key = foldIn(table.key, table.first + first + step);
    for (let stream = 0; stream < streams; stream++) {
      const [a, b] = foldIn(key, stream);
      target[i++] = a;
      target[i++] = b;
    }
  }
}

function writeRows(target: ReturnType<typeof viewOf>, at: number, batch: Batch, input: Buffer): void {
  if (batch.source === undefined) {
    target.set(toHostType(leafOf(batch.arrays, input).values, input.type), at);
    return;
  }
  const values = toHostType(leafOf(batch.source.arrays, input).values, input.type);
  batch.indices.forEach((row, i) =>
    target.set(values.subarray(row * input.size, (row + 1) * input.size), at + i * input.size)
  );
}

function viewOf(
  memory: ArrayBuffer,
  { type }: Buffer,
  { offset, bytes }: Part,
): Float32Array | Int32Array | Uint8Array {
  if (type === "u8") return new Uint8Array(memory, offset, bytes);
  return new (type === "f32" ? Float32Array : Int32Array)(memory, offset, bytes / 4);
}

function rowBytes({ type, size }: Buffer): number {
  return type === "u8" ? size : size * 4;
}
