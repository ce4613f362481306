/**
 * Class weights, which are sample weights by another name.
 *
 * @module
 */
import type { Arrays, HostArray } from "../batch.ts";
import { formatShape } from "../tf.ts";
import { isHostArray } from "./host_array.ts";

/** Weight by class number; classes that are not named weigh 1. */
export type ClassWeight = Readonly<Record<number, number>>;

/**
 * Arrays with sample weights made from class weights. Targets with more than one axis are one-hot (or `[n, 1]`).
 *
 * @throws {TypeError} If there are sample weights already, several targets, or keys that are no class numbers.
 */
export function withClassWeight(arrays: Arrays<HostArray>, classWeight: ClassWeight): Arrays<HostArray> {
  if (arrays.sampleWeight !== undefined) {
    throw new TypeError("Cannot apply classWeight together with sampleWeight: multiply the sample weights instead.");
  }
  if (arrays.y === undefined) throw new TypeError("Cannot apply classWeight: there are no targets y.");
  if (!isHostArray(arrays.y)) {
    throw new TypeError("Cannot apply classWeight to a model with several outputs: use sampleWeight.");
  }
  for (const [key, weight] of Object.entries(classWeight)) {
    if (!Number.isInteger(Number(key)) || Number(key) < 0 || typeof weight !== "number") {
      throw new TypeError(
        `Cannot apply classWeight: found key "${key}" with ${weight}; expected class numbers 0, 1, … with numeric weights.`,
      );
    }
  }
  const y = arrays.y;
  const classes = y.shape.length > 1 ? y.shape.at(-1)! : 1;
  if (y.shape.slice(1, -1).some((size) => size !== 1)) {
    throw new TypeError(
      `Cannot apply classWeight to targets of shape ${formatShape(y.shape)}: expected [n], [n, 1] or [n, classes].`,
    );
  }
  const rows = y.shape[0]!;
  const weights = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let label = y.values[row * classes]!;
    if (classes > 1) {
      label = 0;
      for (let k = 1; k < classes; k++) {
        if (y.values[row * classes + k]! > y.values[row * classes + label]!) label = k;
      }
    }
    weights[row] = classWeight[label] ?? 1;
  }
  return { ...arrays, sampleWeight: { shape: [rows], dtype: "float32", values: weights } };
}
