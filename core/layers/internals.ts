/**
 * The parts of tfjs's layers that adoption reads or replaces and that tfjs's types leave out. Nothing else in Stride
 * looks inside a layer.
 *
 * @module
 */
import { type Tensor, tf } from "../tf.ts";

/** One tensor, or several: what a layer's `call` takes and gives. */
export type Tensors = Tensor | Tensor[];

/** A mask, masks in the order of the tensors that they belong to, or none. */
export type Masks = Tensor | (Tensor | null)[] | null | undefined;

/** Arguments of a call beside its inputs. */
export interface CallArguments {
  /** Whether the layer trains. */
  training?: boolean;
  /** The masks of the inputs. */
  mask?: Masks;
  /** The first states of a recurrent layer. */
  initialState?: Tensor[] | null;
  /** Whatever else a layer of the user's own takes. */
  [name: string]: unknown;
}

/** Something that turns a tensor into another: a constraint, a regularizer, an activation. */
export interface TensorFunction {
  apply(value: Tensor): Tensor;
}

/** Every layer. */
export interface LayerInternals {
  activityRegularizer: TensorFunction | null;
  supportsMasking: boolean;
  readonly built: boolean;
  readonly stateful: boolean;
  readonly inboundNodes: readonly GraphNode[];
  readonly _trainableWeights: readonly tf.LayerVariable[];
  readonly _nonTrainableWeights: readonly tf.LayerVariable[];
  readonly _losses: readonly (() => Tensor)[];
  call(inputs: Tensors, args: CallArguments): Tensors;
  apply(inputs: Tensors, args?: CallArguments): Tensors;
  computeMask(inputs: Tensors, mask: Masks): Masks;
  setMaskMetadata(): void;
  addLoss(losses: unknown): void;
  getConfig(): tf.serialization.ConfigDict;
  resetStates(): void;
}

/** One call of a layer in a graph. */
export interface GraphNode {
  readonly outboundLayer: tf.layers.Layer;
  readonly inputTensors: readonly tf.SymbolicTensor[];
  readonly outputTensors: readonly tf.SymbolicTensor[];
  readonly callArgs?: CallArguments | null;
}

/** A Sequential or LayersModel. */
export interface ContainerInternals {
  readonly nodesByDepth: Readonly<Record<string, readonly GraphNode[]>>;
}

/** A wrapper around one layer. */
export interface WrapperInternals extends LayerInternals {
  readonly layer: tf.layers.Layer;
}

/** A layer that runs forwards and backwards. */
export interface BidirectionalInternals extends LayerInternals {
  readonly forwardLayer: tf.layers.Layer;
  readonly backwardLayer: tf.layers.Layer;
}

/** A recurrent cell. Masks are one tensor, or one for each gate. */
export interface CellInternals extends LayerInternals {
  readonly stateSize: number | readonly number[];
  readonly cells?: readonly tf.layers.Layer[];
  readonly units: number;
  readonly kernel: tf.LayerVariable;
  readonly recurrentKernel: tf.LayerVariable;
  readonly bias: tf.LayerVariable | null;
  readonly activation: TensorFunction;
  readonly recurrentActivation: TensorFunction;
  dropout: number;
  recurrentDropout: number;
  dropoutMask: Tensors | null;
  recurrentDropoutMask: Tensors | null;
}

/** A recurrent layer. */
export interface RecurrentInternals extends LayerInternals {
  readonly cell: tf.layers.Layer;
  readonly inputSpec: readonly { readonly shape?: readonly (number | null)[] }[];
  readonly returnSequences: boolean;
  readonly returnState: boolean;
  readonly goBackwards: boolean;
  states_: Tensor[] | null;
  keptStates: Tensor[][];
  getInitialState(inputs: Tensor): Tensor[];
  computeSingleOutputShape?(inputShape: readonly (number | null)[]): (number | null)[];
}

