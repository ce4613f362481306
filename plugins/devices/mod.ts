/**
 * Devices: tfjs's backends, opened Stride's way. Imports from core only.
 *
 * @module
 */
import type { Device } from "../../core/device.ts";
import type { Factories } from "../../core/registry.ts";
import { cpu } from "./cpu.ts";
import { webgpu } from "./webgpu.ts";

export { cpu } from "./cpu.ts";
export { type AdapterSource, webgpu, type WebGpuOptions } from "./webgpu.ts";

/** The built-in devices by name, in the order in which `"auto"` tries them. */
export const devices: Factories<Device> = { webgpu, cpu };
