/**
 * The model: what users extend, compile, fit, evaluate and predict with.
 *
 * @module
 */
import type { Dataset, TensorBatch } from "./batch.ts";
import type { CallbackModel } from "./callback.ts";
import { batchToTensors } from "./data/batch_tensors.ts";
import type { ArraySource, DataSource } from "./data/source.ts";
import type { Executor } from "./executor.ts";
import { registerMissingGradients } from "./gradients/mod.ts";
import type { History } from "./history.ts";
import { applyLayer, isContainer, resetStates } from "./layers/mod.ts";
import { evaluateLoop } from "./loops/evaluate.ts";
import { firstBatch } from "./loops/first_batch.ts";
import { fitLoop } from "./loops/fit.ts";
import { type OnBatchOptions, OnBatchRuns } from "./loops/on_batch.ts";
import type { EvaluateOptions, FitOptions, PredictOptions } from "./loops/options.ts";
import { predictLoop } from "./loops/predict.ts";
import type { Trainee } from "./loops/trainee.ts";
import { warnOnce } from "./loops/verbose.ts";
import { leaves, mapNested, type Nested } from "./nested.ts";
import type { Optimizer } from "./optimizer.ts";
import { hostRandomSource, newRandomKey, type RandomKey, withRandomSource } from "./random.ts";
import { Registry } from "./registry.ts";
import type { Logs, Step, StepContext, StepKind } from "./step.ts";
import { getStrategy, type Strategy } from "./strategy.ts";
import { formatSummary, LayerRecords, type ModelSummary, summarize, type SummaryOptions } from "./summary/mod.ts";
import { formatShape, type Layer, type LayersModel, type Shape, type Tensor, tf, type Variable } from "./tf.ts";
import { Activity } from "./trainer/activity.ts";
import { assignWeights } from "./trainer/assign_weights.ts";
import { type Compiled, type CompileOptions, compileOptions } from "./trainer/compile.ts";
import { hostLogs, hostOutputs } from "./trainer/host_metrics.ts";
import { exampleInputs, layerInputs, prepareContainer } from "./trainer/layers_model.ts";
import {
  type MetricSums,
  type ModelPhase,
  modelStep,
  type StepOptions,
  type StepResult,
} from "./trainer/model_step.ts";
import type {
  ApplyOptions,
  CallOptions,
  FromOptions,
  GradientUpdate,
  LossArguments,
  TrainPhase,
} from "./trainer/model_types.ts";
import { ModelParts, type ModelVariable } from "./trainer/model_variables.ts";
import { checkOutputs } from "./trainer/outputs.ts";
import { checkPhases, variablesOf } from "./trainer/phases.ts";
import { activeScope, getMask, setMask, type StepScope } from "./trainer/step_scope.ts";
import { takeGradients } from "./trainer/take_gradients.ts";
import { totalLoss } from "./trainer/total_loss.ts";

/** The models that optimizers serve. */
const owners = new WeakMap<Optimizer, Model>();
/**
 * A model in Keras's manner. Extend it and override `call`, or make one of tfjs layers with `Model.from`.
 *
 * Override `trainStep`, `testStep`, `predictStep`, `computeLoss`, `computeMetrics`, `applyGradients` or
 * `trainPhases` to change what a batch does; loops, callbacks and strategies stay the same.
 *
 * ```ts
 * import { Model, type Tensor, tf } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * class Total extends Model {
 *   readonly #dense = tf.layers.dense({ units: 1, useBias: false, kernelInitializer: "ones" });
 *   override call(x: Tensor): Tensor {
 *     return this.apply(this.#dense, x);
 *   }
 * }
 * const model = new Total();
 * model.build(tf.ones([1, 3]));
 * assertEquals(await model.call(tf.tensor2d([[1, 2, 3]])).data(), Float32Array.of(6));
 * ```
 */
export class Model {
  /** What names stand for in models of this class. */
  static readonly registry: Registry = Registry.empty;

