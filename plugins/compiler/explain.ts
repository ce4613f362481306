/**
 * What a plan does, as a table for people: kernels, work and memory.
 *
 * @module
 */
import { axisGroups, nameBuffer } from "./ir/format.ts";
import { bytesOf, rootOf } from "./ir/buffers.ts";
import { measureKernels } from "./ir/measure.ts";
import type { Plan } from "./ir/plan.ts";
import { repetitionsOf } from "./ir/repetitions.ts";
import { writes } from "./ir/shape.ts";
import type { Buffer, Kernel } from "./ir/types.ts";
import { formatBytes, formatCount } from "./units.ts";

/**
 * A plan as a table: for each kernel its kind, its loops, flops, bytes read and written, what it writes, and which tfjs
 * kernels went into it; then totals, and the bytes of buffers by role. Kernels that come three times or more in a row with
 * nothing but other buffers, such as the time steps of a recurrent layer, stand there once. What an executor chose for the
 * whole plan comes last: `Plan.notes`.
 *
 * Flops and bytes are those of one step, counted by `measureKernel`. Inputs count by the row.
 */
export function explain(plan: Plan): string {
  const rows = repetitionsOf(plan.kernels).flatMap(({ first, length, times }) => {
    const once = plan.kernels.slice(first, first + length).map((kernel, at) => kernelRow(kernel, first + at));
    if (times === 1) return once;
    const end = first + length * times;
    const [flops, read, written] = measured(plan.kernels.slice(first, end));
    const title = `${length} kernel${length === 1 ? "" : "s"} x ${times}`;
    return [...once, ["", "repeated", title, flops, read, written, `${first} to ${end - 1}`]];
  });
  const notes = plan.notes === undefined ? [] : ["", ...plan.notes];
  const header = ["#", "kind", "loops", "flops", "read", "written", "writes", "from"];
  return [...table([header, ...rows, ["", "total", "", ...measured(plan.kernels)]]), "", ...memory(plan), ...notes]
    .join("\n");
}

function kernelRow(kernel: Kernel, at: number): readonly string[] {
  return [
    `${at}`,
    kernel.kind,
    axisGroups(kernel).map(([, axes]) => axes.map(({ size }) => size).join("x") || "1").join(" | "),
    ...measured([kernel]),
    shortened([...writes(kernel)].map(nameBuffer), ", ", 3),
    shortened(kernel.from ?? [], " + ", 8),
  ];
}

/** Flops, bytes read and bytes written. */
function measured(kernels: readonly Kernel[]): readonly [string, string, string] {
  const { flops, bytesRead, bytesWritten } = measureKernels(kernels);
  return [formatCount(flops), formatBytes(bytesRead), formatBytes(bytesWritten)];
}

function memory(plan: Plan): readonly string[] {
  const roots = new Set<Buffer>();
  for (const buffer of plan.variables.values()) roots.add(rootOf(buffer));
  const state = [...roots];
  const gradients = plan.gradients?.filter((each) => each !== null) ?? [];
  const groups: readonly (readonly [string, readonly Buffer[]])[] = [
    ["variables", state],
    ["scratch", plan.scratch],
    ["constants", plan.constants],
    ["inputs, by the row", plan.inputs],
    ["gradients", gradients],
    [
      "rows, sums and outputs, by the step",
      [plan.rows, plan.sums, ...plan.outputs].filter((each) => each !== undefined),
    ],
  ];
  return table([
    ["memory", "buffers", "bytes"],
    ...groups.filter(([, buffers]) => buffers.length > 0).map(([name, buffers]) => [
      name,
      `${buffers.length}`,
      formatBytes(buffers.reduce((sum, buffer) => sum + bytesOf(buffer), 0)),
    ]),
  ]);
}

/** Lines with columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
}

function shortened(names: readonly string[], by: string, most: number): string {
  const shown = names.slice(0, most).join(by);
  return names.length > most ? `${shown}${by}… (${names.length})` : shown;
}
