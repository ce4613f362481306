/**
 * The variables, losses and states of a layer.
 *
 * @module
 */
import type { Tensor, tf } from "../tf.ts";
import { internals, isRecurrent, type NormalizationInternals } from "./internals.ts";
import { stateVariables } from "./recurrent.ts";
import { sublayers } from "./sublayers.ts";
import type { LayerVariableInfo } from "./types.ts";

/**
 * The variables of a layer and of all layers inside it, in Keras's order: layer by layer, a layer's non-trainable
 * ones right after its trainable ones, each once. The states of stateful layers follow their layer's weights.
 *
 * @param layer A built layer. One that is not built has no variables yet.
 * @param path Where the layer stands in the model; `""` for the model itself.
 */
export function layerVariables(layer: tf.layers.Layer, path: string): readonly LayerVariableInfo[] {
  const found: LayerVariableInfo[] = [];
  const paths = new Set<string>();
  const seen = new Set<tf.layers.Layer | tf.Variable>();
  const add = (info: LayerVariableInfo) => {
    if (seen.has(info.variable)) return;
    seen.add(info.variable);
    let unique = info.path;
    for (let index = 1; paths.has(unique); index++) unique = `${info.path}_${index}`;
    paths.add(unique);
    found.push({ ...info, path: unique });
  };
  const visit = (layer: tf.layers.Layer, path: string) => {
    if (seen.has(layer)) return;
    seen.add(layer);
    const own = internals(layer);
    for (const weight of own._trainableWeights) add(weightInfo(weight, path, layer.trainable && weight.trainable));
    for (const weight of own._nonTrainableWeights) add({ ...writtenInfo(weight, path), ...spreadOf(weight, layer) });
    for (const { segment, layer: inner } of sublayers(layer)) visit(inner, join(path, segment));
    if (isRecurrent(layer)) {
      stateVariables(layer).forEach((variable, index) => add(keptInfo(variable, join(path, `state_${index}`))));
    }
    // A class of the user's own may hand out weights that it keeps out of sight.
    for (const weight of layer.trainableWeights) add(weightInfo(weight, path, weight.trainable));
    for (const weight of layer.nonTrainableWeights) add(weightInfo(weight, path, false));
  };
  visit(layer, path);
  return found;
}

function join(path: string, segment: string): string {
  return path === "" || segment === "" ? path + segment : `${path}/${segment}`;
}

function weightPath(weight: tf.LayerVariable, path: string): string {
  return join(path, weight.originalName.split("/").at(-1)!);
}

function weightInfo(weight: tf.LayerVariable, path: string, trainable: boolean): LayerVariableInfo {
  const constraint = weight.constraint ?? undefined;
  return {
    path: weightPath(weight, path),
    variable: weight.read() as tf.Variable,
    trainable,
    role: "weight",
    acrossReplicas: "mirrored",
    ...(constraint === undefined ? {} : { constraint: (value: Tensor) => constraint.apply(value) }),
  };
}

/** What a layer declares as not trained it may write itself, as batch normalization does. */
function writtenInfo(weight: tf.LayerVariable, path: string): LayerVariableInfo {
  const variable = weight.read() as tf.Variable;
  return {
    path: weightPath(weight, path),
    variable,
    trainable: false,
    role: "state",
    acrossReplicas: variable.dtype === "float32" ? "mean" : "first",
  };
}

/** What a batch normalization's moving variance goes with: the spread of the replicas' means is part of the variance. */
function spreadOf(weight: tf.LayerVariable, layer: tf.layers.Layer): Pick<LayerVariableInfo, "spread"> {
  if (layer.getClassName() !== "BatchNormalization") return {};
  const { movingMean, movingVariance, momentum } = internals<NormalizationInternals>(layer);
  if (weight !== movingVariance) return {};
  return { spread: { mean: movingMean.read() as tf.Variable, rate: 1 - momentum } };
}

function keptInfo(variable: tf.Variable, path: string): LayerVariableInfo {
  return { path, variable, trainable: false, role: "state", acrossReplicas: "first" };
}

/**
 * The regularization losses of a layer's weights, and what the layer added by `addLoss` outside of its `call`: scalars,
 * computed when called, inside a step. As in Keras a frozen layer's regularizers do not count. A layer that is used
 * several times counts once.
 */
export function layerLosses(layer: tf.layers.Layer): readonly (() => Tensor)[] {
  const seen = new Set<tf.layers.Layer>();
  const losses: (() => Tensor)[] = [];
  const visit = (layer: tf.layers.Layer) => {
    if (seen.has(layer)) return;
    seen.add(layer);
    const own = internals(layer);
    const weights = own._trainableWeights;
    if (weights.length === 0 || (layer.trainable && weights.some((weight) => weight.trainable))) {
      losses.push(...own._losses);
    }
    for (const { layer: inner } of sublayers(layer)) visit(inner);
  };
  visit(layer);
  return losses;
}

/** Sets the states of all stateful layers in a layer to where they began: zeros, for tfjs's recurrent layers. */
export function resetStates(layer: tf.layers.Layer): void {
  const inner = sublayers(layer);
  if (layer.stateful && (isRecurrent(layer) || inner.length === 0)) layer.resetStates();
  for (const { layer: sublayer } of inner) resetStates(sublayer);
}
