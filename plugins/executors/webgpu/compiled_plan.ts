/**
 * A plan made to run: its shaders, where its buffers lie, and the commands of executions.
 *
 * @module
 */
import type { Batch } from "../../../core/batch.ts";
import { DeviceError } from "../../../core/errors.ts";
import type { Step, StepTable } from "../../../core/step.ts";
import { bytesOf, placeOf, rootOf } from "../../compiler/ir/buffers.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { allocate, type Allocation } from "../../compiler/passes/allocate.ts";
import { type PlannedVariable, plannedVariables } from "../../compiler/state/planned_variables.ts";
import { toHostType } from "./batch_leaves.ts";
import { aligned, ALIGNMENT, copiesToTexture, createBuffer, type Range, type TextureCopy } from "./memory.ts";
import { checkLookups } from "../check_lookups.ts";
import { FirstRun } from "./first_run.ts";
import { Timing } from "./pacer.ts";
import type { Pipeline } from "./pipelines.ts";
import type { Runtime } from "./runtime.ts";
import { OTHER_BINDINGS, singleStep } from "./single_step.ts";
import { printAll, type PrintKernel } from "./print_all.ts";
import { chooseTextures, type PlanTextures, shareTextures, withTextures } from "./plan_textures.ts";
import { layOut, mostSteps, type UploadLayout, writeUpload } from "./staged_upload.ts";
import type { Tuner } from "./tuner.ts";
import { type ComputeShader, isTexture, type Operand, STEP_BYTES, type Tuning } from "./wgsl/mod.ts";

/** What a plan is compiled with. */
export interface CompileOptions {
  /** What was planned. */
  readonly step: Step;
  /** Where it runs. */
  readonly runtime: Runtime;
  /** Who uses the plan, until `Runtime.leave`. */
  readonly program: object;
  /** How kernels become shaders. */
  readonly print: PrintKernel;
  /** What suits the adapter. */
  readonly tuning: Tuning;
  /** Measures kernels. @default none is measured */
  readonly tuner?: Tuner;
  /** Makes the device tfjs's current one. */
  readonly activate: () => void;
}

/** Bindings for executions of so many steps. */
interface Bound {
  readonly layout: UploadLayout;
  /** Group 0 of each shader. */
  readonly operands: readonly GPUBindGroup[];
  /** Group 1 of each shader. */
  readonly steps: readonly (GPUBindGroup | undefined)[];
  /** What an execution begins with, and does again where values have been assigned meanwhile: copies of variables. */
  readonly copies: readonly TextureCopy[];
  readonly generation: number;
}

/** An execution that is ready to be submitted. Holds only as long as the caller has the pacer's turn. */
export interface Prepared {
  readonly batches: readonly Batch[];
  readonly bound: Bound;
  /** Where the steps' sums will be, one after the other. */
  readonly sums?: Range;
  /** Where each output will be, one part a step. */
  readonly outputs: readonly Range[];
  /** Where variables are. */
  readonly variables: ReadonlyMap<Buffer, Range>;
  /** Where gradients are, or will be. */
  readonly gradients: readonly (Range | null)[];
}

/** What to submit. */
export interface ExecuteOptions {
  readonly table: StepTable;
  /** The first batch's row of the table. */
  readonly first: number;
  /** Encodes what follows the last step: copies of results. @default nothing */
  readonly after?: (encoder: GPUCommandEncoder) => void;
}

/** An upload is not larger, so that neither host memory nor a wait for the copy is. */
const UPLOAD_BYTES = 1 << 26;
/** No execution has more steps: each has a uniform of 256 bytes. */
const MOST_STEPS = 4096;
/** Numbers of steps for which bindings are kept: full executions, the last of an epoch, those of a tuner. */
const MOST_BOUND = 16;

