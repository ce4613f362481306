/**
 * What the executor uses of Stride's WebGPU backend: the device, and how tfjs keeps tensors on it.
 *
 * @module
 */
import type { Device } from "../../../core/device.ts";
import { tf } from "../../../core/tf.ts";
import type { TensorRecord } from "../../compiler/state/deferred_value.ts";

/** How tfjs makes the buffers of tensors, and the executor those that kernels use. */
export function storageUsage(): number {
  return GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
}

/** A tensor's data. */
export interface WebGpuRecord extends TensorRecord {
  readonly dtype: string;
  readonly shape: readonly number[];
  values?: ArrayLike<number> | null;
  resource?: GPUBuffer | null;
  /** Whether the buffer is the user's. */
  readonly external?: boolean;
}

/** tfjs's WebGPU backend. */
export interface WebGpuBackend {
  readonly device: GPUDevice;
  readonly tensorMap: { get(dataId: object): WebGpuRecord };
  readonly bufferManager: {
    acquireBuffer(size: number, usage: number): GPUBuffer;
    /** @param reuse Whether it is kept for others, rather than destroyed. */
    releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
  };
  /** Commands that have not been submitted, if there are any. */
  readonly commandEncoder: GPUCommandEncoder | null;
  /** Data that those commands use: released once they are submitted. */
  readonly commandQueueOwnedIds: WeakSet<object>;
  /** How many iterations the loops of an invocation may have; absent where there is no limit. Set on software adapters. */
  readonly loopLimit?: number;
  /** How a tensor is read: `start` maps a buffer. */
  whenIdle?: <T>(start: () => Promise<T>) => Promise<T>;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

/**
 * The WebGPU backend of a device that is open.
 *
 * @throws {TypeError} If the device is of another kind.
 */
export function webGpuBackendOf(device: Device): tf.KernelBackend & WebGpuBackend {
  const backend = tf.findBackend(device.backend) as (tf.KernelBackend & Partial<WebGpuBackend>) | null | undefined;
  if (!backend || !("bufferManager" in backend) || backend.device === undefined) {
    throw new TypeError(
      `Executor "webgpu" cannot run on device "${device.name}": it needs a WebGPU device. Make the model's strategy ` +
        'with `oneDevice({ device: "webgpu" })`, or use executor "eager", which runs on any device.',
    );
  }
  return backend as tf.KernelBackend & WebGpuBackend;
}

/** Submits what tfjs has encoded and not submitted. */
export function submitPending(backend: WebGpuBackend): void {
  if (backend.commandEncoder === null) return;
  backend.endComputePassEncoder();
  backend.submitQueue();
}
