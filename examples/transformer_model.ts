/**
 * A small decoder-only transformer over characters, in plain tfjs operations: the model of `transformer.ts`, and of the
 * benchmark `gpt`.
 *
 * Learned positions, layer normalization before each part, causal attention, and a GELU of four times the width, as in
 * GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019). No dropout, no bias in attention.
 *
 * @module
 */
import { Model, type Tensor, tf, type Variable } from "@stride/stride";

/** How large the transformer is. */
export interface TransformerOptions {
  /** How many different characters there are. */
  readonly vocabulary: number;
  /** How many characters it sees at most. */
  readonly context: number;
  /** Numbers in the vector of a character; a multiple of `heads`. */
  readonly width: number;
  /** Attention heads of a block. */
  readonly heads: number;
  /** How many blocks follow each other. */
  readonly blocks: number;
}

/** Layer normalization: both `[width]`. */
interface Normalization {
  readonly scale: Variable;
  readonly shift: Variable;
}

/** Weights of one block. */
interface Block {
  readonly beforeAttention: Normalization;
  /** `[width, width]` each. */
  readonly query: Variable;
  readonly key: Variable;
  readonly value: Variable;
  readonly output: Variable;
  readonly beforeMlp: Normalization;
  /** `[width, 4 · width]` and `[4 · width]`. */
  readonly up: Variable;
  readonly upBias: Variable;
  /** `[4 · width, width]` and `[width]`. */
  readonly down: Variable;
  readonly downBias: Variable;
}

/** All weights of a transformer. */
export interface TransformerWeights {
  readonly options: TransformerOptions;
  /** `[vocabulary, width]`. */
  readonly characters: Variable;
  /** `[context, width]`. */
  readonly positions: Variable;
  readonly blocks: readonly Block[];
  readonly last: Normalization;
  /** `[width, vocabulary]`. */
  readonly head: Variable;
}

let made = 0;

/**
 * New weights: normal with a standard deviation of 0.02, less where a block adds to its input.
 *
 * @throws {RangeError} If the heads do not share the width evenly.
 */
export function transformerWeights(options: TransformerOptions): TransformerWeights {
  const { vocabulary, context, width, heads, blocks } = options;
  if (width % heads !== 0) {
    throw new RangeError(`Cannot share a width of ${width} among ${heads} heads: expected a multiple of ${heads}.`);
  }
  made++;
  // tfjs wants a name once in a process; Stride drops the number.
  const named = (name: string, value: Tensor): Variable => tf.variable(value, true, `${name}_${made}`);
  const normal = (name: string, shape: number[], deviation = 0.02): Variable =>
    named(name, tf.randomNormal(shape, 0, deviation));
  const normalization = (name: string): Normalization => ({
    scale: named(`${name}/scale`, tf.ones([width])),
    shift: named(`${name}/shift`, tf.zeros([width])),
  });
  // Each block adds twice; so the sum of all keeps its size.
  const adding = 0.02 / Math.sqrt(2 * blocks);
  const block = (name: string): Block => ({
    beforeAttention: normalization(`${name}/before_attention`),
    query: normal(`${name}/query`, [width, width]),
    key: normal(`${name}/key`, [width, width]),
    value: normal(`${name}/value`, [width, width]),
    output: normal(`${name}/output`, [width, width], adding),
    beforeMlp: normalization(`${name}/before_mlp`),
    up: normal(`${name}/up`, [width, 4 * width]),
    upBias: named(`${name}/up_bias`, tf.zeros([4 * width])),
    down: normal(`${name}/down`, [4 * width, width], adding),
    downBias: named(`${name}/down_bias`, tf.zeros([width])),
  });
  return {
    options,
    characters: normal("characters", [vocabulary, width]),
    positions: normal("positions", [context, width]),
    blocks: Array.from({ length: blocks }, (_, index) => block(`block${index}`)),
    last: normalization("last"),
    head: normal("head", [width, vocabulary]),
  };
}

/**
 * What comes after each character.
 *
 * @param tokens int32 `[batch, time]`, time at most `context`.
 * @returns Logits `[batch, time, vocabulary]`; those at a position depend on characters up to it.
 */
export function transformerLogits(tokens: Tensor, weights: TransformerWeights): Tensor {
  const [batch, time] = tokens.shape as [number, number];
  const { width, vocabulary } = weights.options;
  const positions = tf.slice(weights.positions, [0, 0], [time, width]);
  const mask = causalMask(time);
  // Rows are characters from here on: matrix products of tfjs take no gradient through a broadcast.
  let x = tf.reshape(tf.add(tf.gather(weights.characters, tokens), positions), [batch * time, width]);
  for (const block of weights.blocks) {
    x = tf.add(x, attention(normalize(x, block.beforeAttention), block, { batch, time, mask, ...weights.options }));
    const hidden = gelu(tf.add(tf.matMul(normalize(x, block.beforeMlp), block.up), block.upBias));
    x = tf.add(x, tf.add(tf.matMul(hidden, block.down), block.downBias));
  }
  return tf.reshape(tf.matMul(normalize(x, weights.last), weights.head), [batch, time, vocabulary]);
}

/** What attention needs to know of the batch. */
interface AttentionShape {
  readonly batch: number;
  readonly time: number;
  readonly heads: number;
  readonly width: number;
  /** `[time, time]`. */
  readonly mask: Tensor;
}

/** `[batch · time, width]` → the same shape. */
function attention(x: Tensor, block: Block, { batch, time, heads, width, mask }: AttentionShape): Tensor {
  const size = width / heads;
  const byHead = (kernel: Tensor): Tensor =>
    tf.transpose(tf.reshape(tf.matMul(x, kernel), [batch, time, heads, size]), [0, 2, 1, 3]);
  const scores = tf.mul(tf.matMul(byHead(block.query), byHead(block.key), false, true), 1 / Math.sqrt(size));
  const mixed = tf.matMul(tf.softmax(tf.add(scores, mask)), byHead(block.value));
  return tf.matMul(tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch * time, width]), block.output);
}

/** 0 where a position may look, −1e9 where it may not: later ones. */
function causalMask(time: number): Tensor {
  const values = Float32Array.from({ length: time * time }, (_, i) => i % time > Math.floor(i / time) ? -1e9 : 0);
  return tf.tensor2d(values, [time, time]);
}

function normalize(x: Tensor, { scale, shift }: Normalization): Tensor {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centered), -1, true);
  return tf.add(tf.mul(tf.mul(centered, tf.rsqrt(tf.add(variance, 1e-5))), scale), shift);
}

/** The GELU's approximation by tanh (Hendrycks and Gimpel, 2016), as GPT-2 has it. */
function gelu(x: Tensor): Tensor {
  const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
}

/**
 * A character-level transformer: int32 `[batch, time]` → logits `[batch, time, vocabulary]`.
 *
 * ```ts
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const model = new Transformer({ vocabulary: 5, context: 4, width: 8, heads: 2, blocks: 1 });
 * assertEquals(model.call(tf.tensor2d([[0, 1, 2, 3]], [1, 4], "int32")).shape, [1, 4, 5]);
 * ```
 */
export class Transformer extends Model {
  readonly #weights: TransformerWeights;

  /** A transformer with new weights. */
  constructor(options: TransformerOptions) {
    super("transformer");
    this.#weights = transformerWeights(options);
  }

  /** See `transformerLogits`. */
  override call(tokens: Tensor): Tensor {
    return transformerLogits(tokens, this.#weights);
  }
}
