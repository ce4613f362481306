/**
 * All memory of WebGPU devices in this process, whoever asked for it.
 *
 * @module
 */

/** Of the executor's textures; tfjs's are smaller, if it makes any. */
const TEXEL_BYTES = 16;

/** Memory by the labels of buffers and textures; tfjs's have none. */
export type MemoryByLabel = ReadonlyMap<string, number>;

/** What devices hold, and have held at most. Data sets, whose buffers are called so, are counted apart. */
export class DeviceMemory {
  readonly #sizes = new WeakMap<GPUBuffer | GPUTexture, number>();
  readonly #held = new Map<string, number>();
  #bytes = 0;
  #most = 0;
  #atMost: MemoryByLabel = new Map();

  private constructor() {}

  /** Watches all devices of the process from now on. */
  static watch(): DeviceMemory {
    const memory = new DeviceMemory();
    const { createBuffer, createTexture } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      return memory.#made(createBuffer.call(this, descriptor), descriptor.size);
    };
    GPUDevice.prototype.createTexture = function (descriptor) {
      const texture = createTexture.call(this, descriptor);
      const { width, height, depthOrArrayLayers } = texture;
      return memory.#made(texture, width * height * depthOrArrayLayers * TEXEL_BYTES);
    };
    for (const { prototype } of [GPUBuffer, GPUTexture]) {
      const { destroy } = prototype;
      prototype.destroy = function () {
        destroy.call(this);
        memory.#add(this.label, -(memory.#sizes.get(this) ?? 0));
        memory.#sizes.delete(this);
      };
    }
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

  #made<T extends GPUBuffer | GPUTexture>(made: T, bytes: number): T {
    this.#sizes.set(made, bytes);
    this.#add(made.label, bytes);
    return made;
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
