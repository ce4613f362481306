/**
 * Tables in text files, read row by row.
 *
 * @module
 */
import { pipeline } from "node:stream";
import { byteChunks, reopening, streamName, type StreamSource } from "./byte_stream.ts";

/** How a table is written, and what its columns hold. */
export interface CsvStreamOptions<Types extends CsvTypes = CsvTypes> {
  /** What stands between values. @default "," */
  readonly separator?: string;
  /** Names of the columns. @default the first row */
  readonly columns?: readonly string[];
  /** What columns hold. @default "text" */
  readonly types?: Types;
  /** Values that stand for none, beside the empty one. @default ["NA", "NaN", "null"] */
  readonly missing?: readonly string[];
}

/** What columns hold, by name. A boolean is written as true or false, in any case, or as 1 or 0. */
export type CsvTypes = Readonly<Record<string, "number" | "boolean" | "text">>;

/** One row of a table; `null` where there is no value. */
export type TypedRow<Types extends CsvTypes> =
  & {
    readonly [Column in keyof Types]:
      | (Types[Column] extends "number" ? number : Types[Column] extends "boolean" ? boolean : string)
      | null;
  }
  & { readonly [column: string]: number | boolean | string | null };

/**
 * Reads a table while it is used, for files that do not fit into memory; `readCsv` reads all at once, and finds out
 * the types of columns itself. Values may stand in quotes. Each pass reads a file or URL anew; a stream can be read
 * once.
 *
 * @returns Rows for `dataset`.
 * @throws {TypeError} While reading, with the line: if a row has too many or too few values, quotes are not closed, a
 * value is not of its column's type, or a column of `types` is absent.
 *
 * ```ts
 * import { dataset, streamCsv } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode('size,kind\n1.5,"cat"\nNA,dog\n');
 * const rows = streamCsv(bytes, { types: { size: "number" } });
 * const data = dataset(rows).map(({ size, kind }) => ({ x: size ?? -1, y: kind === "dog" })).batch(2);
 * for await (const { x, y } of data) assertEquals([[...x.values], [...y.values]], [[1.5, -1], [0, 1]]);
 * ```
 */
export function streamCsv<const Types extends CsvTypes = Readonly<Record<never, never>>>(
  source: StreamSource,
  options: CsvStreamOptions<Types> = {},
): AsyncIterable<TypedRow<Types>> {
  return reopening(source, () => rows(source, options) as AsyncGenerator<TypedRow<Types>>);
}

async function* rows(
  source: StreamSource,
  { separator = ",", columns, types = {}, missing = ["NA", "NaN", "null"] }: CsvStreamOptions,
): AsyncGenerator<Readonly<Record<string, number | boolean | string | null>>> {
  const { parse, CsvError } = await import("csv-parse");
  const parser = parse({
    bom: true,
    columns: columns === undefined ? true : [...columns],
    delimiter: separator,
    info: true,
    skip_empty_lines: true,
    trim: true,
  });
  const none = new Set(["", ...missing]);
  const name = streamName(source);
  let checked = false;
  try {
    // Errors reach the loop below: pipeline() destroys the parser with them.
    pipeline(byteChunks(source), parser, () => {});
    for await (const found of parser) {
      const { record, info } = found as { record: Record<string, string>; info: { lines: number } };
      if (!checked) checkColumns(Object.keys(record), types, name);
      checked = true;
      const row: Record<string, number | boolean | string | null> = {};
      for (const [column, cell] of Object.entries(record)) {
        row[column] = none.has(cell)
          ? null
          : convert(cell, types[column], () => `"${column}" in line ${info.lines} of ${name}`);
      }
      yield row;
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw new TypeError(`Cannot read the table ${name}: ${cause.message}. Every row needs a value for each column.`, {
      cause,
    });
  }
}

function checkColumns(found: readonly string[], types: CsvTypes, name: string): void {
  const absent = Object.keys(types).filter((column) => !found.includes(column));
  if (absent.length > 0) {
    throw new TypeError(
      `Cannot read the table ${name}: it has no column ${absent.join(", ")}; found ${found.join(", ")}.`,
    );
  }
}

function convert(cell: string, type: CsvTypes[string] | undefined, where: () => string): number | boolean | string {
  if (type === undefined || type === "text") return cell;
  if (type === "number") {
    const value = Number(cell);
    if (!Number.isNaN(value)) return value;
  } else {
    const lower = cell.toLowerCase();
    if (lower === "true" || lower === "1") return true;
    if (lower === "false" || lower === "0") return false;
  }
  throw new TypeError(`Cannot read ${where()}: found "${cell}"; expected a ${type}, or a value listed as missing.`);
}
