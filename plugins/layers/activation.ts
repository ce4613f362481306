/**
 * An activation function as a layer.
 *
 * @module
 */
import { type Layer, type Tensor, tf } from "../../core/tf.ts";
import { activationFunction, type ActivationName } from "./activations.ts";
import { layerArguments, type LayerOptions } from "./options.ts";
import { registerClass } from "./register.ts";

/** Activations that give integers for integers. */
const EXACT: ReadonlySet<ActivationName> = new Set<ActivationName>(["linear", "relu"]);

/** The class behind `activation`. */
export class KerasActivation extends tf.layers.Layer {
  /** How tfjs finds it. */
  static className: string = "KerasActivation";
  readonly #name: ActivationName;
  readonly #compute: (x: Tensor) => Tensor;

  /** @param options The activation's name beside what every layer takes. */
  constructor(options: LayerOptions & { readonly activation: ActivationName }) {
    super(layerArguments(options));
    registerClass(KerasActivation);
    this.#name = options.activation;
    this.#compute = activationFunction(options.activation);
    this.supportsMasking = true;
  }

  /** The shape of the input. */
  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape | tf.Shape[] {
    return inputShape;
  }

  /** Computes the activation, of integers in float32 unless it gives integers for them. */
  override call(inputs: Tensor | Tensor[]): Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    if (x.dtype === "float32" || EXACT.has(this.#name)) return this.#compute(x);
    return tf.tidy(() => this.#compute(x.cast("float32")));
  }

  /** What makes the same layer. */
  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), activation: this.#name };
  }
}

/**
 * A layer that computes an activation function, with Keras 3's meaning.
 *
 * @param name Its name, such as `silu`, `gelu` or `hardSwish`.
 * @throws {RangeError} If the name is unknown.
 *
 * @example
 * ```ts
 * import { activation } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const output = activation("silu").apply(tf.tensor1d([1])) as tf.Tensor;
 * assertAlmostEquals((await output.data())[0]!, 1 / (1 + Math.exp(-1)), 1e-6);
 * ```
 */
export function activation(name: ActivationName, options: LayerOptions = {}): Layer {
  return new KerasActivation({ ...options, activation: name });
}
