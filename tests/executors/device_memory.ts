/**
 * All memory of WebGPU devices in this process, whoever asked for it.
 *
 * @module
 */

/** Memory by the labels of buffers; tfjs's have none. */
export type MemoryByLabel = ReadonlyMap<string, number>;

/** What devices hold, and have held at most. Data sets, whose buffers are called so, are counted apart. */
export class DeviceMemory {
  readonly #sizes = new WeakMap<GPUBuffer, number>();
  readonly #held = new Map<string, number>();
  #bytes = 0;
  #most = 0;
  #atMost: MemoryByLabel = new Map();

  private constructor() {}

  /** Watches all devices of the process from now on. */
  static watch(): DeviceMemory {
    const memory = new DeviceMemory();
    const { createBuffer } = GPUDevice.prototype;
    const { destroy } = GPUBuffer.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      const buffer = createBuffer.call(this, descriptor);
      memory.#sizes.set(buffer, descriptor.size);
      memory.#add(buffer.label, descriptor.size);
      return buffer;
    };
    GPUBuffer.prototype.destroy = function () {
      destroy.call(this);
      memory.#add(this.label, -(memory.#sizes.get(this) ?? 0));
      memory.#sizes.delete(this);
    };
    return memory;
  }

  /** Bytes that are held. */
  get now(): number {
    return this.#bytes;
  }

  /** The most bytes that were held at one time. */
  get most(): number {
    return this.#most;
  }

  /** What they were for. */
  get atMost(): MemoryByLabel {
    return this.#atMost;
  }

  /** Bytes of data sets that are held. */
  get dataSets(): number {
    return [...this.#held].reduce((sum, [label, bytes]) => sum + (isDataSet(label) ? bytes : 0), 0);
  }

  #add(label: string, bytes: number): void {
    this.#held.set(label, (this.#held.get(label) ?? 0) + bytes);
    if (isDataSet(label)) return;
    this.#bytes += bytes;
    if (this.#bytes <= this.#most) return;
    this.#most = this.#bytes;
    this.#atMost = new Map(this.#held);
  }
}

function isDataSet(label: string): boolean {
  return label.startsWith("the data set's ");
}
