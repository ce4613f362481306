/**
 * Normalization by the root mean square.
 *
 * @module
 */
import { formatShape, type Layer, type Tensor, tf } from "../../core/tf.ts";
import { firstShape, layerArguments, type LayerOptions, WeightRule } from "./options.ts";
import { registerClass } from "./register.ts";

/** Options of `rmsNormalization`. */
export interface RmsNormalizationOptions extends LayerOptions {
  /** The axis or axes to normalize over. @default -1 */
  readonly axis?: number | readonly number[];
  /** Added to the mean square. @default 1e-6 */
  readonly epsilon?: number;
}

/** The class behind `rmsNormalization`. */
export class RmsNormalization extends tf.layers.Layer {
  /** How tfjs finds it: Keras's name. */
  static className: string = "RMSNormalization";
  readonly #axes: readonly number[];
  readonly #epsilon: number;
  #scale: tf.LayerVariable | undefined;

  /** @param options See `rmsNormalization`. */
  constructor(options: RmsNormalizationOptions = {}) {
    super(layerArguments(options));
    registerClass(RmsNormalization);
    const { axis = -1, epsilon = 1e-6 } = options;
    this.#axes = typeof axis === "number" ? [axis] : [...axis];
    this.#epsilon = epsilon;
    this.supportsMasking = true;
  }

  /** Makes `scale`, as large as the axes that are normalized. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = firstShape(inputShape);
    const sizes = this.#positions(shape.length).map((axis) => shape[axis]);
    if (sizes.some((size) => size === null || size === undefined)) {
      throw new TypeError(
        `Cannot build the layer "${this.name}" on inputs of shape ${formatShape(shape)}: the sizes of its axes ` +
          `${this.#axes.join(", ")} must be known.`,
      );
    }
    this.#scale = this.addWeight("scale", sizes as number[], "float32", ...new WeightRule("ones").arguments);
    this.built = true;
  }

  /** The shape of the input. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape;
  }

  /** Divides by the root mean square and multiplies by `scale`. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      const axes = this.#positions(x.rank);
      const meanSquare = tf.mean(tf.square(x), axes, true);
      const scale = tf.reshape(this.#scale!.read(), x.shape.map((size, axis) => axes.includes(axis) ? size : 1));
      return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, this.#epsilon))), scale);
    });
  }

  /** What makes the same layer. */
  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), axis: [...this.#axes], epsilon: this.#epsilon };
  }

  #positions(rank: number): number[] {
    return this.#axes.map((axis) => axis < 0 ? axis + rank : axis).sort((a, b) => a - b);
  }
}

/**
 * Divides each sample by its root mean square and multiplies by a learned scale: layer normalization without a mean.
 *
 * Source: Zhang & Sennrich, "Root mean square layer normalization", 2019;
 * keras/src/layers/normalization/rms_normalization.py.
 *
 * @returns A layer from `[batch, …]` to the same shape; its weight `scale` is as large as the axes.
 *
 * @example
 * ```ts
 * import { rmsNormalization } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const output = rmsNormalization().apply(tf.tensor2d([[3, -3]])) as tf.Tensor;
 * assertAlmostEquals((await output.data())[1]!, -1, 1e-5);
 * ```
 */
export function rmsNormalization(options: RmsNormalizationOptions = {}): Layer {
  return new RmsNormalization(options);
}
