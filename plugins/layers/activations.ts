/**
 * Activation functions with Keras 3's meaning.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";
import type { LstmOptions } from "./lstm.ts";

const cdf = (x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
const hardSigmoid = (x: Tensor): Tensor => tf.div(tf.clipByValue(tf.add(x, 3), 0, 6), 6);
const hardSilu = (x: Tensor): Tensor => tf.mul(x, hardSigmoid(x));
const silu = (x: Tensor): Tensor => tf.mul(x, tf.sigmoid(x));
const relu6 = (x: Tensor): Tensor => tf.relu6(x);

const TABLE: Readonly<Record<ActivationName, (x: Tensor) => Tensor>> = {
  /** As elu with alpha 1. */
  celu: (x) => tf.elu(x),
  elu: (x) => tf.elu(x),
  exponential: (x) => tf.exp(x),
  /** `x · Φ(x)` with the exact error function. */
  gelu: (x) => tf.mul(x, cdf(x)),
  /** Gelu by a hyperbolic tangent: Keras's `gelu(approximate=True)`. */
  geluApproximate: (x) => {
    const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
    return tf.mul(tf.mul(x, tf.add(tf.tanh(inner), 1)), 0.5);
  },
  /** `x` where it is farther from zero than 0.5. */
  hardShrink: (x) => tf.mul(x, tf.greater(tf.abs(x), 0.5).cast("float32")),
  /** `relu6(x + 3) / 6`; tfjs's own by this name is Keras 2's `clip(0.2 x + 0.5)`. */
  hardSigmoid,
  hardSilu,
  /** As hardSilu. */
  hardSwish: hardSilu,
  hardTanh: (x) => tf.clipByValue(x, -1, 1),
  /** Slope 0.2 below zero. */
  leakyRelu: (x) => tf.leakyRelu(x, 0.2),
  linear: (x) => x,
  logSigmoid: (x) => tf.neg(tf.softplus(tf.neg(x))),
  logSoftmax: (x) => tf.logSoftmax(x),
  mish: (x) => tf.mul(x, tf.tanh(tf.softplus(x))),
  relu: (x) => tf.relu(x),
  relu6,
  selu: (x) => tf.selu(x),
  sigmoid: (x) => tf.sigmoid(x),
  /** `x · sigmoid(x)`. */
  silu,
  /** Towards zero by 0.5. */
  softShrink: (x) => tf.mul(tf.sign(x), tf.relu(tf.sub(tf.abs(x), 0.5))),
  softmax: (x) => tf.softmax(x),
  softplus: (x) => tf.softplus(x),
  softsign: (x) => tf.div(x, tf.add(tf.abs(x), 1)),
  /** 0 up to -1, `(x + 1)² / 4` up to 1, `x` from there. */
  sparsePlus: (x) => tf.add(tf.div(tf.square(tf.add(tf.clipByValue(x, -1, 1), 1)), 4), tf.relu(tf.sub(x, 1))),
  sparseSigmoid: (x) => tf.mul(tf.add(tf.clipByValue(x, -1, 1), 1), 0.5),
  squareplus: (x) => tf.div(tf.add(x, tf.sqrt(tf.add(tf.square(x), 4))), 2),
  /** As silu. */
  swish: silu,
  tanh: (x) => tf.tanh(x),
  tanhShrink: (x) => tf.sub(x, tf.tanh(x)),
};

/** The name of an activation. */
export type ActivationName =
  | "celu"
  | "elu"
  | "exponential"
  | "gelu"
  | "geluApproximate"
  | "hardShrink"
  | "hardSigmoid"
  | "hardSilu"
  | "hardSwish"
  | "hardTanh"
  | "leakyRelu"
  | "linear"
  | "logSigmoid"
  | "logSoftmax"
  | "mish"
  | "relu"
  | "relu6"
  | "selu"
  | "sigmoid"
  | "silu"
  | "softShrink"
  | "softmax"
  | "softplus"
  | "softsign"
  | "sparsePlus"
  | "sparseSigmoid"
  | "squareplus"
  | "swish"
  | "tanh"
  | "tanhShrink";

/** A name of an activation that tfjs's layers accept. */
export type ActivationIdentifier = NonNullable<LstmOptions["activation"]>;

/**
 * Activation functions by name, as Keras 3 computes them. Softmax and logSoftmax are along the last axis.
 *
 * @throws {RangeError} If the name is unknown.
 *
 * @example Keras 3's hard sigmoid
 * ```ts
 * import { activationFunction } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...await activationFunction("hardSigmoid")(tf.tensor1d([-3, 0, 3])).data()], [0, 0.5, 1]);
 * ```
 */
export function activationFunction(name: ActivationName): (x: Tensor) => Tensor {
  const compute: ((x: Tensor) => Tensor) | undefined = Object.hasOwn(TABLE, name) ? TABLE[name] : undefined;
  if (compute === undefined) {
    throw new RangeError(`Unknown activation "${name}". Known: ${activationNames().join(", ")}.`);
  }
  return (x) => tf.tidy(() => compute(x));
}

/**
 * The names of all activations.
 *
 * ```ts
 * import { activationFunction, activationNames } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const atZero = activationNames().filter((name) => activationFunction(name)(tf.tensor1d([0])).dataSync()[0] === 0.5);
 * assertEquals(atZero, ["hardSigmoid", "sigmoid", "sparseSigmoid"]);
 * ```
 */
export function activationNames(): readonly ActivationName[] {
  return Object.keys(TABLE) as ActivationName[];
}

/** Those that tfjs computes alike, under these names. */
const SAME: Readonly<Record<string, string>> = {
  elu: "elu",
  linear: "linear",
  relu: "relu",
  relu6: "relu6",
  selu: "selu",
  sigmoid: "sigmoid",
  silu: "swish",
  softmax: "softmax",
  softplus: "softplus",
  softsign: "softsign",
  swish: "swish",
  tanh: "tanh",
};

const registered = new Set<string>();

/**
 * An activation for the `activation` option of tfjs's own layers, such as `tf.layers.dense`. Where tfjs computes
 * something else by the name, or lacks it, it is registered with tfjs, as `kerasHardSigmoid` for `hardSigmoid`.
 *
 * @throws {RangeError} If the name is unknown.
 *
 * @example A dense layer with Keras 3's hard sigmoid
 * ```ts
 * import { activationIdentifier } from "@stride/stride/layers";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = tf.layers.dense({ units: 1, activation: activationIdentifier("hardSigmoid") });
 * assertEquals(layer.getConfig().activation, "kerasHardSigmoid");
 * ```
 */
export function activationIdentifier(name: ActivationName): ActivationIdentifier {
  const compute = activationFunction(name);
  const same = SAME[name];
  if (same !== undefined) return same as ActivationIdentifier;
  // tfjs writes names in snake case and reads them in camelCase: this one comes back as it was.
  const identifier = `keras${name[0]!.toUpperCase()}${name.slice(1)}`;
  if (!registered.has(name)) {
    registered.add(name);
    class KerasActivation extends tf.serialization.Serializable {
      static className: string = identifier;
      apply(x: Tensor): Tensor {
        return compute(x);
      }
      getConfig(): tf.serialization.ConfigDict {
        return {};
      }
    }
    tf.serialization.registerClass(KerasActivation);
  }
  return identifier as ActivationIdentifier;
}
