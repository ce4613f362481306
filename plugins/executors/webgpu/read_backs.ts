/**
 * Reading device memory: several ranges in one buffer, mapped once.
 *
 * @module
 */
import type { CountedQueue } from "./counted_queue.ts";
import { aligned, createBuffer, type Range } from "./memory.ts";
import type { Pacer } from "./pacer.ts";

/** Copied ranges, one after the other, not read yet. */
export interface ReadBack {
  readonly staging: GPUBuffer;
  readonly bytes: number;
  /** Whether its memory is freed once it was read. */
  readonly once: boolean;
}

/** Buffers for reading, used again and again. */
export class ReadBacks {
  readonly #device: GPUDevice;
  readonly #queue: CountedQueue;
  readonly #pacer: Pacer;
  readonly #free: GPUBuffer[] = [];

  /** No buffers yet. */
  constructor(device: GPUDevice, queue: CountedQueue, pacer: Pacer) {
    this.#device = device;
    this.#queue = queue;
    this.#pacer = pacer;
  }

  /** A buffer to copy ranges into, with `copy`. @param once Frees it afterwards, for what is large and rare. @default false */
  async reserve(bytes: number, { once = false }: { readonly once?: boolean } = {}): Promise<ReadBack> {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(bytes, 256)));
    const size = once || rounded > this.#device.limits.maxBufferSize ? aligned(bytes) : rounded;
    const index = this.#free.findIndex((buffer) => buffer.size === size);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = index >= 0 ? this.#free.splice(index, 1)[0]! : await createBuffer(this.#device, {
      bytes: size,
      what: "results",
      usage,
    });
    return { staging, bytes, once };
  }

  /** Encodes the copies of ranges, one after the other. */
  copy(encoder: GPUCommandEncoder, { staging }: ReadBack, ranges: readonly Range[]): void {
    let to = 0;
    for (const { buffer, offset, size } of ranges) {
      encoder.copyBufferToBuffer(buffer, offset, staging, to, size);
      to += size;
    }
  }

  /** Reads what was copied, all of it with one wait. Takes a turn of the pacer's. */
  async read(all: readonly ReadBack[]): Promise<readonly ArrayBuffer[]> {
    await this.#pacer.whenIdle(() => this.#map(all));
    return all.map((each) => this.#take(each));
  }

  /** As `read`, for a caller whose turn it is. */
  async readNow(all: readonly ReadBack[]): Promise<readonly ArrayBuffer[]> {
    await this.#pacer.idle();
    await this.#map(all);
    return all.map((each) => this.#take(each));
  }

  /** Gives a buffer back that will not be read. */
  drop({ staging, once }: ReadBack): void {
    if (once) staging.destroy();
    else this.#free.push(staging);
  }

  /** Frees all buffers that nobody reads. */
  destroy(): void {
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }

  #map(all: readonly ReadBack[]): Promise<unknown> {
    return Promise.all(all.map(({ staging }) => this.#queue.map(staging)));
  }

  /** Only after `mapAsync` has answered: before, Deno 2.9 ends the process. */
  #take(readBack: ReadBack): ArrayBuffer {
    const { staging, bytes } = readBack;
    const values = staging.getMappedRange(0, Math.max(bytes, 4)).slice(0);
    staging.unmap();
    this.drop(readBack);
    return values;
  }
}
