/**
 * A tfjs backend that computes nothing: each kernel appends a node and answers with shape and dtype.
 *
 * @module
 */
import { TraceError, type TraceErrorCode } from "../../core/errors.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { engineInternals } from "./engine.ts";
import type { Distribution, GraphDtype, GraphNode, ValueInfo, ValueRef } from "./graph.ts";
import { currentPlace, type Place } from "./place.ts";
import { type Refusal, REFUSED_KERNELS, SHAPE_RULES, type ShapeRule } from "./shapes/mod.ts";
import { sizeOf } from "./shapes/types.ts";

/** The name under which the kernels are registered with tfjs. */
export const TRACE_BACKEND = "stride-trace";

/** A call of `Math.random`: what it was given, and which stream of the step's key it stands for. */
export interface Draw {
  /** What `Math.random` returned. */
  readonly marker: number;
  /** Which random call of this half of the phase. */
  readonly stream: number;
  /** Made where it was called. */
  readonly at: Error;
}

/** Host values that followed calls of `Math.random`: random numbers, once recognized. */
export interface CandidateNode {
  readonly kind: "candidate";
  readonly id: number;
  readonly outputs: readonly ValueInfo[];
  readonly place?: string;
  /** The elements. */
  readonly values: Float32Array | Int32Array | Uint8Array;
  /** The calls since the last random values. */
  readonly draws: readonly Draw[];
}

/** A node before random values are recognized. */
export type TracedNode = GraphNode | CandidateNode;

type WithoutId<T> = T extends unknown ? Omit<T, "id" | "place"> : never;

interface Data {
  /** Absent until something reads the placeholder. */
  ref?: ValueRef;
  /** Makes the placeholder's node. */
  readonly make?: () => WithoutId<TracedNode>;
  references: number;
}

/** Options of `TraceBackend`. */
export interface TraceBackendOptions {
  /** Begins messages: `Cannot trace the train step`. */
  readonly subject: string;
  /** Whether each node names the user's line that made it. Costs some 20 µs a node. @default false */
  readonly places?: boolean;
}

/** One trace: the nodes so far, and which data stand for which value. */
export class TraceBackend extends tf.KernelBackend {
  readonly #nodes: TracedNode[] = [];
  readonly #data = new Map<object, Data>();
  readonly #captured = new Map<object, ValueRef>();
  readonly #options: TraceBackendOptions;
  readonly #precision: 16 | 32;
  #draws: Draw[] = [];
  #streams = 0;
  #failure: TraceError | undefined;

  /** @param options How to trace. */
  constructor(options: TraceBackendOptions) {
    super();
    this.#options = options;
    this.#precision = engineInternals().backend.floatPrecision();
    registerKernels();
  }

  /** The nodes so far. */
  get nodes(): readonly TracedNode[] {
    return this.#nodes;
  }

  /** Random calls so far. */
  get streams(): number {
    return this.#streams;
  }

  /** The first refusal, even where the user's code caught it. */
  get failure(): TraceError | undefined {
    return this.#failure;
  }

  /** Calls of `Math.random` that no values followed. */
  get draws(): readonly Draw[] {
    return this.#draws;
  }

  /** Records a refusal. @returns It, to be thrown. */
  fail(
    code: TraceErrorCode,
    found: (where: string, place: Place) => string,
    place: Place = currentPlace(),
  ): TraceError {
    const error = new TraceError(code, `${this.#options.subject}: ${found(inBrackets(place), place)}`);
    this.#failure ??= error;
    return error;
  }

  /** Data that stand for something given; the node is made when it is first read. */
  placeholder(make: () => WithoutId<TracedNode>): object {
    const dataId = {};
    this.#data.set(dataId, { make, references: 1 });
    return dataId;
  }

