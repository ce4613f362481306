/**
 * What all programs of the process share: memory, threads, variables, data sets, scratch.
 *
 * @module
 */
import { tf } from "../../../core/tf.ts";
import { type Block, SharedMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import { Residents } from "./residents.ts";
import { VariableMemory, type Waiting } from "./variables.ts";

/** Memory and threads, and what lies in the one and runs on the other. */
export class WasmRuntime {
  /** What everything lies in. */
  readonly memory: SharedMemory = new SharedMemory();
  /** Variables of all programs. */
  readonly variables: VariableMemory;
  /** Data sets of all programs. */
  readonly residents: Residents = new Residents(this.memory);
  #pool: WorkerPool = new WorkerPool(this.memory);
  readonly #scratch = new Set<Block>();

  /** Reserves the memory; no thread is started. tfjs's CPU backend must be set up. */
  constructor() {
    this.variables = new VariableMemory(this.memory, this.#waiting(), tf.findBackend("cpu"));
  }

  /** The threads. Where one has failed, they are replaced for programs made from then on. */
  get pool(): WorkerPool {
    if (this.#pool.failure !== undefined) {
      void this.#pool.dispose();
      this.#pool = new WorkerPool(this.memory);
    }
    return this.#pool;
  }

  /**
   * Memory for what lives within a step. Programs share it: their steps run one after the other.
   *
   * @returns Its address, and what frees it.
   */
  scratch(bytes: number): { readonly address: number; free(): void } {
    const large = [...this.#scratch].find((block) => block.bytes >= bytes);
    const block = large?.share() ?? this.memory.allocate(bytes, "values within a step");
    this.#scratch.add(block);
    return {
      address: block.address,
      free: () => {
        if (block.free()) this.#scratch.delete(block);
      },
    };
  }

  #waiting(): Waiting {
    // A pool that has failed does nothing more: what is in the memory is all that there will be.
    const current = (): WorkerPool | undefined => this.#pool.failure === undefined ? this.#pool : undefined;
    return {
      get resting() {
        const pool = current();
        return pool === undefined || pool.done(pool.last);
      },
      rest: () => {
        const pool = current();
        pool?.waitSync(pool.last);
      },
      rested: async () => await current()?.idle(),
    };
  }
}

let shared: WasmRuntime | undefined;

/** The one runtime of the process, made when first asked for. tfjs's CPU backend must be set up. */
export function wasmRuntime(): WasmRuntime {
  return shared ??= new WasmRuntime();
}
