/**
 * A tensor's value that lies elsewhere until somebody asks for it.
 *
 * tfjs's backends keep a record for each tensor's data, and everything that uses the data goes through one property of
 * it: kernels, reads, moves to other backends. An accessor in its place is what none of them can go around.
 *
 * @module
 */

/** What a tfjs backend keeps for the data of tensors: `values` on the host, `resource` where the device has its own memory. */
export interface TensorRecord {
  /** How many tensors share the data. */
  refCount: number;
  /** On the host, if they are there. */
  values?: unknown;
  /** On the device, if they are there. */
  resource?: unknown;
}

/** The property of a record that holds the value: what a backend's kernels use. */
export type ValueProperty = "values" | "resource";

const deferred = new WeakMap<TensorRecord, DeferredValue>();

/**
 * One property of a record, which may be fetched only when it is asked for.
 *
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { DeferredValue } from "./deferred_value.ts";
 *
 * const record = { refCount: 1, values: [1] };
 * const value = DeferredValue.of(record, "values");
 * value.defer(() => [2]);
 * assertEquals(value.pending, true);
 * assertEquals(record.values, [2]);
 * assertEquals(value.pending, false);
 * ```
 */
export class DeferredValue {
  readonly #record: TensorRecord;
  #value: unknown;
  #fetch: (() => unknown) | undefined;

  private constructor(record: TensorRecord, property: ValueProperty) {
    this.#record = record;
    this.#value = record[property];
    Object.defineProperty(record, property, {
      configurable: true,
      enumerable: true,
      get: () => this.#get(),
      set: (value: unknown) => {
        this.#fetch = undefined;
        this.#value = value;
      },
    });
  }

  /** That of a record: the same one each time. */
  static of(record: TensorRecord, property: ValueProperty): DeferredValue {
    let value = deferred.get(record);
    if (value === undefined) deferred.set(record, value = new DeferredValue(record, property));
    return value;
  }

  /** Whether the value has not been fetched since it was deferred. */
  get pending(): boolean {
    return this.#fetch !== undefined;
  }

  /** Forgets the value; it is fetched when somebody asks for it. */
  defer(fetch: () => unknown): void {
    this.#value = undefined;
    this.#fetch = fetch;
  }

  #get(): unknown {
    // Data that nobody refers to are about to be released: there is no value to fetch.
    if (this.#fetch !== undefined && this.#record.refCount > 0) {
      this.#value = this.#fetch();
      this.#fetch = undefined;
    }
    return this.#value;
  }
}
