/**
 * Variables on the device: in few large buffers, shared by all programs that use them.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import type { tf, Variable } from "../../../core/tf.ts";
import { bytesOf, placeOf } from "../../compiler/ir/buffers.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import type { PlannedVariable } from "../../compiler/state/planned_variables.ts";
import type { TensorRecord } from "../../compiler/state/deferred_value.ts";
import {
  type IncomingValue,
  type SharedData,
  SharedVariables,
  type StateBackend,
} from "../../compiler/state/shared_variables.ts";
import type { CountedQueue } from "./counted_queue.ts";
import { aligned, createBuffer, type Range } from "./memory.ts";
import { storageUsage, submitPending, type WebGpuBackend, type WebGpuRecord } from "./tfjs_backend.ts";

/**
 * Buffers of variables have about this part of them, or `LEAST_BLOCK` bytes: what tfjs holds goes as each is filled, so that
 * only so much is there twice.
 */
const BLOCK_SHARE = 1 / 8;
const LEAST_BLOCK = 1 << 16;

/** One buffer of variables. */
interface Block {
  readonly buffer: GPUBuffer;
  /** Whose values are here. */
  readonly variables: Set<Variable>;
  /** Programs that use it. */
  readonly users: Set<object>;
}

/** Where a variable lies. */
interface Place {
  readonly block: Block;
  /** In bytes. */
  readonly offset: number;
  /** How it lies together with others; empty where it is alone. */
  readonly pack: string;
}

/** A buffer of a plan that holds one variable, or several one after the other. */
interface Pack {
  readonly root: Buffer;
  readonly members: readonly (PlannedVariable & { readonly offset: number })[];
  readonly key: string;
}

/**
 * The variables of one device.
 *
 * A variable has one place, wherever programs agree: validation and prediction use the train step's. Where two plans pack
 * variables differently, the values move to and fro between their executions. They are back in tfjs's tensors when the
 * last program that uses them is disposed.
 */
export class StateMemory {
  /** Ties places to tfjs's tensors. */
  readonly variables: SharedVariables<Place>;
  readonly #backend: tf.KernelBackend & WebGpuBackend;
  readonly #blocks = new Set<Block>();
  #generation = 0;

  /** No variables yet. */
  constructor(backend: tf.KernelBackend & WebGpuBackend, queue: CountedQueue) {
    this.#backend = backend;
    this.variables = new SharedVariables(new Copies(backend, queue));
  }

  /** Changes whenever a variable gets another place. */
  get generation(): number {
    return this.#generation;
  }

  /** Bytes of all blocks. */
  get bytes(): number {
    return [...this.#blocks].reduce((sum, { buffer }) => sum + buffer.size, 0);
  }

  /**
   * Makes sure that the variables of a plan lie as the plan says. Those that it writes are in memory only from then on.
   *
   * @param planned The variables that the plan uses.
   * @param user Who needs them until `release`.
   * @param activate Makes the device tfjs's current one.
   * @returns Where each buffer of the plan that is no part of another one lies.
   * @throws {DeviceError} If there is not enough memory.
   */
  async place(
    planned: readonly PlannedVariable[],
    user: object,
    activate: () => void,
  ): Promise<ReadonlyMap<Buffer, Range>> {
    const packs = packsOf(planned);
    await this.#create(packs.filter((pack) => !this.#lies(pack)), user, activate);
    const ranges = new Map<Buffer, Range>();
    for (const { root, members: [first] } of packs) {
      const { block, offset } = this.variables.placeOf(first!.variable)!;
      block.users.add(user);
      ranges.set(root, { buffer: block.buffer, offset: offset - first!.offset, size: aligned(bytesOf(root), 16) });
    }
    return ranges;
  }

  /** Where a variable lies; `undefined` where it is in its tensor only. */
  rangeOf(variable: Variable): Range | undefined {
    const place = this.variables.placeOf(variable);
    return place && { buffer: place.block.buffer, offset: place.offset, size: variable.size * 4 };
  }

  /** A program no longer needs its variables: those that no other one uses are brought back to tfjs. */
  release(user: object): void {
    for (const block of this.#blocks) {
      if (!block.users.delete(user) || block.users.size > 0) continue;
      for (const variable of block.variables) this.variables.leave(variable);
      this.#free([block]);
    }
  }

  #free(blocks: readonly Block[]): void {
    // Values that were copied out are on their way until then.
    if (blocks.length > 0) submitPending(this.#backend);
    for (const block of blocks) {
      block.buffer.destroy();
      this.#blocks.delete(block);
    }
  }

  #lies({ members, key }: Pack): boolean {
    const places = members.map(({ variable }) => this.variables.placeOf(variable));
    const [first] = places;
    if (first === undefined) return false;
    if (key === "") return first.offset % 256 === 0;
    const start = first.offset - members[0]!.offset;
    return places.every((place, index) =>
      place?.block === first.block && place.pack === key && place.offset === start + members[index]!.offset
    );
  }

