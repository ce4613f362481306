/**
 * Intersection over union of predicted and actual regions, by class.
 *
 * Source: keras/src/metrics/iou_metrics.py.
 *
 * @module
 */
import type { Metric } from "../../core/metric.ts";
import { type Tensor, tf } from "../../core/tf.ts";
import { oneHot } from "../../core/values/prepare.ts";
import { checkOption, elementWeights, type MetricOptions } from "./define.ts";

/** Options that these metrics have in common. */
export interface IoUBaseOptions extends MetricOptions {
  /** A class whose entries do not count, often -1 or 255. @default none */
  readonly ignoreClass?: number;
  /** Whether predictions are class numbers, rather than a value for each class. */
  readonly sparseYPred?: boolean;
  /** The axis of the classes, where there is a value for each. @default -1 */
  readonly axis?: number;
  /**
   * `int32` cuts the fraction off sample weights, as Keras does: weights below 1 then count as 0. `float32` keeps it.
   * @default "int32"
   */
  readonly dtype?: "int32" | "float32";
}

/** Options of `meanIoU`. */
export interface MeanIoUOptions extends IoUBaseOptions {
  /** How many classes there are. */
  readonly numClasses: number;
  /** Whether targets are class numbers, rather than a value for each class. @default true */
  readonly sparseYTrue?: boolean;
}

/** Options of `iou`. */
export interface IoUOptions extends MeanIoUOptions {
  /** The classes that are averaged. */
  readonly targetClassIds: readonly number[];
}

/** Options of `oneHotMeanIoU`. */
export interface OneHotMeanIoUOptions extends IoUBaseOptions {
  /** How many classes there are. */
  readonly numClasses: number;
}

/** Options of `oneHotIoU`. */
export interface OneHotIoUOptions extends OneHotMeanIoUOptions {
  /** The classes that are averaged. */
  readonly targetClassIds: readonly number[];
}

/** Options of `binaryIoU`. */
export interface BinaryIoUOptions extends MetricOptions {
  /** The classes that are averaged: 0, 1 or both. @default [0, 1] */
  readonly targetClassIds?: readonly number[];
  /** Predictions from here on are class 1. @default 0.5 */
  readonly threshold?: number;
  /** As in the other metrics. @default "int32" */
  readonly dtype?: "int32" | "float32";
}

/**
 * The mean over some classes; those that never occur are left out. Keras: `IoU`.
 *
 * ```ts
 * import { iou } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = iou({ numClasses: 2, targetClassIds: [1] }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1]), tf.tensor1d([0, 1, 0, 1])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 1 / 3);
 * ```
 *
 * @throws {RangeError} If an option is missing or out of range.
 */
export function iou(options: IoUOptions): Metric {
  return regions("io_u", options, options?.targetClassIds, { sparseYPred: true, sparseYTrue: true });
}

/**
 * The mean over all classes; those that never occur are left out. Keras: `MeanIoU`.
 *
 * ```ts
 * import { meanIoU } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const metric = meanIoU({ numClasses: 2, ignoreClass: 255 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 0, 1, 1, 255]), tf.tensor1d([0, 1, 1, 1, 0])).data();
 * assertAlmostEquals(metric.result(Float64Array.from(sums)) as number, (1 / 2 + 2 / 3) / 2, 1e-6);
 * ```
 *
 * @throws {RangeError} If an option is missing or out of range.
 */
export function meanIoU(options: MeanIoUOptions): Metric {
  return regions("mean_io_u", options, undefined, { sparseYPred: true, sparseYTrue: true });
}

/**
 * The mean over some classes, of one-hot targets. Keras: `OneHotIoU`.
 *
 * ```ts
 * import { oneHotIoU } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[1, 0], [0, 1], [0, 1]]);
 * const yPred = tf.tensor2d([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]]);
 * const metric = oneHotIoU({ numClasses: 2, targetClassIds: [1] }).build([null, 2], [null, 2]);
 * const sums = await metric.update(yTrue, yPred).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 *
 * @throws {RangeError} If an option is missing or out of range.
 */
export function oneHotIoU(options: OneHotIoUOptions): Metric {
  return regions("one_hot_io_u", options, options?.targetClassIds, { sparseYPred: false, sparseYTrue: false });
}

/**
 * The mean over all classes, of one-hot targets. Keras: `OneHotMeanIoU`.
 *
 * ```ts
 * import { oneHotMeanIoU } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const yTrue = tf.tensor2d([[1, 0, 0], [0, 1, 0], [0, 1, 0]]);
 * const yPred = tf.tensor2d([[0.8, 0.2, 0], [0.6, 0.4, 0], [0.1, 0.9, 0]]);
 * const metric = oneHotMeanIoU({ numClasses: 3 }).build([null, 3], [null, 3]);
 * const sums = await metric.update(yTrue, yPred).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 0.5);
 * ```
 *
 * @throws {RangeError} If an option is missing or out of range.
 */
