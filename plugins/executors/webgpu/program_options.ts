/**
 * What programs are made with.
 *
 * @module
 */
import type { Shard } from "../../../core/batch.ts";
import type { Device } from "../../../core/device.ts";
import type { StepPlanner } from "../../compiler/planner.ts";
import type { PrintKernel } from "./print_all.ts";
import type { Runtime } from "./runtime.ts";
import type { Tuner } from "./tuner.ts";
import type { Tuning } from "./wgsl/mod.ts";

/** How steps become shaders. */
export interface Compiler extends StepPlanner {
  /** Prints kernels. */
  readonly print: PrintKernel;
  /** What kernels are printed for. @default what suits the adapter */
  readonly tuning?: Tuning;
}

/** What a program runs with. */
export interface ProgramOptions extends Compiler {
  /** Where it runs. */
  readonly runtime: Runtime;
  /** The same, as strategies know it. */
  readonly device: Device;
  /** How kernels are printed there. */
  readonly tuning: Tuning;
  /** Measures kernels. @default none is measured */
  readonly tuner?: Tuner;
  /** How many seconds lie between snapshots of the variables, at least. */
  readonly snapshotSeconds: number;
  /** Which replica it is. @default the only one */
  readonly replica?: Shard;
}
