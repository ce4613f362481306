/**
 * The sums of one slot.
 *
 * @module
 */
import { combineSums } from "../../../core/run/epoch_sums.ts";
import type { Step } from "../../../core/step.ts";

/** Sums of a slot: parts are combined in the order in which they were queued, whichever was read first. */
export class Sums {
  readonly #step: Step;
  readonly #parts: (Float64Array | undefined)[] = [];

  /** No parts yet. @param step Says how sums are laid out. */
  constructor(step: Step) {
    this.#step = step;
  }

  /** Announces a part. @returns What takes its values, once: those of each step, one after the other; they are copied. */
  part(): (values: Float32Array) => void {
    const index = this.#parts.push(undefined) - 1;
    return (values) => this.#parts[index] = this.#combine(values);
  }

  /** What all steps gave, in float64; empty where there were none. */
  total(): Float64Array {
    const [first, ...others] = this.#parts.filter((part) => part !== undefined);
    if (first === undefined) return new Float64Array();
    const total = first.slice();
    for (const part of others) combineSums(this.#step, total, part);
    return total;
  }

  #combine(values: Float32Array): Float64Array | undefined {
    const segments = this.#step.sums;
    const size = segments.reduce((sum, segment) => sum + segment.size, 0);
    if (values.length === 0 || size === 0) return undefined;
    const total = Float64Array.from(values.subarray(0, size));
    // Element by element rather than by `combineSums`: this is done for every step of the smallest models too.
    let element = 0;
    for (const segment of segments) {
      for (const end = element + segment.size; element < end; element++) {
        let result = total[element]!;
        if (segment.combine === "sum") {
          for (let at = element + size; at < values.length; at += size) result += values[at]!;
        } else {
          const best = segment.combine === "max" ? Math.max : Math.min;
          for (let at = element + size; at < values.length; at += size) result = best(result, values[at]!);
        }
        total[element] = result;
      }
    }
    return total;
  }
}