export function oneHotMeanIoU(options: OneHotMeanIoUOptions): Metric {
  return regions("one_hot_mean_io_u", options, undefined, { sparseYPred: false, sparseYTrue: false });
}

/**
 * The mean over the classes 0 and 1 of probabilities. Keras: `BinaryIoU`.
 *
 * ```ts
 * import { binaryIoU } from "@stride/stride/metrics";
 * import { tf } from "@stride/stride";
 * import { assertEquals } from "@std/assert";
 *
 * const metric = binaryIoU({ targetClassIds: [1], threshold: 0.3 }).build([null], [null]);
 * const sums = await metric.update(tf.tensor1d([0, 1, 1, 1]), tf.tensor1d([0.1, 0.2, 0.4, 0.7])).data();
 * assertEquals(metric.result(Float64Array.from(sums)), 2 / 3);
 * ```
 *
 * @throws {RangeError} If an option is out of range.
 */
export function binaryIoU(options: BinaryIoUOptions = {}): Metric {
  const { name = "binary_io_u", targetClassIds = [0, 1], threshold = 0.5, dtype } = options;
  const metric = iou({ name, numClasses: 2, targetClassIds, dtype });
  return {
    ...metric,
    build(yTrue, yPred) {
      const bound = metric.build(yTrue, yPred);
      return {
        ...bound,
        update: (target, prediction, sampleWeight) =>
          bound.update(target, tf.cast(tf.greaterEqual(prediction, threshold), "int32"), sampleWeight),
      };
    },
  };
}

function regions(
  kind: string,
  options: MeanIoUOptions,
  targetClassIds: readonly number[] | undefined,
  { sparseYPred, sparseYTrue }: { readonly sparseYPred: boolean; readonly sparseYTrue: boolean },
): Metric {
  const classes = options?.numClasses;
  checkOption(kind, "numClasses", classes, Number.isInteger(classes) && classes > 0, "an integer of at least 1");
  const averaged = kind.includes("mean") ? Array.from({ length: classes }, (_, id) => id) : targetClassIds;
  const inRange = averaged?.length && averaged.every((id) => Number.isInteger(id) && id >= 0 && id < classes);
  checkOption(kind, "targetClassIds", averaged, Boolean(inRange), `class numbers from 0 to ${classes - 1}`);
  const { name = kind, ignoreClass, axis = -1, dtype = "int32" } = options;
  const numbers = (x: Tensor, sparse: boolean): Tensor => sparse ? tf.cast(x, "int32") : tf.argMax(x, axis);
  return {
    name,
    direction: "max",
    build: () => ({
      size: classes * classes,
      combine: "sum",
      update(yTrue, yPred, sampleWeight) {
        const actual = numbers(yTrue, options.sparseYTrue ?? sparseYTrue);
        const predicted = numbers(yPred, options.sparseYPred ?? sparseYPred);
        let weights = elementWeights(actual, sampleWeight && tf.cast(sampleWeight, dtype));
        if (ignoreClass !== undefined) {
          weights = tf.mul(weights, tf.cast(tf.notEqual(actual, ignoreClass), "float32"));
        }
        // Entries of classes that do not exist are zero in a one-hot matrix, and so are not counted.
        const flat = (x: Tensor): Tensor => oneHot(tf.reshape(x, [x.size]), classes);
        const rows = tf.mul(flat(actual), tf.reshape(weights, [weights.size, 1])) as tf.Tensor2D;
        return tf.reshape(tf.matMul(rows, flat(predicted) as tf.Tensor2D, true, false), [classes * classes]);
      },
      result: (confusion) => meanOverlap(confusion, classes, averaged as readonly number[]),
    }),
  };
}

/** `confusion[actual × classes + predicted]` holds weights. */
function meanOverlap(confusion: Float64Array, classes: number, averaged: readonly number[]): number {
  let sum = 0;
  let occurring = 0;
  for (const id of averaged) {
    let union = -(confusion[id * classes + id] as number);
    for (let other = 0; other < classes; other++) {
      union += (confusion[id * classes + other] as number) + (confusion[other * classes + id] as number);
    }
    if (union <= 1e-9) continue;
    occurring++;
    sum += (confusion[id * classes + id] as number) / union;
  }
  return occurring === 0 ? 0 : sum / occurring;
}
