/**
 * What steps return, on its way from the device.
 *
 * @module
 */
import type { HostArray } from "../../../core/batch.ts";
import { type Nested, packLike } from "../../../core/nested.ts";
import { isValueInfo, mapLeaves, type ValueInfo } from "../../compiler/graph.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { ReadBack } from "./read_backs.ts";

/** The outputs of some steps of one plan, copied and not read. */
export interface PendingOutputs {
  readonly plan: Plan;
  readonly steps: number;
  readonly readBack: ReadBack;
}

/** Outputs of steps from what was read: each output's parts, one a step, after those of the output before. */
export function unpackOutputs({ plan, steps }: PendingOutputs, bytes: ArrayBuffer): readonly Nested<HostArray>[] {
  const { returns, outputs } = plan;
  const infos: ValueInfo[] = [];
  const nested = mapLeaves(returns!, isValueInfo, (info) => infos.push(info));
  const starts: number[] = [];
  let end = 0;
  for (const { size } of outputs) {
    starts.push(end);
    end += size * 4 * steps;
  }
  return Array.from({ length: steps }, (_, step) =>
    packLike(
      nested,
      infos.map((info, index) => {
        const { size } = outputs[index]!;
        return hostArray(info, bytes, starts[index]! + step * size * 4, size);
      }),
    ));
}

function hostArray({ shape, dtype }: ValueInfo, bytes: ArrayBuffer, offset: number, size: number): HostArray {
  if (dtype === "float32") return { shape, dtype, values: new Float32Array(bytes, offset, size).slice() };
  const words = new Int32Array(bytes, offset, size);
  if (dtype === "bool") return { shape, dtype, values: Uint8Array.from(words) };
  return { shape, dtype: "int32", values: words.slice() };
}