/** Batch and layer normalization. */
export interface NormalizationInternals extends LayerInternals {
  readonly axis: number | readonly number[];
  readonly epsilon: number;
  readonly momentum: number;
  readonly gamma?: tf.LayerVariable | null;
  readonly beta?: tf.LayerVariable | null;
  readonly movingMean: tf.LayerVariable;
  readonly movingVariance: tf.LayerVariable;
}

/** Dropout and noise. */
export interface NoiseInternals extends LayerInternals {
  readonly rate: number;
  readonly stddev: number;
  readonly seed?: number | null;
  readonly noiseShape?: readonly (number | null)[] | null;
}

/** A layer with an axis: Softmax, Concatenate. */
export interface AxisInternals extends LayerInternals {
  readonly axis: number | readonly number[];
}

/** A convolution. */
export interface ConvolutionInternals extends LayerInternals {
  readonly padding: string;
  readonly dataFormat: string;
  readonly kernelSize: readonly number[];
  readonly dilationRate: number | readonly number[];
  readonly kernel: tf.LayerVariable | null;
  readonly depthwiseKernel?: tf.LayerVariable | null;
}

/** A layer that resizes or crops images. */
export interface ImageInternals extends LayerInternals {
  readonly size: readonly number[];
  readonly height: number;
  readonly width: number;
  readonly dataFormat: string;
  readonly interpolation: "nearest" | "bilinear";
  readonly cropToAspectRatio?: boolean;
}

/** CategoryEncoding. */
export interface EncodingInternals extends LayerInternals {
  readonly numTokens: number;
  readonly outputMode: "multiHot" | "oneHot" | "count";
}

/** Looks at a layer as what its class makes it. The caller has checked the class. */
export function internals<T extends LayerInternals = LayerInternals>(layer: tf.layers.Layer): T {
  return layer as unknown as T;
}

// Not tfjs's own `kerasMask`: a tensor disposes the mask that it finds there, although others share it.
const attached = new WeakMap<Tensor, Tensor>();

/** The mask of what a layer gave. */
export function attachedMask(tensor: Tensor): Tensor | null {
  const mask = attached.get(tensor);
  return mask === undefined || mask.isDisposed ? null : mask;
}

/** Attaches a mask to a tensor, so that a layer called on it inside another layer finds it. */
export function attachMask(tensor: Tensor, mask: Tensor | null): void {
  if (mask === null) attached.delete(tensor);
  else attached.set(tensor, mask);
}

/** The class in which a layer's method is written, by the name that it is registered under; `""` for none of its own. */
export function methodOwner(layer: tf.layers.Layer, method: string): string {
  let prototype: object | null = Object.getPrototypeOf(layer);
  while (prototype !== null && !Object.hasOwn(prototype, method)) prototype = Object.getPrototypeOf(prototype);
  const owner = prototype?.constructor as { className?: string } | undefined;
  return owner !== undefined && Object.hasOwn(owner, "className") ? owner.className ?? "" : "";
}

/** The name of a layer's class, also where the user's class forgot to state one. */
export function className(layer: tf.layers.Layer): string {
  return layer.getClassName() ?? layer.constructor.name;
}

/** A list, whether one or several were given. */
export function toList<T>(values: T | readonly T[]): T[] {
  return Array.isArray(values) ? [...values] : [values as T];
}

/** The first of several, or the one. */
export function first<T>(values: T | readonly T[]): T {
  return Array.isArray(values) ? values[0] : values as T;
}

/** One value bare, several as a list: the form in which tfjs's layers take and give tensors. */
export function bare<T>(values: readonly T[]): T | T[] {
  return values.length === 1 ? values[0]! : [...values];
}

/** Whether a layer is a graph of layers: a Sequential or a LayersModel. */
export function isContainer(layer: tf.layers.Layer): layer is tf.LayersModel {
  return layer instanceof tf.LayersModel;
}

/** Whether a layer is recurrent: any of tfjs's, or a class made from `tf.RNN`. */
export function isRecurrent(layer: tf.layers.Layer): boolean {
  return layer instanceof tf.RNN;
}
