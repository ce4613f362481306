/**
 * What the runtime and generated modules agree on: where buffers lie in the shared memory, and what modules export.
 *
 * @module
 */
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";

/**
 * Where things lie, in bytes from the start of the memory. All addresses are multiples of 64, and what lies between the
 * end of a buffer and the next multiple of 64 belongs to it. Addresses may be 2 GiB and more.
 */
export interface ModuleLayout {
  /**
   * The address of a buffer's first element; of parts of `state` buffers too, which need not be multiples of 64. Of
   * `rows`, `sums` and `output` buffers it is where step 0 has its part: step `s` has it `s · size` elements further.
   */
  address(buffer: Buffer): number;
  /** The step table, float32 `[steps, columns]` in the order of the plan's columns. */
  readonly table: number;
  /** Keys of random streams, uint32 `[steps, streams, 2]`. */
  readonly keys: number;
  /**
   * `controlBytes(threads)` bytes of the module's own, in which its threads wait for each other and share work. They are 0
   * before the first run on a number of threads, and keep what they hold from run to run on as many.
   *
   * The first word tells that a thread has failed: the runtime sets it to 1 and wakes whoever waits on any word of the
   * control block. A thread that has parked, or is about to, looks at it and traps where it is set (`unreachable`), so
   * that none waits for ever for one that is gone. Parking ends after a second at the latest, to look again.
   */
  readonly control: number;
  /** The pages of the memory that modules import; initial equals maximum, so constant addresses are always inside. */
  readonly memoryPages: { readonly initial: number; readonly maximum: number };
}

/** How modules are generated. */
export interface ModuleOptions {
  /** Whether to use `relaxed_madd` and its like. */
  readonly relaxed: boolean;
  /**
   * The most threads that run a step; the module's function is called with how many there are. Results do not depend on
   * either.
   */
  readonly threads: number;
}

/**
 * Makes a module from a plan. It imports the shared memory as `env.memory` and exports
 * `run(firstStep: i32, steps: i32, thread: i32, threads: i32)`, which all threads call at the same time, and which runs
 * steps `firstStep` to `firstStep + steps - 1`. A thread may return before others have finished.
 */
export type GenerateModule = (plan: Plan, layout: ModuleLayout, options: ModuleOptions) => Uint8Array;
