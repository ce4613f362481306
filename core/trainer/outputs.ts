/**
 * Aligning what is given by output (targets, weights, losses, metrics) with a model's outputs.
 *
 * @module
 */
import { describeValue } from "../data/host_array.ts";
import { isPlainObject, leafNames, leaves, type Nested } from "../nested.ts";
import { formatShape, type Shape, type Tensor, tf } from "../tf.ts";

/** The names of a model's outputs: those of a dict, those that the model knows, or `output_0`, `output_1`, …. */
export function outputNames(yPred: Nested<Tensor>, known?: readonly string[]): readonly string[] {
  const names = leafNames(yPred);
  if (names !== undefined) return names;
  const count = leaves(yPred).length;
  if (known !== undefined && known.length === count) return known;
  return Array.from({ length: count }, (_, index) => count === 1 ? "output" : `output_${index}`);
}

/**
 * Leaves in the order of the outputs.
 *
 * @throws {TypeError} If names or numbers differ from the outputs'.
 */
export function alignTensors(
  nested: Nested<Tensor> | undefined,
  names: readonly string[],
  what: string,
): readonly (Tensor | undefined)[] {
  if (nested === undefined) return names.map(() => undefined);
  const given = leafNames(nested);
  if (given !== undefined) {
    const unknown = given.filter((name) => !names.includes(name));
    if (unknown.length > 0) {
      throw new TypeError(
        `Cannot match ${what} with the model's outputs: unknown ${unknown.join(", ")}; expected ${names.join(", ")}.`,
      );
    }
    return names.map((name) => (nested as Readonly<Record<string, Tensor>>)[name]);
  }
  const list = leaves(nested);
  if (list.length !== names.length) {
    throw new TypeError(
      `Cannot match ${what} with the model's outputs: found ${list.length}; expected ${names.length} (${
        names.join(", ")
      }).`,
    );
  }
  return list;
}

/**
 * Checks what a user's `call` returned.
 *
 * @throws {TypeError} If it is no tensor, list of tensors or tensors by name.
 */
export function checkOutputs(outputs: Nested<Tensor>, model: string): Nested<Tensor> {
  const grouped = Array.isArray(outputs) || isPlainObject(outputs) || outputs instanceof tf.Tensor;
  if (!grouped || leaves(outputs).length === 0 || leaves(outputs).some((leaf) => !(leaf instanceof tf.Tensor))) {
    throw new TypeError(
      `Cannot use what call() of model "${model}" returned: found ${describeValue(outputs)}; expected a tensor, a ` +
        "list of tensors or tensors by name. It must be synchronous.",
    );
  }
  return outputs;
}

/** Sample weights in the order of the outputs: one tensor serves all of them. */
export function alignSampleWeights(
  weights: Nested<Tensor> | undefined,
  names: readonly string[],
): readonly (Tensor | undefined)[] {
  return weights instanceof tf.Tensor ? names.map(() => weights) : alignTensors(weights, names, "sample weights");
}

/** Options by output: one for all, a list, or by name. `isOne` tells a single option from a list or dict of them. */
export type PerOutput<T> = T | readonly (T | null)[] | { readonly [name: string]: T | null };

/**
 * One option for each output.
 *
 * @throws {RangeError} If a list has the wrong length or a dict unknown names.
 */
export function alignOptions<T>(
  given: PerOutput<T>,
  names: readonly string[],
  what: string,
  options: { readonly exact: boolean },
): readonly (T | null)[] {
  if (Array.isArray(given)) {
    if (given.length !== names.length) {
      throw new RangeError(
        `Cannot match ${what} with the model's outputs: found a list of ${given.length}; expected ${names.length}, ` +
          `one for each of ${names.join(", ")}.`,
      );
    }
    return given as readonly (T | null)[];
  }
  if (isPlainObject(given)) {
    const found = Object.keys(given);
    const unknown = found.filter((name) => !names.includes(name));
    const missing = options.exact ? names.filter((name) => !found.includes(name)) : [];
    if (unknown.length > 0 || missing.length > 0) {
      throw new RangeError(
        `Cannot match ${what} with the model's outputs: found ${found.join(", ")}; expected ${
          options.exact ? "exactly" : "some of"
        } ${names.join(", ")}.`,
      );
    }
    return names.map((name) => (given as Record<string, T | null>)[name] ?? null);
  }
  return names.map(() => given as T);
}

/** Which of Keras's three variants shapes ask for, as for "accuracy" and "crossentropy". */
export function variantByShape(yTrue: Shape, yPred: Shape): "binary" | "sparse_categorical" | "categorical" {
  const classes = yPred.at(-1);
  if (yPred.length < 2 || classes === 1) return "binary";
  if (yTrue.length < yPred.length || (yTrue.at(-1) === 1 && classes !== 1)) return "sparse_categorical";
  return "categorical";
}

/** A tensor's shape with the batch axis left open. */
export function openShape(tensor: Tensor): Shape {
  return [null, ...tensor.shape.slice(1)];
}

/**
 * Refuses targets that would be broadcast against predictions without a word.
 *
 * @throws {TypeError} If the shapes belong to different things.
 */
export function checkTargetShape(loss: string, yTrue: Tensor, yPred: Tensor, output: string): void {
  const a = yTrue.shape;
  const b = yPred.shape;
  const sparse = loss.startsWith("sparse");
  const prefix = b.slice(0, -1);
  const equal = (left: readonly number[], right: readonly number[]): boolean =>
    left.length === right.length && left.every((size, axis) => size === right[axis]);
  const fits = sparse
    ? equal(a, prefix) || equal(a, [...prefix, 1])
    : equal(a, b) || equal(a, [...b, 1]) || equal([...a, 1], b);
  if (fits) return;
  const expected = sparse ? ["batch", ...prefix.slice(1)] : ["batch", ...b.slice(1)];
  throw new TypeError(
    `Cannot compute loss "${loss}" of output "${output}": targets have shape ${formatShape(openShape(yTrue))} and ` +
      `predictions ${formatShape(openShape(yPred))}; expected targets of shape [${expected.join(", ")}]. ` +
      (sparse
        ? "Sparse losses take class numbers; use the categorical loss for one-hot targets."
        : "Reshape the targets or change the model's last layer; class numbers need a sparse loss."),
  );
}
