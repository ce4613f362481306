/**
 * A product with a kernel of several axes: Keras's EinsumDense as attention uses it.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";
import { firstShape, type LayerArguments, type WeightRule } from "./options.ts";

/** How a projection is made. */
export interface ProjectionOptions {
  /** How many of the input's last axes are contracted. */
  readonly contracted: number;
  /** The axes that take their place. */
  readonly outputShape: readonly number[];
  /** How the kernel is made. */
  readonly kernel: WeightRule;
  /** How the bias is made; none without it. */
  readonly bias?: WeightRule | undefined;
}

/** From `[…, contracted]` to `[…, outputShape]`. */
export class Projection extends tf.layers.Layer {
  /** How tfjs names it. */
  static className: string = "Projection";
  readonly #options: ProjectionOptions;
  #kernel: tf.LayerVariable | undefined;
  #bias: tf.LayerVariable | undefined;

  readonly #role: string;

  /** @param owner The layer that it is part of. @param role Its name there. */
  constructor(owner: string, role: string, options: ProjectionOptions) {
    super({ name: `${owner}_${role}` } as LayerArguments);
    this.#role = role;
    this.#options = options;
  }

  /** Makes `kernel` `[contracted, outputShape]`, and `bias` `[outputShape]`. */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { contracted, outputShape, kernel, bias } = this.#options;
    const from = firstShape(inputShape).slice(-contracted) as number[];
    // tfjs puts the owner's name before these; saved models need names that differ.
    const named = (weight: string) => `${this.#role}/${weight}`;
    this.#kernel = this.addWeight(named("kernel"), [...from, ...outputShape], "float32", ...kernel.arguments);
    if (bias) this.#bias = this.addWeight(named("bias"), [...outputShape], "float32", ...bias.arguments);
    this.built = true;
  }

  /** The shape of the projected. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const { contracted, outputShape } = this.#options;
    return [...firstShape(inputShape).slice(0, -contracted), ...outputShape];
  }

  /** One matrix product. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    const { contracted, outputShape } = this.#options;
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      const depth = x.shape.slice(-contracted).reduce((product, size) => product * size, 1);
      const width = outputShape.reduce((product, size) => product * size, 1);
      const kernel = tf.reshape(this.#kernel!.read(), [depth, width]);
      let product: Tensor = tf.matMul(tf.reshape(x, [x.size / depth, depth]), kernel);
      if (this.#bias) product = tf.add(product, tf.reshape(this.#bias.read(), [width]));
      return tf.reshape(product, [...x.shape.slice(0, -contracted), ...outputShape]);
    });
  }
}
