/**
 * tfjs's WebGPU backend, adapted: under its own name, with its shaders corrected, and with clear errors in place of
 * synchronous reads and of reads from a lost device.
 *
 * @module
 */
import { DeviceError } from "../../core/errors.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { type LoopLimited, registerSplitFilterGradients, SOFTWARE_LOOP_LIMIT } from "./loop_limit.ts";
import { fixShader, type ShaderProgram } from "./shader_fixes.ts";
import { registerCast } from "./webgpu_cast.ts";
import { type UploadBackend, uploadByQueue } from "./webgpu_upload.ts";

/**
 * tfjs submits every 15. Small models gain a fifth by longer submissions, large ones nothing, and what a submission holds
 * is only released after it. See bench/LOG.md.
 */
const DISPATCHES_PER_SUBMIT = 128;

type BackendValues = ReturnType<tf.KernelBackend["readSync"]>;

/** What is used of tfjs's backend; its own types mention browser ones that Deno lacks. */
interface TfjsWebGpuBackend extends UploadBackend {
  readonly bufferManager: BufferManager & UploadBackend["bufferManager"];
  uploadToGPU(dataId: object): void;
  read(dataId: object): Promise<BackendValues>;
  readSync(dataId: object): BackendValues;
  runWebGPUProgram(
    program: ShaderProgram,
    inputs: readonly tf.TensorInfo[],
    dtype: string,
    uniforms?: readonly object[],
    output?: tf.TensorInfo,
  ): tf.TensorInfo;
}

/** A backend whose device others use too. */
export interface IdleAware {
  /**
   * Calls `start` when everything on its way has run, so that it does not block: mapping a buffer does until then. Set by
   * who submits to the device beside tfjs.
   */
  whenIdle?: <T>(start: () => Promise<T>) => Promise<T>;
}

type BackendClass = new (device: GPUDevice, info?: GPUAdapterInfo) => tf.KernelBackend & TfjsWebGpuBackend;

/** What to set a backend up on. */
export interface WebGpuBackendOptions {
  /** The name to register it under with tfjs. */
  readonly name: string;
  /** The device, which the backend shares with whatever else runs on it. */
  readonly device: GPUDevice;
  /** What tfjs chooses its shaders by. */
  readonly info: GPUAdapterInfo;
  /** Whether the adapter is emulated by the CPU. */
  readonly software: boolean;
  /** The error that ended the device, if something did. */
  readonly failure: () => DeviceError | undefined;
  /**
   * Checks tfjs's kernels, with a way to read that does not wait for it. Called once, before the first number that a
   * kernel computed is read: steps that are compiled call none, and need not wait for some twenty shaders.
   */
  readonly verify: (read: (result: Tensor) => Promise<Float32Array>) => Promise<void>;
  /** Ends the device with an error, if nothing has yet. */
  readonly fail: (error: DeviceError) => void;
}

/** What is used of tfjs's pool of buffers. */
interface BufferManager {
  device: Pick<GPUDevice, "createBuffer">;
  readonly numBytesAllocated: number;
}

/** There is no memory for a tensor. @param reason What the device said. */
function refused(bytes: number, { numBytesAllocated }: BufferManager, reason: string): DeviceError {
  return new DeviceError(
    `Cannot keep a tensor on the WebGPU device: ${bytes} bytes were refused (${reason.trim()}), tensors outside of compiled ` +
      `steps have ${numBytesAllocated} with them. Use smaller batches or a smaller model, or free the memory that other ` +
      "programs hold. The device cannot be used any more: start again in a new process.",
  );
}

/** tfjs goes on with a buffer that there is no memory for, and computes nothing from then on. */
function watchMemory(manager: BufferManager, { device, fail }: WebGpuBackendOptions): void {
  manager.device = {
    createBuffer(descriptor) {
      device.pushErrorScope("out-of-memory");
      let buffer: GPUBuffer;
      try {
        buffer = device.createBuffer(descriptor);
      } finally {
        device.popErrorScope().then(
          (error) => error && fail(refused(descriptor.size, manager, error.message)),
          // The device is lost, which is told elsewhere.
          () => {},
        );
      }
      return buffer;
    },
  };
}