/** One plan of a program. */
export class CompiledPlan {
  readonly plan: Plan;
  readonly #options: CompileOptions;
  readonly #shaders: readonly ComputeShader[];
  /** More than 1 where the only shader does whole steps. */
  readonly #stepsPerDispatch: number;
  readonly #pipelines: readonly Pipeline[];
  readonly #scratch: Allocation;
  readonly #textures: PlanTextures;
  /** Where each scratch buffer of the device ends. */
  readonly #capacity: number;
  readonly #constants: { readonly buffer?: GPUBuffer; readonly offsets: ReadonlyMap<Buffer, number> };
  readonly #uses: readonly PlannedVariable[];
  readonly #timing: Timing;
  readonly #bound = new Map<string, Bound>();

  private constructor(
    plan: Plan,
    options: CompileOptions,
    made: {
      readonly shaders: readonly ComputeShader[];
      readonly pipelines: readonly Pipeline[];
      readonly warm: boolean;
      readonly constants: { readonly buffer?: GPUBuffer; readonly offsets: ReadonlyMap<Buffer, number> };
      readonly scratch: Allocation;
      readonly textures: PlanTextures;
      readonly capacity: number;
      readonly stepsPerDispatch: number;
      readonly uses: readonly PlannedVariable[];
    },
  ) {
    this.#stepsPerDispatch = made.stepsPerDispatch;
    this.plan = plan;
    this.#options = options;
    this.#shaders = made.shaders;
    this.#pipelines = made.pipelines;
    this.#constants = made.constants;
    this.#scratch = made.scratch;
    this.#textures = made.textures;
    this.#capacity = made.capacity;
    this.#timing = new Timing(made.warm);
    this.#uses = made.uses;
  }

  /**
   * Prints and compiles a plan.
   *
   * @throws {DeviceError} If the driver refuses a shader, or there is not enough memory.
   */
  static async compile(plan: Plan, options: CompileOptions): Promise<CompiledPlan> {
    const { runtime, print, tuning, tuner } = options;
    const { expressions, columns, streams } = plan;
    const common = { expressions, columns, streams, tuning };
    const { maxBufferSize, maxStorageBuffersPerShaderStage } = runtime.device.limits;
    const single = singleStep(plan, common, maxStorageBuffersPerShaderStage - OTHER_BINDINGS);
    const choices = single ? undefined : await tuner?.choose(plan.kernels, common);
    const printed = single ? [[single.shader]] : printAll(plan.kernels, { ...common, choices }, print);
    const textures = chooseTextures(plan, printed, tuning, runtime.device.limits);
    const shaders = printed.flat().map((shader) => withTextures(shader, textures));
    for (const { label, loopIterations } of shaders) {
      if (loopIterations > tuning.maxLoopIterations) {
        throw new DeviceError(
          `Cannot run kernel "${label}" on this adapter: an invocation would loop ${loopIterations} times, and ` +
            `${tuning.maxLoopIterations} are safe here. Use smaller batches, or executor "eager".`,
        );
      }
    }
    const shared = shareTextures(plan, textures);
    const uses = plannedVariables(plan, options.step);
    await placeVariables(uses, options);
    // While the device fills textures with zeros, this thread makes pipelines.
    await runtime.ensureTextures(shared.slots);
    const known = runtime.pipelines.size;
    const pipelines = await runtime.pipelines.compile(shaders, () => runtime.pacer.breathe());
    const warm = runtime.pipelines.size === known;
    const within = new Map(printed.map((each, index) => [index, each.flatMap(({ scratch }) => scratch)]));
    const capacity = Math.min(2 ** 40, Math.floor(maxBufferSize / ALIGNMENT) * ALIGNMENT);
    // In a single dispatch, buffers that share memory would need barriers that nothing else asks for.
    const reuse = single === undefined;
    const scratch = allocate(plan, { alignment: ALIGNMENT, capacity, within, without: textures, reuse });
    const constants = await placeConstants(plan, runtime);
    return new CompiledPlan(plan, options, {
      shaders,
      pipelines,
      warm,
      constants,
      scratch,
      textures: shared,
      capacity,
      stepsPerDispatch: single?.stepsPerDispatch ?? 1,
      uses,
    });
  }

  /** The labels of its shaders, in order. */
  get labels(): readonly string[] {
    return this.#shaders.map(({ label }) => label);
  }

