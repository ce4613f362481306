/**
 * A tfjs backend that puts work off: a kernel answers with a shape, and is run where somebody asks for values.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";
import { engineInternals, withBackend } from "./engine.ts";
import type { ValueInfo } from "./graph.ts";
import { SHAPE_RULES } from "./shapes/mod.ts";

/** The name under which the kernels are registered with tfjs. */
export const DEFERRED_BACKEND = "stride-deferred";

type KernelInputs = Readonly<Record<string, tf.TensorInfo>>;

/** A kernel that may never run. */
interface Call {
  /** Counts up: what it needs has smaller numbers. */
  readonly id: number;
  readonly kernel: string;
  readonly inputs: Readonly<Record<string, Source>>;
  /** Whether the kernel takes a list. */
  readonly listed: boolean;
  readonly attrs: object;
  results?: readonly tf.TensorInfo[];
}

/** Where values come from: a kernel, the host, or data that the device has. */
type Source =
  | { readonly kind: "call"; readonly call: Call; readonly output: number }
  | {
    readonly kind: "host";
    readonly values: tf.backend_util.BackendValues;
    readonly shape: number[];
    readonly dtype: tf.DataType;
    result?: tf.TensorInfo;
  }
  | { readonly kind: "own"; readonly info: tf.TensorInfo };

interface Data {
  readonly source: Source;
  references: number;
}

/** Stands before a device's own backend for the time of one pass; `settle` ends it. */
export class DeferredBackend extends tf.KernelBackend {
  readonly #name: string;
  readonly #own: tf.KernelBackend;
  readonly #data = new Map<object, Data>();
  /** Data of the device that calls may need, which tfjs may dispose meanwhile. */
  readonly #held = new Set<object>();
  /** What has been computed on the device. */
  readonly #computed: object[] = [];
  #calls = 0;

  /** Stands before tfjs's current backend. */
  constructor() {
    super();
    const { backendName, backend } = engineInternals();
    this.#name = backendName;
    this.#own = backend;
    registerKernels(backendName);
  }

