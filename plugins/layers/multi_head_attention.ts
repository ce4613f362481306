/**
 * Attention with several heads.
 *
 * @module
 */
import { dropoutMask } from "../../core/layers/noise.ts";
import { formatShape, type Layer, type Tensor, tf } from "../../core/tf.ts";
import { attend, type AttentionMasks } from "./attend.ts";
import {
  type Constraint,
  type Initializer,
  layerArguments,
  type LayerOptions,
  positiveInteger,
  type Regularizer,
  share,
  WeightRule,
} from "./options.ts";
import { Projection } from "./projection.ts";
import { registerClass } from "./register.ts";

/** Options of `multiHeadAttention`. */
export interface MultiHeadAttentionOptions extends LayerOptions {
  /** How many heads. */
  readonly numHeads: number;
  /** Size of each head's queries and keys. */
  readonly keyDim: number;
  /** Size of each head's values. @default keyDim */
  readonly valueDim?: number | null;
  /** Share of the attention that is dropped in training. @default 0 */
  readonly dropout?: number;
  /** Whether projections have a bias. @default true */
  readonly useBias?: boolean;
  /** Last axes of the output. @default the query's last axis */
  readonly outputShape?: number | readonly number[] | null;
  /** Axes that attention runs over. @default all between the batch axis and the last */
  readonly attentionAxes?: number | readonly number[] | null;
  /** Whether a step may only look at itself and at steps before it. @default false */
  readonly useCausalMask?: boolean;
  /** Whether to give the attention too: `model.applyAll` returns both. @default false */
  readonly returnAttentionScores?: boolean;
  /** How the kernels begin. @default "glorotUniform" */
  readonly kernelInitializer?: Initializer;
  /** How the biases begin. @default "zeros" */
  readonly biasInitializer?: Initializer;
  /** What the kernels add to the loss. @default none */
  readonly kernelRegularizer?: Regularizer | null;
  /** What the biases add to the loss. @default none */
  readonly biasRegularizer?: Regularizer | null;
  /** What the kernels are projected to after each update. @default none */
  readonly kernelConstraint?: Constraint | null;
  /** What the biases are projected to after each update. @default none */
  readonly biasConstraint?: Constraint | null;
  /** Moves the random numbers of dropout, so that layers with different seeds differ. */
  readonly seed?: number | null;
}

type Masks = Tensor | (Tensor | null)[] | null | undefined;

/** The class behind `multiHeadAttention`. */
export class MultiHeadAttention extends tf.layers.Layer {
  /** How tfjs finds it. */
  static className: string = "MultiHeadAttention";
  /** From the query to the heads' queries. Its name, as those below, is where its weights stand. */
  readonly query: Projection;
  /** From the key to the heads' keys. */
  readonly key: Projection;
  /** From the value to the heads' values. */
  readonly value: Projection;
  /** From all heads to the output. */
  attention_output: Projection | null = null;
  readonly #options: MultiHeadAttentionOptions;
  readonly #kernelRule: WeightRule;
  readonly #biasRule: WeightRule | undefined;
  readonly #valueDim: number;

  /** @param options See `multiHeadAttention`. */
  constructor(options: MultiHeadAttentionOptions) {
    super(layerArguments(options));
    registerClass(MultiHeadAttention);
    const what = "a multiHeadAttention";
    const heads = positiveInteger(what, "numHeads", options.numHeads);
    const keyDim = positiveInteger(what, "keyDim", options.keyDim);
    this.#valueDim = positiveInteger(what, "valueDim", options.valueDim ?? keyDim);
    share(what, "dropout", options.dropout ?? 0);
    this.#options = options;
    this.supportsMasking = true;
    const { kernelInitializer = "glorotUniform", kernelRegularizer, kernelConstraint } = options;
    const { biasInitializer = "zeros", biasRegularizer, biasConstraint, useBias = true } = options;
    this.#kernelRule = new WeightRule(kernelInitializer, kernelRegularizer, kernelConstraint);
    this.#biasRule = useBias ? new WeightRule(biasInitializer, biasRegularizer, biasConstraint) : undefined;
    this.query = this.#projection("query", 1, [heads, keyDim]);
    this.key = this.#projection("key", 1, [heads, keyDim]);
    this.value = this.#projection("value", 1, [heads, this.#valueDim]);
  }

