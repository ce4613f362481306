/**
 * Models of tfjs layers: what `Model.from` is given, and what it is called with.
 *
 * @module
 */
import { isContainer } from "../layers/mod.ts";
import { leaves, type Nested } from "../nested.ts";
import { formatShape, type Layer, type LayersModel, type Tensor, tf } from "../tf.ts";

/**
 * Checks what is to become a model, and makes the graph of a Sequential that has none yet.
 *
 * @throws {TypeError} If it is no model of layers, or an empty one.
 */
export function prepareContainer(layers: LayersModel): void {
  if (!isContainer(layers)) {
    throw new TypeError("Cannot make a model: expected a tf.sequential or tf.model; extend Model for anything else.");
  }
  // A Sequential knows its inputs and outputs by name once its graph is made.
  if (!layers.built) {
    const [input] = layers.inputs ?? [];
    if (input === undefined) {
      throw new TypeError(
        `Cannot make a model of "${layers.name}": it has no layers; add some, the first with an inputShape.`,
      );
    }
    layers.build(input.shape);
  }
}

/**
 * Zeros for the inputs of a model that was made of layers and not built yet, in batches of one where any size will do.
 *
 * @throws {Error} If the model has no layers to know shapes from, or sizes other than the batch's are open.
 */
export function exampleInputs(layers: readonly Layer[], name: string): readonly Tensor[] {
  const [root] = layers;
  const shapes = root !== undefined && isContainer(root) ? root.inputs.map(({ shape }) => shape) : undefined;
  if (shapes === undefined || shapes.some((shape) => shape.slice(1).includes(null))) {
    throw new Error(
      `Cannot tell what model "${name}" is made of: it is not built, and the shapes of its inputs are ` +
        `${shapes === undefined ? "unknown" : shapes.map(formatShape).join(", ")}. Call build(x) with a batch, or fit.`,
    );
  }
  return (root as LayersModel).inputs.map(({ shape, dtype }) => tf.zeros(shape.map((size) => size ?? 1), dtype));
}

/** Inputs of a layers model, by name or in order. */
export function layerInputs(layers: LayersModel, x: Nested<Tensor>): readonly Tensor[] {
  const names = layers.inputNames;
  let tensors: readonly Tensor[];
  if (x instanceof tf.Tensor || Array.isArray(x)) tensors = leaves(x as Tensor | readonly Tensor[]);
  else {
    const byName = x as Readonly<Record<string, Tensor>>;
    const missing = names.filter((name) => byName[name] === undefined);
    if (missing.length > 0) {
      throw new TypeError(
        `Cannot call model "${layers.name}": inputs ${missing.join(", ")} are missing; found ${
          Object.keys(byName).join(", ")
        }; expected ${names.join(", ")}.`,
      );
    }
    tensors = names.map((name) => byName[name]!);
  }
  if (tensors.length !== names.length) {
    throw new TypeError(
      `Cannot call model "${layers.name}" with ${tensors.length} inputs; expected ${names.length}: ${
        names.join(", ")
      }.`,
    );
  }
  return tensors;
}
