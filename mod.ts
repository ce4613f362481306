/**
 * Stride: Keras-style training for Deno. The model with everything built in.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] }));
 * model.compile({ optimizer: "adam", loss: "mse", metrics: ["mae"] });
 * const history = await model.fit({ x: [[0, 1], [1, 0]], y: [[1], [0]] }, { epochs: 2, verbose: 0 });
 * assertEquals(Object.keys(history.history), ["loss", "mae"]);
 * ```
 *
 * @module
 */
import { callbacks } from "./callbacks/mod.ts";
import { Model as CoreModel, type Plugin, Registry } from "./core/mod.ts";
import { devices } from "./plugins/devices/mod.ts";
import { executors } from "./plugins/executors/mod.ts";
import { losses } from "./plugins/losses/mod.ts";
import { metrics } from "./plugins/metrics/mod.ts";
import { optimizers } from "./plugins/optimizers/mod.ts";
import { strategies } from "./strategies/mod.ts";

export * from "./core/mod.ts";
export type { Batch as HostBatch } from "./core/mod.ts";

import type { CompileOptions, Tensor, TensorBatch } from "./core/mod.ts";

/** A batch of a model with one input and one output, as `trainStep` gets it. */
export type Batch = TensorBatch<Tensor, Tensor>;

/** Everything built in, by name. Add plugins with `stride().use(plugin)`. */
export const builtins: Registry = Registry.empty.use({
  name: "stride",
  callbacks,
  // Tried in this order by the device "auto".
  devices,
  executors,
  losses,
  metrics,
  optimizers,
  strategies,
});

/** Names that complete in the editor. Others, such as a plugin's, are looked up at run time. */
export interface BuiltinNames {
  /** Names of optimizers. */
  readonly optimizers:
    | "adadelta"
    | "adafactor"
    | "adagrad"
    | "adam"
    | "adamax"
    | "adamw"
    | "ftrl"
    | "lamb"
    | "lion"
    | "muon"
    | "nadam"
    | "rmsprop"
    | "sgd"
    | (string & Record<never, never>);
  /** Names of losses. */
  readonly losses:
    | "binary_crossentropy"
    | "categorical_crossentropy"
    | "categorical_hinge"
    | "cosine_similarity"
    | "crossentropy"
    | "hinge"
    | "huber"
    | "kl_divergence"
    | "log_cosh"
    | "mae"
    | "mape"
    | "mse"
    | "msle"
    | "poisson"
    | "sparse_categorical_crossentropy"
    | "squared_hinge"
    | (string & Record<never, never>);
  /** Names of metrics. */
  readonly metrics:
    | "accuracy"
    | "auc"
    | "binary_accuracy"
    | "categorical_accuracy"
    | "crossentropy"
    | "mae"
    | "mape"
    | "mse"
    | "precision"
    | "r2_score"
    | "recall"
    | "root_mean_squared_error"
    | "sparse_categorical_accuracy"
    | "top_k_categorical_accuracy"
    | (string & Record<never, never>);
  /** Names of executors. */
  readonly executors: "auto" | "eager" | "trace" | (string & Record<never, never>);
}

/**
 * A model with everything built in: extend it and override `call`, or make one of tfjs layers with `Model.from`.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * class Line extends Model {
 *   #dense = tf.layers.dense({ units: 1, kernelInitializer: "ones", useBias: false });
 *
 *   override call(x: tf.Tensor): tf.Tensor {
 *     return this.apply(this.#dense, x);
 *   }
 * }
 *
 * const model = new Line();
 * model.compile({ loss: "mse" });
 * const logs = await model.evaluate({ x: [[1, 2], [3, 4]], y: [[3], [5]] }, { verbose: 0 });
 * assertEquals(logs.loss, 2);
 * ```
 */
export class Model extends CoreModel {
  /** What names stand for: everything built in. */
  static override readonly registry: Registry = builtins;

  /** See the core's `compile`; the names that are built in complete in the editor. */
  override compile(options: CompileOptions<BuiltinNames> = {}): void {
    super.compile(options);
  }
}

/** A set of named parts, and the model class that knows them. Immutable: adding a plugin makes a new one. */
export interface Stride {
  /** The names. */
  readonly registry: Registry;
  /** A model that knows them. */
  readonly Model: typeof Model;
  /**
   * With a plugin's parts added.
   *
   * @throws {RangeError} If one of its names is taken.
   */
  use(plugin: Plugin): Stride;
}

/**
 * The built-in parts, to add plugins to.
 *
 * ```ts
 * import { stride, tf } from "@stride/stride";
 * import { assert } from "@std/assert";
 *
 * const custom = stride().use({
 *   name: "example",
 *   losses: { quartic: () => ({
 *     name: "quartic",
 *     reduction: "mean",
 *     values: (yTrue, yPred) => tf.mean(tf.pow(tf.sub(yPred, yTrue), 4), -1),
 *   }) },
 * });
 * assert(custom.registry.names("losses").includes("quartic"));
 * ```
 */
export function stride(registry: Registry = builtins): Stride {
  return {
    registry,
    Model: class extends Model {
      static override readonly registry: Registry = registry;
    },
    use: (plugin) => stride(registry.use(plugin)),
  };
}

/**
 * Loads plugins from URLs, as the command line names them, and adds them. A plugin's module exports it as `default`
 * or as `plugin`.
 *
 * ```ts
 * import { loadPlugins } from "@stride/stride";
 * import { assert } from "@std/assert";
 *
 * const source = `
 *   import { tf } from "@stride/stride";
 *   export default {
 *     name: "example",
 *     losses: { bias: () => ({ name: "bias", reduction: "mean", values: (y, p) => tf.mean(tf.sub(p, y), -1) }) },
 *   };`;
 * const { registry } = await loadPlugins([`data:text/javascript,${encodeURIComponent(source)}`]);
 * assert(registry.names("losses").includes("bias"));
 * ```
 *
 * @param urls Absolute URLs, or paths relative to the working directory.
 * @throws {TypeError} If a module has no plugin.
 */
export async function loadPlugins(urls: readonly string[], base: Stride = stride()): Promise<Stride> {
  let loaded = base;
  for (const url of urls) {
    const resolved = URL.canParse(url) ? url : new URL(url, `file://${Deno.cwd()}/`).href;
    const module = await import(resolved) as { readonly default?: Plugin; readonly plugin?: Plugin };
    const plugin = module.default ?? module.plugin;
    if (plugin === undefined) {
      throw new TypeError(
        `Cannot load a plugin from ${url}: found exports ${Object.keys(module).join(", ") || "(none)"}; expected ` +
          "\`default\` or \`plugin\`, an object with a name and factories.",
      );
    }
    loaded = loaded.use(plugin);
  }
  return loaded;
}