  /** Puts a kernel off, or runs it where the shape of its result cannot be told before. */
  call(kernel: string, inputs: tf.NamedTensorInfoMap, attrs: object): tf.TensorInfo | tf.TensorInfo[] {
    // Optional inputs of fused kernels are present and undefined.
    const given = Object.entries(inputs).flatMap(([name, info]) => info ? [[name, info] as const] : []);
    const known: KernelInputs = Object.fromEntries(given);
    const copied = Object.fromEntries(
      Object.entries(attrs).map(([name, value]) => [name, Array.isArray(value) ? structuredClone(value) : value]),
    );
    const outputs = shapesOf(kernel, known, copied);
    const call: Call = {
      id: this.#calls++,
      kernel,
      inputs: Object.fromEntries(given.map(([name, info]) => [name, this.#sourceOf(info)])),
      listed: Array.isArray(inputs),
      attrs: copied,
    };
    const many = outputs === undefined ? undefined : Array.isArray(outputs);
    if (many === undefined) {
      const results = this.#run(call).map((info) => this.#adopt(info));
      return results.length === 1 ? results[0]! : results;
    }
    const infos = [outputs!].flat().map(({ shape, dtype }, output) => {
      const dataId = this.#put({ kind: "call", call, output });
      return { dataId, shape: [...shape], dtype } as tf.TensorInfo;
    });
    return many ? infos : infos[0]!;
  }

  /**
   * Ends the pass: what is left of `tensors` gets data of the device, and nothing else is kept.
   *
   * @param tensors All that have been made or assigned since the pass began.
   */
  settle(tensors: Iterable<Tensor>): void {
    const engine = engineInternals();
    try {
      for (const tensor of tensors) {
        const data = tensor.isDisposed ? undefined : this.#data.get(tensor.dataId);
        if (data === undefined) continue;
        const { dataId } = this.#adopt(this.#evaluate(data.source));
        this.#own.incRef(dataId);
        engine.removeDataId(tensor.dataId, this);
        tensor.dataId = dataId;
      }
    } finally {
      for (const dataId of this.#computed) this.#release(dataId);
      for (const dataId of this.#held) this.#release(dataId);
      this.#data.clear();
    }
  }

  // What follows is tfjs's contract of a backend.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    if (dtype === "string") return this.#adopt({ dataId: this.#own.write(values, shape, dtype), shape, dtype }).dataId;
    return this.#put({ kind: "host", values, shape, dtype });
  }

  override refCount(dataId: object): number {
    return this.#data.get(dataId)?.references ?? 0;
  }

  override incRef(dataId: object): void {
    const data = this.#data.get(dataId);
    if (data !== undefined) data.references++;
    // A variable that is assigned a tensor from before the pass.
    else ownerOf(dataId)?.incRef(dataId);
  }

  override disposeData(dataId: object, force: boolean = false): boolean {
    const data = this.#data.get(dataId);
    if (data === undefined) return true;
    data.references--;
    if (data.references > 0 && !force) return false;
    return this.#data.delete(dataId);
  }

  override numDataIds(): number {
    return this.#data.size;
  }

  override floatPrecision(): 16 | 32 {
    return this.#own.floatPrecision();
  }

  override memory(): { unreliable: boolean } {
    return this.#own.memory();
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return this.#own.read(this.#evaluate(this.#data.get(dataId)!.source).dataId);
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    return this.#own.readSync(this.#evaluate(this.#data.get(dataId)!.source).dataId);
  }

  override dispose(): void {
    this.settle([]);
  }

  #put(source: Source): object {
    const dataId = {};
    this.#data.set(dataId, { source, references: 1 });
    return dataId;
  }

  #sourceOf(info: tf.TensorInfo): Source {
    const data = this.#data.get(info.dataId);
    if (data !== undefined) return data.source;
    const { dataId, shape, dtype } = info;
    if (!this.#held.has(dataId)) {
      this.#held.add(dataId);
      ownerOf(dataId)?.incRef(dataId);
    }
    return { kind: "own", info: { dataId, shape, dtype } };
  }

  /** The values on the device. Without recursion: a pass may be a chain of thousands of kernels. */
  #evaluate(source: Source): tf.TensorInfo {
    const needed = new Set<Call>();
    const open = [source];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.kind !== "call" || next.call.results !== undefined || needed.has(next.call)) continue;
      needed.add(next.call);
      open.push(...Object.values(next.call.inputs));
    }
    for (const call of [...needed].sort((a, b) => a.id - b.id)) {
      call.results = this.#run(call);
      for (const { dataId } of call.results) this.#computed.push(dataId);
    }
    return this.#valueOf(source);
  }

  /** What has been evaluated. */
  #valueOf(source: Source): tf.TensorInfo {
    switch (source.kind) {
      case "own":
        return source.info;
      case "call":
        return source.call.results![source.output]!;
      case "host": {
        if (source.result === undefined) {
          const { values, shape, dtype } = source;
          source.result = { dataId: this.#own.write(values, shape, dtype), shape, dtype };
          this.#computed.push(source.result.dataId);
        }
        return source.result;
      }
      default:
        return source satisfies never;
    }
  }

  /** Runs a kernel on the device; what it is given is evaluated first. */
  #run({ kernel, inputs, listed, attrs }: Call): readonly tf.TensorInfo[] {
    const values = Object.entries(inputs).map(([name, source]) => [name, this.#evaluate(source)] as const);
    const given = listed ? values.map(([, info]) => info) : Object.fromEntries(values);
    const { kernelFunc } = tf.getKernel(kernel, this.#name);
    return withBackend(
      this.#name,
      this.#own,
      {},
      () => [
        kernelFunc({ inputs: given as tf.NamedTensorInfoMap, attrs: attrs as tf.NamedAttrMap, backend: this.#own }),
      ],
    ).flat();
  }

  /** Has the engine know data of the device as its own. */
  #adopt(info: tf.TensorInfo): tf.TensorInfo {
    const { state } = engineInternals();
    const { dataId, shape, dtype } = info;
    if (!state.tensorInfo.has(dataId)) {
      state.tensorInfo.set(dataId, { backend: this.#own, shape, dtype, bytes: 0 });
      state.numDataBuffers++;
    }
    return info;
  }

  #release(dataId: object): void {
    const owner = ownerOf(dataId) ?? this.#own;
    if (owner.disposeData(dataId)) engineInternals().removeDataId(dataId, owner);
  }
}

/** Whose data they are, as far as the engine knows. */
function ownerOf(dataId: object): tf.KernelBackend | undefined {
  return engineInternals().state.tensorInfo.get(dataId)?.backend;
}

/** What a kernel yields; `undefined` where that cannot be told without running it. */
function shapesOf(kernel: string, inputs: KernelInputs, attrs: Readonly<Record<string, unknown>>) {
  const rule = Object.hasOwn(SHAPE_RULES, kernel) ? SHAPE_RULES[kernel] : undefined;
  const numeric = Object.values(inputs).every(({ dtype }) => dtype !== "string" && dtype !== "complex64");
  if (rule === undefined || !numeric) return undefined;
  try {
    return rule({ inputs: inputs as unknown as Readonly<Record<string, ValueInfo>>, attrs });
  } catch {
    // The kernel itself says best what is wrong.
    return undefined;
  }
}

const registered = new Set<string>();

/** Every kernel of a backend, put off. */
function registerKernels(backendName: string): void {
  for (const { kernelName } of tf.getKernelsForBackend(backendName)) {
    if (registered.has(kernelName)) continue;
    registered.add(kernelName);
    tf.registerKernel({
      kernelName,
      backendName: DEFERRED_BACKEND,
      kernelFunc: ({ inputs, attrs, backend }) => (backend as DeferredBackend).call(kernelName, inputs, attrs ?? {}),
    });
  }
}
