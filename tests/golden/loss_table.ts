/**
 * Checks losses against a table of reference values laid out like goldens/tables/losses.json.
 *
 * @module
 */
import type { Factories } from "../../core/registry.ts";
import { applyLoss } from "../../core/reduce.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import type { Loss, Reduction } from "../../core/loss.ts";
import { losses } from "../../plugins/losses/mod.ts";

/** An array in a table, row-major. */
export interface TableArray {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: readonly (number | boolean)[];
}

/** How one case of a table went. */
export interface TableResult {
  /** Which case, for people. */
  readonly name: string;
  /** The largest absolute difference; `Infinity` where nothing could be compared. */
  readonly maxError: number;
  readonly ok: boolean;
  /** What went wrong. */
  readonly message?: string;
}

/** One row of a table of losses. */
export interface LossCase {
  readonly loss: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reduction: Reduction;
  readonly yTrue: TableArray;
  readonly yPred: TableArray;
  readonly sampleWeight: TableArray | null;
  readonly expected: TableArray;
}

/** Options by name, as a table or a training file has them: every argument must be an option of the factory. */
const LOSS_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  Huber: ["delta"],
  CosineSimilarity: ["axis"],
  BinaryCrossentropy: ["fromLogits", "labelSmoothing", "axis"],
  CategoricalCrossentropy: ["fromLogits", "labelSmoothing", "axis"],
  SparseCategoricalCrossentropy: ["fromLogits", "ignoreClass", "axis"],
  BinaryFocalCrossentropy: ["applyClassBalancing", "alpha", "gamma", "fromLogits", "labelSmoothing", "axis"],
  CategoricalFocalCrossentropy: ["alpha", "gamma", "fromLogits", "labelSmoothing", "axis"],
  CategoricalGeneralizedCrossEntropy: ["q"],
  Dice: ["axis"],
  Tversky: ["alpha", "beta", "axis"],
  Circle: ["gamma", "margin", "removeDiagonal"],
};

/** Computes every case of a table. Never throws for a single case, and never leaves one out. */
export async function* lossTable(table: readonly LossCase[]): AsyncGenerator<TableResult> {
  for (const [index, row] of table.entries()) {
    const weighted = row.sampleWeight === null ? "" : " weighted";
    const name = `losses[${index}] ${row.loss}${formatArguments(row.args)} ${row.reduction}${weighted}`;
    yield await judge(name, row.expected, async () => {
      const loss = makeLoss(row.loss, { ...row.args, reduction: row.reduction });
      const result = tf.tidy(() =>
        applyLoss(loss, toTensor(row.yTrue), toTensor(row.yPred), {
          sampleWeight: row.sampleWeight === null ? undefined : toTensor(row.sampleWeight),
        })
      );
      try {
        return { shape: result.shape, values: await result.data() };
      } finally {
        result.dispose();
      }
    });
  }
}

/** A loss by its Keras class and arguments. @throws {RangeError} If there is no such class or argument. */
export function makeLoss(kerasClass: string, args: Readonly<Record<string, unknown>>): Loss {
  const options = camelOptions(kerasClass, args, [...LOSS_OPTIONS[kerasClass] ?? [], "reduction", "name"]);
  return factoryOf(losses, "loss", kerasClass)(options);
}

/** The factory for a Keras class. @throws {RangeError} If there is none. */
export function factoryOf<T>(factories: Factories<T>, kind: string, kerasClass: string): (options?: unknown) => T {
  const key = (name: string): string => name.replaceAll(/[_-]/g, "").toLowerCase();
  const found = Object.keys(factories).find((name) => key(name) === key(kerasClass));
  if (found === undefined) throw new RangeError(`unknown ${kind} class "${kerasClass}"`);
  return factories[found] as (options?: unknown) => T;
}

/** Keras's arguments as options: `from_logits` as `fromLogits`. @throws {RangeError} If one is not known. */
export function camelOptions(
  kerasClass: string,
  args: Readonly<Record<string, unknown>>,
  known: readonly string[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(args)) {
    const option = name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    if (!known.includes(option)) {
      throw new RangeError(
        `${kerasClass} has no option "${option}" for argument "${name}"; it has ${known.join(", ")}`,
      );
    }
    options[option] = value ?? undefined;
  }
  return options;
}

/** Arguments for a case's name. */
export function formatArguments(args: Readonly<Record<string, unknown>>): string {
  return `(${Object.entries(args).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ")})`;
}

/** A tensor with a table's values; wider integers become int32. */
export function toTensor({ shape, dtype, values }: TableArray): Tensor {
  const type = dtype.startsWith("float") ? "float32" : dtype === "bool" ? "bool" : "int32";
  return tf.tensor(values.map(Number), [...shape], type);
}

/** What a case computed. */
export interface Computed {
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** Compares what a case computes with what is expected: `|a - b| <= 2e-4 |b| + 2e-5`, equal shapes. */
export async function judge(
  name: string,
  expected: TableArray,
  compute: () => Promise<Computed>,
): Promise<TableResult> {
  let computed: Computed;
  try {
    computed = await compute();
  } catch (error) {
    return {
      name,
      maxError: Infinity,
      ok: false,
      message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    };
  }
  const { maxError, message } = compare(computed, expected);
  return message === undefined ? { name, maxError, ok: true } : { name, maxError, ok: false, message };
}

/** The largest difference, and a message where it is too large. */
export function compare(computed: Computed, expected: TableArray): { maxError: number; message?: string } {
  const { shape, values } = computed;
  if (shape.length !== expected.shape.length || shape.some((size, axis) => size !== expected.shape[axis])) {
    return { maxError: Infinity, message: `shape [${shape}], expected [${expected.shape}]` };
  }
  let maxError = 0;
  let message: string | undefined;
  for (let index = 0; index < expected.values.length; index++) {
    const a = values[index] as number;
    const b = Number(expected.values[index]);
    const error = Object.is(a, b) || a === b ? 0 : Math.abs(a - b);
    if (!(error <= maxError)) maxError = error;
    if (!(error <= 2e-4 * Math.abs(b) + 2e-5)) message ??= `[${index}] is ${a}, expected ${b}`;
  }
  return { maxError, message };
}
