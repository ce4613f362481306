/**
 * Strategies: who runs steps, on whose data, and how replicas agree. Imports from core only.
 *
 * @module
 */
import type { Factories } from "../core/registry.ts";
import type { Strategy } from "../core/strategy.ts";
import { oneDevice } from "./one_device.ts";

export { oneDevice, type OneDeviceOptions } from "./one_device.ts";

/** The built-in strategies by name. */
export const strategies: Factories<Strategy> = { oneDevice };