  /** A random tensor of Stride's own. */
  random(distribution: Distribution, shape: readonly number[]): Tensor {
    const outputs = [{ shape: [...shape], dtype: "float32" }] as const;
    const ref = this.#append({ kind: "random", distribution, stream: this.#streams++, scale: 1, offset: 0, outputs });
    return engineInternals().makeTensorFromTensorInfo(this.#info(ref), this);
  }

  /** Answers `Math.random` with a marker by which to recognize what comes of it. */
  draw(marker: (stream: number) => number): number {
    const stream = this.#streams++;
    this.#draws.push({ marker: marker(stream), stream, at: new Error() });
    return this.#draws.at(-1)!.marker;
  }

  /** The value that a tensor stands for: traced, or captured from outside and read from its own backend. */
  resolve(tensor: tf.TensorInfo): ValueRef {
    const data = this.#data.get(tensor.dataId);
    if (data !== undefined) return data.ref ??= this.#append(data.make!());
    let ref = this.#captured.get(tensor.dataId);
    if (ref === undefined) {
      ref = this.#constant(this.#capture(tensor), tensor);
      this.#captured.set(tensor.dataId, ref);
    }
    return ref;
  }

  /** Runs a kernel: appends its node. */
  record(
    kernel: string,
    inputs: tf.NamedTensorInfoMap,
    attrs: object,
    rule: ShapeRule,
  ): tf.TensorInfo | tf.TensorInfo[] {
    const refs: Record<string, ValueRef> = {};
    const infos: Record<string, ValueInfo> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      // Optional inputs of fused kernels are present and undefined.
      if (tensor === undefined || tensor === null) continue;
      const ref = refs[name] = this.resolve(tensor);
      infos[name] = this.#nodes[ref.node]!.outputs[ref.output]!;
    }
    const values: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(attrs)) {
      values[name] = Array.isArray(value) ? structuredClone(value) : value;
    }
    if (kernel === "Identity" || (kernel === "Cast" && infos.x!.dtype === values.dtype)) return this.#info(refs.x!);
    const outputs = rule({ inputs: infos, attrs: values });
    const many = Array.isArray(outputs);
    const drawn = this.#draws.findIndex(({ marker }) => kernel === "Multinomial" && marker === values.seed);
    const node: WithoutId<TracedNode> = {
      kind: "kernel",
      kernel,
      inputs: refs,
      attrs: values,
      outputs: many ? outputs : [outputs as ValueInfo],
    };
    if (drawn >= 0) {
      const [{ stream }] = this.#draws.splice(drawn, 1) as [Draw];
      delete values.seed;
      const ref = this.#append({ ...node, stream });
      return this.#info(ref);
    }
    const { node: id } = this.#append(node);
    return many ? outputs.map((_, output) => this.#info({ node: id, output })) : this.#info({ node: id, output: 0 });
  }

  /** Refuses a kernel that cannot be traced. */
  refuse(kernel: string, { code, reason, advice }: Refusal): never {
    throw this.fail(code, (where, { via }) => {
      const called = via === "" || via.toLowerCase() === kernel.toLowerCase() ? "" : ` of ${via}()`;
      return `kernel "${kernel}"${called}${where} cannot be traced, as ${reason}. ${advice}, or use executor "eager".`;
    });
  }

  /** Ends the trace: what is left of its data can no longer be read. */
  end(): void {
    this.#data.clear();
    this.#captured.clear();
  }

  /** The message for a tensor that outlives the trace in which it was made. */
  static stale(shape: readonly number[], where: string): string {
    return `a tensor of shape [${shape.join(", ")}] made in one trace of the step is used after it${where}: a traced ` +
      "tensor stands for a value of that step only. Keep what lives on from step to step in a tf.variable that the " +
      "model owns, and assign it";
  }

