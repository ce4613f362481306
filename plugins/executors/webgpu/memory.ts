/**
 * Device memory of the executor's own.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import { storageUsage } from "./tfjs_backend.ts";

/** Bindings of parts of a buffer begin at multiples of this many bytes: no adapter asks for more. */
export const ALIGNMENT = 256;

/** What kernels do with memory, and copies. */
export function kernelUsage(): number {
  return storageUsage() | GPUBufferUsage.UNIFORM;
}

/** A range of a buffer. */
export interface Range {
  /** Which buffer. */
  readonly buffer: GPUBuffer;
  /** The first byte. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** Rounded up to where the next range may begin. */
export function aligned(bytes: number, alignment: number = ALIGNMENT): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/**
 * A new buffer, on which kernels and copies may work.
 *
 * @param what For the error: `the weights of the train step`.
 * @throws {DeviceError} If there is not enough memory, or a buffer cannot be so large.
 */
export async function createBuffer(
  device: GPUDevice,
  options: { readonly bytes: number; readonly what: string; readonly usage?: number },
): Promise<GPUBuffer> {
  const { bytes, what, usage = kernelUsage() } = options;
  if (bytes > device.limits.maxBufferSize) {
    throw new DeviceError(
      `Cannot place ${what} on the WebGPU device: it takes ${bytes} bytes, and a buffer may have ` +
        `${device.limits.maxBufferSize}. Use smaller batches or a smaller model.`,
    );
  }
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  const buffer = device.createBuffer({ label: what, size: Math.max(4, aligned(bytes, 4)), usage });
  const errors = [await device.popErrorScope(), await device.popErrorScope()];
  const error = errors.find((error) => error !== null);
  if (error) {
    buffer.destroy();
    throw new DeviceError(
      `Cannot place ${what} on the WebGPU device: ${bytes} bytes were refused (${error.message.trim()}). ` +
        "Use smaller batches or a smaller model, or free the memory that other programs hold.",
    );
  }
  return buffer;
}

/** Memory that programs of one device use in turns: as large as the largest of them needs. */
export class SharedBuffer {
  readonly #device: GPUDevice;
  readonly #what: string;
  readonly #usage: number;
  #buffer: GPUBuffer | undefined;

  /** No memory yet. @param what For errors. */
  constructor(device: GPUDevice, what: string, usage: number) {
    this.#device = device;
    this.#what = what;
    this.#usage = usage;
  }

  /** Bytes that it has. */
  get bytes(): number {
    return this.#buffer?.size ?? 0;
  }

  /** The memory. `replace` must have been called. */
  get buffer(): GPUBuffer {
    return this.#buffer!;
  }

  /** Whether there is memory, and so much of it. */
  holds(bytes: number): boolean {
    return this.#buffer !== undefined && this.#buffer.size >= bytes;
  }

  /**
   * Other memory in its place, what it held is lost.
   *
   * @throws {DeviceError} If there is not enough: it has none then.
   */
  async replace(bytes: number): Promise<void> {
    const wanted = Math.max(aligned(bytes), ALIGNMENT);
    this.destroy();
    this.#buffer = await createBuffer(this.#device, { bytes: wanted, what: this.#what, usage: this.#usage });
  }

  /** Frees the memory once work on its way is done with it. */
  destroy(): void {
    this.#buffer?.destroy();
    this.#buffer = undefined;
  }
}
