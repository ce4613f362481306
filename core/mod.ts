/**
 * The core: contracts, the model and the three loops. Knows no strategy, executor, callback or device by name, and
 * imports nothing but tfjs.
 *
 * @module
 */
export type {
  Arrays,
  ArrayType,
  Batch,
  Dataset,
  Feed,
  HostArray,
  Position,
  ResidentSource,
  Shard,
  TensorBatch,
} from "./batch.ts";
export {
  type BatchBeginEvent,
  type BatchEndEvent,
  type Callback,
  type CallbackContext,
  CallbackList,
  type CallbackModel,
  callbackName,
  type HookMethod,
  type HookMethods,
  type HookName,
  hookNames,
  type Hooks,
  type Json,
  type PredictBatchEndEvent,
  type RunParams,
} from "./callback.ts";
export { ArrayDataset, type ArrayDatasetOptions } from "./data/array_dataset.ts";
export type { ClassWeight } from "./data/class_weight.ts";
export { type ArrayInput, type NestedNumbers, toHostArray } from "./data/host_array.ts";
export { shardRange } from "./data/shard.ts";
export type { ArraySource, BatchItem, DataSource, TfDataset } from "./data/source.ts";
export { type OpenPass, StreamDataset } from "./data/stream_dataset.ts";
export type { Device, DeviceCatalog, DeviceProbe } from "./device.ts";
export { CallbackError, DeviceError, TraceError, type TraceErrorCode } from "./errors.ts";
export type { Exchange, Executor, LoadOptions, Program, ProgramRun } from "./executor.ts";
export { realFft, type RealFftOptions, registerMissingGradients, type Spectrum } from "./gradients/mod.ts";
export { History } from "./history.ts";
export { adopt } from "./layers/mod.ts";
export type { LayerVariableInfo } from "./layers/types.ts";
export type { OnBatchOptions } from "./loops/on_batch.ts";
export type { EvaluateOptions, FitOptions, PredictOptions, ValidationTuple } from "./loops/options.ts";
export type { Verbose } from "./loops/verbose.ts";
export type { Loss, LossFunction, Reduction } from "./loss.ts";
export { meanMetric, type MeanMetricOptions } from "./mean_metric.ts";
export type { BoundMetric, HostMetric, HostPredictions, Metric, MetricFunction } from "./metric.ts";
export { Collected } from "./run/collected.ts";
export { Model } from "./model.ts";
export type {
  ApplyOptions,
  CallOptions,
  FromOptions,
  GradientUpdate,
  LossArguments,
  TrainPhase,
} from "./trainer/model_types.ts";
export { leafNames, leaves, mapNested, type Nested, packLike } from "./nested.ts";
export type { LearningRateSchedule, Optimizer } from "./optimizer.ts";
export { type Pending, pending } from "./pending.ts";
export {
  foldIn,
  hostRandomSource,
  type RandomKey,
  randomNormal,
  type RandomSource,
  randomUniform,
  setRandomSeed,
  threefry,
  withRandomSource,
} from "./random.ts";
export { type Factories, type Plugin, type PluginKinds, Registry } from "./registry.ts";
export { combineSums, EpochSums, type ReadSlots } from "./run/epoch_sums.ts";
export { Epochs, type Portion } from "./run/epochs.ts";
export type {
  Logs,
  Phase,
  PhaseOutput,
  Step,
  StepContext,
  StepKind,
  StepTable,
  StepVariable,
  SumsSegment,
} from "./step.ts";
export { type PerReplica, type ReduceOperation, reduceTensors } from "./per_replica.ts";
export {
  distributeBatches,
  type Execution,
  getStrategy,
  type Plan,
  replicaArgument,
  type Run,
  runInScope,
  type Started,
  type Strategy,
} from "./strategy.ts";
export { formatShape, type Layer, type LayersModel, type Shape, type Tensor, tf, type Variable } from "./tf.ts";
export type { CompileOptions, KnownNames, OptimizerChoice } from "./trainer/compile.ts";
export type { LossChoice, LossSpec, LossWeights } from "./trainer/compiled_loss.ts";
export type { MetricChoice, MetricsSpec, OutputMetrics } from "./trainer/compiled_metrics.ts";
export type { StepResult } from "./trainer/model_step.ts";
export type { ModelVariable } from "./trainer/model_variables.ts";
export type { Prediction } from "./trainer/step_scope.ts";
export {
  formatSummary,
  type FormatSummaryOptions,
  type LayerSummary,
  type ModelSummary,
  type Sizes,
  type SummaryOptions,
} from "./summary/mod.ts";
