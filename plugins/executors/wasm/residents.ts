/**
 * Data sets that lie in the shared memory, in their own types.
 *
 * @module
 */
import type { Arrays, HostArray, ResidentSource } from "../../../core/batch.ts";
import { leaves } from "../../../core/nested.ts";
import { elementBytes } from "../../compiler/ir/buffers.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import type { Block, SharedMemory } from "./memory.ts";

/** The part of the memory that one leaf of a data set may take: larger ones are copied batch by batch. */
const LARGEST_PART = 0.5;

/** Elements copied before the event loop has its turn: some 5 ms. */
const SLICE = 2 ** 22;

interface Resident {
  readonly block: Block;
  readonly copied: Promise<void>;
  users: number;
}

/** A data set's arrays that a plan uses. */
export interface ResidentArrays {
  /** Where each input's first row is. */
  readonly addresses: ReadonlyMap<Buffer, number>;
  /** Lets go of them; the last user frees the memory. */
  release(): void;
}

/** Data sets by source and leaf, as long as somebody uses them. */
export class Residents {
  readonly #memory: SharedMemory;
  readonly #sources = new WeakMap<ResidentSource, Map<string, Resident>>();

  /** No data yet. */
  constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /** Puts a source's arrays into the memory, unless they are there; `undefined` where there is no room for them. */
  async acquire(source: ResidentSource, inputs: readonly Buffer[]): Promise<ResidentArrays | undefined> {
    const held: { key: string; resident: Resident }[] = [];
    const leavesOf = this.#sources.get(source) ?? new Map<string, Resident>();
    this.#sources.set(source, leavesOf);
    const release = (): void => {
      for (const { key, resident } of held.splice(0)) {
        if (--resident.users > 0) continue;
        resident.block.free();
        leavesOf.delete(key);
      }
    };
    const addresses = new Map<Buffer, number>();
    for (const input of inputs) {
      const array = leafOf(source.arrays, input);
      const key = keyOf(input);
      const resident = leavesOf.get(key) ?? this.#copy(input, array);
      if (resident === undefined) {
        release();
        return undefined;
      }
      leavesOf.set(key, resident);
      resident.users++;
      held.push({ key, resident });
      addresses.set(input, resident.block.address);
    }
    await Promise.all(held.map(({ resident }) => resident.copied));
    return { addresses, release };
  }

  #copy(input: Buffer, { values }: HostArray): Resident | undefined {
    const bytes = values.length * elementBytes(input);
    if (bytes > this.#memory.u8.length * LARGEST_PART) return undefined;
    const block = this.#memory.tryAllocate(bytes);
    if (block === undefined) return undefined;
    const view = this.#memory.view(input.type, block.address, values.length);
    const copy = async (): Promise<void> => {
      for (let from = 0; from < values.length; from += SLICE) {
        if (from > 0) await new Promise((resolve) => setTimeout(resolve, 0));
        view.set(values.subarray(from, from + SLICE), from);
      }
    };
    return { block, copied: copy(), users: 0 };
  }
}

/** The array that an input buffer stands for. */
export function leafOf(arrays: Arrays<HostArray>, { role }: Buffer): HostArray {
  if (role.kind !== "input") throw new TypeError(`Cannot find the array of a buffer of role "${role.kind}".`);
  return leaves(arrays[role.group]!)[role.index]!;
}

function keyOf({ role, type }: Buffer): string {
  return role.kind === "input" ? `${role.group} ${role.index} ${type}` : "";
}
