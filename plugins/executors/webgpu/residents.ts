/**
 * Data sets on the device: batches of them are row numbers.
 *
 * @module
 */
import type { HostArray, ResidentSource } from "../../../core/batch.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { leafOf, nameOf, toHostType } from "./batch_leaves.ts";
import type { CountedQueue } from "./counted_queue.ts";
import { createBuffer } from "./memory.ts";
import type { Pacer } from "./pacer.ts";

/** Large arrays go up in pieces, so that the event loop lives on and the driver's copies can be freed. */
const PIECE_BYTES = 1 << 24;

/** Where data sets go. */
export interface ResidentsOptions {
  readonly device: GPUDevice;
  readonly queue: CountedQueue;
  readonly pacer: Pacer;
}

interface Entry {
  readonly id: number;
  readonly users: Set<object>;
  readonly buffers: Map<string, GPUBuffer>;
}

/** The data sets of one device. */
export class Residents {
  readonly #options: ResidentsOptions;
  readonly #entries = new Map<ResidentSource, Entry>();
  #ids = 0;

  /** None yet. */
  constructor(options: ResidentsOptions) {
    this.#options = options;
  }

  /** Bytes of all data sets. */
  get bytes(): number {
    let bytes = 0;
    for (const { buffers } of this.#entries.values()) for (const { size } of buffers.values()) bytes += size;
    return bytes;
  }

  /** Whether what a plan reads of a source may lie on the device: each array fits in a binding. */
  fits(source: ResidentSource, inputs: readonly Buffer[]): boolean {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#options.device.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    return inputs.every((input) => {
      const leaf = leafOf(source.arrays, input);
      return leaf.values.length * (input.type === "u8" ? 1 : 4) <= most;
    });
  }

  /**
   * Brings what a plan reads of a source to the device, if it is not there. The caller has the pacer's turn.
   *
   * @param user Who needs it until `release`.
   * @returns A number that tells sources apart, and where each input lies.
   * @throws {DeviceError} If there is not enough memory.
   */
  async place(
    source: ResidentSource,
    inputs: readonly Buffer[],
    user: object,
  ): Promise<{ readonly id: number; readonly buffers: ReadonlyMap<Buffer, GPUBuffer> }> {
    let entry = this.#entries.get(source);
    if (entry === undefined) {
      entry = { id: ++this.#ids, users: new Set(), buffers: new Map() };
      this.#entries.set(source, entry);
    }
    entry.users.add(user);
    const buffers = new Map<Buffer, GPUBuffer>();
    for (const input of inputs) {
      const key = nameOf(input);
      let buffer = entry.buffers.get(key);
      if (buffer === undefined) {
        buffer = await this.#upload(leafOf(source.arrays, input), input, key);
        entry.buffers.set(key, buffer);
      }
      buffers.set(input, buffer);
    }
    return { id: entry.id, buffers };
  }

  /** A program no longer needs its data sets: those that no other one uses are freed. */
  release(user: object): void {
    for (const [source, { users, buffers }] of this.#entries) {
      if (!users.delete(user) || users.size > 0) continue;
      for (const buffer of buffers.values()) buffer.destroy();
      this.#entries.delete(source);
    }
  }

  async #upload(leaf: HostArray, input: Buffer, key: string): Promise<GPUBuffer> {
    const { device, queue, pacer } = this.#options;
    const values = toHostType(leaf.values, input.type);
    const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
    // Shaders read whole vectors of four words.
    const size = Math.ceil(bytes.byteLength / 16) * 16;
    const buffer = await createBuffer(device, { bytes: size, what: `the data set's ${key}` });
    const whole = bytes.byteLength - bytes.byteLength % 4;
    for (let from = 0; from < whole; from += PIECE_BYTES) {
      queue.write(buffer, from, bytes.subarray(from, Math.min(from + PIECE_BYTES, whole)));
      if (whole > PIECE_BYTES) {
        await pacer.idle();
        queue.submit([]);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    if (whole < bytes.byteLength) {
      const rest = new Uint8Array(4);
      rest.set(bytes.subarray(whole));
      queue.write(buffer, whole, rest);
    }
    return buffer;
  }
}
