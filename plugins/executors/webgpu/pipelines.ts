/**
 * Pipelines: one for each shader text of a device, whatever programs use it.
 *
 * @module
 */
import { DeviceError } from "../../../core/errors.ts";
import { type Access, type ComputeShader, STEP_BYTES } from "./wgsl/shader.ts";
import { TEXTURE_FORMAT } from "./wgsl/texture_shape.ts";

/** A shader that can be dispatched. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  /** What group 0 must have. */
  readonly operands: GPUBindGroupLayout;
  /** What group 1 must have; absent where the shader needs nothing of the step. */
  readonly step?: GPUBindGroupLayout;
}

type BindingKind = Pick<GPUBindGroupLayoutEntry, "buffer" | "storageTexture">;

/** How WebGPU calls what a shader does with an operand. */
export const BINDING_KINDS: Readonly<Record<Access, BindingKind>> = {
  read: { buffer: { type: "read-only-storage" } },
  read_write: { buffer: { type: "storage" } },
  uniform: { buffer: { type: "uniform" } },
  texture_read: { storageTexture: { access: "read-only", format: TEXTURE_FORMAT } },
  texture_write: { storageTexture: { access: "write-only", format: TEXTURE_FORMAT } },
};

/** Compiled shaders by their text. */
export class Pipelines {
  readonly #device: GPUDevice;
  readonly #known = new Map<string, Pipeline>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  /** None yet. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** How many there are. */
  get size(): number {
    return this.#known.size;
  }

  /**
   * Compiles shaders that are not known yet.
   *
   * @param breathe Called after each one: compiling may take long.
   * @throws {DeviceError} If the driver refuses one: which, and why.
   */
  async compile(shaders: readonly ComputeShader[], breathe: () => Promise<void>): Promise<readonly Pipeline[]> {
    const compiled: Pipeline[] = [];
    for (const shader of shaders) {
      const key = `${accessesOf(shader)}\n${stepKey(shader)}\n${shader.code}`;
      let pipeline = this.#known.get(key);
      if (pipeline === undefined) {
        this.#known.set(key, pipeline = await this.#compile(shader));
        await breathe();
      }
      compiled.push(pipeline);
    }
    return compiled;
  }

  async #compile(shader: ComputeShader): Promise<Pipeline> {
    const device = this.#device;
    const { label, code, operands } = shader;
    const most = device.limits.maxStorageBuffersPerShaderStage;
    const storage = operands.filter(({ access }) => access === "read" || access === "read_write");
    const count = storage.length + Number(shader.usesTable) + Number(shader.usesKeys);
    if (count > most) {
      throw new DeviceError(
        `Cannot run kernel "${label}": it uses ${count} buffers, and this adapter allows ${most} in a shader.`,
      );
    }
    device.pushErrorScope("validation");
    const module = device.createShaderModule({ label, code });
    const operandLayout = this.#layout(
      `operands ${accessesOf(shader)}`,
      operands.map(({ access }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        ...BINDING_KINDS[access],
      })),
    );
    const stepEntries = entriesOfStep(shader);
    const stepLayout = stepEntries.length > 0 ? this.#layout(`step ${stepKey(shader)}`, stepEntries) : undefined;
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({
        bindGroupLayouts: [operandLayout, ...(stepLayout ? [stepLayout] : [])],
      }),
      compute: { module, entryPoint: "main" },
    });
    const error = await device.popErrorScope();
    if (error !== null) {
      const { messages } = await module.getCompilationInfo();
      const said = messages.map(({ lineNum, linePos, message }) => `${lineNum}:${linePos} ${message}`).join("; ");
      throw new DeviceError(
        `The WebGPU driver refuses kernel "${label}": ${said || error.message.trim()}. This is a mistake of executor ` +
          `"webgpu": please report it with the shader below, and use executor "eager" meanwhile.\n${code}`,
      );
    }
    return { pipeline, operands: operandLayout, ...(stepLayout ? { step: stepLayout } : {}) };
  }

  #layout(key: string, entries: GPUBindGroupLayoutEntry[]): GPUBindGroupLayout {
    let layout = this.#layouts.get(key);
    if (layout === undefined) this.#layouts.set(key, layout = this.#device.createBindGroupLayout({ entries }));
    return layout;
  }
}

function accessesOf({ operands }: ComputeShader): string {
  return operands.map(({ access }) => access).join();
}

/** Which bindings of group 1 a shader has. */
export function stepKey({ usesStep, usesTable, usesKeys }: ComputeShader): string {
  return `${usesStep ? "s" : ""}${usesTable ? "t" : ""}${usesKeys ? "k" : ""}`;
}

function entriesOfStep({ usesStep, usesTable, usesKeys }: ComputeShader): GPUBindGroupLayoutEntry[] {
  const visibility = GPUShaderStage.COMPUTE;
  const storage = { type: "read-only-storage" as const };
  const number = { type: "uniform" as const, hasDynamicOffset: true, minBindingSize: STEP_BYTES };
  return [
    ...(usesStep ? [{ binding: 0, visibility, buffer: number }] : []),
    ...(usesTable ? [{ binding: 1, visibility, buffer: storage }] : []),
    ...(usesKeys ? [{ binding: 2, visibility, buffer: storage }] : []),
  ];
}
