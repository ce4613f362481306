/**
 * Where variables lie in the shared memory, and how they stay in step with tfjs's CPU backend.
 *
 * @module
 */
import type { tf, Variable } from "../../../core/tf.ts";
import { bytesOf, elementBytes, placeOf, rootOf } from "../../compiler/ir/buffers.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import type { TensorRecord } from "../../compiler/state/deferred_value.ts";
import type { PlannedVariable } from "../../compiler/state/planned_variables.ts";
import { SharedVariables, type StateBackend } from "../../compiler/state/shared_variables.ts";
import type { Block, HostValues, SharedMemory } from "./memory.ts";

/** What is used of tfjs's CPU backend. */
interface CpuBackend extends tf.KernelBackend {
  readonly data: { get(dataId: object): TensorRecord; has(dataId: object): boolean };
}

/** How the host waits for the workers. */
export interface Waiting {
  /** Whether nothing is queued; true also where the workers have failed and will do nothing more. */
  readonly resting: boolean;
  /** Waits until nothing is queued, blocking the thread. */
  rest(): void;
  /** Waits until nothing is queued. */
  rested(): Promise<void>;
}

/** A variable that somebody uses. */
interface Held {
  readonly address: number;
  readonly block: Block;
  users: number;
}

/** The places of a plan's variables, as long as it needs them. */
export interface Places {
  /** Where each variable's first element is. */
  readonly addresses: ReadonlyMap<Buffer, number>;
  /** Whether another plan has moved one of the variables since. */
  readonly stale: boolean;
  /** Lets go of them. Nothing may be queued that uses them. */
  release(): void;
}

/**
 * The variables in the shared memory, of all programs: two programs that use a variable find it in the same place.
 *
 * Values are copied out when somebody asks for them. Reading with `await variable.data()` leaves the event loop free
 * meanwhile; whatever reads synchronously, kernels too, waits for what is queued.
 */
export class VariableMemory {
  readonly #memory: SharedMemory;
  readonly #waiting: Waiting;
  readonly #backend: CpuBackend;
  readonly #shared: SharedVariables<number>;
  readonly #held = new Map<Variable, Held>();
  /** The data that were in each variable when its place last had its value. */
  readonly #entered = new WeakMap<Variable, object>();

  /** No variables yet. @param backend tfjs's CPU backend. */
  constructor(memory: SharedMemory, waiting: Waiting, backend: tf.KernelBackend) {
    this.#memory = memory;
    this.#waiting = waiting;
    this.#backend = backend as CpuBackend;
    this.#shared = new SharedVariables(this.#stateBackend());
    readWithoutBlocking(this.#backend, waiting);
  }

  /** Variables that have a place. */
  get size(): number {
    return this.#held.size;
  }

  /** Gives variables places. Those that one kernel updates together lie one after the other. */
  async acquire(variables: readonly PlannedVariable[]): Promise<Places> {
    await this.#waiting.rested();
    const groups = Map.groupBy(variables, ({ buffer }) => rootOf(buffer));
    const blocks: Block[] = [];
    const addresses = new Map<Buffer, number>();
    for (const [root, members] of groups) {
      const found = this.#find(members);
      const block = found?.block.share() ?? this.#memory.allocate(bytesOf(root), "variables");
      blocks.push(block);
      const base = found?.base ?? block.address;
      for (const { variable, buffer } of members) {
        const address = base + offsetOf(buffer);
        addresses.set(buffer, address);
        const held = this.#held.get(variable);
        if (held?.address === address) held.users++;
        else {
          this.#shared.put(variable, address);
          this.#entered.delete(variable);
          this.#held.set(variable, { address, block, users: (held?.users ?? 0) + 1 });
        }
      }
    }
    const moved = (): boolean =>
      variables.some(({ variable, buffer }) => this.#held.get(variable)?.address !== addresses.get(buffer));
    let released = false;
    return {
      addresses,
      get stale() {
        return moved();
      },
      release: () => {
        if (released) return;
        released = true;
        for (const { variable } of variables) this.#release(variable);
        blocks.forEach((block) => block.free());
      },
    };
  }

  /**
   * Waits, without blocking, for what `enter` would block for: values that were assigned, and tensors that keep what a
   * variable has now, are copied when nothing is queued.
   *
   * @throws {Error} If a variable was disposed.
   */
  async ready(variables: readonly PlannedVariable[]): Promise<void> {
    let copies = false;
    for (const { variable, written, path } of variables) {
      if (variable.isDisposed) {
        throw new Error(`Cannot run the step: its variable "${path}" was disposed. Make the model anew.`);
      }
      const { dataId } = variable;
      // A tensor that another device holds can only be asked for.
      if (!this.#backend.data.has(dataId)) await variable.data();
      else if (this.#entered.get(variable) === dataId && !(written && this.#backend.refCount(dataId) > 1)) continue;
      copies = true;
    }
    if (copies) await this.#waiting.rested();
  }

  /** Makes places ready; right after it, synchronously, the step must be queued. tfjs's CPU backend must be current. */
  enter(variables: readonly PlannedVariable[]): void {
    this.#shared.enter(variables);
    for (const { variable } of variables) this.#entered.set(variable, variable.dataId);
  }

  /** A block in which variables lie as these buffers do, and where their group would begin. */
  #find(members: readonly PlannedVariable[]): { block: Block; base: number } | undefined {
    const [first] = members as readonly [PlannedVariable];
    const held = this.#held.get(first.variable);
    if (held === undefined) return undefined;
    const base = held.address - offsetOf(first.buffer);
    const fits = members.every(({ variable, buffer }) => {
      const other = this.#held.get(variable);
      return other?.block === held.block && other.address === base + offsetOf(buffer);
    });
    return fits ? { block: held.block, base } : undefined;
  }

  #release(variable: Variable): void {
    const held = this.#held.get(variable)!;
    if (--held.users > 0) return;
    this.#shared.leave(variable);
    this.#entered.delete(variable);
    this.#held.delete(variable);
  }

  #stateBackend(): StateBackend<number> {
    return {
      backend: this.#backend,
      property: "values",
      record: (dataId) => this.#backend.data.get(dataId),
      copyIn: (values) => {
        this.#waiting.rest();
        for (const { variable, record, place } of values) {
          this.#view(variable, place).set(record.values as HostValues);
        }
      },
      copyOut: (data, address) => {
        this.#waiting.rest();
        const values = this.#view(data, address);
        return data.dtype === "bool" ? Uint8Array.from(values) : values.slice();
      },
      // The host's copy is garbage once nothing refers to it.
      release: () => {},
      flush: () => {},
    };
  }

  #view({ dtype, size }: { readonly dtype: string; readonly size: number }, address: number): HostValues {
    return this.#memory.view(dtype === "float32" ? "f32" : "i32", address, size);
  }
}

/** Bytes from where a buffer's group begins to where it does. */
export function offsetOf(buffer: Buffer): number {
  return placeOf(buffer).offset * elementBytes(buffer);
}

const patched = new WeakSet<tf.KernelBackend>();

/** Makes `await tensor.data()` wait for the workers without blocking, where the value is theirs. */
function readWithoutBlocking(backend: CpuBackend, waiting: Waiting): void {
  if (patched.has(backend)) return;
  patched.add(backend);
  const read = backend.read.bind(backend);
  backend.read = async (dataId) => {
    const record = backend.data.get(dataId);
    const deferred = Object.getOwnPropertyDescriptor(record, "values")?.get !== undefined;
    if (deferred && !waiting.resting) await waiting.rested().catch(() => {});
    return await read(dataId);
  };
}
