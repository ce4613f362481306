/**
 * What steps return, on its way from the device.
 *
 * @module
 */
import type { HostArray } from "../../../core/batch.ts";
import { type Nested, packLike } from "../../../core/nested.ts";
import { isValueInfo, mapLeaves, type ValueInfo } from "../../compiler/graph.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { returnedArray } from "../returned_array.ts";
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
        const Words = info.dtype === "float32" ? Float32Array : Int32Array;
        return returnedArray(info, new Words(bytes, starts[index]! + step * size * 4, size));
      }),
    ));
}
