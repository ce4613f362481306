/**
 * A model's layers, their sizes and costs, as data.
 *
 * @module
 */
import { isContainer, layerPath, layerVariables } from "../layers/mod.ts";
import type { LayerVariableInfo } from "../layers/types.ts";
import { type Layer, type Shape, tf } from "../tf.ts";
import type { LayerRecords } from "./layer_records.ts";

/** How much a layer or model holds. */
export interface Sizes {
  /** Numbers in its weights, as Keras counts them: states of recurrent layers are not among them. */
  readonly parameters: number;
  /** Those that an optimizer may change. */
  readonly trainable: number;
  /** The others, such as moving averages and frozen weights. */
  readonly nonTrainable: number;
  /** Memory of the weights, in bytes. */
  readonly bytes: number;
}

/** One layer of a model. */
export interface LayerSummary extends Sizes {
  /** Its place in the model: the segment of its variables' paths. */
  readonly name: string;
  /** Its class: `Dense`. */
  readonly type: string;
  /** Shapes of its outputs; `null` is the batch axis. Empty where it was not called. */
  readonly outputShapes: readonly Shape[];
  /** Floating-point operations of a forward pass, for one sample; a multiplication and an addition are two. */
  readonly flops: number;
  /** The layers in it, where it is a model of layers. */
  readonly layers: readonly LayerSummary[];
}

/** A model: its layers and its totals. Weights that layers share count once. */
export interface ModelSummary extends Sizes {
  /** Its name. */
  readonly name: string;
  /** Its layers, in the order in which they are first called. */
  readonly layers: readonly LayerSummary[];
  /** Numbers that the optimizer keeps for the weights; 0 before the first step. */
  readonly optimizerParameters: number;
  /** Floating-point operations of a forward pass for one sample, with those outside of layers. */
  readonly flops: number;
}

/** What a summary is made from. */
export interface SummarySource {
  readonly name: string;
  readonly layers: readonly Layer[];
  readonly variables: readonly LayerVariableInfo[];
  readonly optimizerParameters: number;
  readonly records: LayerRecords;
}

/** Gathers a summary. Reads no values. */
export function summarize(source: SummarySource): ModelSummary {
  const { name, layers, variables, optimizerParameters, records } = source;
  return {
    name,
    layers: summaries(layers, source),
    ...sizes(variables),
    optimizerParameters,
    flops: perSample(records.flops, records.rows),
  };
}

function summaries(layers: readonly Layer[], source: SummarySource): LayerSummary[] {
  const taken = new Set<string>();
  return layers.map((layer) => layerSummary(layer, layerPath(layer, taken), source));
}

function layerSummary(layer: Layer, name: string, source: SummarySource): LayerSummary {
  const record = source.records.get(layer);
  const inner = isContainer(layer) ? summaries(withoutInputs(layer), source) : [];
  const known = record?.outputShapes ?? declared(layer);
  return {
    name,
    type: layer.getClassName() ?? layer.constructor.name,
    outputShapes: known.map((shape) => shape.map((size, axis) => axis === 0 ? null : size)),
    ...sizes(layerVariables(layer, name)),
    flops: isContainer(layer)
      ? inner.reduce((total, { flops }) => total + flops, 0)
      : perSample(record?.flops ?? 0, source.records.rows),
    layers: inner,
  };
}

/** As Keras: a Sequential's input is none of its layers. */
export function withoutInputs(model: tf.LayersModel): readonly Layer[] {
  return model instanceof tf.Sequential
    ? model.layers.filter((layer) => layer.getClassName() !== "InputLayer")
    : model.layers;
}

/** What tfjs knows of layers that are not called: inputs, and models as wholes. */
function declared(layer: Layer): readonly Shape[] {
  try {
    const shape = layer.outputShape;
    return Array.isArray(shape[0]) ? shape as Shape[] : [shape as Shape];
  } catch {
    // tfjs throws where a layer is in no graph, or in several with different shapes.
    return [];
  }
}

function sizes(variables: readonly LayerVariableInfo[]): Sizes {
  const weights = variables.filter(({ role, acrossReplicas }) => !(role === "state" && acrossReplicas === "first"));
  const count = (of: readonly LayerVariableInfo[]) => of.reduce((total, { variable }) => total + variable.size, 0);
  const parameters = count(weights);
  const trainable = count(weights.filter((weight) => weight.trainable));
  const bytes = weights.reduce(
    (total, { variable }) => total + variable.size * tf.util.bytesPerElement(variable.dtype),
    0,
  );
  return { parameters, trainable, nonTrainable: parameters - trainable, bytes };
}

function perSample(flops: number, rows: number): number {
  return Math.round(flops / Math.max(1, rows));
}