/** tfjs would bind what is too large all the same, and the device could not be used from then on. */
function checkSize({ limits }: GPUDevice, shape: readonly number[]): void {
  const most = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const bytes = 4 * tf.util.sizeFromShape([...shape]);
  if (bytes <= most) return;
  throw new DeviceError(
    `Cannot keep a tensor of shape [${
      shape.join(", ")
    }] on the WebGPU device: it takes ${bytes} bytes, and kernels reach ` +
      `${most} of one here. Use smaller layers or batches, or device "cpu".`,
  );
}

/** Registers the backend and sets it up, without making it the current one. tfjs's own is loaded now, and left alone. */
export async function setUpWebGpuBackend(options: WebGpuBackendOptions): Promise<void> {
  const { name, device, info, software, failure, verify } = options;
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  class StrideWebGpuBackend extends (WebGPUBackend as unknown as BackendClass) implements LoopLimited {
    readonly loopLimit: number | undefined = software ? SOFTWARE_LOOP_LIMIT : undefined;

    /** Whether a kernel has run. */
    #used = false;
    #verified: Promise<void> | undefined;

    constructor(device: GPUDevice, info?: GPUAdapterInfo) {
      super(device, info);
      watchMemory(this.bufferManager, options);
    }

    override runWebGPUProgram(...given: Parameters<TfjsWebGpuBackend["runWebGPUProgram"]>): tf.TensorInfo {
      const [program, inputs] = given;
      this.#used = true;
      for (const shape of [...inputs.map(({ shape }) => shape), program.outputShape]) checkSize(device, shape);
      const [input] = inputs;
      fixShader(program, { input: input && this.tensorMap.get(input.dataId)?.dtype });
      return super.runWebGPUProgram(...given);
    }

    override uploadToGPU(dataId: object): void {
      if (uploadByQueue(this, dataId)) return;
      try {
        super.uploadToGPU(dataId);
      } catch (error) {
        // It writes into memory that it was not given, before anything says so.
        if (!(error instanceof DOMException)) throw error;
        const data = this.tensorMap.get(dataId);
        throw failure() ?? refused(4 * tf.util.sizeFromShape([...data.shape]), this.bufferManager, error.message);
      }
    }

    override readSync(dataId: object): BackendValues {
      const data = this.tensorMap.get(dataId);
      if (data?.values === null || data?.values === undefined) {
        throw new DeviceError(
          "Cannot read a WebGPU tensor synchronously: Deno's device only answers later. Use `await tensor.data()` in " +
            "place of dataSync() or arraySync(), and before another device uses the tensor.",
        );
      }
      return super.readSync(dataId);
    }

    override async read(dataId: object): Promise<BackendValues> {
      if (this.tensorMap.get(dataId)?.values) return await super.read(dataId);
      // Until they are here, these data are in use: a compiled step gives a variable that it writes other ones.
      this.incRef(dataId);
      try {
        if (this.#used) await this.#verify();
        return await this.#readIdle(dataId);
      } catch (error) {
        // Reading fails before the device says why.
        await new Promise((resolve) => setTimeout(resolve, 0));
        throw failure() ?? error;
      } finally {
        const { removeDataId } = tf.engine() as unknown as { removeDataId(dataId: object, backend: unknown): void };
        if (this.disposeData(dataId)) removeDataId.call(tf.engine(), dataId, this);
      }
    }

    #readIdle(dataId: object): Promise<BackendValues> {
      const { whenIdle = (start) => start() } = this as IdleAware;
      return whenIdle(() => super.read(dataId));
    }

    #verify(): Promise<void> {
      return this.#verified ??= verify(async ({ dataId }) => await this.#readIdle(dataId) as Float32Array);
    }
  }
  // Small tensors would be computed by the CPU backend: other numbers, and a read that nobody sees.
  tf.env().set("WEBGPU_CPU_FORWARD", false);
  tf.env().set("WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE", DISPATCHES_PER_SUBMIT);
  if (tf.getKernelsForBackend(name).length === 0) {
    tf.copyRegisteredKernels("webgpu", name);
    registerCast(name);
    registerSplitFilterGradients(name);
  }
  tf.registerBackend(name, () => new StrideWebGpuBackend(device, info));
  if (tf.findBackend(name) === undefined || tf.findBackend(name) === null) {
    throw new DeviceError("Cannot set up tfjs's WebGPU backend: see the warning above.");
  }
}
