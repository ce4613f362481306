/**
 * Variables whose values compiled programs keep in memory of their own, while everything else in tfjs sees current ones.
 *
 * Only what changes is copied: a variable's value comes in once, and again after an assignment; it goes out when somebody
 * reads it, and not otherwise. A tensor that shares data with a variable (a clone) keeps the value that it was taken of.
 *
 * @module
 */
import { tf, type Variable } from "../../../core/tf.ts";
import { DeferredValue, type TensorRecord, type ValueProperty } from "./deferred_value.ts";

/** How an executor's memory and a tfjs backend meet. `Place` says where in its memory a variable lies. */
export interface StateBackend<Place> {
  /** The tfjs backend that holds the variables' tensors, which must be tfjs's current one. */
  readonly backend: tf.KernelBackend;
  /** The property of its records that its kernels use. */
  readonly property: ValueProperty;
  /** The record of data; data of another backend are moved to this one first, as tfjs does. */
  record(dataId: object): TensorRecord;
  /** Copies values of variables from their tensors to their places. Comes after a `flush`. */
  copyIn(values: readonly IncomingValue<Place>[]): void;
  /** Copies the value at a place out, into what the record's property will hold. */
  copyOut(data: SharedData, place: Place): unknown;
  /** Frees what a record holds: the value is in memory only from now on. */
  release(record: TensorRecord): void;
  /** Makes all copies out, and all other commands of tfjs's, come before what follows. */
  flush(): void;
}

/** A variable's value that its place does not have yet. */
export interface IncomingValue<Place> {
  /** Whose value. */
  readonly variable: Variable;
  /** Where it is. */
  readonly record: TensorRecord;
  /** Where it is to be. */
  readonly place: Place;
}

/** Data whose value lies in memory. */
export interface SharedData {
  /** What tfjs knows them by. */
  readonly dataId: object;
  /** What the backend keeps for them. */
  readonly record: TensorRecord;
  /** Elements. */
  readonly size: number;
  /** Their type: `float32`, `int32` or `bool`. */
  readonly dtype: string;
}

/** A variable's place, and which data are there. */
interface Slot<Place> {
  place: Place;
  /** The data whose value the place has; absent before the first copy. */
  record?: TensorRecord;
}

/** A variable that an execution uses. */
export interface VariableUse {
  /** Which. */
  readonly variable: Variable;
  /** Whether it is written. */
  readonly written: boolean;
}

/**
 * The variables of one memory.
 *
 * An executor gives each a place, calls `enter` right before it submits work, with nothing awaited in between, and
 * `leave` before it frees the memory.
 */
export class SharedVariables<Place> {
  readonly #backend: StateBackend<Place>;
  readonly #slots = new WeakMap<Variable, Slot<Place>>();

  /** No variables yet. */
  constructor(backend: StateBackend<Place>) {
    this.#backend = backend;
  }

  /** Where a variable lies; `undefined` where it has no place. */
  placeOf(variable: Variable): Place | undefined {
    return this.#slots.get(variable)?.place;
  }

  /** Gives a variable a place, or another one: its value follows at the next `enter`. */
  put(variable: Variable, place: Place): void {
    this.leave(variable);
    this.#slots.set(variable, { place });
  }

  /** Takes a variable's place away: its value is in its tensor again. What was copied out must still be flushed. */
  leave(variable: Variable): void {
    const slot = this.#slots.get(variable);
    if (slot === undefined) return;
    this.#fetch(slot.record);
    this.#slots.delete(variable);
  }

  /**
   * Makes places ready for work that reads and writes variables: values that were assigned are copied in, tensors that
   * share data with a variable that is written keep theirs. From here on the written variables' values are in memory.
   *
   * Call it before each submission, and submit at once.
   *
   * @returns Whether values were copied in.
   */
  enter(uses: Iterable<VariableUse>): boolean {
    const entered = [...uses].map((use) => ({ ...use, slot: this.#slots.get(use.variable)! }));
    const changed: { variable: Variable; slot: Slot<Place>; record: TensorRecord }[] = [];
    for (const { variable, slot, written } of entered) {
      const record = this.#backend.record(variable.dataId);
      if (record !== slot.record) {
        // What was here may live on in clones; what is to come may lie in the place of another variable.
        this.#fetch(slot.record);
        this.#fetch(record);
        changed.push({ variable, slot, record });
      } else if (written && record.refCount > 1) {
        this.#fetch(record);
      }
    }
    this.#backend.flush();
    if (changed.length > 0) {
      this.#backend.copyIn(changed.map(({ variable, slot, record }) => ({ variable, record, place: slot.place })));
      for (const { slot, record } of changed) slot.record = record;
    }
    for (const { variable, slot, written } of entered) if (written) this.#take(variable, slot);
    return changed.length > 0;
  }

  /** The variable's value is in memory only. */
  #take(variable: Variable, slot: Slot<Place>): void {
    const { property, release, record: find } = this.#backend;
    if (slot.record!.refCount > 1) {
      this.#renew(variable);
      slot.record = find.call(this.#backend, variable.dataId);
    }
    const record = slot.record!;
    const value = DeferredValue.of(record, property);
    if (value.pending) return;
    release.call(this.#backend, record);
    const { dataId, size, dtype } = variable;
    value.defer(() => this.#backend.copyOut({ dataId, record, size, dtype }, slot.place));
  }

  /** Gives a variable data of its own, without a value. */
  #renew(variable: Variable): void {
    const { backend } = this.#backend;
    const dataId = backend.write(null as never, [...variable.shape], variable.dtype);
    const tensor = tf.engine().makeTensorFromDataId(dataId, [...variable.shape], variable.dtype, backend);
    variable.assign(tensor);
    tensor.dispose();
  }

  #fetch(record: TensorRecord | undefined): void {
    if (record !== undefined) void record[this.#backend.property];
  }
}
