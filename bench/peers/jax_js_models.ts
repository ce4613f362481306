/**
 * The workloads, written for jax-js: the same sizes and the same arithmetic as in `workloads.ts`.
 *
 * @module
 */
import { gpt } from "../workloads.ts";
import type { Jax, JaxArray } from "./jax_js_api.ts";

/** Weights by name. */
export type Weights = Readonly<Record<string, JaxArray>>;

/** A model to train. */
export interface JaxModel {
  readonly optimizer: "sgd" | "adam";
  /** New weights. */
  weights(): Weights;
  /** A scalar. Takes ownership of all arguments. */
  loss(weights: Weights, x: JaxArray, y: JaxArray): JaxArray;
}

/** The models by workload, for a device. */
export function jaxModels(jax: Jax, device: string): Readonly<Record<string, JaxModel>> {
  const { numpy: np, nn, lax } = jax;

  const normal = (shape: number[], deviation: number): JaxArray => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    const one = (): number => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
    return np.array(Float32Array.from({ length: size }, () => deviation * one()), { shape });
  };
  const filled = (shape: number[], value: number): JaxArray => {
    const size = shape.reduce((product, dimension) => product * dimension, 1);
    return np.array(new Float32Array(size).fill(value), { shape });
  };
  const linear = (x: JaxArray, weights: Weights, name: string): JaxArray =>
    np.matmul(x, weights[`${name}/kernel`]!).add(weights[`${name}/bias`]!);
  const dense = (name: string, inputs: number, units: number): Weights => ({
    [`${name}/kernel`]: normal([inputs, units], Math.sqrt(2 / (inputs + units))),
    [`${name}/bias`]: filled([units], 0),
  });
  const crossentropy = (logits: JaxArray, target: JaxArray): JaxArray =>
    nn.logSoftmax(logits, -1).mul(target).sum(-1).mean().mul(-1);

  const dense1: JaxModel = {
    optimizer: "sgd",
    weights: () => dense("head", 10, 1),
    loss: (weights, x, y) => np.square(linear(x, weights, "head").sub(y)).mean(),
  };

  const mlp: JaxModel = {
    optimizer: "adam",
    weights: () => ({ ...dense("hidden", 784, 128), ...dense("head", 128, 10) }),
    loss: (weights, x, y) => crossentropy(linear(nn.relu(linear(x, weights, "hidden")), weights, "head"), y),
  };

  /** `[batch, channels, height, width]`; an odd last row or column is left out. */
  const pool = (x: JaxArray): JaxArray => {
    const [batch, channels, height, width] = x.shape as [number, number, number, number];
    const [rows, columns] = [height >> 1, width >> 1];
    const even = x.slice([], [], [0, 2 * rows], [0, 2 * columns]);
    return even.reshape([batch, channels, rows, 2, columns, 2]).max([3, 5]);
  };
  const cnn: JaxModel = {
    optimizer: "adam",
    weights: () => ({
      first: normal([16, 1, 3, 3], 0.1),
      "first/bias": filled([16, 1, 1], 0),
      second: normal([32, 16, 3, 3], 0.07),
      "second/bias": filled([32, 1, 1], 0),
      ...dense("head", 800, 10),
    }),
    loss(weights, x, y) {
      const batch = x.shape[0]!;
      const layer = (input: JaxArray, name: string): JaxArray =>
        pool(nn.relu(lax.conv(input, weights[name]!, [1, 1], "VALID").add(weights[`${name}/bias`]!)));
      const features = layer(layer(x.reshape([batch, 1, 28, 28]), "first"), "second").reshape([batch, 800]);
      return crossentropy(linear(features, weights, "head"), y);
    },
  };

  const { vocabulary, context, width, heads, blocks } = gpt.transformer;
  const size = width / heads;
  const mask = (): JaxArray =>
    np.array(
      Float32Array.from({ length: context * context }, (_, i) => i % context > Math.floor(i / context) ? -1e9 : 0),
      { shape: [context, context] },
    );
  const normalization = (name: string): Weights => ({
    [`${name}/scale`]: filled([width], 1),
    [`${name}/shift`]: filled([width], 0),
  });
  const normalize = (x: JaxArray, weights: Weights, name: string): JaxArray => {
    const mean = x.ref.mean(-1, { keepdims: true });
    const centered = x.sub(mean);
    const variance = np.square(centered.ref).mean(-1, { keepdims: true });
    return centered.div(np.sqrt(variance.add(1e-5))).mul(weights[`${name}/scale`]!).add(weights[`${name}/shift`]!);
  };
  const attention = (x: JaxArray, weights: Weights, name: string, batch: number): JaxArray => {
    const byHead = (input: JaxArray, kernel: string, order: number[]): JaxArray =>
      np.matmul(input, weights[`${name}/${kernel}`]!).reshape([batch, context, heads, size]).transpose(order);
    const query = byHead(x.ref, "query", [0, 2, 1, 3]);
    const key = byHead(x.ref, "key", [0, 2, 3, 1]);
    const value = byHead(x, "value", [0, 2, 1, 3]);
    const scores = np.matmul(query, key).mul(1 / Math.sqrt(size)).add(mask());
    const mixed = np.matmul(nn.softmax(scores, -1), value).transpose([0, 2, 1, 3]);
    return np.matmul(mixed.reshape([batch * context, width]), weights[`${name}/output`]!);
  };
  const transformer: JaxModel = {
    optimizer: "adam",
    weights: () => ({
      characters: normal([vocabulary, width], 0.02),
      positions: normal([context, width], 0.02),
      ...Object.assign(
        {},
        ...Array.from({ length: blocks }, (_, index): Weights => ({
          ...normalization(`${index}/before_attention`),
          ...Object.fromEntries(
            ["query", "key", "value", "output"].map((name) => [`${index}/${name}`, normal([width, width], 0.02)]),
          ),
          ...normalization(`${index}/before_mlp`),
          ...dense(`${index}/up`, width, 4 * width),
          ...dense(`${index}/down`, 4 * width, width),
        })),
      ),
      ...normalization("last"),
      head: normal([width, vocabulary], 0.02),
    }),
    loss(weights, tokens, y) {
      const batch = tokens.shape[0]!;
      // The gradient of jax-js's gather makes a shader that Deno's WebGPU refuses: there, a product does instead.
      const vectors = device === "webgpu"
        ? np.matmul(nn.oneHot(tokens, vocabulary), weights.characters!)
        : np.take(weights.characters!, tokens, 0);
      let x = vectors.add(weights.positions!).reshape([batch * context, width]);
      for (let block = 0; block < blocks; block++) {
        const attended = attention(normalize(x.ref, weights, `${block}/before_attention`), weights, `${block}`, batch);
        x = x.add(attended);
        const hidden = nn.gelu(linear(normalize(x.ref, weights, `${block}/before_mlp`), weights, `${block}/up`), {
          approximate: true,
        });
        x = x.add(linear(hidden, weights, `${block}/down`));
      }
      const logits = np.matmul(normalize(x, weights, "last"), weights.head!);
      return crossentropy(logits, nn.oneHot(y.reshape([batch * context]), vocabulary));
    },
  };

  return { dense1, mlp, cnn, gpt: transformer };
}
