/**
 * Deno's native WebGPU.
 *
 * @module
 */
import type { Device, DeviceProbe } from "../../core/device.ts";
import { DeviceError } from "../../core/errors.ts";
import { activateBackend } from "./engine.ts";
import { selfTest } from "./self_test.ts";
import { setUpWebGpuBackend, WEBGPU_BACKEND } from "./webgpu_backend.ts";

/** Options of `webgpu`. */
export interface WebGpuOptions {
  /** Which of several adapters to prefer. @default "high-performance" */
  readonly powerPreference?: "high-performance" | "low-power";
  /** Where to ask for an adapter. @default `navigator.gpu` */
  readonly gpu?: Pick<GPU, "requestAdapter">;
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
] as const;

/** Used where they are there: the first for measuring, the second by tfjs's reading of pixels. */
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "bgra8unorm-storage"];

interface Opened {
  readonly ready: Promise<void>;
  failure: DeviceError | undefined;
}

/** tfjs has one backend of a name: all devices on one `GPU` share it. */
const opened = new WeakMap<object, Opened>();

/**
 * A WebGPU adapter, with all of its own limits. Errors that it reports, and its loss, end training with an error; a
 * self-test refuses one that computes wrongly.
 *
 * @throws {DeviceError} From `open`, if there is no adapter, or it computes wrongly.
 */
export function webgpu(options: WebGpuOptions = {}): Device {
  const { powerPreference = "high-performance", gpu = navigator.gpu } = options;
  const requestAdapter = (): Promise<GPUAdapter | null> =>
    quietly(async () => await gpu?.requestAdapter({ powerPreference }) ?? null);
  const failure = (): DeviceError | undefined => opened.get(gpu)?.failure;
  return {
    name: "webgpu",
    backend: WEBGPU_BACKEND,
    async probe(): Promise<DeviceProbe> {
      const adapter = await requestAdapter();
      return adapter === null
        ? { available: false, software: false, description: "no WebGPU adapter" }
        : { available: true, software: isSoftware(adapter), description: describe(adapter) };
    },
    async open(): Promise<void> {
      let device = opened.get(gpu);
      if (device === undefined) {
        device = { ready: Promise.resolve(), failure: undefined };
        const state = device;
        device = Object.assign(state, { ready: openAdapter(requestAdapter, (error) => state.failure ??= error) });
        opened.set(gpu, device);
        // An adapter that was not there may be plugged in later.
        device.ready.catch(() => opened.delete(gpu));
      }
      await device.ready;
      if (device.failure !== undefined) throw device.failure;
    },
    activate(): void {
      activateBackend(WEBGPU_BACKEND);
    },
    check(): void {
      const error = failure();
      if (error !== undefined) throw error;
    },
  };
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

async function openAdapter(
  requestAdapter: () => Promise<GPUAdapter | null>,
  fail: (error: DeviceError) => void,
): Promise<void> {
  const adapter = await requestAdapter();
  if (adapter === null) {
    throw new DeviceError(
      'There is no WebGPU adapter: device "webgpu" needs a GPU with a Vulkan, Metal or DirectX 12 driver. On Debian, ' +
        '`apt-get install mesa-vulkan-drivers` gives a software adapter for tests. Or use device "cpu".',
    );
  }
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
  });
  const what = describe(adapter);
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    const { error } = event as GPUUncapturedErrorEvent;
    fail(new DeviceError(`The WebGPU device (${what}) reported an error: ${error.message}`));
  });
  device.lost.then(({ reason, message }) =>
    fail(
      new DeviceError(
        `The WebGPU device (${what}) was lost (${reason ?? "unknown"}): ${
          message || "no reason given"
        }. Training has ` +
          "stopped. Start again from the last checkpoint, in a new process.",
      ),
    )
  );
  await setUpWebGpuBackend(device, adapter.info);
  await selfTest(WEBGPU_BACKEND, `the WebGPU device (${what})`);
}

function isSoftware({ info }: GPUAdapter): boolean {
  const { isFallbackAdapter } = info as GPUAdapterInfo & { isFallbackAdapter?: boolean };
  return isFallbackAdapter === true || /llvmpipe|lavapipe|swiftshader/i.test(info.description);
}

function describe({ info }: GPUAdapter): string {
  return [info.vendor, info.architecture, info.description].filter((part) => part !== "").join(" ") ||
    "unnamed adapter";
}
