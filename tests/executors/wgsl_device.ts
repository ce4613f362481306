/**
 * Running printed kernels on raw WebGPU, beside the interpreter.
 *
 * @module
 */
import type { RandomKey } from "../../core/random.ts";
import { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { interpretKernel, type NumberArray, type Precision } from "../../plugins/compiler/ir/interpret.ts";
import { BINDING_KINDS } from "../../plugins/executors/webgpu/pipelines.ts";
import { accessOf } from "../../plugins/executors/webgpu/wgsl/shader.ts";
import { elementBytes, placeOf, rootOf } from "../../plugins/compiler/ir/buffers.ts";
import type { Axis, Buffer, Expression, Kernel } from "../../plugins/compiler/ir/types.ts";
import {
  type ComputeShader,
  type PrintContext,
  printKernel,
  printSingleDispatch,
  type SingleDispatch,
  STEP_BYTES,
  type Tuning,
  TUNINGS,
} from "../../plugins/executors/webgpu/wgsl/mod.ts";

/** What kernels of a test run on. */
export interface Setting {
  readonly pool: Expressions;
  readonly columns: readonly string[];
  readonly table: Float32Array;
  readonly streams: number;
  readonly keys: Uint32Array;
  readonly steps: number;
  readonly tuning: Tuning;
  readonly choices?: ReadonlyMap<string, string>;
}

/** A setting for one step, without a table. */
export function setting(options: Partial<Setting> = {}): Setting {
  return {
    pool: new Expressions(),
    columns: [],
    table: new Float32Array(1),
    streams: 0,
    keys: new Uint32Array(2),
    steps: 1,
    tuning: TUNINGS.software,
    ...options,
  };
}

/** An axis as a list of none or one, and its value. */
export function axisOf(pool: Expressions, size: number): readonly [readonly Axis[], Expression] {
  const value = pool.axis(size);
  return [value.kind === "axis" ? [value.axis] : [], value];
}

/** Axes and their values. */
export function axesOfSizes(pool: Expressions, sizes: readonly number[]): readonly [readonly Axis[], Expression[]] {
  const made = sizes.map((size) => axisOf(pool, size));
  return [made.flatMap(([axes]) => axes), made.map(([, value]) => value)];
}

/** What kernels of a setting are printed with. */
export function contextOf({ pool: expressions, columns, streams, tuning, choices }: Setting): PrintContext {
  return { expressions, columns, streams, tuning, choices };
}

let opened: Promise<GPUDevice> | undefined;

/** One device for all tests. */
export function gpu(): Promise<GPUDevice> {
  return opened ??= (async () => {
    const adapter = await navigator.gpu.requestAdapter();
    if (adapter === null) throw new Error("There is no WebGPU adapter.");
    const { maxStorageBuffersPerShaderStage } = adapter.limits;
    return await adapter.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage } });
  })();
}

function bytesOf(array: NumberArray): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.ceil(array.byteLength / 16) * 16 || 16);
  bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  return bytes;
}

