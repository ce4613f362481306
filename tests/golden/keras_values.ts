/**
 * Initializers, regularizers and constraints: Keras's names and arguments as tfjs's objects.
 *
 * @module
 */
import { tf } from "../../core/tf.ts";

/** A value in a golden's JSON. */
export type Value = null | boolean | number | string | readonly Value[] | { readonly [key: string]: Value };

/** An object in a golden's JSON. */
export type Config = { readonly [key: string]: Value };

/** Whether a value is an object. */
export function isConfig(value: Value | undefined): value is Config {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `max_value` as `maxValue`. */
export function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

type Factory = (config: Record<string, Value>) => unknown;
type Factories = Readonly<Record<string, Factory>>;

/** tfjs's factories by class name in lower case, without separators. */
function factories(group: object, names: readonly string[], aliases: Readonly<Record<string, string>> = {}): Factories {
  const table: Record<string, Factory> = {};
  for (const name of names) table[name.toLowerCase()] = (group as Record<string, Factory>)[name]!;
  for (const [alias, name] of Object.entries(aliases)) table[alias] = table[name.toLowerCase()]!;
  return table;
}

const INITIALIZERS: Factories = factories(tf.initializers, [
  "constant",
  "glorotNormal",
  "glorotUniform",
  "heNormal",
  "heUniform",
  "identity",
  "leCunNormal",
  "leCunUniform",
  "ones",
  "orthogonal",
  "randomNormal",
  "randomUniform",
  "truncatedNormal",
  "varianceScaling",
  "zeros",
], { zero: "zeros", one: "ones", uniform: "randomUniform", normal: "randomNormal" });

const CONSTRAINTS: Factories = factories(tf.constraints, ["maxNorm", "minMaxNorm", "nonNeg", "unitNorm"], {
  nonnegative: "nonNeg",
});

function make(kind: string, table: Factories, value: Value, position: string): unknown {
  const named = typeof value === "string" ? { class: value } : value;
  if (!isConfig(named) || typeof named.class !== "string") {
    throw new TypeError(
      `Cannot make the ${kind} of ${position}: found ${JSON.stringify(value)}; expected a name, or an object with a ` +
        "`class` and its Keras arguments.",
    );
  }
  const { class: name, ...args } = named;
  const factory = table[(name as string).replaceAll("_", "").toLowerCase()];
  if (factory === undefined) {
    throw new RangeError(`Unknown ${kind} "${name}" of ${position}. Known: ${Object.keys(table).join(", ")}.`);
  }
  return factory(Object.fromEntries(Object.entries(args).map(([key, arg]) => [camelCase(key), arg])));
}

/** Keras's initializer as tfjs's. */
export function kerasInitializer(value: Value, position: string): unknown {
  return make("initializer", INITIALIZERS, value, position);
}

/** Keras's constraint as tfjs's; `null` is none. */
export function kerasConstraint(value: Value, position: string): unknown {
  return value === null ? null : make("constraint", CONSTRAINTS, value, position);
}

/** Keras's L1, L2 or L1L2 as tfjs's; an object without a `class` holds `l1` and `l2`; `null` is none. */
export function kerasRegularizer(value: Value, position: string): unknown {
  if (value === null) return null;
  const config: Config = typeof value === "string" ? { class: value } : isConfig(value) ? value : {};
  const name = String(config.class ?? "l1l2").replaceAll("_", "").toLowerCase();
  const number = (key: string, missing: number) => typeof config[key] === "number" ? config[key] as number : missing;
  // Keras's defaults: 0.01 for L1 and L2, 0 for L1L2.
  if (name === "l1") return tf.regularizers.l1l2({ l1: number("l1", 0.01), l2: 0 });
  if (name === "l2") return tf.regularizers.l1l2({ l1: 0, l2: number("l2", 0.01) });
  if (name === "l1l2" && ("l1" in config || "l2" in config || "class" in config)) {
    const missing = typeof value === "string" ? 0.01 : 0;
    return tf.regularizers.l1l2({ l1: number("l1", missing), l2: number("l2", missing) });
  }
  throw new RangeError(
    `Unknown regularizer ${JSON.stringify(value)} of ${position}. Known: L1, L2, L1L2, or an object with l1 and l2.`,
  );
}
