/**
 * What is done to a plan before memory is laid out for it.
 *
 * @module
 */
import type { Plan } from "../../../compiler/ir/plan.ts";
import type { Buffer, Kernel } from "../../../compiler/ir/types.ts";
import { collapseAxes } from "./collapse.ts";
import { packFactors } from "./pack.ts";
import { padFactor } from "./pad.ts";
import { inPhases } from "./phases.ts";
import type { Rewriting } from "./rewriting.ts";
import { splitReductions } from "./split_reductions.ts";
import { splitSum } from "./split_sum.ts";
import { unrollNest } from "./unroll.ts";

/** Further back, kernels find few phases that they may join, and what they write takes more memory. */
const PHASES_BACK = 2;

/**
 * A plan that computes the same in the way that suits WebAssembly. It may have more kernels and scratch buffers, so memory
 * is to be laid out for what this gives.
 */
export function prepare(plan: Plan): Plan {
  const scratch: Buffer[] = [];
  const rewriting: Rewriting = {
    ir: plan.expressions,
    newScratch: (size) => {
      const buffer = plan.expressions.buffer("f32", size, { kind: "scratch" });
      scratch.push(buffer);
      return buffer;
    },
  };
  const kernels = inPhases(plan.kernels, 0)
    .flatMap((kernel) => prepareKernel(collapseAxes(kernel, plan.expressions), rewriting))
    .map((kernel) => collapseAxes(kernel, plan.expressions));
  return { ...plan, kernels: inPhases(kernels, PHASES_BACK), scratch: [...plan.scratch, ...scratch] };
}

function prepareKernel(kernel: Kernel, rewriting: Rewriting): readonly Kernel[] {
  if (kernel.kind === "nest") {
    return splitReductions(kernel, rewriting).map((each) =>
      each.kind === "nest" ? unrollNest(each, rewriting.ir) : each
    );
  }
  if (kernel.kind !== "contraction") return [kernel];
  const padded = padFactor(kernel, rewriting);
  const packed = packFactors(padded.kernel, rewriting);
  return [...padded.before, ...packed.before, ...splitSum(packed.kernel, rewriting)];
}
