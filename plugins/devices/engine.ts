/**
 * Choosing tfjs's current backend, synchronously.
 *
 * @module
 */
import { DeviceError } from "../../core/errors.ts";
import { tf } from "../../core/tf.ts";

interface EngineBackends {
  backendName: string;
  backendInstance: tf.KernelBackend;
  readonly backend: tf.KernelBackend;
  readonly registry: Record<string, tf.KernelBackend>;
}

function engine(): EngineBackends {
  return tf.engine() as unknown as EngineBackends;
}

/** A backend that has been set up; `undefined` before. */
export function openBackend(name: string): tf.KernelBackend | undefined {
  return engine().registry[name];
}

/** The name of the current backend. */
export function currentBackend(): string {
  // The getter chooses a backend where none has been used yet.
  void engine().backend;
  return engine().backendName;
}

/**
 * Makes a backend current. tfjs's own `setBackend` is asynchronous, and another fit may run while it is awaited.
 *
 * @param name The name of a backend that has been set up.
 * @throws {DeviceError} If it has not.
 */
export function activateBackend(name: string): void {
  const tfjs = engine();
  if (tfjs.backendName === name) return;
  const backend = tfjs.registry[name];
  if (backend === undefined) {
    throw new DeviceError(`Cannot activate a device whose backend "${name}" is not set up: call open() first.`);
  }
  tfjs.backendName = name;
  tfjs.backendInstance = backend;
}

/** Runs `body` with another backend current. */
export function withBackend<T>(name: string, body: () => T): T {
  const before = currentBackend();
  activateBackend(name);
  try {
    return body();
  } finally {
    activateBackend(before);
  }
}
