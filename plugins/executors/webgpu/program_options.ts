/**
 * What programs are made with.
 *
 * @module
 */
import type { Shard } from "../../../core/batch.ts";
import type { Device } from "../../../core/device.ts";
import type { Step } from "../../../core/step.ts";
import type { HalfPlans, PlanOptions } from "../../compiler/compile.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import type { BatchSignature } from "../../compiler/trace.ts";
import type { PrintKernel } from "./compiled_plan.ts";
import type { Runtime } from "./runtime.ts";

/** How steps become shaders. */
export interface Compiler {
  /** Plans whole steps. */
  readonly plan: (step: Step, signature: BatchSignature, options: PlanOptions) => Plan;
  /** Plans the halves of a phase. */
  readonly planHalves: (step: Step, phase: number, signature: BatchSignature, options: PlanOptions) => HalfPlans;
  /** Prints kernels. */
  readonly print: PrintKernel;
}

/** What a program runs with. */
export interface ProgramOptions extends Compiler {
  /** Where it runs. */
  readonly runtime: Runtime;
  /** The same, as strategies know it. */
  readonly device: Device;
  /** How many seconds lie between snapshots of the variables, at least. */
  readonly snapshotSeconds: number;
  /** Which replica it is. @default the only one */
  readonly replica?: Shard;
}
