/**
 * Runs code on the tracing backend with variables lent to it, and takes everything back afterwards.
 *
 * @module
 */
import { type RandomSource, withRandomSource } from "../../core/random.ts";
import type { Step, StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { type EngineInternals, engineInternals, holder, withBackend } from "./engine.ts";
import type { Graph, GraphDtype, GraphWrite } from "./graph.ts";
import { currentPlace, placeOf } from "./place.ts";
import { TRACE_BACKEND, TraceBackend, type TracedNode } from "./trace_backend.ts";

/** A graph in which random values have not been recognized yet. */
export interface Recorded extends Omit<Graph, "nodes"> {
  readonly nodes: readonly TracedNode[];
}

/** What a graph yields beside what it writes. */
export type GraphResults = Pick<Graph, "gradients" | "sums" | "outputs">;

/** What is recorded, and what it may do. */
export interface RecordOptions {
  /** The step: its variables are what may be read and written. */
  readonly step: Step;
  /** Begins messages. */
  readonly subject: string;
  /** Whether nodes name lines. */
  readonly places: boolean;
  /** The roles of variables that may be written. @default all */
  readonly writes?: readonly StepVariable["role"][];
  /** Where random numbers come from. */
  readonly random: (backend: TraceBackend) => RandomSource;
}

/**
 * Records what `body` computes.
 *
 * @param body Its results; called once, with the tracing backend in charge.
 * @throws {TraceError} If it does what cannot be recorded, even where it catches the error itself.
 */
export function record(
  options: RecordOptions,
  body: (backend: TraceBackend) => GraphResults,
): Recorded {
  const { step, subject, places } = options;
  const backend = new TraceBackend({ subject, places });
  const loan = new VariableLoan(step.variables, backend);
  const made: Tensor[] = [];
  let recorded: Recorded | undefined;
  try {
    withBackend(
      TRACE_BACKEND,
      backend,
      watchfulMethods(options, backend, loan, made),
      () =>
        withRandomSource(options.random(backend), () =>
          engineInternals().tidy(() => {
            const results = body(backend);
            recorded = { ...results, writes: loan.writes(), nodes: backend.nodes, streams: backend.streams };
          })),
    );
  } catch (error) {
    throw backend.failure ?? error;
  } finally {
    retire(made, backend, () => loan.giveBack());
  }
  const [draw] = backend.draws;
  if (draw !== undefined && backend.failure === undefined) {
    backend.fail(
      "unrecognized-random",
      (where) =>
        `Math.random() was called${where}, and no tensor came of it: its value would be the same in every step. ` +
        'Draw with tf.randomUniform and compute with the tensor, or use executor "eager".',
      placeOf(draw.at),
    );
  }
  if (backend.failure !== undefined) throw backend.failure;
  return recorded!;
}

/** Variables with placeholders for their data: all in the process, so that those which the step does not list are noticed. */
class VariableLoan {
  readonly #backend: TraceBackend;
  readonly #lent = new Map<tf.Variable, { readonly own: object; readonly placeholder: object }>();
  readonly #listed: ReadonlyMap<tf.Variable, StepVariable>;

  constructor(listed: readonly StepVariable[], backend: TraceBackend) {
    this.#backend = backend;
    this.#listed = new Map(listed.map((entry) => [entry.variable, entry]));
    const { state } = engineInternals();
    for (const variable of new Set([...Object.values(state.registeredVariables), ...this.#listed.keys()])) {
      // A disposed variable has nothing to lend: reading it fails as it does eagerly.
      if (variable.isDisposed) continue;
      const placeholder = this.#placeholder(variable);
      const { shape, dtype } = variable;
      state.tensorInfo.set(placeholder, { backend, shape, dtype, bytes: 0 });
      state.numDataBuffers++;
      this.#lent.set(variable, { own: holder(variable).dataId, placeholder });
      holder(variable).dataId = placeholder;
    }
  }

  listed(variable: tf.Variable): StepVariable | undefined {
    return this.#listed.get(variable);
  }

  writes(): GraphWrite[] {
    return [...this.#lent].flatMap(([variable, { placeholder }]) => {
      const path = this.#listed.get(variable)?.path;
      return path === undefined || holder(variable).dataId === placeholder
        ? []
        : [{ path, value: this.#backend.resolve(variable) }];
    });
  }

  giveBack(): void {
    const engine = engineInternals();
    for (const [variable, { own }] of this.#lent) {
      const { dataId } = holder(variable);
      const owner = engine.state.tensorInfo.get(dataId)?.backend;
      if (owner?.disposeData(dataId)) engine.removeDataId(dataId, owner);
      holder(variable).dataId = own;
    }
  }

  #placeholder(variable: tf.Variable): object {
    const { shape, dtype, name } = variable;
    const path = this.#listed.get(variable)?.path;
    return this.#backend.placeholder(() => {
      if (path === undefined) {
        throw this.#backend.fail(
          "unlisted-read",
          (where) =>
            `variable "${name}" of shape [${
              shape.join(", ")
            }] is read${where}, but it is none of the step's variables, so ` +
            "its value would be frozen. Create it in the model's build, so that it belongs to the model.",
        );
      }
      return { kind: "variable", path, outputs: [{ shape: [...shape], dtype: dtype as GraphDtype }] };
    });
  }
}