  async #create(packs: readonly Pack[], user: object, activate: () => void): Promise<void> {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#backend.device.limits;
    const sizes = packs.map(({ root }) => aligned(bytesOf(root)));
    const share = Math.max(LEAST_BLOCK, BLOCK_SHARE * sizes.reduce((sum, size) => sum + size, 0));
    let group: { pack: Pack; start: number }[] = [];
    let end = 0;
    const flush = async (): Promise<void> => {
      if (group.length > 0) await this.#fill(group, end, user, activate);
      group = [];
      end = 0;
    };
    for (const [index, pack] of packs.entries()) {
      const bytes = sizes[index]!;
      if (bytes > Math.min(maxBufferSize, maxStorageBufferBindingSize)) {
        const names = pack.members.map(({ path }) => `"${path}"`).join(", ");
        throw new DeviceError(
          `Cannot place ${names} on the WebGPU device: ${bytes} bytes, and a kernel can reach ` +
            `${maxStorageBufferBindingSize} in one buffer here. Use a smaller layer, or device "cpu".`,
        );
      }
      if (end + bytes > Math.min(share, maxBufferSize)) await flush();
      group.push({ pack, start: end });
      end += bytes;
    }
    await flush();
    this.#free([...this.#blocks].filter(({ variables }) => variables.size === 0));
  }

  /** A new buffer, which variables move into. */
  async #fill(
    group: readonly { readonly pack: Pack; readonly start: number }[],
    bytes: number,
    user: object,
    activate: () => void,
  ): Promise<void> {
    const what = group[0]!.pack.members[0]!.path;
    const buffer = await createBuffer(this.#backend.device, { bytes, what: `"${what}" and other variables` });
    const block: Block = { buffer, variables: new Set(), users: new Set([user]) };
    this.#blocks.add(block);
    for (const { pack: { members, key }, start } of group) {
      for (const { variable, offset } of members) {
        this.variables.placeOf(variable)?.block.variables.delete(variable);
        this.variables.put(variable, { block, offset: start + offset, pack: key });
        block.variables.add(variable);
      }
    }
    this.#generation++;
    activate();
    this.variables.enter(group.flatMap(({ pack }) => pack.members.filter(({ written }) => written)));
  }
}

/** The plan's buffers of variables that are no parts of others. */
function packsOf(planned: readonly PlannedVariable[]): readonly Pack[] {
  const members = new Map<Buffer, Pack["members"][number][]>();
  for (const each of planned) {
    const { root, offset } = placeOf(each.buffer);
    members.set(root, [...members.get(root) ?? [], { ...each, offset: offset * 4 }]);
  }
  return [...members].map(([root, members]) => ({
    root,
    members,
    key: root.role.kind === "variable"
      ? ""
      : `${root.size} ${members.map(({ path, offset }) => `${path}@${offset}`).join(" ")}`,
  }));
}

/** Copies between places and tfjs's tensors. */
class Copies implements StateBackend<Place> {
  readonly backend: tf.KernelBackend & WebGpuBackend;
  readonly property = "resource";
  readonly #queue: CountedQueue;

  constructor(backend: tf.KernelBackend & WebGpuBackend, queue: CountedQueue) {
    this.backend = backend;
    this.#queue = queue;
  }

  record(dataId: object): TensorRecord {
    return this.backend.tensorMap.get(dataId);
  }

  copyIn(incoming: readonly IncomingValue<Place>[]): void {
    const encoder = this.backend.device.createCommandEncoder();
    for (const { variable: { size, dtype }, record, place: { block, offset } } of incoming) {
      const { resource, values } = record as WebGpuRecord;
      if (resource) {
        encoder.copyBufferToBuffer(resource, 0, block.buffer, offset, size * 4);
      } else if (values) {
        const words = dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values);
        this.#queue.write(block.buffer, offset, new Uint8Array(words.buffer));
      }
    }
    this.#queue.submit([encoder.finish()]);
  }

  copyOut({ dataId, size }: SharedData, { block, offset }: Place): GPUBuffer {
    const { backend } = this;
    const buffer = backend.bufferManager.acquireBuffer(size * 4, storageUsage());
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.commandEncoder!.copyBufferToBuffer(block.buffer, offset, buffer, 0, size * 4);
    // Released only after these commands have been submitted.
    backend.commandQueueOwnedIds.add(dataId);
    return buffer;
  }

  release(record: TensorRecord): void {
    const { resource, external } = record as WebGpuRecord;
    // tfjs would keep it for tensors of this size, of which there may be none any more.
    if (resource && !external) this.backend.bufferManager.releaseBuffer(resource, false);
    record.resource = null;
    record.values = null;
  }

  flush(): void {
    submitPending(this.backend);
  }
}
