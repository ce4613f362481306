/**
 * One value, a list of values or values by name: how inputs, targets and predictions are grouped.
 *
 * @module
 */

/** A single leaf, a list of leaves, or leaves by name. Leaves are tensors or host arrays. */
export type Nested<T> = T | readonly T[] | Readonly<Record<string, T>>;

/** Whether a value is a plain object: made by a literal or without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Whether a value groups leaves by name, rather than being a leaf: host arrays are plain objects too. */
function isNamed<T>(nested: Nested<T>): nested is Readonly<Record<string, T>> {
  return isPlainObject(nested) && !("values" in nested && "shape" in nested && "dtype" in nested);
}

/**
 * The leaves, in order: list order, or the order in which the names were added.
 *
 * ```ts
 * import { leaves } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(leaves({ b: 1, a: 2 }), [1, 2]);
 * assertEquals(leaves(3), [3]);
 * ```
 */
export function leaves<T>(nested: Nested<T>): readonly T[] {
  if (Array.isArray(nested)) return nested;
  if (isNamed(nested)) return Object.values(nested);
  return [nested as T];
}

/**
 * The names of the leaves, or `undefined` where they have none.
 *
 * ```ts
 * import { leafNames } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(leafNames({ b: 1, a: 2 }), ["b", "a"]);
 * assertEquals(leafNames([1, 2]), undefined);
 * ```
 */
export function leafNames<T>(nested: Nested<T>): readonly string[] | undefined {
  return !Array.isArray(nested) && isNamed(nested) ? Object.keys(nested) : undefined;
}

/**
 * The same grouping, with every leaf replaced.
 *
 * ```ts
 * import { mapNested } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mapNested({ image: 2, text: 3 }, (leaf, index) => leaf * 10 + index), { image: 20, text: 31 });
 * assertEquals(mapNested(2, (leaf) => leaf + 1), 3);
 * ```
 */
export function mapNested<T, U>(nested: Nested<T>, map: (leaf: T, index: number) => U): Nested<U> {
  if (Array.isArray(nested)) return nested.map(map);
  if (isNamed(nested)) {
    return Object.fromEntries(Object.entries(nested).map(([name, leaf], index) => [name, map(leaf, index)]));
  }
  return map(nested as T, 0);
}

/**
 * The grouping of `like`, filled with `values` in order.
 *
 * ```ts
 * import { packLike } from "@stride/stride/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(packLike({ mean: 0, spread: 0 }, [7, 8]), { mean: 7, spread: 8 });
 * ```
 */
export function packLike<T, U>(like: Nested<T>, values: readonly U[]): Nested<U> {
  return mapNested(like, (_, index) => values[index] as U);
}
