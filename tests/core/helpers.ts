/**
 * Small models, data and measurements that the tests of the trainer share.
 *
 * @module
 */
import {
  type BatchEndEvent,
  type Callback,
  hookNames,
  type HostArray,
  type Logs,
  Model,
  type Tensor,
  tf,
} from "@stride/stride";
import { assertAlmostEquals, assertEquals, assertLessOrEqual } from "@std/assert";

/** The acceptance model M(units): one Dense layer without bias, its kernel all ones. */
export function onesModel(units: number, inputs = 4): Model {
  return Model.from(onesLayers(units, inputs));
}

/** The layers of M(units). */
export function onesLayers(units: number, inputs = 4): tf.Sequential {
  return tf.sequential({
    layers: [tf.layers.dense({ units, inputShape: [inputs], useBias: false, kernelInitializer: "ones" })],
  });
}

/** An array that holds one value everywhere. */
export function filled(shape: readonly number[], value: number): HostArray {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return { shape, dtype: "float32", values: new Float32Array(size).fill(value) };
}

/** 0, 1, … in rows of one. */
export function column(rows: number, value: (row: number) => number = (row) => row): HostArray {
  return { shape: [rows, 1], dtype: "float32", values: Float32Array.from({ length: rows }, (_, row) => value(row)) };
}

/** x of ones `[rows, 4]` and y `[rows, units]`, all the same. */
export function onesData(rows: number, units: number, target = 0): { x: HostArray; y: HostArray } {
  return { x: filled([rows, 4], 1), y: filled([rows, units], target) };
}

/** A list of numbers, each within `tolerance` of what is expected, absolutely or relative to it. */
export function assertClose(
  actual: ArrayLike<number> | undefined,
  expected: readonly number[],
  tolerance = 1e-4,
): void {
  assertEquals(actual?.length, expected.length, `found [${actual && Array.from(actual)}]; expected [${expected}]`);
  expected.forEach((value, index) =>
    assertAlmostEquals(
      actual![index]!,
      value,
      tolerance * Math.max(1, Math.abs(value)),
      `element ${index}: found [${Array.from(actual!)}]; expected [${expected}]`,
    )
  );
}

/** Values by name, in this order, each close to what is expected. */
export function assertLogs(actual: Logs, expected: Logs, tolerance = 1e-4): void {
  assertEquals(Object.keys(actual), Object.keys(expected));
  assertClose(Object.values(actual), Object.values(expected), tolerance);
}

/** The values of all weights, one after the other. */
export async function weightValues(model: Model): Promise<number[]> {
  const tensors = model.getWeights();
  const values: number[] = [];
  for (const tensor of tensors) {
    values.push(...await tensor.data());
    tensor.dispose();
  }
  return values;
}

/** The values of a tensor, which is disposed. */
export async function valuesOf(tensor: Tensor): Promise<number[]> {
  const values = [...await tensor.data()];
  tensor.dispose();
  return values;
}

/** A callback that reads the logs of every train and test batch. */
export function batchLogs(): Callback & { readonly batches: number[]; readonly logs: Logs[] } {
  const batches: number[] = [];
  const logs: Logs[] = [];
  const read = async (event: BatchEndEvent): Promise<void> => {
    batches.push(event.batch);
    logs.push(await event.logs.read());
  };
  return { name: "batchLogs", batches, logs, onTrainBatchEnd: read, onTestBatchEnd: read };
}

/** A callback that writes down every hook with its index, such as `onEpochEnd(0)`, and the keys of its logs. */
export function hookTrace(): Callback & { readonly hooks: string[]; readonly keys: string[] } {
  const hooks: string[] = [];
  const keys: string[] = [];
  const methods = hookNames.map((hook) => [
    hook,
    async (event: { epoch?: number; batch?: number; logs?: Logs | { read(): Promise<Logs> } }) => {
      const index = event.epoch ?? event.batch;
      hooks.push(index === undefined ? hook : `${hook}(${index})`);
      const logs = typeof event.logs?.read === "function" ? await event.logs.read() : event.logs as Logs | undefined;
      keys.push(Object.keys(logs ?? {}).join(","));
    },
  ]);
  return { name: "hookTrace", hooks, keys, ...Object.fromEntries(methods) };
}

/** What `body` warned of on the console. */
export async function warningsOf(body: () => Promise<unknown>): Promise<string[]> {
  const warn = console.warn;
  const messages: string[] = [];
  console.warn = (...parts: unknown[]) => messages.push(parts.join(" "));
  try {
    await body();
  } finally {
    console.warn = warn;
  }
  return messages;
}

/** Checks that `body` leaves as many tensors, and no more bytes, than there were. */
export async function assertNoLeak(body: () => Promise<unknown>): Promise<void> {
  const before = tf.memory();
  await body();
  const after = tf.memory();
  assertEquals(after.numTensors, before.numTensors, "tensors held");
  assertLessOrEqual(after.numBytes, before.numBytes, "bytes held");
}

/** How often `body` read tensors back to the host. */
export async function hostReads(body: () => Promise<unknown>): Promise<number> {
  const engine = tf.engine() as unknown as Record<"read" | "readSync", (...args: unknown[]) => unknown>;
  const own = { read: engine.read, readSync: engine.readSync };
  let reads = 0;
  for (const name of ["read", "readSync"] as const) {
    engine[name] = (...args) => {
      reads++;
      return own[name].apply(engine, args);
    };
  }
  try {
    await body();
  } finally {
    Object.assign(engine, own);
  }
  return reads;
}