/** A GPU buffer of some memory's bytes. */
export function upload(device: GPUDevice, array: NumberArray): GPUBuffer {
  const bytes = bytesOf(array);
  const { STORAGE, COPY_DST, COPY_SRC, UNIFORM } = GPUBufferUsage;
  const buffer = device.createBuffer({ size: bytes.byteLength, usage: STORAGE | COPY_DST | COPY_SRC | UNIFORM });
  device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

/** The pipeline of a shader, with the layout that its flags say. */
export function pipelineOf(device: GPUDevice, shader: ComputeShader): GPUComputePipeline {
  const visibility = GPUShaderStage.COMPUTE;
  const zero = device.createBindGroupLayout({
    entries: shader.operands.map(({ access }, binding) => ({
      binding,
      visibility,
      ...BINDING_KINDS[access],
    })),
  });
  const one = device.createBindGroupLayout({
    entries: [
      { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
      { binding: 1, visibility, buffer: { type: "read-only-storage" } },
      { binding: 2, visibility, buffer: { type: "read-only-storage" } },
    ],
  });
  return device.createComputePipeline({
    label: shader.label,
    layout: device.createPipelineLayout({ bindGroupLayouts: [zero, one] }),
    compute: { module: device.createShaderModule({ code: shader.code, label: shader.label }), entryPoint: "main" },
  });
}

/** Runs kernels on the device for one step, changing the arrays. @returns The shaders. */
export async function runOnDevice(
  kernels: readonly Kernel[],
  arrays: ReadonlyMap<Buffer, NumberArray>,
  where: Setting,
  step = 0,
): Promise<readonly ComputeShader[]> {
  const { table, keys } = where;
  const device = await gpu();
  device.pushErrorScope("validation");
  const shaders = kernels.flatMap((kernel) => printKernel(kernel, contextOf(where)));
  const buffers = new Map<Buffer, GPUBuffer>();
  for (const [buffer, array] of arrays) buffers.set(buffer, upload(device, array));
  for (const { operands } of shaders) {
    for (const { buffer } of operands) {
      const root = rootOf(buffer);
      if (!buffers.has(root)) buffers.set(root, upload(device, new Float32Array(root.size)));
    }
  }
  const binding = (buffer: Buffer): GPUBufferBinding => {
    const whole = buffers.get(rootOf(buffer))!;
    if (buffer.within === undefined) return { buffer: whole };
    return { buffer: whole, offset: placeOf(buffer).offset * 4, size: Math.ceil(buffer.size / 4) * 16 };
  };
  const info = upload(device, Int32Array.of(step, 1, 0, 0).subarray(0, STEP_BYTES / 4));
  const tableBuffer = upload(device, table);
  const keysBuffer = upload(device, new Int32Array(keys.buffer));
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const shader of shaders) {
    const pipeline = pipelineOf(device, shader);
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: shader.operands.map(({ buffer }, place) => ({ binding: place, resource: binding(buffer) })),
      }),
    );
    pass.setBindGroup(
      1,
      device.createBindGroup({
        layout: pipeline.getBindGroupLayout(1),
        entries: [info, tableBuffer, keysBuffer].map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
      [0],
    );
    pass.dispatchWorkgroups(...shader.workgroups);
  }
  pass.end();
  const backs = [...arrays].map(([buffer, array]) => {
    const source = buffers.get(buffer)!;
    const back = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    encoder.copyBufferToBuffer(source, 0, back, 0, source.size);
    return { array, back };
  });
  device.queue.submit([encoder.finish()]);
  for (const { array, back } of backs) {
    await back.mapAsync(GPUMapMode.READ);
    const bytes = new Uint8Array(back.getMappedRange());
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes.subarray(0, array.byteLength));
    back.unmap();
    back.destroy();
  }
  for (const buffer of [...buffers.values(), info, tableBuffer, keysBuffer]) buffer.destroy();
  const error = await device.popErrorScope();
  if (error !== null) {
    throw new Error(`${error.message}\n${shaders.map(({ code }) => code).join("\n----\n")}`);
  }
  return shaders;
}

/** How far apart two lists of numbers are, in parts of the reference's largest number; infinite where NaN or infinity differ. */
export function difference(actual: NumberArray, reference: NumberArray): number {
  let scale = 1e-30;
  for (const x of reference) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  let worst = 0;
  for (let i = 0; i < reference.length; i++) {
    const [a, b] = [actual[i]!, reference[i]!];
    if (Object.is(a, b) || a === b) continue;
    const distance = Math.abs(a - b) / scale;
    worst = Number.isFinite(distance) ? Math.max(worst, distance) : Infinity;
  }
  return worst;
}

/** Runs kernels in the interpreter, for all steps of a setting from the first on. */
export function interpretKernels(
  kernels: readonly Kernel[],
  arrays: ReadonlyMap<Buffer, NumberArray>,
  { columns, table, streams, keys, steps }: Setting,
  first = 0,
  precision: Precision = "float32",
): void {
  for (let step = first; step < first + steps; step++) {
    for (const kernel of kernels) {
      interpretKernel(kernel, {
        arrays,
        step,
        columns: Object.fromEntries(columns.map((name, i) => [name, table[step * columns.length + i]!])),
        keys: Array.from({ length: streams }, (_, i): RandomKey => [
          keys[(step * streams + i) * 2]!,
          keys[(step * streams + i) * 2 + 1]!,
        ]),
      }, { precision });
    }
  }
}

/**
 * Runs kernels on the device and in the interpreter.
 *
 * @returns How far apart each buffer is, and the shaders.
 */
export async function compare(
  kernels: readonly Kernel[],
  arrays: ReadonlyMap<Buffer, NumberArray>,
  where: Setting,
  step = 0,
): Promise<
  {
    readonly worst: number;
    readonly shaders: readonly ComputeShader[];
    readonly reference: ReadonlyMap<Buffer, NumberArray>;
  }
