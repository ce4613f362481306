/**
 * Tables in text files.
 *
 * @module
 */
import { type FileSource, readText, sourceName } from "./source.ts";

/** How a table is written. */
export interface CsvOptions {
  /** What stands between values. @default "," */
  readonly separator?: string;
  /** Names of the columns. @default the first row */
  readonly columns?: readonly string[];
  /** Values that stand for none, beside the empty one. @default ["NA", "NaN", "null"] */
  readonly missing?: readonly string[];
}

/** One row of a table: numbers where all of the column are, else text; `null` where there is no value. */
export type CsvRow = Readonly<Record<string, number | string | null>>;

/**
 * Reads a table from a file, a URL or bytes. For arrays, pass the rows to `tableToArrays`.
 *
 * @throws {TypeError} If a row has too many or too few values, or quotes are not closed.
 *
 * ```ts
 * import { readCsv, tableToArrays } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = await readCsv(new TextEncoder().encode("size,kind\n1.5,cat\nNA,dog\n"));
 * assertEquals(rows, [{ size: 1.5, kind: "cat" }, { size: null, kind: "dog" }]);
 * ```
 */
export async function readCsv(source: FileSource, options: CsvOptions = {}): Promise<readonly CsvRow[]> {
  const { separator = ",", columns, missing = ["NA", "NaN", "null"] } = options;
  const [{ parse }, content] = await Promise.all([import("csv-parse/sync"), readText(source)]);
  let rows: Record<string, string>[];
  try {
    rows = parse(content, {
      bom: true,
      columns: columns === undefined ? true : [...columns],
      delimiter: separator,
      skip_empty_lines: true,
      trim: true,
    });
  } catch (cause) {
    throw new TypeError(
      `Cannot read the table ${sourceName(source)}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  const none = new Set(["", ...missing]);
  const numeric = new Set(
    Object.keys(rows[0] ?? {}).filter((column) =>
      rows.every((row) => none.has(row[column]!) || Number.isFinite(Number(row[column])))
    ),
  );
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map((
        [column, cell],
      ) => [column, none.has(cell) ? null : numeric.has(column) ? Number(cell) : cell]),
    )
  );
}
