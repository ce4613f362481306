/**
 * Running plans through the WebAssembly code generator and the interpreter, for tests.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { RandomKey } from "../../core/random.ts";
import type { Expressions } from "../../plugins/compiler/ir/expressions.ts";
import { interpretKernel, type NumberArray } from "../../plugins/compiler/ir/interpret.ts";
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import { reads, writes } from "../../plugins/compiler/ir/shape.ts";
import type { Buffer, Kernel } from "../../plugins/compiler/ir/types.ts";
import { controlBytes, generateModule, prepare } from "../../plugins/executors/wasm/codegen/mod.ts";
import type { ModuleLayout } from "../../plugins/executors/wasm/layout.ts";

export interface RunOptions {
  readonly threads?: number;
  readonly steps?: number;
  readonly firstStep?: number;
  readonly relaxed?: boolean;
  readonly prepared?: boolean;
  readonly columns?: Readonly<Record<string, readonly number[]>>;
  readonly keys?: readonly (readonly RandomKey[])[];
}

export function planOf(expressions: Expressions, kernels: readonly Kernel[], more: Partial<Plan> = {}): Plan {
  const buffers = new Set(kernels.flatMap((kernel) => [...reads(kernel), ...writes(kernel)]));
  return {
    expressions,
    kernels,
    variables: new Map(),
    inputs: [],
    columns: [],
    streams: 0,
    outputs: [],
    scratch: [...buffers].filter(({ role }) => role.kind === "scratch"),
    constants: [],
    ...more,
  };
}

const parts = ({ role: { kind } }: Buffer, steps: number) =>
  kind === "rows" || kind === "sums" || kind === "output" ? steps : 1;

function root(buffer: Buffer): Buffer {
  return buffer.within === undefined ? buffer : root(buffer.within.buffer);
}

function offsetOf(buffer: Buffer): number {
  return buffer.within === undefined ? 0 : buffer.within.offset + offsetOf(buffer.within.buffer);
}

function viewOf(buffer: Buffer, memory: ArrayBufferLike, address: number, length: number): NumberArray {
  if (buffer.type === "f32") return new Float32Array(memory, address, length);
  if (buffer.type === "u8") return new Uint8Array(memory, address, length);
  return new Int32Array(memory, address, length);
}

export interface Prepared {
  readonly memory: WebAssembly.Memory;
  readonly layout: ModuleLayout;
  readonly plan: Plan;
  readonly bytes: Uint8Array<ArrayBuffer>;
  view(buffer: Buffer): NumberArray;
}

/** Lays a plan out and generates its module. */
export function prepareRun(given: Plan, arrays: ReadonlyMap<Buffer, NumberArray>, options: RunOptions = {}): Prepared {
  const { threads = 1, steps = 1, firstStep = 0, relaxed = true, prepared = true } = options;
  const plan = prepared ? prepare(given) : given;
  const all = firstStep + steps;
  const addresses = new Map<Buffer, number>();
  let end = 1024;
  const take = (bytes: number) => {
    const at = end;
    end = Math.ceil((end + bytes) / 64) * 64 + 64;
    return at;
  };
  const lengths = new Map<Buffer, number>();
  for (const kernel of plan.kernels) {
    for (const buffer of [...reads(kernel), ...writes(kernel)].map(root)) {
      if (addresses.has(buffer)) continue;
      const length = arrays.get(buffer)?.length ?? buffer.size * parts(buffer, all);
      lengths.set(buffer, length);
      addresses.set(buffer, take(length * 4));
    }
  }
  const table = take(all * plan.columns.length * 4);
  const keys = take(all * plan.streams * 8);
  const control = take(controlBytes(threads));
  const pages = Math.ceil((end + 64) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const address = (buffer: Buffer) => addresses.get(root(buffer))! + 4 * offsetOf(buffer);
  for (const [buffer, at] of addresses) {
    const values = buffer.role.kind === "constant" ? buffer.role.values : arrays.get(buffer);
    if (values !== undefined) viewOf(buffer, memory.buffer, at, values.length).set(values);
  }
  plan.columns.forEach((name, column) => {
    options.columns![name]!.forEach((value, step) =>
      new Float32Array(memory.buffer, table)[step * plan.columns.length + column] = value
    );
  });
  options.keys?.forEach((streams, step) =>
    streams.forEach((key, stream) => new Uint32Array(memory.buffer, keys).set(key, (step * plan.streams + stream) * 2))
  );
  const layout = { address, table, keys, control, memoryPages: { initial: pages, maximum: pages } };
  return {
    memory,
    layout,
    plan,
    bytes: generateModule(plan, layout, { relaxed, threads }),
    view: (buffer) =>
      viewOf(root(buffer), memory.buffer, addresses.get(root(buffer))!, lengths.get(root(buffer))!)
        .slice(offsetOf(buffer), buffer.within ? offsetOf(buffer) + buffer.size : undefined),
  };
}

type Run = (first: number, steps: number, thread: number, threads: number) => void;

/** Runs a plan in WebAssembly. @returns Reads buffers. */
export async function runWasm(
  plan: Plan,
  arrays: ReadonlyMap<Buffer, NumberArray>,
  options: RunOptions = {},
): Promise<(buffer: Buffer) => NumberArray> {
  const { threads = 1, steps = 1, firstStep = 0 } = options;
  const { memory, bytes, view } = prepareRun(plan, arrays, options);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const source = `
    const { workerData: { bytes, memory, first, steps, thread, threads } } = require("node:worker_threads");
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports.run(first, steps, thread, threads);`;
  const others = Array.from({ length: threads - 1 }, (_, i) => {
    const workerData = { bytes, memory, first: firstStep, steps, thread: i + 1, threads };
    const worker = new Worker(source, { eval: true, workerData });
    return new Promise<void>((resolve, reject) => {
      worker.once("exit", () => resolve());
      worker.once("error", reject);
    });
  });
  (instance.exports.run as Run)(firstStep, steps, 0, threads);
  await Promise.all(others);
  return view;
}

/** Runs a plan in the interpreter, in float64 unless told otherwise. */
export function runInterpreter(
  plan: Plan,
  given: ReadonlyMap<Buffer, NumberArray>,
  options: RunOptions & { readonly precision?: "float32" | "float64" } = {},
): (buffer: Buffer) => NumberArray {
  const { steps = 1, firstStep = 0, precision = "float64" } = options;
  const arrays = new Map<Buffer, NumberArray>();
  for (const kernel of plan.kernels) {
    for (const buffer of [...reads(kernel), ...writes(kernel)].map(root)) {
      if (arrays.has(buffer)) continue;
      const values = buffer.role.kind === "constant" ? buffer.role.values : given.get(buffer);
      const length = values?.length ?? buffer.size * parts(buffer, firstStep + steps);
      const array = buffer.type === "f32"
        ? precision === "float64" ? new Float64Array(length) : new Float32Array(length)
        : buffer.type === "u8"
        ? new Uint8Array(length)
        : new Int32Array(length);
      if (values !== undefined) array.set(values);
      arrays.set(buffer, array);
    }
  }
  for (let step = firstStep; step < firstStep + steps; step++) {
    const columns = Object.fromEntries(plan.columns.map((name) => [name, options.columns![name]![step]!]));
    for (const kernel of plan.kernels) {
      interpretKernel(kernel, { arrays, step, columns, keys: options.keys?.[step] ?? [] }, { precision });
    }
  }
  return (buffer) =>
    arrays.get(root(buffer))!.slice(offsetOf(buffer), buffer.within ? offsetOf(buffer) + buffer.size : undefined);
}
