/**
 * What all programs of one WebGPU device share: its queue, memory that they use in turns, variables, compiled shaders.
 *
 * @module
 */
import type { tf } from "../../../core/tf.ts";
import { CountedQueue, type QueueCounts } from "./counted_queue.ts";
import { ALIGNMENT, kernelUsage, SharedBuffer } from "./memory.ts";
import { Pacer } from "./pacer.ts";
import { Pipelines } from "./pipelines.ts";
import { ReadBacks } from "./read_backs.ts";
import { Residents } from "./residents.ts";
import type { TextureSlot } from "./plan_textures.ts";
import { SharedTextures } from "./shared_textures.ts";
import { TEXEL_BYTES } from "./wgsl/texture_shape.ts";
import { StateMemory } from "./state_memory.ts";
import { storageUsage, type WebGpuBackend } from "./tfjs_backend.ts";
import { type AdapterKind, type Tuning, tuningFor } from "./wgsl/mod.ts";

/** What a device holds for programs, and what was done with its queue. */
export interface RuntimeCounts extends QueueCounts {
  /** Compiled shaders, kept for programs to come. */
  readonly pipelines: number;
  /** Bytes of variables that are not in tfjs's tensors. */
  readonly stateBytes: number;
  /** Bytes of data sets. */
  readonly residentBytes: number;
  /** Bytes that programs use in turns. */
  readonly sharedBytes: number;
  /** Programs that have not been disposed. */
  readonly programs: number;
}

const runtimes = new WeakMap<GPUDevice, Runtime>();

/** The runtime of a device: the same one each time. */
export function runtimeOf(backend: tf.KernelBackend & WebGpuBackend): Runtime {
  let runtime = runtimes.get(backend.device);
  if (runtime === undefined) runtimes.set(backend.device, runtime = new Runtime(backend));
  return runtime;
}

/** One device. */
export class Runtime {
  /** tfjs's backend on the device. */
  readonly backend: tf.KernelBackend & WebGpuBackend;
  /** The device. */
  readonly device: GPUDevice;
  /** Its queue. */
  readonly queue: CountedQueue;
  /** Who may submit, and when. */
  readonly pacer: Pacer;
  /** Compiled shaders. */
  readonly pipelines: Pipelines;
  /** Reading results. */
  readonly readBacks: ReadBacks;
  /** Variables. */
  readonly state: StateMemory;
  /** Data sets. */
  readonly residents: Residents;
  /** What measuring found best, for programs to come: see `tuner.ts`. */
  readonly choices: Map<string, string> = new Map();
  /** Whether the CPU emulates the device. */
  readonly software: boolean;
  /** Tables, keys, row numbers and batches of the execution that is submitted next. */
  readonly upload: SharedBuffer;
  /** Sums, outputs and gradients of the execution that runs. */
  readonly results: SharedBuffer;
  /** Scratch memory, and copies of variables, in textures. */
  readonly textures: SharedTextures;
  readonly #scratch: SharedBuffer[] = [];
  readonly #numbers: SharedBuffer;
  readonly #programs = new Set<object>();
  /** How many steps the numbers were written for. */
  #numbered = 0;
  #generation = 0;
  #staging = new ArrayBuffer(0);

