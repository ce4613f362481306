/**
 * Values while a graph is lowered: each says how to compute any of its elements.
 *
 * @module
 */
import type { Expression, ScalarType } from "../ir/types.ts";

/** How to compute the element at some place. */
export type ElementAt = (index: readonly Expression[]) => Expression;

/** A tensor of a graph, as a function from places to expressions. */
export class Value {
  /** Its size along each axis. */
  readonly shape: readonly number[];
  /** The type of its elements. */
  readonly type: ScalarType;
  /** The number of its elements. */
  readonly size: number;
  /** The value that this one is another shape of, with the same elements in the same order. */
  readonly source: Value | undefined;
  /** The tfjs kernels that are computed where it is read: none once it lies in memory. */
  from: readonly string[] = [];
  #at: ElementAt;
  readonly #known = new Map<string, Expression>();

  /** A value whose elements are computed by `at` wherever they are read. */
  constructor(shape: readonly number[], type: ScalarType, at: ElementAt, source?: Value) {
    this.shape = shape;
    this.source = source;
    this.type = type;
    this.size = shape.reduce((product, size) => product * size, 1);
    this.#at = at;
  }

  /** The element at a place: one int32 an axis, known to lie inside, or dropped by a select around it. */
  at(index: readonly Expression[]): Expression {
    // What a view shows may come to lie in memory later.
    if (this.source !== undefined) return this.#at(index);
    const key = index.map(({ id }) => id).join();
    let known = this.#known.get(key);
    if (known === undefined) {
      known = this.#at(index);
      this.#known.set(key, known);
    }
    return known;
  }

  /** From here on elements are computed in another way: they lie in memory. */
  replace(at: ElementAt): void {
    this.#at = at;
    this.#known.clear();
    this.from = [];
  }
}
