/**
 * How long shaders take on the device, by its own clock.
 *
 * @module
 */
import { bytesOf } from "../../compiler/ir/buffers.ts";
import type { Buffer } from "../../compiler/ir/types.ts";
import { aligned, createBuffer } from "./memory.ts";
import type { Pipeline } from "./pipelines.ts";
import type { Runtime } from "./runtime.ts";
import { type ComputeShader, STEP_BYTES } from "./wgsl/mod.ts";

/** What shaders are timed with. */
export interface TimingOptions {
  /** Times that each is measured; the fastest counts. */
  readonly rounds: number;
  /** Dispatches of a measurement. */
  readonly dispatches: number;
  /** Columns of the step table. */
  readonly columns: number;
  /** Random streams of a step. */
  readonly streams: number;
}

/** Whether a device can say how long shaders take. */
export function canTime({ device }: Runtime): boolean {
  return device.features.has("timestamp-query");
}

/**
 * Times shaders that do the same work, in turns, on memory full of zeros. The caller has the pacer's turn.
 *
 * @returns Milliseconds of one dispatch of each.
 * @throws {DeviceError} If there is not enough memory, or the driver refuses a shader.
 */
export async function timeShaders(
  runtime: Runtime,
  shaders: readonly ComputeShader[],
  { rounds, dispatches, columns, streams }: TimingOptions,
): Promise<readonly number[]> {
  const { device, queue, pipelines, pacer, readBacks } = runtime;
  const compiled = await pipelines.compile(shaders, () => pacer.breathe());
  using made = new DisposableStack();
  const buffers = new Map<Buffer | "step" | "table" | "keys" | "times", GPUBuffer>();
  const need = async (key: Buffer | "step" | "table" | "keys" | "times", bytes: number, usage?: number) => {
    if (buffers.has(key)) return;
    const buffer = await createBuffer(device, { bytes: aligned(bytes, 16), what: "a measurement", usage });
    buffers.set(key, buffer);
    made.defer(() => buffer.destroy());
  };
  for (const { operands } of shaders) for (const { buffer } of operands) await need(buffer, bytesOf(buffer));
  const count = 2 * shaders.length * rounds;
  await need("step", STEP_BYTES, GPUBufferUsage.UNIFORM);
  await need("table", 4 * Math.max(columns, 1));
  await need("keys", 8 * Math.max(streams, 1));
  await need("times", 8 * count, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const resource = (key: Buffer | "step" | "table" | "keys") => ({ buffer: buffers.get(key)! });
  const groups = shaders.map((shader, index) => groupsOf(device, shader, compiled[index]!, resource));
  const querySet = device.createQuerySet({ type: "timestamp", count });
  made.defer(() => querySet.destroy());
  await pacer.idle();
  for (let round = 0; round < rounds; round++) {
    for (const [index, shader] of shaders.entries()) {
      const encoder = device.createCommandEncoder();
      const encode = (times: number, timestampWrites?: GPUComputePassTimestampWrites): void => {
        const pass = encoder.beginComputePass({ timestampWrites });
        pass.setPipeline(compiled[index]!.pipeline);
        groups[index]!.forEach((group, place) =>
          pass.setBindGroup(place, group, place === 1 && shader.usesStep ? [0] : [])
        );
        for (let i = 0; i < times; i++) pass.dispatchWorkgroups(...shader.workgroups);
        pass.end();
      };
      // The first run of a shader may compile it, and every first one finds other data in the caches.
      encode(1);
      const at = 2 * (round * shaders.length + index);
      encode(dispatches, { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 });
      queue.submit([encoder.finish()], 1 + dispatches);
      await pacer.breathe();
    }
  }
  const encoder = device.createCommandEncoder();
  const times = buffers.get("times")!;
  encoder.resolveQuerySet(querySet, 0, count, times, 0);
  const readBack = await readBacks.reserve(8 * count);
  readBacks.copy(encoder, readBack, [{ buffer: times, offset: 0, size: 8 * count }]);
  queue.submit([encoder.finish()]);
  const [bytes] = await readBacks.readNow([readBack]);
  const nanoseconds = new BigUint64Array(bytes!);
  return shaders.map((_, index) => {
    let fastest = Infinity;
    for (let round = 0; round < rounds; round++) {
      const at = 2 * (round * shaders.length + index);
      fastest = Math.min(fastest, Number(nanoseconds[at + 1]! - nanoseconds[at]!) / 1e6 / dispatches);
    }
    return fastest;
  });
}

function groupsOf(
  device: GPUDevice,
  { operands, usesStep, usesTable, usesKeys }: ComputeShader,
  pipeline: Pipeline,
  resource: (key: Buffer | "step" | "table" | "keys") => GPUBufferBinding,
): readonly GPUBindGroup[] {
  const zero = device.createBindGroup({
    layout: pipeline.operands,
    entries: operands.map(({ buffer }, binding) => ({ binding, resource: resource(buffer) })),
  });
  if (pipeline.step === undefined) return [zero];
  const entries = [
    ...usesStep ? [{ binding: 0, resource: resource("step") }] : [],
    ...usesTable ? [{ binding: 1, resource: resource("table") }] : [],
    ...usesKeys ? [{ binding: 2, resource: resource("keys") }] : [],
  ];
  return [zero, device.createBindGroup({ layout: pipeline.step, entries })];
}