  #projection(name: string, contracted: number, outputShape: readonly number[]): Projection {
    return new Projection(this.name, name, {
      contracted,
      outputShape,
      kernel: this.#kernelRule,
      bias: this.#biasRule,
    });
  }

  /** Builds the projections, in Keras's order. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const [query, value, key] = threeOf(shapes(inputShape));
    if (formatShape(value.slice(1, -1)) !== formatShape(key.slice(1, -1))) {
      throw new TypeError(
        `Cannot build the layer "${this.name}": values have shape ${formatShape(value)} and keys ${
          formatShape(key)
        }; ` +
          "expected the same but for the last axis.",
      );
    }
    this.attention_output = this.#projection("attention_output", 2, this.#outputDims(query));
    for (const [layer, shape] of [[this.query, query], [this.key, key], [this.value, value]] as const) {
      layer.build(shape);
    }
    this.attention_output.build([...query.slice(0, -1), this.#options.numHeads, this.#valueDim]);
    if (!this.trainable) this.trainable = false;
    this.built = true;
  }

  /** Whether the projections are trained. */
  override get trainable(): boolean {
    return super.trainable;
  }
  override set trainable(trainable: boolean) {
    super.trainable = trainable;
    for (const part of this.#parts()) part.trainable = trainable;
  }

  /** Shape of the output, or of the output and the attention. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    const [query, value] = threeOf(shapes(inputShape));
    const output = [...query.slice(0, -1), ...this.#outputDims(query)];
    if (!this.#options.returnAttentionScores) return output;
    const axes = this.#axes(query.length);
    const free = query.slice(0, -1).filter((_, axis) => !axes.includes(axis));
    const over = (shape: tf.Shape) => axes.map((axis) => shape[axis]!);
    return [output, [...free, this.#options.numHeads, ...over(query), ...over(value)]];
  }

  /** The query's mask. */
  override computeMask(_inputs: Tensor | Tensor[], mask?: Masks): Tensor {
    const first = Array.isArray(mask) ? mask[0] ?? null : mask ?? null;
    // tfjs's type does not know that there may be none, and that there may be one for each output.
    return (this.#options.returnAttentionScores ? [first, null] : first) as unknown as Tensor;
  }

  /**
   * Attends.
   *
   * @param inputs `[query, value]`, `[query, value, key]` or `[query, value, key, attentionMask]`; one tensor is all
   * three.
   */
  override call(
    inputs: Tensor | Tensor[],
    { mask, training }: { mask?: Masks; training?: boolean },
  ): Tensor | Tensor[] {
    return tf.tidy(() => {
      const given = Array.isArray(inputs) ? inputs : [inputs];
      const [query, value, key] = threeOf(given);
      const { dropout = 0, returnAttentionScores = false, useCausalMask = false, keyDim, seed } = this.#options;
      const axes = this.#axes(query.rank);
      const { output, scores } = attend({
        query: tf.mul(this.query.call(query), 1 / Math.sqrt(keyDim)),
        key: this.key.call(key),
        value: this.value.call(value),
        axes,
        masks: this.#masks(given, mask, useCausalMask),
        // Keras takes a fused path otherwise, in which a row that sees nothing averages over everything.
        blind: dropout > 0 || returnAttentionScores || query.rank !== 3 ? "zeros" : "mean",
        drop: (attention) =>
          training && dropout > 0 ? tf.mul(attention, dropoutMask(attention.shape, dropout, seed)) : attention,
      });
      const projected = this.attention_output!.call(output);
      return returnAttentionScores ? [projected, scores] : projected;
    });
  }

  #masks(given: readonly Tensor[], mask: Masks, causal: boolean): AttentionMasks {
    const masks = Array.isArray(mask) ? mask : [mask ?? null];
    const [query, value = given.length === 1 ? query : null, key] = masks;
    return { query: query ?? null, value: value ?? null, key: key ?? null, given: given[3] ?? null, causal };
  }

  /** What makes the same layer. */
  override getConfig(): tf.serialization.ConfigDict {
    const { numHeads, keyDim, dropout = 0, outputShape = null, attentionAxes = null } = this.#options;
    const { useCausalMask = false, returnAttentionScores = false, seed = null } = this.#options;
    const list = (value: number | readonly number[] | null) => typeof value === "object" && value ? [...value] : value;
    return {
      ...super.getConfig(),
      numHeads,
      keyDim,
      valueDim: this.#valueDim,
      dropout,
      useBias: this.#biasRule !== undefined,
      outputShape: list(outputShape),
      attentionAxes: list(attentionAxes),
      useCausalMask,
      returnAttentionScores,
      seed,
      ...this.#kernelRule.config("kernel"),
      ...this.#biasRule?.config("bias"),
    };
  }

  #parts(): readonly Projection[] {
    return [this.query, this.key, this.value, this.attention_output].filter((part) => part !== null);
  }

  /** The projections' weights, in Keras's order. */
  override get trainableWeights(): tf.LayerVariable[] {
    return this.trainable ? this.#parts().flatMap((part) => part.trainableWeights) : [];
  }
  override set trainableWeights(_weights: tf.LayerVariable[]) {
    throw new TypeError(`Cannot replace the weights of "${this.name}": they belong to its projections.`);
  }

  /** The projections' weights where they are frozen. */
  override get nonTrainableWeights(): tf.LayerVariable[] {
    return this.#parts().flatMap((part) => this.trainable ? part.nonTrainableWeights : part.weights);
  }
  override set nonTrainableWeights(_weights: tf.LayerVariable[]) {
    throw new TypeError(`Cannot replace the weights of "${this.name}": they belong to its projections.`);
  }

  #outputDims(query: tf.Shape): number[] {
    const { outputShape } = this.#options;
    if (outputShape === undefined || outputShape === null) return [query.at(-1)!];
    return typeof outputShape === "number" ? [outputShape] : [...outputShape];
  }

  #axes(rank: number): number[] {
    const { attentionAxes } = this.#options;
    if (attentionAxes === undefined || attentionAxes === null) {
      return Array.from({ length: rank - 2 }, (_, index) => index + 1);
    }
    return [attentionAxes].flat().map((axis) => axis < 0 ? axis + rank : axis);
  }
}

