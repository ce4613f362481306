/**
 * Keras's activations by Keras's names, as names that tfjs's layers accept. Those that tfjs lacks or computes
 * differently are registered with it on first use.
 *
 * @module
 */
import { type Tensor, tf } from "../../core/tf.ts";

/** Names of tfjs's own activations that mean the same. */
const SAME: Readonly<Record<string, string>> = {
  elu: "elu",
  gelu: "gelu",
  linear: "linear",
  log_softmax: "logSoftmax",
  mish: "mish",
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

const hardSigmoid = (x: Tensor) => tf.div(tf.clipByValue(tf.add(x, 3), 0, 6), 6);
const softThreshold = (x: Tensor, width: number) => tf.mul(tf.sign(x), tf.relu(tf.sub(tf.abs(x), width)));

/** What Keras 3 computes by these names. */
const OTHER: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  celu: (x) => tf.elu(x),
  exponential: (x) => tf.exp(x),
  hard_shrink: (x) => tf.mul(x, tf.greater(tf.abs(x), 0.5).cast("float32")),
  hard_sigmoid: hardSigmoid,
  hard_silu: (x) => tf.mul(x, hardSigmoid(x)),
  hard_swish: (x) => tf.mul(x, hardSigmoid(x)),
  hard_tanh: (x) => tf.clipByValue(x, -1, 1),
  leaky_relu: (x) => tf.leakyRelu(x, 0.2),
  log_sigmoid: (x) => tf.neg(tf.softplus(tf.neg(x))),
  soft_shrink: (x) => softThreshold(x, 0.5),
  sparse_sigmoid: (x) => tf.clipByValue(tf.add(tf.mul(x, 0.5), 0.5), 0, 1),
  squareplus: (x) => tf.div(tf.add(x, tf.sqrt(tf.add(tf.square(x), 4))), 2),
  tanh_shrink: (x) => tf.sub(x, tf.tanh(x)),
};

const registered = new Set<string>();

/**
 * The name by which tfjs's layers know a Keras activation.
 *
 * @param name Keras's name; `null` is the identity.
 * @throws {RangeError} If Keras's activation is not known here.
 */
export function kerasActivation(name: string | null): string {
  if (name === null) return "linear";
  const same = SAME[name];
  if (same !== undefined) return same;
  const compute: ((x: Tensor) => Tensor) | undefined = OTHER[name];
  if (compute === undefined) {
    throw new RangeError(
      `Unknown activation "${name}". Known: ${[...Object.keys(SAME), ...Object.keys(OTHER)].sort().join(", ")}.`,
    );
  }
  const registeredName = `keras_${name}`;
  if (!registered.has(name)) {
    registered.add(name);
    class KerasActivation extends tf.serialization.Serializable {
      static className = registeredName;
      apply(x: Tensor): Tensor {
        return tf.tidy(() => compute!(x));
      }
      getConfig(): tf.serialization.ConfigDict {
        return {};
      }
    }
    tf.serialization.registerClass(KerasActivation);
  }
  return registeredName;
}
