/**
 * Deno's native WebGPU.
 *
 * @module
 */
import type { Device, DeviceProbe } from "../../core/device.ts";
import { DeviceError } from "../../core/errors.ts";
import { activateBackend } from "./engine.ts";
import { checkArithmetic } from "./arithmetic_check.ts";
import { selfTest } from "./self_test.ts";
import { setUpWebGpuBackend } from "./webgpu_backend.ts";

/** Where adapters are asked for: `navigator.gpu`, or something like it. */
export type AdapterSource = Pick<GPU, "requestAdapter">;

/** Options of `webgpu`. */
export interface WebGpuOptions {
  /** Which of several adapters to prefer. @default "high-performance" */
  readonly powerPreference?: "high-performance" | "low-power";
  /** Where to ask for an adapter. @default `navigator.gpu` */
  readonly gpu?: AdapterSource;
}

/** The adapter's own limits: WebGPU's defaults hold 128 MiB in a binding and 256 invocations in a workgroup. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageTexturesPerShaderStage",
  "maxTextureDimension2D",
] as const;

/** Used where they are there: the first for measuring, the second by tfjs's reading of pixels. */
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "bgra8unorm-storage"];

/** One adapter, for all devices in the process that ask for it the same way. */
interface Shared {
  /** The name of its backend with tfjs, which has one backend of a name. */
  readonly backend: string;
  ready?: Promise<void>;
  /** What asking found, once there was something. */
  probe?: Promise<DeviceProbe>;
  failure?: DeviceError;
}

const ABSENT: AdapterSource = { requestAdapter: () => Promise.resolve(null) };
const shared = new WeakMap<AdapterSource, Map<string, Shared>>();
let backends = 0;

/**
 * A WebGPU adapter, with all of its own limits. Errors that it reports, and its loss, end training with an error. One that
 * computes wrongly is refused: a shader is checked when it is opened, tfjs's kernels before the first number that they
 * computed is read. All devices made with the same options share one.
 *
 * ```ts
 * import { webgpu } from "@stride/stride/devices";
 * import { assertEquals } from "@std/assert";
 *
 * const device = webgpu();
 * const { available, software } = await device.probe();
 * console.log(available ? `an adapter${software ? ", in software" : ""}` : "no adapter");
 * assertEquals(device.backend, webgpu().backend);
 * ```
 *
 * @throws {DeviceError} From `open`, if there is no adapter, or it computes wrongly; from the first read of a tensor, and
 * from then on from `check`, if a kernel of tfjs does.
 */
export function webgpu(options: WebGpuOptions = {}): Device {
  const { powerPreference = "high-performance", gpu = navigator.gpu ?? ABSENT } = options;
  const requestAdapter = (): Promise<GPUAdapter | null> => quietly(() => gpu.requestAdapter({ powerPreference }));
  const state = sharedBy(gpu, powerPreference);
  const check = (): void => {
    if (state.failure !== undefined) throw state.failure;
  };
  return {
    name: "webgpu",
    backend: state.backend,
    async probe(): Promise<DeviceProbe> {
      // Asking again and again is slow, and Mesa's software driver has crashed at exit after many adapters.
      state.probe ??= requestAdapter().then((adapter) =>
        adapter === null
          ? { available: false, software: false, description: "no WebGPU adapter" }
          : { available: true, software: isSoftware(adapter), description: describe(adapter) }
      );
      let available = false;
      try {
        const found = await state.probe;
        ({ available } = found);
        return found;
      } finally {
        // One that was not there may be plugged in later.
        if (!available) state.probe = undefined;
      }
    },
    async open(): Promise<void> {
      check();
      state.ready ??= openAdapter(requestAdapter, state);
      try {
        await state.ready;
      } catch (error) {
        // An adapter that was not there may be plugged in later.
        state.ready = undefined;
        throw error;
      }
      check();
    },
    activate: () => activateBackend(state.backend),
    check,
  };
}

function sharedBy(gpu: AdapterSource, powerPreference: string): Shared {
  const byPreference = shared.get(gpu) ?? new Map<string, Shared>();
  shared.set(gpu, byPreference);
  let state = byPreference.get(powerPreference);
  if (state === undefined) {
    backends++;
    state = { backend: backends === 1 ? "stride-webgpu" : `stride-webgpu-${backends}` };
    byPreference.set(powerPreference, state);
  }
  return state;
}

/** Without this directory, Mesa's Vulkan loader prints an error for every adapter that it is asked for. */
async function quietly<T>(request: () => Promise<T>): Promise<T> {
  const variable = "XDG_RUNTIME_DIR";
  const allowed = Deno.build.os === "linux" &&
    (await Deno.permissions.query({ name: "env", variable })).state === "granted";
  if (!allowed || Deno.env.get(variable) !== undefined) return await request();
  Deno.env.set(variable, "/tmp");
  try {
    return await request();
  } finally {
    Deno.env.delete(variable);
  }
}

async function openAdapter(requestAdapter: () => Promise<GPUAdapter | null>, state: Shared): Promise<void> {
  const adapter = await requestAdapter();
  if (adapter === null) {
    throw new DeviceError(
      'There is no WebGPU adapter: device "webgpu" needs a GPU with a Vulkan, Metal or DirectX 12 driver. On Debian, ' +
        '`apt-get install mesa-vulkan-drivers` gives a software adapter for tests. Or use device "cpu".',
    );
  }
  const what = `the WebGPU device (${describe(adapter)})`;
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
  }).catch((cause: Error) => {
    throw new DeviceError(
      `Cannot open ${what}: ${cause.message} Is its memory taken by others? Free it, or use device "cpu".`,
      { cause },
    );
  });
  watch(device, what, state);
  const { backend } = state;
  const failure = (): DeviceError | undefined => state.failure;
  const noteFailure = (error: unknown): never => {
    if (error instanceof DeviceError) state.failure ??= error;
    throw state.failure ?? error;
  };
  try {
    await checkArithmetic(device, what);
    await setUpWebGpuBackend({
      name: backend,
      device,
      info: adapter.info,
      software: isSoftware(adapter),
      failure,
      fail: (error) => state.failure ??= error,
      verify: (read) => selfTest({ backend, what, read }).catch(noteFailure),
    });
  } catch (error) {
    device.destroy();
    noteFailure(error);
  }
}

/** Keeps the first error that the device reports, and its loss. */
function watch(device: GPUDevice, what: string, state: Shared): void {
  const next = "Training cannot go on. Start again from the last checkpoint, in a new process.";
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as GPUUncapturedErrorEvent;
    const full = error instanceof GPUOutOfMemoryError
      ? ". Its memory is full: use smaller batches or a smaller model, or free the memory that other programs hold."
      : "";
    state.failure ??= new DeviceError(`An error of ${what}: ${error.message.trim()}${full} ${next}`);
  });
  device.lost.then(({ reason, message }) => {
    state.failure ??= new DeviceError(
      `Lost ${what}, reason "${reason ?? "unknown"}"${message ? `: ${message}` : ""}. ${next}`,
    );
  });
}

function isSoftware({ info }: GPUAdapter): boolean {
  const { isFallbackAdapter } = info as GPUAdapterInfo & { isFallbackAdapter?: boolean };
  return isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader/i.test(info.description);
}

/** Some drivers give their vendor as a number, which says nothing to who reads it. */
function describe({ info }: GPUAdapter): string {
  return [info.vendor, info.architecture, info.description].filter((part) => !/^\d*$/.test(part)).join(" ") ||
    "unnamed adapter";
}
