/**
 * What can be asked for by name. A registry is a value: adding a plugin makes a new one.
 *
 * @module
 */
import type { Callback } from "./callback.ts";
import type { Device, DeviceCatalog } from "./device.ts";
import type { Executor } from "./executor.ts";
import type { Loss } from "./loss.ts";
import { knownNames } from "./known_names.ts";
import type { HostMetric, Metric } from "./metric.ts";
import type { Optimizer } from "./optimizer.ts";
import type { Strategy } from "./strategy.ts";

/** The kinds of things that plugins bring. */
export interface PluginKinds {
  /** What updates weights. */
  optimizers: Optimizer;
  /** What is minimized. */
  losses: Loss;
  /** What is reported. */
  metrics: Metric | HostMetric;
  /** What happens at hooks. */
  callbacks: Callback;
  /** Who runs steps. */
  strategies: Strategy;
  /** How steps are run. */
  executors: Executor;
  /** Where tensors live. */
  devices: Device;
}

/** Factories by name: each call makes a new instance with default options, or with those given. */
// deno-lint-ignore no-explicit-any -- every factory has options of its own; names are resolved at run time.
export type Factories<T> = Readonly<Record<string, (options?: any) => T>>;

/** Named parts in one module: what `use` and `--plugin` take. */
export type Plugin = { readonly name: string } & { readonly [K in keyof PluginKinds]?: Factories<PluginKinds[K]> };

const SINGULAR: Readonly<Record<keyof PluginKinds, string>> = {
  optimizers: "optimizer",
  losses: "loss",
  metrics: "metric",
  callbacks: "callback",
  strategies: "strategy",
  executors: "executor",
  devices: "device",
};

interface Entry {
  readonly name: string;
  readonly plugin: string;
  readonly create: (options?: unknown) => unknown;
}

/**
 * Names and what they stand for. Immutable. Names are matched without regard to case, `_` and `-`.
 *
 * ```ts
 * import { meanMetric, Registry, tf } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * const bias = () => meanMetric("bias", (yTrue, yPred) => tf.sub(yPred, yTrue));
 * const registry = Registry.empty.use({ name: "mine", metrics: { mean_bias: bias } });
 * assertEquals(registry.names("metrics"), ["mean_bias"]);
 * assertEquals(registry.create("metrics", "MeanBias").name, "bias");
 * assertEquals(Registry.empty.has("metrics", "mean_bias"), false);
 * ```
 */
export class Registry {
  /** A registry without entries. */
  static readonly empty: Registry = new Registry(new Map());

  readonly #entries: ReadonlyMap<string, Entry>;

  private constructor(entries: ReadonlyMap<string, Entry>) {
    this.#entries = entries;
  }

  /**
   * A registry with the plugin's entries added.
   *
   * @throws {TypeError} If the plugin is not one.
   * @throws {RangeError} If a name is taken.
   */
  use(plugin: Plugin): Registry {
    if (typeof plugin !== "object" || plugin === null || typeof plugin.name !== "string") {
      throw new TypeError(
        "Cannot use plugin: expected an object with a `name` and factories under " +
          `${Object.keys(SINGULAR).join(", ")}; found ${describe(plugin)}.`,
      );
    }
    const entries = new Map(this.#entries);
    for (const [kind, factories] of Object.entries(plugin)) {
      if (kind === "name") continue;
      if (!(kind in SINGULAR)) {
        throw new TypeError(
          `Cannot use plugin "${plugin.name}": it has "${kind}", which is none of ${Object.keys(SINGULAR).join(", ")}.`,
        );
      }
      for (const [name, create] of Object.entries(factories as Factories<unknown>)) {
        if (typeof create !== "function") {
          throw new TypeError(
            `Cannot use plugin "${plugin.name}": ${kind}.${name} must be a factory function; found ${
              describe(create)
            }.`,
          );
        }
        const key = entryKey(kind as keyof PluginKinds, name);
        const taken = entries.get(key);
        if (taken !== undefined) {
          throw new RangeError(
            `Cannot use plugin "${plugin.name}": the ${
              SINGULAR[kind as keyof PluginKinds]
            } name "${name}" is taken by ` +
              `"${taken.name}" of plugin "${taken.plugin}". Choose another name. Taken: ` +
              `${this.names(kind as keyof PluginKinds).join(", ")}.`,
          );
        }
        entries.set(key, { name, plugin: plugin.name, create });
      }
    }
    return new Registry(entries);
  }

  /** Whether a name is known. */
  has(kind: keyof PluginKinds, name: string): boolean {
    return this.#entries.has(entryKey(kind, name));
  }

  /** The names of a kind, in the order in which they were added. */
  names(kind: keyof PluginKinds): readonly string[] {
    const prefix = `${kind}:`;
    return [...this.#entries].filter(([key]) => key.startsWith(prefix)).map(([, entry]) => entry.name);
  }

  /** The devices by name, for strategies. */
  get devices(): DeviceCatalog {
    return { names: () => this.names("devices"), create: (name) => this.create("devices", name) };
  }

  /**
   * Makes what a name stands for.
   *
   * @throws {RangeError} If the name is unknown; the message lists the known ones, and says which one is nearest.
   */
  create<K extends keyof PluginKinds>(kind: K, name: string, options?: unknown): PluginKinds[K] {
    const entry = this.#entries.get(entryKey(kind, name));
    if (entry === undefined) {
      const known = this.names(kind);
      throw new RangeError(
        `Unknown ${SINGULAR[kind]} "${name}". ` +
          (known.length > 0
            ? knownNames(name, known)
            : `No ${kind} are registered: use the Model of @stride/stride rather than its core's, or add a plugin with \`use\`.`),
      );
    }
    return entry.create(options) as PluginKinds[K];
  }
}

function entryKey(kind: keyof PluginKinds, name: string): string {
  return `${kind}:${name.replaceAll(/[_-]/g, "").toLowerCase()}`;
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? `an object with ${Object.keys(value)}` : typeof value;
}