> {
  const reference = new Map(
    [...arrays].map(([buffer, array]) =>
      [buffer, array instanceof Float32Array ? Float64Array.from(array) : array.slice()] as [Buffer, NumberArray]
    ),
  );
  interpretKernels(kernels, reference, { ...where, steps: 1 }, step, "float64");
  const shaders = await runOnDevice(kernels, arrays, where, step);
  let worst = 0;
  for (const [buffer, array] of arrays) worst = Math.max(worst, difference(array, reference.get(buffer)!));
  return { worst, shaders, reference };
}

/** Numbers in [-1, 1) that are the same in every run. */
export function noise(length: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x297a2d39) >>> 0;
    return (state >>> 8) * 2 ** -23 - 1;
  });
}

/** Runs kernels for all steps of a setting in one dispatch, changing the arrays. @returns The shader. */
export async function runInOneDispatch(
  kernels: readonly Kernel[],
  arrays: ReadonlyMap<Buffer, NumberArray>,
  { pool, columns, table, streams, keys, tuning, steps }: Setting,
): Promise<SingleDispatch> {
  const device = await gpu();
  device.pushErrorScope("validation");
  // Two arenas of bytes: what the device writes, and what it only reads.
  const ends = [0, 0];
  const starts = new Map<Buffer, { readonly binding: number; readonly start: number }>();
  for (const [buffer, array] of arrays) {
    const binding = accessOf(buffer) === "read" ? 1 : 0;
    starts.set(buffer, { binding, start: ends[binding]! });
    ends[binding]! += Math.ceil(array.byteLength / 4) * 4;
  }
  const place = (buffer: Buffer) => {
    const { root, offset } = placeOf(buffer);
    const { binding, start } = starts.get(root)!;
    return { binding, offset: start / elementBytes(buffer) + offset };
  };
  const shader = printSingleDispatch(
    kernels,
    { expressions: pool, columns, streams, tuning },
    { access: ["read_write", "read"], place },
  );
  if (steps > shader.stepsPerDispatch) throw new RangeError(`One dispatch does ${shader.stepsPerDispatch} steps.`);
  const memory = ends.map((end) => new Uint8Array(Math.max(16, end)));
  for (const [buffer, array] of arrays) {
    const { binding, start } = starts.get(buffer)!;
    memory[binding]!.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), start);
  }
  const buffers = memory.map((bytes) => upload(device, bytes));
  const others = [Int32Array.of(0, steps, 0, 0), table, new Int32Array(keys.buffer)].map((array) =>
    upload(device, array)
  );
  const visibility = GPUShaderStage.COMPUTE;
  const layouts = [
    device.createBindGroupLayout({
      entries: shader.bindings.map((binding) => ({
        binding,
        visibility,
        buffer: { type: binding === 1 ? "read-only-storage" : "storage" },
      })),
    }),
    device.createBindGroupLayout({
      entries: others.map((_, binding) => ({
        binding,
        visibility,
        buffer: { type: binding === 0 ? "uniform" : "read-only-storage" },
      })),
    }),
  ];
  const pipeline = device.createComputePipeline({
    layout: device.createPipelineLayout({ bindGroupLayouts: layouts }),
    compute: { module: device.createShaderModule({ code: shader.code }), entryPoint: "main" },
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  [shader.bindings.map((binding) => [binding, buffers[binding]!] as const), [...others.entries()]].forEach((
    entries,
    group,
  ) =>
    pass.setBindGroup(
      group,
      device.createBindGroup({
        layout: layouts[group]!,
        entries: entries.map(([binding, buffer]) => ({ binding, resource: { buffer } })),
      }),
    )
  );
  pass.dispatchWorkgroups(...shader.workgroups);
  pass.end();
  const [source] = buffers as [GPUBuffer];
  const back = device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  encoder.copyBufferToBuffer(source, 0, back, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(back.getMappedRange());
  for (const [buffer, array] of arrays) {
    const { binding, start } = starts.get(buffer)!;
    if (binding !== 0) continue;
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(
      bytes.subarray(start, start + array.byteLength),
    );
  }
  back.unmap();
  for (const buffer of [...buffers, ...others, back]) buffer.destroy();
  const error = await device.popErrorScope();
  if (error !== null) throw new Error(`${error.message}\n${shader.code}`);
  return shader;
}
