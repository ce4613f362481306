/**
 * The types of elements, and keeping them free of tensors.
 *
 * @module
 */
import type { HostArray } from "../../../core/batch.ts";
import { isHostArray } from "../../../core/data/host_array.ts";
import { isPlainObject } from "../../../core/nested.ts";
import { type Tensor, tf } from "../../../core/tf.ts";

/** What arrays become: one array, or arrays grouped alike. */
export type HostNested<T> = T extends Tensor | HostArray | ArrayBufferView | number | boolean ? HostArray
  : T extends readonly (number | boolean | readonly unknown[])[] ? HostArray
  : { readonly [K in keyof T]: HostArray };

/** A sample of arrays in memory: each array without its first axis. */
export type SampleOf<T> = { readonly [K in keyof T]: HostNested<Exclude<T[K], undefined>> };

/** An element with its tensors read: `HostArray`s in their place. */
export type Stored<T> = T extends Tensor ? HostArray
  : T extends HostArray | ArrayBufferView | ((...args: never[]) => unknown) ? T
  : T extends object ? { [K in keyof T]: Stored<T[K]> }
  : T;

/** A batch of samples: `x`, `y` and `sampleWeight`, each array with a first axis more than the sample's. */
export type BatchOf<T> = T extends { readonly x: unknown } ? {
    readonly [K in keyof T & ("x" | "y" | "sampleWeight")]: HostNested<Exclude<T[K], undefined>>;
  }
  : { readonly x: HostNested<T> };

/** Reads an element's tensors and disposes them, except those under `tf.keep`. */
export async function stored<T>(element: T): Promise<Stored<T>> {
  return (holdsTensors(element) ? await readTensors(element) : element) as Stored<T>;
}

function holdsTensors(value: unknown): boolean {
  if (value instanceof tf.Tensor) return true;
  if (Array.isArray(value)) return typeof value[0] === "object" && value.some(holdsTensors);
  return isPlainObject(value) && !isHostArray(value) && Object.values(value).some(holdsTensors);
}

async function readTensors(value: unknown): Promise<unknown> {
  if (value instanceof tf.Tensor) {
    const tensor = value as Tensor & { readonly kept: boolean };
    const array = { shape: tensor.shape, dtype: tensor.dtype, values: await tensor.data() };
    if (!tensor.kept && !tensor.isDisposed) tensor.dispose();
    return array;
  }
  if (Array.isArray(value)) return await Promise.all(value.map(readTensors));
  if (!isPlainObject(value) || isHostArray(value)) return value;
  const entries = Object.entries(value).map(async ([key, item]) => [key, await readTensors(item)] as const);
  return Object.fromEntries(await Promise.all(entries));
}
