/**
 * Executor "webgpu" as it would be on a GPU whose workgroups share memory: every product of matrices and every convolution
 * goes through workgroup memory, however small.
 *
 * @module
 */
import type { Executor } from "@stride/stride/core";
import { planPhase, planStep } from "../../plugins/compiler/compile.ts";
import { webGpuExecutor } from "../../plugins/executors/webgpu/executor.ts";
import { printKernel, type Tuning, TUNINGS } from "../../plugins/executors/webgpu/wgsl/mod.ts";

const { discrete, software } = TUNINGS;

/** The tuning of a GPU, with limits that every adapter has, for a software adapter's loops. */
export const STAGED: Tuning = {
  ...discrete,
  singleStepWork: 0,
  maxLoopIterations: software.maxLoopIterations,
  keepsLoops: software.keepsLoops,
  workgroupTiles: { ...discrete.workgroupTiles!, leastShared: 1 },
};

/** The executor. */
export function staged(): Executor {
  return webGpuExecutor({ plan: planStep, planPhase, print: printKernel, tuning: STAGED });
}
