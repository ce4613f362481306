/**
 * Models of goldens as models of tfjs's layers.
 *
 * @module
 */
import { adopt, layerVariables } from "../../core/layers/mod.ts";
import { tf } from "../../core/tf.ts";
import { kerasLayer } from "./keras_layers.ts";
import type { Config, Value } from "./keras_values.ts";

/** The `model` object of a golden. */
export interface ModelConfig {
  readonly kind: "sequential" | "functional";
  /** Without the batch axis. */
  readonly inputShape?: readonly (number | null)[];
  /** Shapes by name, where there are several inputs. */
  readonly inputs?: Readonly<Record<string, readonly (number | null)[]>>;
  /** In order; `from` names what a layer of a functional model reads. */
  readonly layers: readonly Config[];
  /** Names of the layers whose outputs the model returns. */
  readonly outputs?: readonly string[];
}

/**
 * Builds a golden's model with Keras 3's defaults. Its weights are tfjs's own initial ones: set those of the golden.
 *
 * @throws {RangeError} If tfjs cannot express a layer or argument.
 */
export function buildModel(config: ModelConfig): tf.LayersModel {
  return config.kind === "functional" ? functional(config) : sequential(config);
}

/** The model's weights in Keras's order, as a golden's `weightNames` lists them; without states of recurrent layers. */
export function kerasWeights(model: tf.LayersModel): tf.Variable[] {
  return layerVariables(model, "")
    .filter(({ role, acrossReplicas }) => !(role === "state" && acrossReplicas === "first"))
    .map(({ variable }) => variable);
}

function sequential(config: ModelConfig): tf.LayersModel {
  const model = tf.sequential();
  const batch = statefulRows(config);
  model.add(tf.layers.inputLayer({ inputShape: [...inputShape(config)] as number[], ...batch }));
  for (const layer of config.layers) {
    if (layer.type === "InputLayer" || layer.type === "Input") continue;
    model.add(layerOf(layer));
  }
  return model;
}

function functional(config: ModelConfig): tf.LayersModel {
  const symbols = new Map<string, tf.SymbolicTensor>();
  const shapes = config.inputs ?? { in: inputShape(config) };
  const inputs = Object.entries(shapes).map(([name, shape]) => tf.input({ name, shape: [...shape] }));
  Object.keys(shapes).forEach((name, index) => symbols.set(name, inputs[index]!));
  let last = inputs[0]!;
  for (const layer of config.layers) {
    if (layer.type === "InputLayer" || layer.type === "Input") continue;
    const read = (Array.isArray(layer.from) ? layer.from : [layer.from ?? "in"]).map((name) => {
      const symbol = symbols.get(String(name));
      if (symbol === undefined) {
        throw new RangeError(
          `Cannot wire the layer ${JSON.stringify(layer)}: nothing before it is named "${name}". ` +
            `Known: ${[...symbols.keys()].join(", ")}.`,
        );
      }
      return symbol;
    });
    const output = layerOf(layer).apply(read.length === 1 ? read[0]! : read);
    last = Array.isArray(output) ? output[0] as tf.SymbolicTensor : output as tf.SymbolicTensor;
    if (typeof layer.name === "string") symbols.set(layer.name, last);
  }
  const outputs = config.outputs?.map((name) => symbols.get(name)!) ?? [last];
  return tf.model({ inputs, outputs });
}

/** A layer, or a nested model with `layers` of its own; adopted, because tfjs refuses to wire activity regularizers. */
function layerOf(config: Config): tf.layers.Layer {
  const layer = (config.type === "Sequential" || config.type === "Functional") ? nested(config) : kerasLayer(config);
  adopt(layer);
  return layer;
}

function nested(config: Config): tf.layers.Layer {
  const model = buildModel(
    { ...config, kind: config.type === "Functional" ? "functional" : "sequential" } as unknown as ModelConfig,
  );
  if (typeof config.name === "string") model.name = config.name;
  if (config.trainable === false) {
    adopt(model);
    model.trainable = false;
  }
  return model;
}

function inputShape(config: ModelConfig): readonly (number | null)[] {
  if (config.inputShape !== undefined) return config.inputShape;
  const shapes = Object.values(config.inputs ?? {});
  if (shapes.length === 1) return shapes[0]!;
  throw new TypeError(
    `Cannot build the model: it has no \`inputShape\`, and \`inputs\` names ${shapes.length}. Expected one shape.`,
  );
}

/** A fixed number of rows for models with stateful layers: `batchSize` beside the layers. */
function statefulRows(config: ModelConfig): { batchSize?: number } {
  const { batchSize } = config as { batchSize?: Value };
  return typeof batchSize === "number" ? { batchSize } : {};
}
