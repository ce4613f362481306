/**
 * Positions in a sequence.
 *
 * @module
 */
import { formatShape, type Layer, type Tensor, tf } from "../../core/tf.ts";
import {
  type Constraint,
  firstShape,
  type Initializer,
  layerArguments,
  type LayerOptions,
  positiveInteger,
  type Regularizer,
  WeightRule,
} from "./options.ts";
import { registerClass } from "./register.ts";

/** Options of `positionalEmbedding`. */
export interface PositionalEmbeddingOptions extends LayerOptions {
  /** The longest sequence, in steps. */
  readonly sequenceLength: number;
  /** How the vectors begin. @default "glorotUniform" */
  readonly embeddingsInitializer?: Initializer;
  /** What the vectors add to the loss. @default none */
  readonly embeddingsRegularizer?: Regularizer | null;
  /** What the vectors are projected to after each update. @default none */
  readonly embeddingsConstraint?: Constraint | null;
}

/** The class behind `positionalEmbedding`. */
export class PositionalEmbedding extends tf.layers.Layer {
  /** How tfjs finds it. */
  static className: string = "PositionalEmbedding";
  readonly #length: number;
  readonly #rule: WeightRule;
  #embeddings: tf.LayerVariable | undefined;

  /** @param options See `positionalEmbedding`. */
  constructor(options: PositionalEmbeddingOptions) {
    super(layerArguments(options));
    registerClass(PositionalEmbedding);
    this.#length = positiveInteger("a positionalEmbedding", "sequenceLength", options.sequenceLength);
    const { embeddingsInitializer = "glorotUniform", embeddingsRegularizer, embeddingsConstraint } = options;
    this.#rule = new WeightRule(embeddingsInitializer, embeddingsRegularizer, embeddingsConstraint);
    this.supportsMasking = true;
  }

  /** Makes `embeddings`, `[sequenceLength, features]`. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = firstShape(inputShape);
    const features = shape.at(-1);
    if (shape.length < 3 || features === null || features === undefined) {
      throw new TypeError(
        `Cannot build the layer "${this.name}" on inputs of shape ${formatShape(shape)}: expected [batch, time, ` +
          "features] with a known number of features.",
      );
    }
    this.#embeddings = this.addWeight("embeddings", [this.#length, features], "float32", ...this.#rule.arguments);
    this.built = true;
  }

  /** The shape of the input. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape;
  }

  /** Adds the vector of each position. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      const [time, features] = x.shape.slice(-2) as [number, number];
      if (time > this.#length) {
        throw new RangeError(
          `Cannot run the layer "${this.name}" on ${time} steps: it has vectors for ${this.#length}. Raise ` +
            "sequenceLength, or cut the sequences.",
        );
      }
      return tf.add(x, tf.slice(this.#embeddings!.read(), [0, 0], [time, features]));
    });
  }

  /** What makes the same layer. */
  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), sequenceLength: this.#length, ...this.#rule.config("embeddings") };
  }
}

/**
 * Adds a learned vector to each step of a sequence, by its position.
 *
 * @returns A layer from `[batch, time, features]` to the same shape; its weight is `embeddings`, `[sequenceLength,
 * features]`.
 *
 * @example
 * ```ts
 * import { positionalEmbedding } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = positionalEmbedding({ sequenceLength: 8, embeddingsInitializer: "ones" });
 * const output = layer.apply(tf.zeros([1, 2, 2])) as tf.Tensor;
 * assertEquals([...await output.data()], [1, 1, 1, 1]);
 * ```
 */
export function positionalEmbedding(options: PositionalEmbeddingOptions): Layer {
  return new PositionalEmbedding(options);
}

/** Options of `sinusoidalPositions`. */
export interface SinusoidalPositionsOptions {
  /** The longest wavelength, in steps, divided by 2π. @default 10000 */
  readonly maxWavelength?: number;
}

/**
 * Fixed vectors for positions: sines at even features and cosines at odd ones, of growing wavelengths. Add them to a
 * sequence: `tf.add(x, sinusoidalPositions(time, features))`.
 *
 * Source: Vaswani et al., "Attention is all you need", 2017; keras_hub's SinePositionEncoding.
 *
 * @param length Steps.
 * @param features Elements of a vector.
 * @returns float32 `[length, features]`, the caller's.
 * @throws {RangeError} If one of them is not a positive integer.
 *
 * @example
 * ```ts
 * import { sinusoidalPositions } from "@stride/stride/layers";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...await sinusoidalPositions(1, 4).data()], [0, 1, 0, 1]);
 * ```
 */
export function sinusoidalPositions(
  length: number,
  features: number,
  { maxWavelength = 10000 }: SinusoidalPositionsOptions = {},
): Tensor {
  positiveInteger("sinusoidalPositions", "length", length);
  positiveInteger("sinusoidalPositions", "features", features);
  const values = new Float32Array(length * features);
  for (let feature = 0; feature < features; feature++) {
    const rate = maxWavelength ** (-2 * Math.floor(feature / 2) / features);
    const wave = feature % 2 === 0 ? Math.sin : Math.cos;
    for (let step = 0; step < length; step++) values[step * features + feature] = wave(step * rate);
  }
  return tf.tensor2d(values, [length, features]);
}
