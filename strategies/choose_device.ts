/**
 * What device `"auto"` is.
 *
 * @module
 */
import type { Device, DeviceCatalog } from "../core/device.ts";

/** A device, and why this one. */
export interface DeviceChoice {
  /** The device. */
  readonly device: Device;
  /** What it is, or what is wrong with those before it. */
  readonly why: string;
}

/** The first device that is there and is hardware; else the CPU: an adapter in software is slower than it. */
export async function chooseDevice(devices: DeviceCatalog): Promise<DeviceChoice> {
  const passed: string[] = [];
  for (const name of devices.names()) {
    const device = devices.create(name);
    const { available, software, description } = await device.probe();
    if (available && !software) return { device, why: description };
    if (name !== "cpu") {
      passed.push(
        `device "${name}" is ${available ? `emulated in software, by ${description}` : `not there, ${description}`}`,
      );
    }
  }
  return { device: devices.create("cpu"), why: passed.join("; ") || "there is no other" };
}