  /** The most batches like this one that an execution may have. */
  capacity(batch: Batch): number {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#options.runtime.device.limits;
    const binding = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    return Math.min(MOST_STEPS, mostSteps(this.plan, this.#isStaged(batch), { binding, upload: UPLOAD_BYTES }));
  }

  /** Makes memory and bindings ready for batches that are alike. The caller has the pacer's turn. */
  async prepare(batches: readonly Batch[]): Promise<Prepared> {
    const { runtime, program } = this.#options;
    const [batch] = batches as readonly [Batch];
    const { plan } = this;
    checkLookups(plan.lookups ?? [], batches);
    const staged = this.#isStaged(batch);
    const steps = batches.length;
    const layout = layOut(plan, steps, staged);
    const results = this.#resultOffsets(steps);
    const scratch: number[] = [];
    for (let left = this.#scratch.size; left > 0; left -= this.#capacity) scratch.push(Math.min(left, this.#capacity));
    const states = await placeVariables(this.#uses, this.#options);
    const textures = this.#textures.slots;
    await runtime.ensure({ upload: layout.bytes, results: results.bytes, scratch, textures, steps });
    const resident = staged || batch.source === undefined
      ? { id: 0, buffers: new Map<Buffer, GPUBuffer>() }
      : await runtime.residents.place(batch.source, plan.inputs, program);
    const { generation } = runtime;
    const key = `${steps} ${resident.id}`;
    let bound = this.#bound.get(key);
    if (bound?.generation !== generation) {
      bound = this.#bind(layout, results.offsets, states, resident.buffers);
      this.#bound.delete(key);
      this.#bound.set(key, bound);
      if (this.#bound.size > MOST_BOUND) this.#bound.delete(this.#bound.keys().next().value!);
    }
    const range = (buffer: Buffer): Range => ({
      buffer: runtime.results.buffer,
      offset: results.offsets.get(buffer)!,
      size: bytesOf(buffer) * (buffer.role.kind === "gradient" ? 1 : steps),
    });
    return {
      batches,
      bound,
      ...(plan.sums ? { sums: range(plan.sums) } : {}),
      outputs: plan.outputs.map(range),
      variables: states,
      gradients: (plan.gradients ?? []).map((gradient) => gradient && range(gradient)),
    };
  }

  /**
   * Submits the steps, in as many submissions as the event loop needs. The caller has the pacer's turn, and has awaited
   * nothing else since `prepare`.
   */
  async execute({ batches, bound }: Prepared, { table, first, after }: ExecuteOptions): Promise<void> {
    const { runtime, activate } = this.#options;
    const { device, pacer, queue, upload, state } = runtime;
    const { plan } = this;
    const { layout } = bound;
    const memory = runtime.staging(layout.bytes);
    writeUpload(memory, { plan, layout, batches, table, first });
    queue.write(upload.buffer, 0, new Uint8Array(memory, 0, layout.bytes));
    const shaders = this.#shaders.length;
    const each = this.#stepsPerDispatch;
    const total = Math.ceil(batches.length / each) * shaders;
    const firstRun = new FirstRun(this.#pipelines);
    let done = 0;
    do {
      const cold = !this.#timing.warm && shaders > 0;
      let end: number;
      if (cold) {
        await pacer.idle();
        end = done + firstRun.next(done);
      } else {
        const wanted = Math.max(1, Math.round(pacer.portion(this.#timing) / each * shaders));
        // Whole steps where there is one, and no small rest.
        const next = wanted >= shaders ? wanted - wanted % shaders : wanted;
        end = total - done < next * 1.25 ? total : Math.min(total, done + next);
      }
      const steps = shaders === 0 ? 1 : Math.min((end - done) / shaders * each, batches.length);
      await pacer.room(this.#timing, steps);
      activate();
      // Between submissions somebody may assign a variable: its copy would keep the value before.
      const assigned = state.variables.enter(this.#uses);
      const encoder = device.createCommandEncoder();
      const copies = done === 0 || assigned ? bound.copies : [];
      for (const copy of copies) encoder.copyBufferToTexture(...copy);
      this.#encode(encoder, bound, done, end);
      if (end === total) after?.(encoder);
      pacer.submit(encoder.finish(), end - done, { timing: this.#timing, steps, cold });
      done = end;
      if (done >= shaders) this.#timing.warm = true;
    } while (done < total);
  }

  /** Frees what is its own. */
  destroy(): void {
    this.#constants.buffer?.destroy();
    this.#bound.clear();
  }

  #isStaged(batch: Batch): boolean {
    return batch.source === undefined || !this.#options.runtime.residents.fits(batch.source, this.plan.inputs);
  }

  #encode(encoder: GPUCommandEncoder, { operands, steps }: Bound, from: number, to: number): void {
    if (from === to) return;
    const shaders = this.#shaders;
    const count = shaders.length;
    const pass = encoder.beginComputePass();
    for (let dispatch = from; dispatch < to; dispatch++) {
      const index = dispatch % count;
      const shader = shaders[index]!;
      pass.setPipeline(this.#pipelines[index]!.pipeline);
      pass.setBindGroup(0, operands[index]!);
      const group = steps[index];
      if (group !== undefined) {
        pass.setBindGroup(
          1,
          group,
          shader.usesStep ? [Math.floor(dispatch / count) * this.#stepsPerDispatch * ALIGNMENT] : [],
        );
      }
      const [x, y, z] = shader.workgroups;
      pass.dispatchWorkgroups(x, y, z);
    }
    pass.end();
  }

  #resultOffsets(steps: number): { readonly offsets: ReadonlyMap<Buffer, number>; readonly bytes: number } {
    const { sums, outputs, gradients = [] } = this.plan;
    const offsets = new Map<Buffer, number>();
    let end = 0;
    for (const buffer of [...sums ? [sums] : [], ...outputs, ...gradients]) {
      if (buffer === null) continue;
      offsets.set(buffer, end);
      end += aligned(bytesOf(buffer) * (buffer.role.kind === "gradient" ? 1 : steps));
    }
    return { offsets, bytes: end };
  }

  #bind(
    layout: UploadLayout,
    results: ReadonlyMap<Buffer, number>,
    states: ReadonlyMap<Buffer, Range>,
    residents: ReadonlyMap<Buffer, GPUBuffer>,
  ): Bound {
    const { runtime } = this.#options;
    const { device } = runtime;
    const upload = ({ offset, bytes }: { readonly offset: number; readonly bytes: number }): Range => ({
      buffer: runtime.upload.buffer,
      offset,
      size: aligned(Math.max(bytes, 16), 16),
    });
    const find = (buffer: Buffer): Range => {
      const root = rootOf(buffer);
      const size = aligned(bytesOf(root), 16);
      switch (root.role.kind) {
        case "variable":
        case "state":
          return states.get(root)!;
        case "scratch": {
          const offset = this.#scratch.offsets.get(root)!;
          const index = Math.floor(offset / this.#capacity);
          return { buffer: runtime.scratch(index), offset: offset - index * this.#capacity, size };
        }
        case "constant":
          return { buffer: this.#constants.buffer!, offset: this.#constants.offsets.get(root)!, size };
        case "input": {
          const resident = residents.get(root);
          return resident ? { buffer: resident, offset: 0, size: resident.size } : upload(layout.inputs.get(root)!);
        }
        case "rows":
          return upload(layout.rows);
        case "sums":
        case "output":
          return {
            buffer: runtime.results.buffer,
            offset: results.get(root)!,
            size: aligned(bytesOf(root) * layout.steps, 16),
          };
        case "gradient":
          return { buffer: runtime.results.buffer, offset: results.get(root)!, size };
        default:
          return root.role satisfies never;
      }
    };
    const bindings = new Map<Buffer, GPUBufferBinding>();
    const binding = (buffer: Buffer): GPUBufferBinding => {
      let found = bindings.get(buffer);
      if (found === undefined) bindings.set(buffer, found = this.#binding(buffer, find(buffer)));
      return found;
    };
    const textureOf = (buffer: Buffer) => runtime.textures.texture(this.#textures.slotOf.get(buffer)!);
    const resource = ({ buffer, access }: Operand): GPUBindingResource =>
      isTexture(access) ? textureOf(buffer).view : binding(buffer);
    const groups = new Map<GPUBindGroupLayout, GPUBindGroup>();
    const steps = this.#pipelines.map(({ step }, index) => {
      if (step === undefined) return undefined;
      let group = groups.get(step);
      if (group === undefined) {
        const { usesStep, usesTable, usesKeys } = this.#shaders[index]!;
        const entries = [
          ...usesStep ? [{ binding: 0, resource: { buffer: runtime.numbers, offset: 0, size: STEP_BYTES } }] : [],
          ...usesTable ? [{ binding: 1, resource: upload(layout.table) }] : [],
          ...usesKeys ? [{ binding: 2, resource: upload(layout.keys) }] : [],
        ];
        groups.set(step, group = device.createBindGroup({ layout: step, entries }));
      }
      return group;
    });
    const operands = this.#shaders.map(({ label, operands }, index) =>
      device.createBindGroup({
        label,
        layout: this.#pipelines[index]!.operands,
        entries: operands.map((operand, place) => ({ binding: place, resource: resource(operand) })),
      })
    );
    const copies = this.#textures.copied.flatMap((buffer) =>
      copiesToTexture(binding(buffer), buffer, textureOf(buffer).texture)
    );
    return { layout, operands, steps, copies, generation: runtime.generation };
  }

  /** The range of a buffer within the range of what it is a part of. */
  #binding(buffer: Buffer, { buffer: memory, offset, size }: Range): GPUBufferBinding {
    const { maxStorageBufferBindingSize } = this.#options.runtime.device.limits;
    const start = placeOf(buffer).offset * 4;
    const range = {
      buffer: memory,
      offset: offset + start,
      size: start === 0 && !buffer.within ? size : aligned(bytesOf(buffer), 16),
    };
    if (range.offset % ALIGNMENT !== 0) {
      throw new RangeError(
        `Cannot bind a part of a buffer at byte ${range.offset}: expected a multiple of ${ALIGNMENT}.`,
      );
    }
    if (range.size > maxStorageBufferBindingSize) {
      throw new DeviceError(
        `Cannot run the ${this.#options.step.kind} step on this adapter: a value takes ${range.size} bytes, and a kernel ` +
          `can reach ${maxStorageBufferBindingSize} in one buffer. Use smaller batches.`,
      );
    }
    return range;
  }
}

/**
 * Moves variables to where kernels find them. Before other memory is taken: while they move, some of them are there twice.
 *
 * @throws {Error} If one was disposed, which it may be between programs of a step: these share its plans.
 */
function placeVariables(
  uses: readonly PlannedVariable[],
  { step: { kind, variables }, runtime, program, activate }: CompileOptions,
): Promise<ReadonlyMap<Buffer, Range>> {
  for (const { variable, path } of variables) {
    if (!variable.isDisposed) continue;
    throw new Error(`Cannot run the ${kind} step: its variable "${path}" was disposed. Make the model anew.`);
  }
  return runtime.state.place(uses, program, activate);
}

async function placeConstants(
  { constants }: Plan,
  { device, queue }: Runtime,
): Promise<{ readonly buffer?: GPUBuffer; readonly offsets: ReadonlyMap<Buffer, number> }> {
  const offsets = new Map<Buffer, number>();
  let end = 0;
  for (const constant of constants) {
    offsets.set(constant, end);
    end += aligned(bytesOf(constant));
  }
  if (end === 0) return { offsets };
  const buffer = await createBuffer(device, { bytes: end, what: "the constants of the step" });
  for (const constant of constants) {
    const { role, type } = constant;
    if (role.kind !== "constant") continue;
    const values = toHostType(role.values, type);
    const bytes = new Uint8Array(aligned(values.byteLength, 4));
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    queue.write(buffer, offsets.get(constant)!, bytes);
  }
  return { buffer, offsets };
}
