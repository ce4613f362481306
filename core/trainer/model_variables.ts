/**
 * Finding a model's layers and variables by watching it run once.
 *
 * @module
 */
import { isContainer, layerLosses, layerPath, layerVariables } from "../layers/mod.ts";
import type { LayerVariableInfo } from "../layers/types.ts";
import { type Tensor, tf } from "../tf.ts";

/** A variable of a model. */
export type ModelVariable = LayerVariableInfo;

/** The layers and free variables of a model, in the order in which it used them first. */
export class ModelParts {
  readonly #layers = new Map<tf.layers.Layer, string>();
  readonly #variables = new Set<tf.Variable>();
  readonly #order: (tf.layers.Layer | tf.Variable)[] = [];
  readonly #taken = new Set<string>();

  /** Notes a layer that the model called. A root container gives its layers' paths no prefix. */
  addLayer(layer: tf.layers.Layer, options: { readonly root?: boolean } = {}): void {
    if (this.#layers.has(layer)) return;
    this.#layers.set(layer, options.root ? "" : layerPath(layer, this.#taken));
    this.#order.push(layer);
  }

  /** Notes a variable that belongs to no layer. */
  addVariable(variable: tf.Variable): void {
    if (this.#variables.has(variable)) return;
    this.#variables.add(variable);
    this.#order.push(variable);
  }

  /** Whether the model is known to call this layer. */
  hasLayer(layer: tf.layers.Layer): boolean {
    return this.#layers.has(layer);
  }

  /** The layers in order of first use; in place of a root container, the layers in it. */
  get topLayers(): readonly tf.layers.Layer[] {
    return [...this.#layers].flatMap(([layer, path]) => path === "" && isContainer(layer) ? layer.layers : [layer]);
  }

  /** The layers, in order of first use. */
  get layers(): readonly tf.layers.Layer[] {
    return [...this.#layers.keys()];
  }

  /** Runs `body` and notes every variable that an operation in it reads. */
  watch<T>(body: () => T): T {
    const engine = tf.engine();
    const own = Object.getOwnPropertyDescriptor(engine, "runKernel");
    const runKernel = engine.runKernel;
    engine.runKernel = (name, inputs, attributes) => {
      for (const input of Object.values(inputs)) {
        for (const tensor of Array.isArray(input) ? input : [input]) {
          if (tensor instanceof tf.Variable) this.addVariable(tensor);
        }
      }
      return runKernel.call(engine, name, inputs, attributes) as never;
    };
    try {
      return body();
    } finally {
      if (own === undefined) delete (engine as { runKernel?: unknown }).runKernel;
      else Object.defineProperty(engine, "runKernel", own);
    }
  }

  /** All variables: a layer's where it was first called, free ones where they were first read; each once. */
  variables(): readonly ModelVariable[] {
    const found: ModelVariable[] = [];
    const seen = new Set<tf.Variable>();
    const owned = new Set(
      [...this.#layers].flatMap(([layer, path]) => layerVariables(layer, path)).map((v) => v.variable),
    );
    for (const part of this.#order) {
      const variables = part instanceof tf.Variable
        ? owned.has(part) ? [] : [freeVariable(part, found)]
        : layerVariables(part, this.#layers.get(part)!);
      for (const variable of variables) {
        if (seen.has(variable.variable)) continue;
        seen.add(variable.variable);
        found.push(variable);
      }
    }
    return found;
  }

  /** Weight regularization losses, computed when called. */
  regularizers(): readonly (() => Tensor)[] {
    return [...new Set(this.layers.flatMap((layer) => layerLosses(layer)))];
  }
}

/** tfjs numbers variables that were given no name; such a number means nothing in another process. */
function freeVariable(variable: tf.Variable, found: readonly ModelVariable[]): ModelVariable {
  const base = /^\d+$/.test(variable.name) ? "variable" : variable.name.replace(/_\d+$/, "");
  let path = base;
  for (let i = 1; found.some((other) => other.path === path); i++) path = `${base}_${i}`;
  return { path, variable, trainable: variable.trainable, role: "weight", acrossReplicas: "mirrored" };
}
