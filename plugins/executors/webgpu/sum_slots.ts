/**
 * Sums of steps on the device, until the host asks for them and adds them in float64.
 *
 * @module
 */
import { combineSums } from "../../../core/run/epoch_sums.ts";
import type { Step } from "../../../core/step.ts";
import { createBuffer, type Range } from "./memory.ts";
import type { ReadBack } from "./read_backs.ts";
import type { Runtime } from "./runtime.ts";

const FEWEST_BYTES = 1 << 16;
/** More than this is not kept on the device: it is read early. */
const MOST_BYTES = 1 << 24;

interface Slot {
  /** Sums that have been read. */
  total?: Float64Array;
  /** Where the others lie. */
  parts: Range[];
}

/** Sums on their way to the host. */
interface Copied {
  readonly parts: readonly { readonly slot: Slot; readonly range: Range }[];
  readonly readBack: ReadBack;
}

/** The slots of one program. */
export class SumSlots {
  readonly #step: Step;
  readonly #runtime: Runtime;
  readonly #slots = new Map<number, Slot>();
  /** Slots that were asked for, until it is their turn to be copied. */
  readonly #asked = new Set<Slot>();
  #buffer: GPUBuffer | undefined;
  #end = 0;
  /** How many ranges nobody has copied yet. */
  #unread = 0;

  /** No sums yet. */
  constructor(step: Step, runtime: Runtime) {
    this.#step = step;
    this.#runtime = runtime;
  }

  /** Empties a slot. */
  clear(slot: number): void {
    this.#unread -= this.#slots.get(slot)?.parts.length ?? 0;
    this.#slots.set(slot, { parts: [] });
  }

  /** Memory for more sums of a slot. The caller has the pacer's turn. */
  async reserve(slot: number, bytes: number): Promise<Range> {
    if (this.#unread === 0) this.#end = 0;
    if (this.#buffer === undefined || this.#end + bytes > this.#buffer.size) await this.#makeRoom(bytes);
    const range: Range = { buffer: this.#buffer!, offset: this.#end, size: bytes };
    this.#end += bytes;
    this.#unread++;
    this.#slots.get(slot)!.parts.push(range);
    return range;
  }

  /**
   * Reads slots and removes them.
   *
   * @throws {RangeError} If nothing was run in one since it was read.
   */
  async read(slots: readonly number[]): Promise<readonly Float64Array[]> {
    const held = slots.map((number) => {
      const slot = this.#slots.get(number);
      if (slot === undefined) {
        throw new RangeError(`Cannot read sums slot ${number}: nothing was run in it since it was read.`);
      }
      return slot;
    });
    for (const number of slots) this.#slots.delete(number);
    // Where they lie may change until it is this read's turn.
    for (const slot of held) this.#asked.add(slot);
    const copied = await this.#runtime.pacer.turn(() => this.#copy(held));
    if (copied !== undefined) {
      const [values] = await this.#runtime.readBacks.read([copied.readBack]);
      this.#add(copied.parts, values!);
    }
    return held.map(({ total }) => total ?? new Float64Array());
  }

  /** Frees the memory. */
  destroy(): void {
    this.#buffer?.destroy();
    this.#buffer = undefined;
    this.#slots.clear();
  }

  async #copy(held: readonly Slot[]): Promise<Copied | undefined> {
    for (const slot of held) this.#asked.delete(slot);
    const parts = held.flatMap((slot) => slot.parts.splice(0).map((range) => ({ slot, range })));
    if (parts.length === 0) return undefined;
    const readBack = await this.#runtime.readBacks.reserve(parts.reduce((sum, { range }) => sum + range.size, 0));
    const encoder = this.#runtime.device.createCommandEncoder();
    this.#runtime.readBacks.copy(encoder, readBack, joined(parts.map(({ range }) => range)));
    this.#runtime.submitCopies(encoder);
    this.#unread -= parts.length;
    return { parts, readBack };
  }

  /** Adds what was read to its slots. */
  #add(parts: Copied["parts"], bytes: ArrayBuffer): void {
    const values = new Float32Array(bytes);
    const size = this.#step.sums.reduce((sum, segment) => sum + segment.size, 0);
    let offset = 0;
    for (const { slot, range } of parts) {
      for (const end = offset + range.size / 4; offset < end; offset += size) {
        const sums = values.subarray(offset, offset + size);
        if (slot.total === undefined) slot.total = Float64Array.from(sums);
        else combineSums(this.#step, slot.total, sums);
      }
    }
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { device, readBacks } = this.#runtime;
    if (this.#end + bytes > MOST_BYTES && this.#end > 0) {
      const copied = await this.#copy([...this.#slots.values(), ...this.#asked]);
      if (copied !== undefined) {
        const [values] = await readBacks.readNow([copied.readBack]);
        this.#add(copied.parts, values!);
      }
      this.#end = 0;
      if (bytes <= this.#buffer!.size) return;
    }
    const size = Math.max(FEWEST_BYTES, 2 * (this.#buffer?.size ?? 0), this.#end + bytes);
    const larger = await createBuffer(device, { bytes: size, what: "the sums of steps" });
    const old = this.#buffer;
    if (old !== undefined && this.#end > 0) {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(old, 0, larger, 0, this.#end);
      this.#runtime.submitCopies(encoder);
    }
    for (const slot of [...this.#slots.values(), ...this.#asked]) {
      slot.parts = slot.parts.map((range) => ({ ...range, buffer: larger }));
    }
    this.#buffer = larger;
    old?.destroy();
  }
}

/** Ranges that follow each other as one. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const found: Range[] = [];
  for (const range of ranges) {
    const last = found.at(-1);
    if (last !== undefined && last.buffer === range.buffer && last.offset + last.size === range.offset) {
      found[found.length - 1] = { ...last, size: last.size + range.size };
    } else found.push(range);
  }
  return found;
}
