/**
 * A summary as a table.
 *
 * @module
 */
import { formatShape } from "../tf.ts";
import type { LayerSummary, ModelSummary } from "./summarize.ts";

/** How a summary is written. */
export interface FormatSummaryOptions {
  /** Characters in a line, at least 40. @default 80 */
  readonly width?: number;
  /** Whether to list the layers of models in the model. @default false */
  readonly expandNested?: boolean;
}

/** How `model.summary` writes. */
export interface SummaryOptions extends FormatSummaryOptions {
  /** Receives the table. @default console.log */
  readonly print?: (text: string) => void;
}

type Row = readonly [layer: string, shape: string, parameters: string, flops: string];

const HEAD: Row = ["Layer (type)", "Output shape", "Params", "FLOPs"];

/**
 * Writes a summary as Keras does: a row for each layer, then totals.
 *
 * ```ts
 * import { formatSummary, Model, tf } from "@stride/stride/core";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4] })] }));
 * const table = formatSummary(model.summary({ print: () => {} }), { width: 60 });
 * assert(table.includes("Total params: 15 (60 B)"));
 * assertEquals(table.split("\n")[1]!.length, 60);
 * ```
 *
 * @throws {RangeError} If the width is below 40 characters.
 */
export function formatSummary(summary: ModelSummary, options: FormatSummaryOptions = {}): string {
  const { width = 80, expandNested = false } = options;
  if (!(width >= 40)) {
    throw new RangeError(`Cannot write a summary ${width} characters wide: expected at least 40.`);
  }
  const rows = summary.layers.flatMap((layer) => rowsOf(layer, expandNested, ""));
  const widths = columnWidths([HEAD, ...rows], Math.floor(width));
  const line = (left: string, middle: string, right: string) =>
    left + widths.map((size) => "─".repeat(size + 2)).join(middle) + right;
  const text = (row: Row) =>
    "│" + row.map((cell, index) => ` ${fit(cell, widths[index]!, index > 1)} `).join("│") + "│";
  const { parameters, trainable, nonTrainable, optimizerParameters, bytes } = summary;
  const share = (count: number) => parameters === 0 ? 0 : bytes * count / parameters;
  return [
    `Model: "${summary.name}"`,
    line("┌", "┬", "┐"),
    text(HEAD),
    line("├", "┼", "┤"),
    ...rows.map(text),
    line("└", "┴", "┘"),
    ` Total params: ${count(parameters)} (${formatBytes(bytes)})`,
    ` Trainable params: ${count(trainable)} (${formatBytes(share(trainable))})`,
    ` Non-trainable params: ${count(nonTrainable)} (${formatBytes(share(nonTrainable))})`,
    ...(optimizerParameters > 0
      ? [` Optimizer params: ${count(optimizerParameters)} (${formatBytes(4 * optimizerParameters)})`]
      : []),
    ` FLOPs per sample, forward: ${formatFlops(summary.flops)}`,
  ].join("\n");
}

function rowsOf(layer: LayerSummary, expandNested: boolean, indent: string): Row[] {
  const { name, type, outputShapes, parameters, flops, layers } = layer;
  const shapes = outputShapes.length === 0 ? "?" : outputShapes.map(formatShape).join(", ");
  const own: Row = [`${indent}${name} (${type})`, shapes, count(parameters), formatFlops(flops)];
  return [own, ...(expandNested ? layers.flatMap((inner) => rowsOf(inner, expandNested, `${indent}  `)) : [])];
}

/** As wide as what stands in them; where that is too wide, names and then shapes give way. */
function columnWidths(rows: readonly Row[], width: number): number[] {
  const widths = HEAD.map((_, index) => Math.max(...rows.map((row) => [...row[index]!].length)));
  const room = width - 1 - 3 * widths.length;
  for (const [index, least] of [[0, 12], [1, 12], [0, 4], [1, 4]] as const) {
    const excess = widths.reduce((total, size) => total + size, 0) - room;
    if (excess > 0) widths[index] = Math.max(Math.min(least, widths[index]!), widths[index]! - excess);
  }
  const spare = room - widths.reduce((total, size) => total + size, 0);
  if (spare > 0) {
    widths[0]! += Math.ceil(spare / 2);
    widths[1]! += Math.floor(spare / 2);
  }
  return widths;
}

function fit(cell: string, width: number, right: boolean): string {
  const characters = [...cell];
  const cut = characters.length > width ? characters.slice(0, width - 1).join("") + "…" : cell;
  return right ? cut.padStart(width) : cut.padEnd(width);
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function formatBytes(bytes: number): string {
  return scaled(bytes, 1024, ["B", "KB", "MB", "GB", "TB"]);
}

function formatFlops(flops: number): string {
  return scaled(flops, 1000, ["", "k", "M", "G", "T"]);
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let power = 0;
  let rest = value;
  for (; rest >= base && power < units.length - 1; power++) rest /= base;
  return `${power === 0 ? String(Math.round(rest)) : rest.toFixed(2)} ${units[power]}`.trim();
}
