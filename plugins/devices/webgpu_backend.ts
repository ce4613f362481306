/**
 * tfjs's WebGPU backend, adapted: under its own name, and with a clear error in place of a synchronous read.
 *
 * @module
 */
import { DeviceError } from "../../core/errors.ts";
import { tf } from "../../core/tf.ts";
import { openBackend } from "./engine.ts";

/** The name under which the adapted backend is registered with tfjs. */
export const WEBGPU_BACKEND = "stride-webgpu";

/** Steps are sequences of small kernels: submitting every 15th, as tfjs does, costs more than the kernels. */
const DISPATCHES_PER_SUBMIT = 128;

type BackendValues = ReturnType<tf.KernelBackend["readSync"]>;

interface ReadableBackend {
  readonly tensorMap: { get(dataId: object): { readonly values: unknown; readonly dtype: string } };
  readSync(dataId: object): BackendValues;
}

type BackendClass = new (device: GPUDevice, info?: GPUAdapterInfo) => tf.KernelBackend & ReadableBackend;

/** Registers the backend on a device and sets it up. tfjs's own is loaded now, and left alone. */
export async function setUpWebGpuBackend(device: GPUDevice, info: GPUAdapterInfo): Promise<void> {
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  const Base = WebGPUBackend as unknown as BackendClass;
  class StrideWebGpuBackend extends Base {
    override readSync(dataId: object): BackendValues {
      const data = this.tensorMap.get(dataId);
      if (data.values === null || data.values === undefined) {
        throw new DeviceError(
          "Cannot read a WebGPU tensor synchronously: Deno's device only answers later. Use `await tensor.data()` in " +
            "place of dataSync() or arraySync().",
        );
      }
      return super.readSync(dataId);
    }
  }
  if (openBackend(WEBGPU_BACKEND) !== undefined) tf.removeBackend(WEBGPU_BACKEND);
  // Small tensors would be computed by the CPU backend: other numbers, and a read that nobody sees.
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", DISPATCHES_PER_SUBMIT);
  if (tf.getKernelsForBackend(WEBGPU_BACKEND).length === 0) tf.copyRegisteredKernels("webgpu", WEBGPU_BACKEND);
  tf.registerBackend(WEBGPU_BACKEND, () => new StrideWebGpuBackend(device, info));
  await tf.setBackend(WEBGPU_BACKEND);
}
