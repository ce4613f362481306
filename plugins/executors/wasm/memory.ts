/**
 * The shared memory that modules and the host compute in: one for the process.
 *
 * @module
 */
import type { ElementType } from "../../compiler/ir/types.ts";
import { FreeList } from "./free_list.ts";

const PAGE = 65_536;
/** 4 GiB: all that 32-bit addresses reach. Only what is used costs memory. */
const MOST_PAGES = 65_536;
const FEWEST_PAGES = 1024;

/** Numbers as the host holds them. */
export type HostValues = Float32Array | Int32Array | Uint8Array;

/** A part of the memory that is taken. */
export interface Block {
  /** Where it begins, in bytes; a multiple of 64. */
  readonly address: number;
  /** Bytes that were asked for. */
  readonly bytes: number;
  /** Counts one more user. */
  share(): Block;
  /** Counts one user less; the last one frees it. @returns Whether this was the last one. */
  free(): boolean;
}

/**
 * Memory that threads share, and what of it is taken. It never grows: all of it is reserved at once, which takes address
 * space and nothing else, so that views of it stay valid and modules need not check constant addresses.
 */
export class SharedMemory {
  /** What modules import. */
  readonly memory: WebAssembly.Memory;
  /** Its size in pages of 64 KiB. */
  readonly pages: number;
  /** All of it as float32. */
  readonly f32: Float32Array;
  /** All of it as int32. */
  readonly i32: Int32Array;
  /** All of it as bytes. */
  readonly u8: Uint8Array;
  readonly #list: FreeList;
  #taken = 0;

  /** Reserves memory. @param pages At most; half as many where the system refuses, and so on. @default 65536 */
  constructor(pages: number = MOST_PAGES) {
    ({ memory: this.memory, pages: this.pages } = reserve(pages));
    this.f32 = new Float32Array(this.memory.buffer);
    this.i32 = new Int32Array(this.memory.buffer);
    this.u8 = new Uint8Array(this.memory.buffer);
    // Nothing lies at address 0, so that a mistake is not mistaken for data; modules may look a vector beyond the end.
    this.#list = new FreeList(64, this.pages * PAGE - 64);
  }

  /** Bytes that are taken. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes memory. It holds anything.
   *
   * @param what For the error message: what it is for.
   * @throws {RangeError} If there is not enough.
   */
  allocate(bytes: number, what: string): Block {
    const block = this.tryAllocate(bytes);
    if (block === undefined) {
      throw new RangeError(
        `Cannot find ${megabytes(bytes)} of WebAssembly memory for ${what}: ${megabytes(this.#taken)} of ` +
          `${megabytes(this.pages * PAGE)} are taken. Use smaller batches, keep images as uint8, dispose models that ` +
          'are no longer used, or use executor "eager".',
      );
    }
    return block;
  }

  /** Takes memory; `undefined` where there is not enough. */
  tryAllocate(bytes: number): Block | undefined {
    const address = this.#list.take(bytes);
    if (address === undefined) return undefined;
    this.#taken += bytes;
    let users = 1;
    const block: Block = {
      address,
      bytes,
      share: () => {
        users++;
        return block;
      },
      free: () => {
        if (--users > 0) return false;
        this.#taken -= bytes;
        this.#list.give(address, bytes);
        return true;
      },
    };
    return block;
  }

  /** The elements of one type at an address: a view, not a copy. */
  view(type: ElementType, address: number, size: number): HostValues {
    if (type === "u8") return this.u8.subarray(address, address + size);
    const first = address / 4;
    return (type === "f32" ? this.f32 : this.i32).subarray(first, first + size);
  }
}

function reserve(pages: number): { memory: WebAssembly.Memory; pages: number } {
  for (;; pages /= 2) {
    try {
      return { memory: new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }), pages };
    } catch (cause) {
      if (pages <= FEWEST_PAGES) {
        throw new RangeError(
          `Cannot reserve ${
            megabytes(pages * PAGE)
          } of address space for WebAssembly: is it limited, by \`ulimit -v\` ` +
            'for example? Raise the limit, or use executor "eager".',
          { cause },
        );
      }
    }
  }
}

function megabytes(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
