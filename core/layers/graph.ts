/**
 * Running a layer on real tensors: one layer, or a graph of layers node by node.
 *
 * @module
 */
import { formatShape, type Tensor, tf } from "../tf.ts";
import { currentCall, withCall } from "./context.ts";
import {
  attachedMask,
  attachMask,
  bare,
  type CallArguments,
  type ContainerInternals,
  type GraphNode,
  isContainer,
  type LayerInternals,
  type Masks,
  type TensorFunction,
  type Tensors,
  toList,
} from "./internals.ts";
import { outputMasks } from "./masks.ts";
import type { LayerResult } from "./types.ts";

/** What adoption moved aside. */
export interface Adopted {
  /** tfjs's own `apply`. */
  readonly apply: LayerInternals["apply"];
  /** The layer's activity regularizer, which tfjs refuses to run. */
  readonly activityRegularizer: TensorFunction | null;
}

/** Adopts a layer, or finds what was moved aside when it was. */
export type Adopt = (layer: tf.layers.Layer) => Adopted;

/**
 * Runs a layer on tensors, as part of the running call.
 *
 * @param inputs One for each input of the layer.
 * @param args `training`, `mask`, `initialState`, and what else the layer takes.
 */
export function runLayer(
  layer: tf.layers.Layer,
  inputs: readonly Tensor[],
  args: CallArguments,
  adopt: Adopt,
): LayerResult {
  const adopted = adopt(layer);
  const { mask, ...rest } = args;
  const masks = maskList(mask, inputs);
  const outer = currentCall();
  const training = args.training ?? outer.training;
  return withCall({ training, addLoss: outer.addLoss }, () => {
    let result: LayerResult;
    if (isContainer(layer)) {
      result = runGraph(layer, inputs, masks, adopt);
    } else {
      const unbuilt = !layer.built;
      const given = masks.every((one) => one === null) ? {} : { mask: bare(masks) };
      const outputs = toList(adopted.apply(bare(inputs), { ...rest, training, ...given }));
      // A layer of the user's own may make the layers inside it when it is built.
      if (unbuilt) adopt(layer);
      const attached = outputs.map(attachedMask);
      const complete = attached.every((one) => one !== null);
      const computed = complete ? attached : outputMasks(layer, inputs, masks, outputs);
      result = { outputs, masks: computed.map((one, index) => attached[index] ?? one) };
    }
    result.outputs.forEach((output, index) => attachMask(output, result.masks[index] ?? null));
    reportActivity(adopted.activityRegularizer, result.outputs);
    return result;
  });
}

/** Adds the activity loss of a layer's outputs to the running call, averaged over their rows as in Keras 3. */
export function reportActivity(regularizer: TensorFunction | null, outputs: readonly Tensor[]): void {
  if (regularizer === null) return;
  for (const output of outputs) {
    const rows = output.rank > 0 ? Math.max(1, output.shape[0]!) : 1;
    currentCall().addLoss(tf.div(regularizer.apply(output), rows));
  }
}

/** Whether something is to be computed now, rather than wired into a graph. */
export function isReal(inputs: Tensors): boolean {
  return toList(inputs).every((input) => input instanceof tf.Tensor);
}

/** One mask for each input. A mask given alone belongs to the first input; none given: those that the inputs carry. */
function maskList(mask: Masks, inputs: readonly Tensor[]): (Tensor | null)[] {
  if (mask === undefined) return inputs.map(attachedMask);
  const masks = toList(mask);
  return inputs.map((_, index) => masks[index] ?? null);
}

interface Value {
  readonly tensor: Tensor;
  readonly mask: Tensor | null;
}

function runGraph(
  model: tf.LayersModel,
  inputs: readonly Tensor[],
  masks: readonly (Tensor | null)[],
  adopt: Adopt,
): LayerResult {
  // A Sequential makes its graph late, and again after each `add`.
  if (!model.built) model.build([...inputs[0]!.shape]);
  if (inputs.length !== model.inputs.length) {
    throw new TypeError(
      `Cannot run the model "${model.name}" on ${inputs.length} inputs: it has ${model.inputs.length} ` +
        `(${model.inputNames.join(", ")}). Pass one tensor for each, in that order.`,
    );
  }
  const values = new Map<number, Value>();
  model.inputs.forEach((symbol, index) => {
    values.set(symbol.id, { tensor: fit(model, inputs[index]!, symbol), mask: masks[index] ?? null });
  });
  for (const node of nodesInOrder(model)) runNode(node, values, adopt);
  const results = model.outputs.map((symbol) => values.get(symbol.id)!);
  return { outputs: results.map(({ tensor }) => tensor), masks: results.map(({ mask }) => mask) };
}

function runNode(node: GraphNode, values: Map<number, Value>, adopt: Adopt): void {
  if (node.outputTensors.every((symbol) => values.has(symbol.id))) return;
  const inputs = node.inputTensors.map((symbol) => values.get(symbol.id)!);
  // The states in the arguments are symbols; the tensors for them are among the inputs.
  const { initialState: _states, constants: _constants, mask: _mask, ...args } = node.callArgs ?? {};
  const result = runLayer(
    node.outboundLayer,
    inputs.map(({ tensor }) => tensor),
    { ...args, mask: inputs.map(({ mask }) => mask) },
    adopt,
  );
  node.outputTensors.forEach((symbol, index) => {
    values.set(symbol.id, { tensor: result.outputs[index]!, mask: result.masks[index] ?? null });
  });
}

/** From the inputs to the outputs: tfjs numbers depths from the outputs. */
function nodesInOrder(model: tf.LayersModel): readonly GraphNode[] {
  const { nodesByDepth } = model as unknown as ContainerInternals;
  return Object.keys(nodesByDepth).map(Number).sort((a, b) => b - a).flatMap((depth) => nodesByDepth[depth]!);
}

/** Converts an input to the dtype and rank that a model declares; as in Keras, an axis of one may come or go. */
function fit(model: tf.LayersModel, input: Tensor, symbol: tf.SymbolicTensor): Tensor {
  const expected = symbol.shape;
  let tensor = input;
  if (tensor.rank === expected.length - 1 && expected.at(-1) === 1) tensor = tf.expandDims(tensor, -1);
  else if (tensor.rank === expected.length + 1 && tensor.shape.at(-1) === 1) tensor = tf.squeeze(tensor, [-1]);
  const fits = tensor.rank === expected.length &&
    tensor.shape.every((size, axis) => expected[axis] === null || axis === 0 || expected[axis] === size);
  if (!fits) {
    throw new TypeError(
      `Cannot run the model "${model.name}" on an input of shape ${formatShape(input.shape)}: its input ` +
        `"${symbol.name}" has the shape ${
          formatShape(expected)
        }. Reshape the data, or change the first layer's inputShape.`,
    );
  }
  return tensor.dtype === symbol.dtype ? tensor : tensor.cast(symbol.dtype);
}
