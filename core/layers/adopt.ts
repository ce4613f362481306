/**
 * Adoption: what Stride changes in a layer of tfjs so that it trains as in Keras 3. All of it hangs on the one
 * instance; tfjs's classes stay as they are. Each change is in the file named after its topic; this file applies them.
 *
 * Not changed: activation functions mean what they mean in tfjs. `hardSigmoid` is `clip(0.2 x + 0.5)` there and
 * `relu6(x + 3) / 6` in Keras 3, and tfjs's LSTM and GRU use it unless told otherwise: pass
 * `recurrentActivation: "sigmoid"` for Keras 3's default. Loaded models were trained with what tfjs does, so this
 * cannot be changed behind their back.
 *
 * @module
 */
import { registerMissingGradients } from "../gradients/mod.ts";
import type { Layer, tf } from "../tf.ts";
import { adoptCategoryEncoding } from "./category_encoding.ts";
import { currentCall } from "./context.ts";
import { adoptConvolution } from "./convolution.ts";
import { type Adopted, isReal, reportActivity, runLayer } from "./graph.ts";
import { adoptImages } from "./images.ts";
import { adoptIntegers } from "./integers.ts";
import {
  bare,
  type CallArguments,
  className,
  internals,
  isContainer,
  type LayerInternals,
  type TensorFunction,
  toList,
} from "./internals.ts";
import { adoptMasks } from "./masks.ts";
import { adoptNoise } from "./noise.ts";
import { adoptNormalization } from "./normalization.ts";
import { adoptRecurrent, zeroMaskedSteps } from "./recurrent.ts";
import { adoptCell } from "./recurrent_cells.ts";
import { adoptSoftmax } from "./softmax.ts";
import { sublayers } from "./sublayers.ts";
import { adoptTimeDistributed } from "./wrappers.ts";

interface Kept extends Adopted {
  activityRegularizer: TensorFunction | null;
  /** Built, and without layers inside: not searched again. The search would be a tenth of a small step. */
  leaf?: boolean;
}

const records = new WeakMap<tf.layers.Layer, Kept>();

/**
 * Makes a layer, and every layer inside it, behave as in Keras 3 from here on. Doing it again is free and finds what
 * was added since. The layer stays one of tfjs's: it can be saved, wired into graphs and used without Stride.
 *
 * A layer with an `activityRegularizer` must be adopted before it is added to a model: tfjs refuses to wire it.
 */
export function adopt(layer: Layer): void {
  adopted(layer);
}

/** Adopts a layer and gives what was moved aside. */
export function adopted(layer: tf.layers.Layer): Adopted {
  let record = records.get(layer);
  if (record === undefined) {
    record = { apply: internals(layer).apply.bind(layer), activityRegularizer: null };
    records.set(layer, record);
    change(layer, record);
  }
  moveRegularizer(layer, record);
  if (record.leaf !== true) {
    const inside = sublayers(layer);
    for (const { layer: inner } of inside) adopted(inner);
    record.leaf = layer.built && inside.length === 0;
  }
  return record;
}

function change(layer: tf.layers.Layer, record: Kept): void {
  registerMissingGradients();
  const own = internals(layer);
  adoptMasks(layer);
  adoptNoise(layer);
  adoptNormalization(layer);
  adoptRecurrent(layer);
  adoptCell(layer);
  adoptTimeDistributed(layer);
  adoptSoftmax(layer);
  adoptConvolution(layer);
  adoptImages(layer);
  adoptIntegers(layer);
  adoptCategoryEncoding(layer);
  freezeInside(layer);
  if (isContainer(layer)) {
    own.call = (inputs, args) => bare(runLayer(layer, toList(inputs), args, adopted).outputs);
  } else {
    collectLosses(own);
  }
  own.apply = (inputs, args: CallArguments = {}) =>
    isReal(inputs) ? bare(runLayer(layer, toList(inputs), args, adopted).outputs) : record.apply(inputs, args);
  const config = own.getConfig.bind(layer);
  own.getConfig = () => {
    own.activityRegularizer = record.activityRegularizer;
    try {
      return config();
    } finally {
      own.activityRegularizer = null;
    }
  };
  if (className(layer) === "Bidirectional") {
    reportInside(layer);
    for (const { layer: inner } of sublayers(layer)) zeroMaskedSteps(inner);
  }
}

/** tfjs throws where a layer has an activity regularizer, so it is kept beside the layer. */
function moveRegularizer(layer: tf.layers.Layer, record: Kept): void {
  const own = internals(layer);
  if (own.activityRegularizer === null || own.activityRegularizer === undefined) return;
  record.activityRegularizer = own.activityRegularizer;
  own.activityRegularizer = null;
}

/** Keras freezes and thaws what is inside a layer with it; tfjs only hides the weights. */
function freezeInside(layer: tf.layers.Layer): void {
  const { get, set } = accessor(layer, "trainable");
  const pass = (trainable: boolean) => sublayers(layer).forEach(({ layer: inner }) => inner.trainable = trainable);
  if (!layer.trainable) pass(false);
  Object.defineProperty(layer, "trainable", {
    configurable: true,
    get: () => get.call(layer),
    set: (trainable: boolean) => {
      set.call(layer, trainable);
      pass(trainable);
    },
  });
}

function accessor(
  target: object,
  name: string,
): { get(this: object): unknown; set(this: object, value: unknown): void } {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.getOwnPropertyDescriptor(at, name);
    if (found?.get !== undefined && found.set !== undefined) return { get: found.get, set: found.set };
  }
  throw new TypeError(
    `Cannot adopt a layer without "${name}": it is not a tfjs layer of the version that Stride uses.`,
  );
}

/** `addLoss` in a layer's `call` adds to the loss of this step; elsewhere, as in tfjs, to that of every step. */
function collectLosses(own: LayerInternals): void {
  const call = own.call;
  const addLoss = own.addLoss;
  let running = 0;
  own.call = (inputs, args) => {
    running++;
    try {
      return call.call(own, inputs, args);
    } finally {
      running--;
    }
  };
  own.addLoss = (losses) => {
    if (running === 0) return addLoss.call(own, losses);
    for (const loss of toList(losses)) currentCall().addLoss(typeof loss === "function" ? loss() : loss);
  };
}

/** tfjs's Bidirectional goes past the `apply` of the layers inside it, where activity losses are reported. */
function reportInside(layer: tf.layers.Layer): void {
  for (const { layer: inner } of sublayers(layer)) {
    const record = adopted(inner);
    const own = internals(inner);
    const call = own.call;
    own.call = (inputs, args) => {
      const outputs = call.call(own, inputs, args);
      reportActivity(record.activityRegularizer, toList(outputs));
      return outputs;
    };
  }
}