  // What follows is tfjs's contract of a backend.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    if (dtype === "string") {
      throw this.fail(
        "unknown-kernel",
        (where) =>
          `a tensor of strings${where} cannot be traced, as no compiled device holds text. Turn text into numbers in ` +
          "the data set.",
      );
    }
    const ref = this.#constant(values as Float32Array, { shape, dtype });
    const dataId = {};
    this.#data.set(dataId, { ref, references: 1 });
    return dataId;
  }

  override refCount(dataId: object): number {
    return this.#data.get(dataId)?.references ?? 0;
  }

  override incRef(dataId: object): void {
    const data = this.#data.get(dataId);
    if (data !== undefined) data.references++;
    // A captured tensor assigned to a variable: its own backend counts, so that neither disposal takes it from the other.
    else engineInternals().state.tensorInfo.get(dataId)?.backend.incRef(dataId);
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
    return this.#precision;
  }

  override memory(): { unreliable: boolean; reasons: string[] } {
    return { unreliable: true, reasons: ["A trace holds no data."] };
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return Promise.reject(this.#unreadable(dataId));
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    throw this.#unreadable(dataId);
  }

  override dispose(): void {
    this.end();
  }

  #unreadable(dataId: object): TraceError {
    const shape = engineInternals().state.tensorInfo.get(dataId)?.shape ?? [];
    return new TraceError(
      "stale-tensor",
      `Cannot read a tensor: ${TraceBackend.stale(shape, inBrackets(currentPlace()))}.`,
    );
  }

  #append(node: WithoutId<TracedNode>): ValueRef {
    const id = this.#nodes.length;
    const place = this.#options.places ? { place: currentPlace().text } : {};
    this.#nodes.push({ ...node, id, ...place } as TracedNode);
    return { node: id, output: 0 };
  }

  #info(ref: ValueRef): tf.TensorInfo {
    const dataId = {};
    this.#data.set(dataId, { ref, references: 1 });
    const { shape, dtype } = this.#nodes[ref.node]!.outputs[ref.output]!;
    return { dataId, shape: [...shape], dtype } as tf.TensorInfo;
  }

  #constant(given: ArrayLike<number>, { shape, dtype }: { shape: readonly number[]; dtype: tf.DataType }): ValueRef {
    const outputs = [{ shape: [...shape], dtype: dtype as GraphDtype }];
    const Values = dtype === "float32" ? Float32Array : dtype === "bool" ? Uint8Array : Int32Array;
    if (this.#draws.length > 0 && sizeOf(shape) > 0) {
      const draws = this.#draws;
      this.#draws = [];
      return this.#append({ kind: "candidate", values: new Values(given), draws, outputs });
    }
    const values = new Values(isUniform(given) ? [given[0]!] : given);
    return this.#append({ kind: "constant", values, outputs });
  }

  #capture(tensor: tf.TensorInfo): ArrayLike<number> {
    const shape = `[${tensor.shape.join(", ")}]`;
    const info = engineInternals().state.tensorInfo.get(tensor.dataId);
    if (info === undefined) {
      throw this.fail("stale-tensor", (where) => `a tensor of shape ${shape} used${where} has been disposed.`);
    }
    if (info.backend instanceof TraceBackend) {
      throw this.fail("stale-tensor", (where) => `${TraceBackend.stale(tensor.shape, where)}.`);
    }
    if (tensor.dtype === "string" || tensor.dtype === "complex64") {
      throw this.fail(
        "unknown-kernel",
        (where) =>
          `a ${tensor.dtype} tensor of shape ${shape} from outside of the step${where} cannot become a constant.`,
      );
    }
    try {
      return info.backend.readSync(tensor.dataId) as Float32Array;
    } catch (cause) {
      const error = this.fail(
        "host-read",
        (where) =>
          `a tensor of shape ${shape} made outside of the step${where} lies on a device that cannot be read synchronously. ` +
          "Make it a tf.variable that the model owns, or make it from host values inside the step.",
      );
      error.cause = cause;
      throw error;
    }
  }
}

/** Whether there are several numbers, and all are the same one. */
function isUniform(values: ArrayLike<number>): boolean {
  if (values.length < 2) return false;
  const first = values[0];
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], first)) return false;
  return true;
}

function inBrackets({ text }: Place): string {
  return text === "" ? "" : ` (${text})`;
}

let registered = false;

/** Kernels are registered once, for all traces; each call goes to the backend of the trace that runs. */
function registerKernels(): void {
  if (registered) return;
  registered = true;
  for (const [kernelName, rule] of Object.entries(SHAPE_RULES)) {
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ inputs, attrs, backend }) =>
        (backend as TraceBackend).record(kernelName, inputs, attrs ?? {}, rule),
    });
  }
  for (const [kernelName, refusal] of Object.entries(REFUSED_KERNELS)) {
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ backend }) => (backend as TraceBackend).refuse(kernelName, refusal),
    });
  }
}