  /** The name, for messages. */
  readonly name: string;
  /** The history of the last fit. */
  history: History | undefined;
  readonly #registry: Registry;
  readonly #strategy: Strategy | undefined;
  #ownStrategy: Strategy | undefined;
  readonly #parts = new ModelParts();
  readonly #records = new LayerRecords();
  #variables: readonly ModelVariable[] | undefined;
  /** Weight regularization, found once: the search costs as much as a small layer. */
  #regularizers: readonly (() => Tensor)[] | undefined;
  #compiled: Compiled | undefined;
  #predictExecutor: Executor | undefined;
  #steps = new Map<StepKind, Step>();
  #key: RandomKey | undefined;
  readonly #onBatch = new OnBatchRuns();
  readonly #activity: Activity;
  readonly #counters: Record<StepKind, { steps: number }> = {
    train: { steps: 0 },
    test: { steps: 0 },
    predict: { steps: 0 },
  };

  /** A model without variables yet. @param name For messages. @default the class name */
  constructor(name?: string) {
    this.name = name ?? new.target.name;
    registerMissingGradients();
    this.#activity = new Activity(this.name);
    this.#registry = new.target.registry;
    this.#strategy = getStrategy();
  }

  /**
   * A model of tfjs layers: sequential or functional, nested, with any number of inputs and outputs. Several outputs
   * go by the names of their layers.
   *
   * @param layers The layers; the model shares their weights.
   */
  static from<M extends typeof Model>(this: M, layers: LayersModel, options: FromOptions = {}): InstanceType<M> {
    prepareContainer(layers);
    // deno-lint-ignore no-this-alias -- the class to extend, with its registry.
    const Base: typeof Model = this;
    const Layered = class extends Base {
      override get outputNames(): readonly string[] {
        return layers.outputNames;
      }
      override call(x: Nested<Tensor>, { training }: CallOptions): Nested<Tensor> {
        const outputs = this.#applyAll(layers, layerInputs(layers, x), { training });
        return outputs.length === 1 ? outputs[0]! : outputs;
      }
    };
    const model = new Layered(options.name ?? layers.name);
    model.#parts.addLayer(layers, { root: true });
    return model as InstanceType<M>;
  }

  // ---------------------------------------------------------------- what users override

  /**
   * Computes predictions. Called synchronously, in and out of training, on tensors of the current device.
   *
   * @param x Inputs: one tensor, a list, or by name, as the data have them.
   * @returns Predictions: one tensor, a list, or by name.
   */
  call(_x: Nested<Tensor>, _options: CallOptions): Nested<Tensor> {
    throw new TypeError(
      `Model "${this.name}" cannot compute anything: override call(x, { training }), or make it with Model.from(layers).`,
    );
  }

  /** The names of the outputs, where `call` returns a list. @default `output_0`, `output_1`, … */
  get outputNames(): readonly string[] | undefined {
    return undefined;
  }

  /** What one batch does in training, up to the gradients. Applying them is the strategy's part. */
  trainStep(batch: TensorBatch, _context: StepContext): StepResult {
    return this.gradients(() => {
      const yPred = this.call(batch.x, { training: true });
      return this.computeLoss({ ...batch, yPred });
    });
  }

  /** What one batch does in evaluation. Extra values may be returned as scalars, means over the batch. */
  testStep(batch: TensorBatch, _context: StepContext): Readonly<Record<string, Tensor>> | void {
    const yPred = this.call(batch.x, { training: false });
    this.computeLoss({ ...batch, yPred });
  }

  /** What one batch does in prediction. */
  predictStep(batch: TensorBatch, _context: StepContext): Nested<Tensor> {
    return this.call(batch.x, { training: false });
  }

  /** The phases of a train step. Override it for several, each with variables and an optimizer of its own. */
  trainPhases(): readonly TrainPhase[] | undefined {
    return undefined;
  }

  /**
   * The loss: compiled losses by weight, plus weight and activity regularization and `addLoss`. Within steps it is
   * multiplied by this replica's share of the batch, so that adding over replicas gives the batch's loss.
   *
   * @returns A float32 scalar.
   * @throws {TypeError} If there is nothing to compute a loss from.
   */
  computeLoss(given: LossArguments): Tensor {
    return totalLoss(given, {
      compiled: this.#requireCompiled().loss,
      regularizers: this.#regularizers ??= this.#parts.regularizers(),
      outputNames: this.outputNames,
      judged: this.#requireCompiled().metrics.any || this.computeMetrics !== Model.prototype.computeMetrics,
    });
  }

  /**
   * More values to report for what `computeLoss` saw, beside the compiled metrics: scalars, means over the batch.
   */
  computeMetrics(_given: LossArguments): Readonly<Record<string, Tensor>> {
    return {};
  }

  /** Updates a phase's variables. Traceable: no host reads, no branches on values. */
  applyGradients({ gradients, variables, optimizer, scalars }: GradientUpdate): void {
    optimizer.apply(gradients, variables, scalars);
    variables.forEach(({ variable, constraint }, index) => {
      if (constraint === undefined || gradients[index] === null) return;
      tf.tidy(() => variable.assign(constraint(variable)));
    });
  }

  // ---------------------------------------------------------------- what steps call

  /**
   * Runs a tfjs layer as Keras would: it is built at its first call, its mask is passed on, and dropout, batch
   * normalization and activity regularization follow the step.
   *
   * @param layer Kept by the model, such as in a private field.
   * @param x Its input, or a list for layers that merge.
   * @returns Its output.
   * @throws {TypeError} If it has several outputs: use `applyAll`.
   */
  apply(layer: Layer, x: Tensor | readonly Tensor[], options: ApplyOptions = {}): Tensor {
    const outputs = this.#applyAll(layer, x instanceof tf.Tensor ? [x] : x, options);
    if (outputs.length !== 1) {
      throw new TypeError(`Layer "${layer.name}" has ${outputs.length} outputs: call applyAll, which returns a list.`);
    }
    return outputs[0]!;
  }

  /** As `apply`, for layers with several outputs, such as a recurrent layer that returns its states. */
  applyAll(layer: Layer, x: Tensor | readonly Tensor[], options: ApplyOptions = {}): readonly Tensor[] {
    return this.#applyAll(layer, x instanceof tf.Tensor ? [x] : x, options);
  }

  #applyAll(layer: Layer, inputs: readonly Tensor[], options: ApplyOptions): readonly Tensor[] {
    const scope = activeScope();
    if (this.#variables !== undefined && !this.#parts.hasLayer(layer)) {
      throw new TypeError(
        `Model "${this.name}" calls layer "${layer.name}" for the first time after it was built: create layers once, ` +
          "in fields, and call all of them in call(); layers of other phases go into trainPhases().",
      );
    }
    this.#parts.addLayer(layer);
    this.#records.watch(layer);
    const masks = options.mask === undefined ? inputs.map(getMask) : [options.mask];
    const { outputs, masks: outputMasks } = applyLayer(layer, inputs, {
      training: options.training ?? scope?.training ?? false,
      masks,
      addLoss: (loss) => {
        scope?.addedLosses.push(loss);
      },
      ...(options.initialState === undefined ? {} : { initialState: options.initialState }),
    });
    outputs.forEach((output, index) => setMask(output, outputMasks[index] ?? null));
    return outputs;
  }

  /**
   * Gradients of a loss, for `trainStep` to return.
   *
   * @param loss Computes a scalar. Layers and variables that it uses are differentiated.
   * @param variables What to differentiate by. @default the phase's, or all trainable variables
   */
  gradients(loss: () => Tensor, variables?: readonly Variable[]): StepResult {
    const list = variables ?? this.#phaseVariables ?? this.#trainable().map(({ variable }) => variable);
    return takeGradients(loss, list, this.name);
  }

  /**
   * Adds a scalar to the loss of the running step, such as a divergence. It counts by the replica's share. Outside of
   * steps, as when the model is built or `call` is called by hand, there is nothing to add to.
   *
   * @throws {TypeError} If it is not a scalar.
   */
  addLoss(loss: Tensor): void {
    if (loss.rank !== 0) {
      throw new TypeError(
        `Cannot add a loss of shape ${formatShape(loss.shape)}: expected a scalar; reduce it, as with tf.mean().`,
      );
    }
    activeScope()?.addedLosses.push(loss);
  }

  /** Reports a scalar under a name, from within the closure of `gradients` too. A mean over this batch. */
  log(name: string, value: Tensor): void {
    const scope = activeScope();
    scope?.logs.set(name, scope.keep(value));
  }

  // ---------------------------------------------------------------- training

  /**
   * Gets ready for training. Calling it again gives a new optimizer, new metrics and newly compiled steps.
   *
   * @throws {RangeError} If a name is unknown, or a number out of range.
   * @throws {TypeError} If something is of the wrong kind.
   */
  compile(options: CompileOptions = {}): void {
    this.#activity.check("compile");
    const compiled = compileOptions(options, this.#registry);
    for (const optimizer of compiled.optimizers) {
      const owner = owners.get(optimizer) ?? this;
      if (owner !== this) {
        throw new TypeError(
          `Cannot compile model "${this.name}" with an optimizer that serves model "${owner.name}": its slots and ` +
            "iterations belong to one model. Make another.",
        );
      }
    }
    this.#releaseOptimizers(compiled.optimizers);
    compiled.optimizers.forEach((optimizer) => owners.set(optimizer, this));
    this.#compiled = compiled;
    this.recompile();
  }

  /** Forgets compiled steps, so that what `call` and `trainStep` do on the host is looked at again. */
  recompile(): void {
    this.#activity.check("recompile");
    this.#steps = new Map();
    this.#regularizers = undefined;
    this.#onBatch.clear();
    if (this.#variables !== undefined) this.#variables = this.#parts.variables();
  }

  /**
   * Trains for a number of epochs.
   *
   * @returns The history: values by name, one an epoch.
   * @throws {CallbackError} If a callback throws.
   * @throws {RangeError} If the data do not fit together or are empty.
   */
  async fit(data: DataSource, options: FitOptions = {}): Promise<History> {
    this.#requireCompiled();
    return await this.#activity.during("fit", async () => {
      this.#key = newRandomKey();
      return await fitLoop(this.#trainee(), data, options, (history) => this.history = history);
    });
  }

  /** Loss and metrics over all data, accumulated once. @returns Values in the order loss, outputs' losses, metrics. */
  async evaluate(data: DataSource, options: EvaluateOptions = {}): Promise<Logs> {
    this.#requireCompiled();
    return await this.#activity.during("evaluate", () => evaluateLoop(this.#trainee(), data, options));
  }

  /**
   * Predictions for all data, in order, grouped as `call` returns them. Works without `compile`.
   *
   * @returns Tensors of the caller's, concatenated over batches on axis 0.
   */
  async predict<Output extends Nested<Tensor> = Tensor>(
    data: DataSource | Tensor,
    options: PredictOptions = {},
  ): Promise<Output> {
    return await this.#activity.during("predict", () => predictLoop(this.#trainee(), data, options)) as Output;
  }

  /** One update on one batch. @returns Values of this batch alone, from before the update. */
  async trainOnBatch(data: ArraySource, options: OnBatchOptions = {}): Promise<Logs> {
    this.#requireCompiled();
    return await this.#activity.during(
      "trainOnBatch",
      () => this.#onBatch.run(this.#trainee(), "train", data, options),
    );
  }

  /** Loss and metrics of one batch. */
  async testOnBatch(data: ArraySource): Promise<Logs> {
    this.#requireCompiled();
    return await this.#activity.during("testOnBatch", () => this.#onBatch.run(this.#trainee(), "test", data, {}));
  }

  /** Predictions for one batch. @returns Tensors of the caller's. */
  async predictOnBatch<Output extends Nested<Tensor> = Tensor>(data: ArraySource | Tensor): Promise<Output> {
    const source = data instanceof tf.Tensor ? { x: data } : data;
    return await this.#activity.during(
      "predictOnBatch",
      () => this.#onBatch.predict(this.#trainee(), source),
    ) as Output;
  }

  // ---------------------------------------------------------------- variables

  /**
   * Creates the variables by running `call` once on a batch. Fit, evaluate and predict do so by themselves.
   *
   * @param x Inputs of the shapes to come, batch axis included; values do not matter.
   */
  build(x: Nested<Tensor>): void {
    if (this.#variables !== undefined) return;
    withRandomSource(hostRandomSource(newRandomKey()), () =>
      tf.tidy(() => {
        const run = () => checkOutputs(this.call(x, { training: false }), this.name);
        this.#parts.watch(() => this.#records.during(leaves(x)[0]?.shape[0] ?? 1, run));
        // What the pass left in stateful layers is not the data's.
        this.resetStates();
        for (const phase of this.#phases() ?? []) {
          for (const part of phase.trains) {
            if (part instanceof tf.Variable) this.#parts.addVariable(part);
            else this.#addLayerOf(phase, part);
          }
        }
      }));
    this.#variables = this.#parts.variables();
    this.#regularizers = undefined;
  }

  /** A layer that a phase trains: its weights must exist before the first step, even where `call` does not call it. */
  #addLayerOf(phase: TrainPhase, layer: Layer): void {
    this.#parts.addLayer(layer);
    if (layer.built || isContainer(layer)) return;
    const shape: Shape | null | undefined = layer.batchInputShape;
    if (shape === undefined || shape === null) {
      throw new TypeError(
        `Cannot build model "${this.name}": phase "${phase.name}" trains layer "${layer.name}", which call() does not ` +
          "call, so that the shape of its input is unknown. Give the layer an inputShape.",
      );
    }
    this.#applyAll(layer, [tf.zeros(shape.map((size) => size ?? 1))], {});
  }

  /** All variables, layer by layer, in Keras's order. Empty until the model is built. */
  get variables(): readonly ModelVariable[] {
    return this.#variables ?? [];
  }

  /** The layers, in the order in which they are first called. Empty until the model is built. */
  get layers(): readonly Layer[] {
    return this.#parts.topLayers;
  }

  /**
   * The layers, their output shapes, parameters and costs, as a table on the console and as data.
   *
   * A model made with `Model.from` that was not built is built on zeros. Reads no values.
   *
   * @throws {Error} If the model is not built and the shapes of its inputs are not known.
   *
   * @example
   * ```ts
   * import { Model, tf } from "@stride/stride";
   * import { assertEquals } from "@std/assert";
   *
   * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4] })] }));
   * const { parameters, layers } = model.summary({ print: () => {} });
   * assertEquals([parameters, layers[0]!.outputShapes, layers[0]!.flops], [15, [[null, 3]], 2 * 4 * 3 + 3]);
   * ```
   */
  summary(options: SummaryOptions = {}): ModelSummary {
    if (this.#variables === undefined) tf.tidy(() => this.build(exampleInputs(this.#parts.layers, this.name)));
    const slots = this.#steps.get("train")?.variables.filter(({ role }) => role === "slot") ?? [];
    const summary = summarize({
      name: this.name,
      layers: this.layers,
      variables: this.variables,
      optimizerParameters: slots.reduce((total, { variable }) => total + variable.size, 0),
      records: this.#records,
    });
    (options.print ?? console.log)(formatSummary(summary, options));
    return summary;
  }

  /** Copies of all weights, on the device, in Keras's order; the caller disposes them. */
  getWeights(): Tensor[] {
    return this.#requireBuilt().map(({ variable }) => variable.clone());
  }

  /**
   * Replaces all weights.
   *
   * @param weights In the order of `getWeights`; not disposed.
   * @throws {TypeError} If their number or shapes differ.
   */
  setWeights(weights: readonly Tensor[]): void {
    assignWeights(this.#requireBuilt(), weights, this.name);
  }

  /** Sets the states of stateful recurrent layers to zero. */
  resetStates(): void {
    for (const layer of this.#parts.layers) resetStates(layer);
  }

  /** The optimizer of the first phase; `undefined` before compile. */
  get optimizer(): Optimizer | undefined {
    return this.#compiled?.optimizers[0];
  }

  /** Releases weights, optimizer slots and compiled steps. The model cannot be used afterwards. */
  dispose(): void {
    if (this.#activity.ended) return;
    this.#activity.check("dispose");
    this.#activity.end();
    this.#onBatch.clear();
    this.#steps.clear();
    this.#releaseOptimizers([]);
    for (const { variable } of this.#variables ?? this.#parts.variables()) {
      if (!variable.isDisposed) variable.dispose();
    }
  }

  // ---------------------------------------------------------------- internals

  #phaseVariables: readonly Variable[] | undefined;
  readonly #warn: (message: string) => void = warnOnce();

  #requireCompiled(): Compiled {
    if (this.#compiled === undefined) throw new Error("You must call `compile()` before using the model.");
    return this.#compiled;
  }

  #requireBuilt(): readonly ModelVariable[] {
    if (this.#variables === undefined) {
      if (this.#parts.layers.length > 0) return this.#parts.variables();
      throw new Error(
        `Model "${this.name}" has no variables yet: fit, evaluate or predict create them, or build(x) with a batch.`,
      );
    }
    return this.#variables;
  }

  #releaseOptimizers(except: readonly Optimizer[]): void {
    for (const optimizer of this.#compiled?.optimizers ?? []) {
      if (except.includes(optimizer)) continue;
      optimizer.dispose();
      owners.delete(optimizer);
    }
  }

  #phases(): readonly TrainPhase[] | undefined {
    const phases = this.trainPhases();
    if (phases !== undefined) checkPhases(phases, this.name);
    return phases;
  }

  #trainable(): readonly ModelVariable[] {
    return this.#requireBuilt().filter(({ trainable }) => trainable);
  }

  #executor(): Executor {
    return this.#compiled?.executor ?? (this.#predictExecutor ??= this.#registry.create("executors", "auto"));
  }

  #trainee(): Trainee {
    const strategy = this.#strategy ?? (this.#ownStrategy ??= this.#registry.create("strategies", "oneDevice"));
    return {
      strategy,
      registry: this.#registry,
      stepsPerExecution: this.#compiled?.stepsPerExecution ?? 1,
      executor: this.#executor(),
      key: this.#key ??= newRandomKey(),
      prepare: async (data: Dataset, kind: StepKind) => {
        await strategy.open(this.#registry.devices);
        await this.#buildFrom(data, kind);
        return this.#step(kind);
      },
      finalize: () => {
        for (const { name, variables } of this.#steps.get("train")?.phases ?? []) {
          this.#compiled?.optimizer(name).finalize?.(variables);
        }
      },
      callbackModel: this.#callbackModel(),
    };
  }

  #callbackModel(): CallbackModel {
    const optimizer = (): Optimizer | undefined => this.optimizer;
    const trained = (): readonly ModelVariable[] => {
      const phase = this.#phases()?.[0];
      return phase === undefined ? this.#trainable() : variablesOf(phase, this.#trainable());
    };
    return {
      get optimizer() {
        return optimizer();
      },
      getWeights: () => this.getWeights(),
      setWeights: (weights) => this.setWeights(weights),
      get trained() {
        return trained();
      },
      direction: (name) => {
        const own = name.replace(/^val_/, "");
        return own === "loss" || own.endsWith("_loss") ? "min" : this.#compiled?.metrics.direction(own);
      },
    };
  }

  async #buildFrom(data: Dataset, kind: StepKind): Promise<void> {
    const batch = await firstBatch(data, kind);
    if (this.#variables !== undefined) return;
    const { x, y, sampleWeight } = batchToTensors(batch);
    const executor = this.#executor();
    try {
      if (executor.sketch === undefined) this.build(x);
      else executor.sketch(() => this.build(x));
    } finally {
      for (const part of [x, y, sampleWeight]) if (part !== undefined) mapNested(part, (tensor) => tensor.dispose());
    }
  }

  #step(kind: StepKind): Step {
    let step = this.#steps.get(kind);
    if (step === undefined) {
      step = this.#makeStep(kind);
      this.#steps.set(kind, step);
    }
    return step;
  }

  #makeStep(kind: StepKind): Step {
    const phases = kind === "train" ? this.#trainModelPhases() : [this.#lookPhase(kind)];
    const slots = phases.flatMap(({ optimizer, variables }) => optimizer?.build(variables) ?? []);
    return modelStep({
      kind,
      phases,
      variables: [...this.#requireBuilt(), ...slots],
      metrics: (scope) => this.#metricSums(scope),
      ...(kind !== "predict" && this.#compiled?.metrics.needsPredictions ? { host: this.#hostMetrics() } : {}),
      warn: this.#warn,
      key: () => this.#key ?? [0, 0],
      counter: this.#counters[kind],
    });
  }

  #trainModelPhases(): readonly ModelPhase[] {
    const trainable = this.#trainable();
    const compiled = this.#requireCompiled();
    const phases = this.#phases();
    compiled.checkPhases(phases?.map(({ name }) => name) ?? ["train"]);
    return (phases ?? [undefined]).map((phase): ModelPhase => {
      const variables = phase === undefined ? trainable : variablesOf(phase, trainable);
      const name = phase?.name ?? "train";
      const optimizer = compiled.optimizer(name);
      const tensors = variables.map(({ variable }) => variable);
      return {
        name,
        variables,
        optimizer,
        run: (batch, context) => {
          this.#phaseVariables = tensors;
          try {
            return { result: phase === undefined ? this.trainStep(batch, context) : phase.step(batch, context) };
          } finally {
            this.#phaseVariables = undefined;
          }
        },
        apply: (gradients, scalars) => this.applyGradients({ phase: name, variables, gradients, optimizer, scalars }),
      };
    });
  }

  #lookPhase(kind: "test" | "predict"): ModelPhase {
    return {
      name: kind,
      variables: [],
      run: (batch, context) => {
        if (kind === "predict") return { outputs: mapNested(this.predictStep(batch, context), ownedBy(batch)) };
        const logs = this.testStep(batch, context);
        return { result: { gradients: new Map(), ...(logs ? { logs } : {}) } };
      },
    };
  }

  #hostMetrics(): StepOptions["host"] {
    const { metrics } = this.#requireCompiled();
    return {
      outputs: ({ prediction }) => prediction && hostOutputs(metrics.hostEntries, prediction, this.outputNames),
      logs: (outputs) => hostLogs(metrics.hostEntries, outputs),
    };
  }

  #metricSums(scope: StepScope): readonly MetricSums[] {
    const { prediction } = scope;
    if (this.#compiled === undefined) return [];
    if (prediction === undefined) {
      if (this.#compiled.metrics.any) {
        this.#warn(
          "The compiled metrics are not reported: the step never calls this.computeLoss(), which they look at.",
        );
      }
      return [];
    }
    for (const [name, value] of Object.entries(this.computeMetrics(prediction))) scope.logs.set(name, value);
    const { metrics } = this.#compiled;
    const sums = metrics.update(prediction, this.outputNames);
    return metrics.bind(prediction, this.outputNames).map(({ name, bound }, index) => ({
      name,
      size: bound.size,
      combine: bound.combine,
      result: (state) => bound.result(state),
      sums: sums[index]!,
    }));
  }
}

/** Outputs that are the batch's own tensors are copied: the executor disposes the batch. */
function ownedBy(batch: TensorBatch): (output: Tensor) => Tensor {
  const inputs = new Set<Tensor>(leaves(batch.x));
  return (output) => inputs.has(output) ? output.clone() : output;
}
