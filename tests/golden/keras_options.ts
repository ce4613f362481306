/**
 * Keras's arguments, as goldens hold them, turned into Stride's.
 *
 * @module
 */
import type { LearningRateSchedule, Registry } from "@stride/stride/core";
import * as optimizers from "@stride/stride/optimizers";

/** A class with arguments. */
export type KerasObject = { readonly class: string } & Readonly<Record<string, unknown>>;

/** `learning_rate` → `learningRate`; names with digits as `beta_1` → `beta1`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** All keys in camel case, one level deep. */
export function camelCaseKeys(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [camelCase(key), value]));
}

/** Whether a value is a class with arguments. */
export function isKerasObject(value: unknown): value is KerasObject {
  return typeof value === "object" && value !== null && typeof (value as KerasObject).class === "string";
}

type Kind = "optimizers" | "losses" | "metrics" | "callbacks";

/** An instance of what a golden names, by name or by class and arguments. */
export function instance(registry: Registry, kind: Kind, value: unknown): unknown {
  if (!isKerasObject(value)) return value;
  const { class: name, ...options } = value;
  const converted = camelCaseKeys(options);
  if (isSchedule(converted.learningRate)) converted.learningRate = schedule(converted.learningRate);
  if (typeof converted.schedule === "string") {
    converted.schedule = new Function("epoch", "lr", `return ${converted.schedule};`);
  }
  return registry.create(kind, name, converted);
}

const SCHEDULES: Readonly<Record<string, keyof typeof optimizers>> = {
  exponential: "exponentialDecay",
  piecewise: "piecewiseConstantDecay",
  polynomial: "polynomialDecay",
  inverse_time: "inverseTimeDecay",
  cosine_warmup: "cosineDecay",
  cosine: "cosineDecay",
  cosine_restarts: "cosineDecayRestarts",
};

function isSchedule(value: unknown): value is { readonly schedule: string } {
  return typeof value === "object" && value !== null && "schedule" in value;
}

function schedule({ schedule: name, ...options }: { readonly schedule: string }): LearningRateSchedule {
  const factory = SCHEDULES[name];
  if (factory === undefined) {
    throw new RangeError(`Unknown schedule "${name}". Known: ${Object.keys(SCHEDULES).join(", ")}.`);
  }
  return (optimizers[factory] as (options: unknown) => LearningRateSchedule)(camelCaseKeys(options));
}
