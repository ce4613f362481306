/**
 * The variables that an optimizer keeps for each weight.
 *
 * @module
 */
import type { StepVariable } from "../../core/step.ts";
import { type Tensor, tf } from "../../core/tf.ts";

/** One variable that an optimizer keeps for a weight. */
export interface Slot<Name extends string = string> {
  /** The last part of its path: `momentum`. */
  readonly name: Name;
  /** Its shape. @default the weight's */
  readonly shape?: readonly number[];
  /** What it is filled with at first. @default 0 */
  readonly value?: number;
  /** Its first value, instead of `shape` and `value`. Called inside a `tidy`. */
  create?(): Tensor;
}

type WeightSlots = Readonly<Record<string, StepVariable>>;

interface Entry {
  readonly shape: number[];
  readonly slots: WeightSlots;
}

/** Slots by the path of their weight. */
export class SlotStore {
  readonly #owner: string;
  #entries: ReadonlyMap<string, Entry> = new Map();

  /** @param owner The optimizer's name, which paths begin with. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /**
   * Creates slots, keeps those of weights whose path and shape are the same, and disposes all others.
   *
   * @returns All slots, weight by weight.
   * @throws {TypeError} If a weight is not float32.
   * @throws {RangeError} If two weights have the same path.
   */
  build(
    variables: readonly StepVariable[],
    slots: (variable: StepVariable) => readonly Slot[],
  ): readonly StepVariable[] {
    this.#check(variables);
    const entries = new Map(
      variables.map((variable) => [variable.path, this.#entry(variable, slots(variable))]),
    );
    const kept = new Set([...entries.values()].flatMap((entry) => Object.values(entry.slots)));
    for (const slot of this.#all()) if (!kept.has(slot)) slot.variable.dispose();
    this.#entries = entries;
    return this.#all();
  }

  /**
   * A weight's slots by name.
   *
   * @throws {Error} If the weight was not among those that the slots were built for.
   */
  get({ path }: StepVariable): WeightSlots {
    const entry = this.#entries.get(path);
    if (entry === undefined) {
      throw new Error(
        `Optimizer "${this.#owner}" cannot update "${path}": it was built for ` +
          `${[...this.#entries.keys()].join(", ") || "nothing"}. Call build with all variables first; ` +
          "compile does when a model is built, and again after layers were frozen or unfrozen.",
      );
    }
    return entry.slots;
  }

  /** Releases all slots. */
  dispose(): void {
    for (const slot of this.#all()) slot.variable.dispose();
    this.#entries = new Map();
  }

  #all(): readonly StepVariable[] {
    return [...this.#entries.values()].flatMap((entry) => Object.values(entry.slots));
  }

  #entry({ path, variable }: StepVariable, slots: readonly Slot[]): Entry {
    const before = this.#entries.get(path);
    const adoptable = before !== undefined && tf.util.arraysEqual(before.shape, variable.shape) ? before.slots : {};
    return {
      shape: [...variable.shape],
      slots: Object.fromEntries(slots.map((slot) => [
        slot.name,
        adoptable[slot.name] ?? {
          path: `${this.#owner}/${path}/${slot.name}`,
          variable: tf.tidy(() => tf.variable(slot.create?.() ?? filled(slot, variable.shape), false)),
          role: "slot",
          acrossReplicas: "mirrored",
        },
      ])),
    };
  }

  #check(variables: readonly StepVariable[]): void {
    const paths = new Set<string>();
    for (const { path, variable } of variables) {
      if (variable.dtype !== "float32") {
        throw new TypeError(
          `Cannot build optimizer "${this.#owner}": "${path}" has dtype ${variable.dtype}; expected float32. ` +
            "Only float32 variables can be trained.",
        );
      }
      if (paths.has(path)) {
        throw new RangeError(
          `Cannot build optimizer "${this.#owner}": two variables have the path "${path}"; expected a path for each.`,
        );
      }
      paths.add(path);
    }
  }
}

function filled({ shape, value }: Slot, weightShape: readonly number[]): Tensor {
  return tf.fill([...(shape ?? weightShape)], value ?? 0);
}
