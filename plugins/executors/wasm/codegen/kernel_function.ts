/**
 * A kernel as a function: `(begin, end, table, keys, ...addresses)` does units `begin` to `end - 1` of its work.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { writes } from "../../../compiler/ir/shape.ts";
import type { Buffer, Kernel } from "../../../compiler/ir/types.ts";
import { scheduleContraction, writeContraction } from "./contraction.ts";
import { asNest } from "../../../compiler/passes/as_nest.ts";
import { Elementary } from "./elementary.ts";
import type { EncodedFunction } from "./encode.ts";
import { Evaluator } from "./evaluate.ts";
import { FunctionBuilder } from "./function_builder.ts";
import type { Code } from "./instructions.ts";
import type { KernelWriter } from "./loops.ts";
import type { Draw } from "./random.ts";
import { scheduleNest, writeNest } from "./nest.ts";
import { scheduleScan, writeScan } from "./scan.ts";
import { scheduleScatter, writeScatter } from "./scatter.ts";

/** What all kernels of a module share. */
export interface KernelSetting {
  /** Whether products and sums may be rounded once. */
  readonly relaxed: boolean;
  /** The plan's pool. */
  readonly expressions: Expressions;
  /** The columns of the step table. */
  readonly columns: readonly string[];
  /** The number of the function that draws random numbers. */
  readonly random: (draw: Draw) => number;
}

/** A kernel's function, and how much work it is. */
export interface KernelFunction {
  /** The function. */
  readonly encoded: EncodedFunction;
  /** Units of work, which threads share. */
  readonly units: number;
  /** Operations, roughly. */
  readonly cost: number;
}

/** Writes a kernel's function. @param buffers Whose addresses it takes, in order. */
export function kernelFunction(kernel: Kernel, buffers: readonly Buffer[], setting: KernelSetting): KernelFunction {
  const f = new FunctionBuilder();
  const begin = f.parameter("i32");
  const end = f.parameter("i32");
  const table = f.parameter("i32");
  const keys = f.parameter("i32");
  const pointers = new Map<Buffer, Code>(buffers.map((buffer) => [buffer, f.parameter("i32")]));
  const e = new Elementary(f, setting.relaxed);
  const evaluator = new Evaluator({
    f,
    e,
    relaxed: setting.relaxed,
    expressions: setting.expressions,
    pointer: (buffer) => pointers.get(buffer)!,
    column: (name) => ({ base: table, offset: 4 * columnOf(setting.columns, name) }),
    keys: () => keys,
    random: setting.random,
    stored: writes(kernel),
  });
  const { units, cost } = writeKernel(kernel, { f, e, evaluator, begin, end }, setting);
  return { encoded: f.finish(), units, cost };
}

function writeKernel(
  kernel: Kernel,
  k: KernelWriter,
  { expressions }: KernelSetting,
): { readonly units: number; readonly cost: number } {
  switch (kernel.kind) {
    case "nest": {
      const schedule = scheduleNest(kernel);
      writeNest(kernel, schedule, k);
      return { units: schedule.units.count, cost: schedule.cost };
    }
    case "contraction": {
      const schedule = scheduleContraction(kernel);
      if (schedule === undefined) return writeKernel(asNest(kernel, expressions), k, { expressions } as KernelSetting);
      writeContraction(kernel, schedule, k);
      return { units: schedule.units, cost: schedule.cost };
    }
    case "scan": {
      const schedule = scheduleScan(kernel);
      writeScan(kernel, schedule, k);
      return { units: schedule.units.count, cost: schedule.cost };
    }
    case "scatter": {
      const schedule = scheduleScatter(kernel);
      writeScatter(kernel, schedule, k);
      return { units: schedule.units.count, cost: schedule.cost };
    }
    default:
      return kernel satisfies never;
  }
}

function columnOf(columns: readonly string[], name: string): number {
  const column = columns.indexOf(name);
  if (column < 0) {
    throw new RangeError(
      `Cannot generate a kernel: it reads column "${name}", the plan's columns are ${columns.join(", ") || "none"}.`,
    );
  }
  return column;
}
