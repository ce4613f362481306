/**
 * Running sums and products.
 *
 * @module
 */
import { cost, points } from "../../../compiler/ir/shape.ts";
import type { Axis, Scan } from "../../../compiler/ir/types.ts";
import { identity, merge } from "./combine.ts";
import { i32, int } from "./instructions.ts";
import { type KernelWriter, overUnits, overVectors, splitUnits, type Units } from "./loops.ts";
import { accessesOf, strideAlong } from "./strides.ts";

/** How a scan is run. */
export interface ScanSchedule {
  /** Work that threads share. */
  readonly units: Units;
  /** The loop variable of which four values are computed at once. */
  readonly vector?: Axis;
  /** Operations of the whole scan, roughly. */
  readonly cost: number;
}

/** Chooses how a scan is run: four neighbours at once where they lie side by side. */
export function scheduleScan(scan: Scan): ScanSchedule {
  const accesses = accessesOf(scan);
  const vector = scan.outer.findLast((axis) =>
    axis.size >= 3 && accesses.every(({ index }) => [0, 1].includes(strideAlong(index, axis) ?? -1))
  );
  const perPoint = accesses.length + 2 + [scan.value, ...scan.stores.map(({ value }) => value)]
    .reduce((total, value) => total + cost(value), 0);
  const units = splitUnits(scan.outer, vector, scan.along.size * perPoint / (vector ? 4 : 1));
  return { units, ...vector && { vector }, cost: points(scan.outer) * scan.along.size * perPoint };
}

/** Writes a scan's function. */
export function writeScan(scan: Scan, { units, vector }: ScanSchedule, k: KernelWriter): void {
  const { f, e, evaluator } = k;
  const { along } = scan;
  const body = () => {
    const running = f.local("v128");
    f.set(running, identity(scan, e));
    f.loop(int(0), int(along.size), 1, (counter) => {
      const value = scan.reverse ? f.let(i32.sub(int(along.size - 1), counter)) : counter;
      evaluator.scoped([{ axis: along, value }], () => {
        const next = f.let(merge(scan, running, evaluator.vector(scan.value)));
        // A copy: stores see the value as it is here.
        const seen = f.local("v128");
        f.set(seen, scan.exclusive ? running : next);
        evaluator.bindResult(scan.result, { vector: seen }, vector !== undefined);
        for (const { buffer, index, value: stored } of scan.stores) evaluator.store(buffer, index, stored);
        f.set(running, next);
      });
    });
  };
  overUnits(k, units, (block) => {
    if (vector === undefined) body();
    else overVectors(k, vector, block, 1, body);
  });
}
