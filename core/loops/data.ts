/**
 * The data of fit, evaluate and predict, made from what was given and the options about it.
 *
 * @module
 */
import type { Dataset } from "../batch.ts";
import {
  arrayDataset,
  type DataSource,
  isArraySource,
  isListOfArrays,
  loadArrays,
  type LoadedArrays,
  sliceArrays,
  streamDataset,
} from "../data/source.ts";
import { isHostArray } from "../data/host_array.ts";
import { isPlainObject } from "../nested.ts";
import { foldIn } from "../random.ts";
import type { FitOptions, ValidationTuple } from "./options.ts";
import type { Trainee } from "./trainee.ts";

/** What fit trains and validates on. */
export interface FitData {
  readonly train: Dataset;
  readonly validation?: Dataset;
}

/**
 * Turns what fit was given into data sets.
 *
 * @throws {TypeError} If options do not go with this kind of data.
 * @throws {RangeError} If the data do not fit together, or a split leaves nothing.
 */
export async function fitData(
  trainee: Trainee,
  data: DataSource,
  options: FitOptions,
  warn: (message: string) => void,
): Promise<FitData> {
  const { batchSize, validationSplit = 0, validationData, shuffle, classWeight } = options;
  const key = foldIn(trainee.key, 0);
  const validation = validationData === undefined ? undefined : await evaluationData(
    untuple(validationData),
    options.validationBatchSize ?? batchSize,
    "validationData",
  );
  if (validation === undefined && validationSplit === 0) {
    const idle = (["validationSteps", "validationFreq", "validationBatchSize"] as const).filter((name) =>
      name in options
    );
    if (idle.length > 0) warn(`${idle.join(", ")} changes nothing: there are no validation data.`);
  }
  const weights = classWeight === undefined ? {} : { classWeight };
  if (!isArraySource(data)) {
    if (validationSplit > 0 && validation === undefined) {
      throw new TypeError(
        "Cannot split data that come in batches: validationSplit takes arrays. Pass validationData instead.",
      );
    }
    if (shuffle === true || shuffle === "batch") warn("`shuffle` is ignored for data that come in batches.");
    const train = streamDataset(data, { ...(batchSize === undefined ? {} : { batchSize }), ...weights });
    return { train, ...(validation === undefined ? {} : { validation }) };
  }
  const all = await loadArrays(data, "the training data");
  const sets = validation === undefined && validationSplit !== 0
    ? splitArrays(all, validationSplit)
    : { train: all, validation: undefined };
  const train = arrayDataset(sets.train, {
    ...(batchSize === undefined ? {} : { batchSize }),
    shuffle: shuffle ?? true,
    key,
    ...weights,
  });
  const size = options.validationBatchSize ?? batchSize;
  const split = sets.validation &&
    arrayDataset(sets.validation, { ...(size === undefined ? {} : { batchSize: size }) });
  const chosen = validation ?? split;
  return { train, ...(chosen === undefined ? {} : { validation: chosen }) };
}

/** Keras's `(x, y)` and `(x, y, sample_weight)`; an array of batches stays one. */
function untuple(data: DataSource | ValidationTuple): DataSource {
  if (!Array.isArray(data) || data.length < 2 || data.length > 3) return data as DataSource;
  const [x, y, sampleWeight] = data as unknown as ValidationTuple;
  const isBatch = isListOfArrays(x) || (isPlainObject(x) && !isHostArray(x) && ("x" in x || "xs" in x));
  if (isBatch) return data as DataSource;
  return { x, y, ...(sampleWeight === undefined ? {} : { sampleWeight }) };
}

function splitArrays(all: LoadedArrays, split: number): { train: LoadedArrays; validation: LoadedArrays } {
  if (!(split > 0 && split < 1)) {
    throw new RangeError(`Cannot split off ${split} of the data for validation: expected a number between 0 and 1.`);
  }
  const trained = Math.floor(all.rows * (1 - split));
  if (trained === 0 || trained === all.rows) {
    throw new RangeError(
      `Cannot split ${all.rows} samples with validationSplit ${split}: ${trained} would train and ${
        all.rows - trained
      } validate; both need at least one. Use more data or another split.`,
    );
  }
  return { train: sliceArrays(all, 0, trained), validation: sliceArrays(all, trained, all.rows) };
}

/** Data of evaluate and of validation: never shuffled. */
export async function evaluationData(
  data: DataSource,
  batchSize: number | undefined,
  what: string,
): Promise<Dataset> {
  if (isArraySource(data)) {
    return arrayDataset(await loadArrays(data, what), { ...(batchSize === undefined ? {} : { batchSize }) });
  }
  return streamDataset(data, {});
}
