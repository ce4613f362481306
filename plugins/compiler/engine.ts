/**
 * The parts of tfjs's engine that a trace takes hold of, and giving them back.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";

/** What the engine knows about data. */
interface DataInfo {
  backend: tf.KernelBackend;
  dtype: tf.DataType;
  shape: number[];
  bytes: number;
}

/** The engine's members that a trace uses; tfjs marks some of them private. */
export interface EngineInternals {
  backendName: string;
  backendInstance: tf.KernelBackend;
  readonly backend: tf.KernelBackend;
  readonly state: {
    registeredVariables: Record<string, tf.Variable>;
    tensorInfo: WeakMap<object, DataInfo>;
    numDataBuffers: number;
    activeTape: unknown;
    gradientDepth: number;
    kernelDepth: number;
    profiling: boolean;
    scopeStack: unknown[];
    activeScope: unknown;
  };
  tidy(body: () => void): void;
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
  readToGPU(dataId: object): unknown;
  runKernel(name: string, inputs: unknown, attrs?: unknown): unknown;
  makeVariable(value: Tensor, trainable?: boolean, name?: string, dtype?: tf.DataType): tf.Variable;
  makeTensorFromTensorInfo(info: tf.TensorInfo, backend: tf.KernelBackend): Tensor;
  trackTensor(tensor: Tensor, backend: tf.KernelBackend | null): void;
  disposeTensor(tensor: Tensor): void;
  disposeVariable(variable: tf.Variable): void;
  removeDataId(dataId: object, backend: tf.KernelBackend): void;
}

/** tfjs's engine, with a backend chosen. */
export function engineInternals(): EngineInternals {
  const engine = tf.engine() as unknown as EngineInternals;
  // The getter chooses a backend where none has been used yet.
  void engine.backend;
  return engine;
}

/** The data that a tensor or variable holds now; assigning changes it. */
export interface DataHolder {
  dataId: object;
}

/** A tensor as a holder of data. */
export function holder(tensor: Tensor): DataHolder {
  return tensor as unknown as DataHolder;
}

/**
 * Runs `body` with another backend in charge and some of the engine's methods replaced; everything as before afterwards,
 * also after an error. Synchronous: `tf.setBackend` would let other code in between.
 */
export function withBackend<T>(
  name: string,
  backend: tf.KernelBackend,
  replaced: Partial<EngineInternals>,
  body: () => T,
): T {
  const engine = engineInternals();
  const { backendName, backendInstance, state } = engine;
  const { activeTape, gradientDepth, kernelDepth, profiling, activeScope } = state;
  const scopes = state.scopeStack.length;
  const { flags } = tf.env() as unknown as { readonly flags: Record<string, unknown> };
  const debug = flags.DEBUG;
  const stackTraceLimit = Error.stackTraceLimit;
  const own = new Map(
    Object.keys(replaced).map((key) => [key, Object.getOwnPropertyDescriptor(engine, key)] as const),
  );
  Object.assign(engine, replaced, { backendName: name, backendInstance: backend });
  // Profiling and debugging read every result back.
  state.profiling = false;
  flags.DEBUG = false;
  // A kernel of a backward pass runs some twenty calls below the user's line.
  Error.stackTraceLimit = 100;
  try {
    return body();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    if (debug === undefined) delete flags.DEBUG;
    else flags.DEBUG = debug;
    for (const [key, descriptor] of own) {
      if (descriptor === undefined) delete (engine as unknown as Record<string, unknown>)[key];
      else Object.defineProperty(engine, key, descriptor);
    }
    Object.assign(engine, { backendName, backendInstance });
    Object.assign(state, { activeTape, gradientDepth, kernelDepth, profiling, activeScope });
    state.scopeStack.length = scopes;
  }
}
