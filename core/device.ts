/**
 * Where tensors live.
 *
 * @module
 */

/** What probing a device found, without opening it. */
export interface DeviceProbe {
  /** Whether it can be opened. */
  readonly available: boolean;
  /** Whether it is emulated by the CPU, as Mesa's lavapipe is. */
  readonly software: boolean;
  /** What it is, or why it is not there. */
  readonly description: string;
}

/** A place to run on: one of tfjs's backends, opened Stride's way. */
export interface Device {
  /** The name it is registered under: `cpu`, `webgpu`. */
  readonly name: string;
  /** The tfjs backend that holds its tensors. */
  readonly backend: string;
  /** Looks whether the device is there, without keeping anything open. */
  probe(): Promise<DeviceProbe>;
  /**
   * Opens and checks it; opening again is free.
   *
   * @throws {DeviceError} If it is not there, or computes wrongly. Kernels of tfjs may be checked later, when what they
   * computed is read.
   */
  open(): Promise<void>;
  /** Makes it tfjs's current backend, synchronously. The device must be open. */
  activate(): void;
  /** Throws the error that ended the device, if something did. Executors call it after each execution. */
  check(): void;
}

/** Where devices are looked up by name. */
export interface DeviceCatalog {
  /** The known names, in the order in which `"auto"` tries them. */
  names(): readonly string[];
  /**
   * Makes a device.
   *
   * @throws {RangeError} If the name is unknown.
   */
  create(name: string): Device;
}