  /** Takes no memory yet. */
  constructor(backend: tf.KernelBackend & WebGpuBackend) {
    this.backend = backend;
    this.device = backend.device;
    this.software = backend.loopLimit !== undefined;
    this.queue = new CountedQueue(this.device.queue);
    this.pacer = new Pacer(this.queue, this.software);
    backend.whenIdle = (start) => this.pacer.whenIdle(start);
    this.pipelines = new Pipelines(this.device);
    this.readBacks = new ReadBacks(this.device, this.queue, this.pacer);
    this.state = new StateMemory(backend, this.queue);
    this.residents = new Residents(this);
    this.upload = new SharedBuffer(this.device, "the batches of an execution", storageUsage());
    this.results = new SharedBuffer(this.device, "the results of an execution", storageUsage());
    this.textures = new SharedTextures(this.device);
    this.#numbers = new SharedBuffer(
      this.device,
      "step numbers",
      GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    );
  }

  /** How kernels are printed here. @param kind Takes the adapter for one of another kind. @default its own */
  tuning(kind?: AdapterKind): Tuning {
    const { software, device } = this;
    return tuningFor({ software, info: device.adapterInfo, limits: device.limits }, kind);
  }

  /** Changes whenever memory that bindings refer to may be another one. */
  get generation(): number {
    return this.#generation + this.state.generation;
  }

  /** Uniforms of steps, `ALIGNMENT` bytes apart. */
  get numbers(): GPUBuffer {
    return this.#numbers.buffer;
  }

  /** What the device holds and did. */
  get counts(): RuntimeCounts {
    return {
      ...this.queue.counts,
      pipelines: this.pipelines.size,
      stateBytes: this.state.bytes,
      residentBytes: this.residents.bytes,
      sharedBytes: [this.upload, this.results, this.#numbers, ...this.#scratch].reduce(
        (sum, { bytes }) => sum + bytes,
        this.textures.bytes,
      ),
      programs: this.#programs.size,
    };
  }

  /** Host memory for what is uploaded next. What it held is lost. */
  staging(bytes: number): ArrayBuffer {
    if (this.#staging.byteLength < bytes) {
      this.#staging = new ArrayBuffer(Math.max(bytes, 2 * this.#staging.byteLength));
    }
    return this.#staging;
  }

  /** Makes shared memory large enough. The caller has the pacer's turn. @param scratch Bytes of each scratch buffer. */
  async ensure(
    { upload, results, scratch, textures, steps }: {
      readonly upload: number;
      readonly results: number;
      readonly scratch: readonly number[];
      readonly textures: readonly TextureSlot[];
      readonly steps: number;
    },
  ): Promise<void> {
    await this.#grow(this.upload, upload);
    await this.#grow(this.results, results);
    if (!this.#numbers.holds(steps * ALIGNMENT)) this.#numbered = 0;
    await this.#grow(this.#numbers, steps * ALIGNMENT);
    for (const [index, bytes] of scratch.entries()) {
      this.#scratch[index] ??= new SharedBuffer(this.device, "scratch memory", kernelUsage());
      await this.#grow(this.#scratch[index], bytes);
    }
    await this.ensureTextures(textures);
    if (this.#numbered !== steps) this.#writeNumbers(steps);
  }

  /**
   * Makes shared textures large enough, and has the device begin to fill new ones with zeros, which it would otherwise do
   * when they are first used. The caller has the pacer's turn.
   */
  async ensureTextures(slots: readonly TextureSlot[]): Promise<void> {
    const grown = slots.filter((slot) => !this.textures.holds(slot));
    for (const slot of grown) await this.#grow(this.textures, slot);
    if (grown.length === 0) return;
    const encoder = this.device.createCommandEncoder();
    const zeros = this.device.createBuffer({ size: TEXEL_BYTES, usage: GPUBufferUsage.COPY_SRC });
    for (const slot of grown) {
      encoder.copyBufferToTexture({ buffer: zeros }, { texture: this.textures.texture(slot).texture }, [1]);
    }
    this.submitCopies(encoder);
    zeros.destroy();
  }

  async #grow<T>(shared: { holds(wanted: T): boolean; replace(wanted: T): Promise<void> }, wanted: T): Promise<void> {
    if (shared.holds(wanted)) return;
    // Before: what was there is gone also if there is no memory for more.
    this.#generation++;
    await shared.replace(wanted);
  }

  /** Scratch memory. @param index Which buffer. */
  scratch(index: number): GPUBuffer {
    return this.#scratch[index]!.buffer;
  }

  /** Submits copies of buffers. The caller has the pacer's turn. */
  submitCopies(encoder: GPUCommandEncoder): void {
    this.queue.submit([encoder.finish()]);
  }

  /** A program begins to use the device. */
  enter(program: object): void {
    this.#programs.add(program);
  }

  /** A program is disposed: frees what no other needs. The caller has the pacer's turn. */
  leave(program: object): void {
    if (!this.#programs.delete(program)) return;
    this.residents.release(program);
    if (this.#programs.size === 0) {
      for (const shared of [this.upload, this.results, this.#numbers, ...this.#scratch, this.textures]) {
        shared.destroy();
      }
      this.#numbered = 0;
      this.#generation++;
      this.#staging = new ArrayBuffer(0);
      this.readBacks.destroy();
    }
    // Last: while variables go back to tfjs, some of them are there twice.
    this.state.release(program);
  }

  /** Writes each step's number, and how many there are. */
  #writeNumbers(steps: number): void {
    const words = new Uint32Array(steps * ALIGNMENT / 4);
    for (let step = 0; step < steps; step++) {
      words[step * ALIGNMENT / 4] = step;
      words[step * ALIGNMENT / 4 + 1] = steps;
    }
    this.queue.write(this.numbers, 0, new Uint8Array(words.buffer));
    this.#numbered = steps;
  }
}
