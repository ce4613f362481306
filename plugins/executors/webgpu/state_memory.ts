/**
 * Variables on the device: in few large buffers, shared by all programs that use them.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import type { StepVariable } from "../../../core/step.ts";
import type { tf, Variable } from "../../../core/tf.ts";
import { bytesOf, placeOf } from "../../compiler/ir/buffers.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";

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
  readonly members: readonly { readonly variable: Variable; readonly path: string; readonly offset: number }[];
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
   * Makes sure that the variables of a plan lie as the plan says.
   *
   * @param user Who needs them until `release`.
   * @returns Where each buffer of the plan that is no part of another one lies.
   * @throws {DeviceError} If there is not enough memory.
   */
  async place(plan: Plan, variables: readonly StepVariable[], user: object): Promise<ReadonlyMap<Buffer, Range>> {
    const packs = packsOf(plan, variables);
    await this.#create(packs.filter((pack) => !this.#lies(pack)));
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
    const left = [...this.#blocks].filter(({ users }) => users.delete(user) && users.size === 0);
    for (const { variables } of left) {
      for (const variable of variables) this.variables.leave(variable);
    }
    this.#free(left);
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

  async #create(packs: readonly Pack[]): Promise<void> {
    const { device } = this.#backend;
    const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
    let group: { pack: Pack; start: number }[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      if (group.length === 0) return;
      const what = group[0]!.pack.members[0]!.path;
      const buffer = await createBuffer(device, { bytes: size, what: `"${what}" and other variables` });
      const block: Block = { buffer, variables: new Set(), users: new Set() };
      this.#blocks.add(block);
      for (const { pack: { members, key }, start } of group) {
        for (const { variable, offset } of members) {
          this.variables.placeOf(variable)?.block.variables.delete(variable);
          this.variables.put(variable, { block, offset: start + offset, pack: key });
          block.variables.add(variable);
        }
      }
      this.#generation++;
      group = [];
      size = 0;
    };
    for (const pack of packs) {
      const bytes = aligned(bytesOf(pack.root));
      if (bytes > Math.min(maxBufferSize, maxStorageBufferBindingSize)) {
        const names = pack.members.map(({ path }) => `"${path}"`).join(", ");
        throw new DeviceError(
          `Cannot place ${names} on the WebGPU device: ${bytes} bytes, and a kernel can reach ` +
            `${maxStorageBufferBindingSize} in one buffer here. Use a smaller layer, or device "cpu".`,
        );
      }
      if (size + bytes > maxBufferSize) await flush();
      group.push({ pack, start: size });
      size += bytes;
    }
    await flush();
    this.#free([...this.#blocks].filter(({ variables }) => variables.size === 0));
  }
}

/** The plan's buffers of variables that are no parts of others. */
function packsOf(plan: Plan, variables: readonly StepVariable[]): readonly Pack[] {
  const byPath = new Map(variables.map(({ path, variable }) => [path, variable]));
  const members = new Map<Buffer, Pack["members"][number][]>();
  for (const [path, buffer] of plan.variables) {
    const { root, offset } = placeOf(buffer);
    const variable = byPath.get(path)!;
    members.set(root, [...members.get(root) ?? [], { variable, path, offset: offset * 4 }]);
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
    if (resource && !external) this.backend.bufferManager.releaseBuffer(resource);
    record.resource = null;
    record.values = null;
  }

  flush(): void {
    submitPending(this.backend);
  }
}
