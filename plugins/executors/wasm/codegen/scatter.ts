/**
 * Putting values at places that only the data tell, one after the other.
 *
 * @module
 */
import { cost, points } from "../../../compiler/ir/shape.ts";
import type { Axis, Scatter } from "../../../compiler/ir/types.ts";
import { merge } from "./combine.ts";
import { type Code, i32, i32x4, int, v128 } from "./instructions.ts";
import { type KernelWriter, overAxes, overUnits, overVectors, splitUnits, type Units } from "./loops.ts";
import { strideAlong } from "./strides.ts";

/** How a scatter is run. */
export interface ScatterSchedule {
  /** Work that threads share. */
  readonly units: Units;
  /** The loop variable along which places are neighbours. */
  readonly vector?: Axis;
  /** Operations of the whole scatter, roughly. */
  readonly cost: number;
}

/** Chooses how a scatter is run. */
export function scheduleScatter(scatter: Scatter): ScatterSchedule {
  const { outer, inner, index, value } = scatter;
  const vector = outer.findLast((axis) => axis.size >= 4 && strideAlong(index, axis) === 1);
  const perPoint = 8 + cost(index) + cost(value);
  const units = splitUnits(outer, vector, points(inner) * perPoint / (vector ? 3 : 1));
  return { units, ...vector && { vector }, cost: points(outer) * points(inner) * perPoint };
}

/** Writes a scatter's function. */
export function writeScatter(scatter: Scatter, { units, vector }: ScatterSchedule, k: KernelWriter): void {
  const { f, e, evaluator } = k;
  const { target, index, value, combine } = scatter;
  const size = int(target.size);
  const combination = { combine: combine === "set" ? "sum" : combine, value } as const;
  const pointer = evaluator.pointer(target);
  const read = (x: Code) => value.type === "bool" ? i32x4.ne(x, e.int(0)) : x;
  const written = (x: Code) => value.type === "bool" ? v128.and(x, e.int(1)) : x;
  const addressOf = (place: Code) => f.let(i32.add(pointer, i32.mul(place, int(4))));
  const putLane = (raw: Code, place: Code, lane: 0 | 1 | 2 | 3) => {
    const address = addressOf(place);
    const one = f.let(v128.shuffle(raw, raw, [lane, lane, lane, lane]));
    const result = combine === "set" ? one : merge(combination, read(v128.load1(address)), one);
    f.emit(v128.storeLane(address, written(result), 0));
  };
  const putLanes = (raw: Code, place: Code, lanes: number) => {
    for (const lane of ([0, 1, 2, 3] as const).slice(0, lanes)) {
      const at = f.let(i32.add(place, int(lane)));
      f.when(i32.ltU(at, size), () => putLane(raw, at, lane));
    }
  };
  const body = () =>
    overAxes(k, scatter.inner, () => {
      const place = f.let(evaluator.first(index));
      const raw = evaluator.vector(value);
      if (evaluator.lanes !== 4) return putLanes(raw, place, Math.max(evaluator.lanes, 1));
      const whole = i32.and(i32.ltU(place, size), i32.ltU(i32.add(place, int(3)), size));
      f.when(whole, () => {
        const address = addressOf(place);
        const result = combine === "set" ? raw : merge(combination, read(v128.load(address)), raw);
        f.emit(v128.store(address, written(result)));
      }, () => putLanes(raw, place, 4));
    });
  overUnits(k, units, (block) => {
    if (vector === undefined) body();
    else overVectors(k, vector, block, 1, body);
  });
}
