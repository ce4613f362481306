/**
 * Device memory of the executor's own.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { storageUsage } from "./tfjs_backend.ts";
import { TEXEL_BYTES, TEXTURE_FORMAT, type TextureShape, textureShape } from "./wgsl/texture_shape.ts";

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
  return await orRefused(
    device,
    options,
    () => device.createBuffer({ label: what, size: Math.max(4, aligned(bytes, 4)), usage }),
  );
}

/** What `create` gives, or an error where the device refuses it. */
async function orRefused<T extends { destroy(): void }>(
  device: GPUDevice,
  { what, bytes }: { readonly what: string; readonly bytes: number },
  create: () => T,
): Promise<T> {
  device.pushErrorScope("out-of-memory");
  device.pushErrorScope("validation");
  const created = create();
  const errors = [await device.popErrorScope(), await device.popErrorScope()];
  const error = errors.find((error) => error !== null);
  if (error) {
    created.destroy();
    throw new DeviceError(
      `Cannot place ${what} on the WebGPU device: ${bytes} bytes were refused (${error.message.trim()}). ` +
        "Use smaller batches or a smaller model, or free the memory that other programs hold.",
    );
  }
  return created;
}

/**
 * A new texture that shaders read and write, full of zeros.
 *
 * @throws {DeviceError} If there is not enough memory.
 */
export async function createTexture(
  device: GPUDevice,
  { width, height }: TextureShape,
  what: string,
): Promise<GPUTexture> {
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
  return await orRefused(
    device,
    { what, bytes: width * height * TEXEL_BYTES },
    () => device.createTexture({ label: what, size: { width, height }, format: TEXTURE_FORMAT, usage }),
  );
}

/** What `copyBufferToTexture` takes. */
export type TextureCopy = Parameters<GPUCommandEncoder["copyBufferToTexture"]>;

/** Copies of a buffer's numbers to where `textureShape` says they lie: all full rows, and what is left of the last one. */
export function copiesToTexture(from: GPUBufferBinding, { size }: Buffer, texture: GPUTexture): TextureCopy[] {
  const { width } = textureShape({ size });
  const full = Math.floor(size / 4 / width);
  const left = size / 4 - full * width;
  const bytesPerRow = width * TEXEL_BYTES;
  const copy = (row: number, extent: { width: number; height: number }): TextureCopy => [
    { buffer: from.buffer, offset: (from.offset ?? 0) + row * bytesPerRow, bytesPerRow },
    { texture, origin: { x: 0, y: row } },
    extent,
  ];
  return [
    ...full > 0 ? [copy(0, { width, height: full })] : [],
    ...left > 0 ? [copy(full, { width: left, height: 1 })] : [],
  ];
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