function shapes(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
  return Array.isArray(inputShape[0]) ? inputShape as tf.Shape[] : [inputShape as tf.Shape];
}

/** Query, value and key: what is not given is what stands before it. */
function threeOf<T>(given: readonly T[]): [T, T, T] {
  const [query, value = query, key = value] = given;
  return [query!, value!, key!];
}

/**
 * Keras 3's MultiHeadAttention. Call it with `[query, value]` or `[query, value, key]`, or with one tensor for
 * self-attention; a fourth input is an attention mask, `[batch, queries, keys]`, nonzero where a query may look. Masks
 * that the inputs carry are heeded, and the query's is passed on.
 *
 * `useCausalMask` and `returnAttentionScores`, arguments of the call in Keras, are options here.
 *
 * Source: Vaswani et al., "Attention is all you need", 2017; keras/src/layers/attention/multi_head_attention.py.
 *
 * @returns A layer from `[batch, queries, features]` to the same shape. Weights: `query/kernel` `[features, heads,
 * keyDim]`, `query/bias`, then those of `key`, `value` and `attention_output`.
 * @throws {RangeError} If a size is not a positive integer.
 *
 * @example Causal self-attention in a sequential model
 * ```ts
 * import { multiHeadAttention } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const model = tf.sequential();
 * model.add(multiHeadAttention({ numHeads: 2, keyDim: 4, useCausalMask: true, inputShape: [5, 8] }));
 * assertEquals(model.outputs[0]!.shape, [null, 5, 8]);
 * assertEquals(model.countParams(), 4 * 8 * 8 + 4 * 8);
 * ```
 */
export function multiHeadAttention(options: MultiHeadAttentionOptions): Layer {
  return new MultiHeadAttention(options);
}