/** The engine's methods that notice what cannot be recorded. */
function watchfulMethods(
  { writes }: RecordOptions,
  backend: TraceBackend,
  loan: VariableLoan,
  made: Tensor[],
): Partial<EngineInternals> {
  const engine = engineInternals();
  const { trackTensor, disposeTensor, runKernel } = engine;
  const hostRead = (dataId: object) => {
    const place = currentPlace();
    const shape = `[${(engine.state.tensorInfo.get(dataId)?.shape ?? []).join(", ")}]`;
    const called = place.via === "" ? "something" : `${place.via}()`;
    if (place.functions.some((name) => DATA_DEPENDENT.test(name))) {
      return backend.fail(
        "data-dependent-shape",
        (where) =>
          `the shape of what ${called}${where} returns depends on the values that it is given. Keep all elements and ` +
          'multiply by a mask, choose with tf.where, or use executor "eager".',
        place,
      );
    }
    return backend.fail(
      "host-read",
      (where) =>
        `${called} reads a tensor of shape ${shape} back to the host${where}. A compiled step runs many times before ` +
        "the host hears of it: compute with tensors (tf.where instead of an if), return the value as a log, or use " +
        'executor "eager".',
      place,
    );
  };
  return {
    readSync(dataId) {
      throw hostRead(dataId);
    },
    readToGPU(dataId) {
      throw hostRead(dataId);
    },
    read(dataId) {
      hostRead(dataId);
      // Never settles: the refusal is thrown by the trace, and a rejection that nobody awaits would end the process.
      return new Promise(() => {});
    },
    runKernel(name, inputs, attrs) {
      if (tf.getKernel(name, TRACE_BACKEND) === undefined) {
        throw backend.fail(
          "unknown-kernel",
          (where) =>
            `kernel "${name}"${where} has no rule for the shape of its result. Express it in ops of tfjs, or use ` +
            'executor "eager".',
        );
      }
      return runKernel.call(engine, name, inputs, attrs);
    },
    makeVariable(value, _trainable, name) {
      throw backend.fail(
        "variable-created",
        (where) =>
          `a variable${name === undefined ? "" : ` "${name}"`} of shape [${
            value.shape.join(", ")
          }] is created${where}. ` +
          "Create variables in the model's constructor or build, and only assign them in a step.",
      );
    },
    trackTensor(tensor, owner) {
      trackTensor.call(engine, tensor, owner);
      if (!(tensor instanceof tf.Variable)) made.push(tensor);
    },
    disposeTensor(tensor) {
      if (tensor instanceof tf.Variable) {
        const listed = loan.listed(tensor);
        if (listed === undefined) {
          throw backend.fail(
            "unlisted-write",
            (where) =>
              `variable "${tensor.name}" of shape [${
                tensor.shape.join(", ")
              }] is written${where}, but it is none of the ` +
              "step's variables. Create it in the model's build, so that it belongs to the model.",
          );
        }
        if (writes !== undefined && !writes.includes(listed.role)) {
          throw backend.fail(
            "unlisted-write",
            (where) =>
              `variable "${listed.path}" is written${where} before gradients are exchanged, but its role is ` +
              `"${listed.role}", and computing a phase writes only variables of role ${writes.join(", ")}. Return ` +
              "gradients, and leave updates to the optimizer.",
          );
        }
      }
      disposeTensor.call(engine, tensor);
    },
    disposeVariable(variable) {
      throw backend.fail(
        "unlisted-write",
        (where) => `variable "${variable.name}" is disposed${where}. A step may only assign variables.`,
      );
    },
  };
}

/** tfjs functions whose result has a shape that depends on values; they read back to find it. */
const DATA_DEPENDENT = /^(whereAsync|booleanMaskAsync|setdiff1dAsync|nonMaxSuppression\w*Async)$/;

/**
 * Takes tensors that outlive their trace out of the engine's counts. Whoever still uses one gets an error that says what
 * it is; disposing it again is free.
 */
function retire(made: readonly Tensor[], backend: TraceBackend, between: () => void): void {
  const engine = engineInternals();
  const left = made.filter((tensor) => !tensor.isDisposed);
  for (const tensor of left) engine.disposeTensor(tensor);
  between();
  for (const tensor of left) {
    const { shape, dtype } = tensor;
    engine.state.tensorInfo.set(holder(tensor).dataId, { backend, shape, dtype, bytes: 0 });
    tensor.dispose = () => {};
  }
  backend.end();
}
