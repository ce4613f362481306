/**
 * Rows of named values turned into arrays.
 *
 * @module
 */
import type { Arrays, HostArray } from "../../core/batch.ts";

/** A value in a table. */
export type Cell = number | string | boolean | null | undefined;

/** Which columns become what. */
export interface TableOptions<Column extends string> {
  /** Inputs: columns of `x`, in this order. */
  readonly x: readonly Column[];
  /** The target. @default none */
  readonly y?: Column;
  /** What happens to rows without a value in one of these columns. @default "error" */
  readonly missing?: "drop" | "error";
}

/** Arrays of a table. */
export interface TableArrays {
  /** Ready for `fit`. */
  readonly data: Arrays<HostArray> & {
    /** float32 `[rows, columns]`. */
    readonly x: HostArray;
    /** `[rows]`: float32 for numbers, int32 for classes. */
    readonly y?: HostArray;
  };
  /** The values of each column of text, sorted: `classes.species[2]` is what 2 stands for. */
  readonly classes: Readonly<Record<string, readonly string[]>>;
}

/**
 * Turns rows into arrays. Text becomes the number of its class, in sorted order; booleans become 0 and 1.
 *
 * @param rows Objects with the same columns, such as `penguins()` or `readCsv()` gives.
 * @throws {TypeError} If a column is absent, holds text and numbers mixed, or lacks a value.
 * @throws {RangeError} If no rows are left.
 *
 * ```ts
 * import { tableToArrays } from "@stride/stride/data";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [{ length: 3, kind: "cat" }, { length: 9, kind: "dog" }, { length: null, kind: "dog" }];
 * const { data, classes } = tableToArrays(rows, { x: ["length"], y: "kind", missing: "drop" });
 * assertEquals(data.x, { shape: [2, 1], dtype: "float32", values: new Float32Array([3, 9]) });
 * assertEquals([...data.y!.values].map((index) => classes.kind![index]), ["cat", "dog"]);
 * ```
 */
export function tableToArrays<Row extends { readonly [K in Column]?: Cell }, Column extends string & keyof Row>(
  rows: readonly Row[],
  { x, y, missing = "error" }: TableOptions<Column>,
): TableArrays {
  const columns = y === undefined ? x : [...x, y];
  const isMissing = (value: Cell): boolean => value === null || value === undefined || Number.isNaN(value);
  for (const column of columns) {
    if (!rows.some((row) => !isMissing(row[column]))) {
      throw new TypeError(
        `Cannot make arrays of the table: column "${column}" has no values in ${rows.length} rows; found columns ${
          Object.keys(rows[0] ?? {}).join(", ") || "(none)"
        }.`,
      );
    }
  }
  const kept = rows.filter((row, index) => {
    const lacking = columns.find((column) => isMissing(row[column]));
    if (lacking !== undefined && missing === "error") {
      throw new TypeError(
        `Cannot make arrays of the table: row ${index} has no value of "${lacking}". Pass missing: "drop" to leave such ` +
          "rows out.",
      );
    }
    return lacking === undefined;
  });
  if (kept.length === 0) {
    throw new RangeError(
      `Cannot make arrays of the table: all of its ${rows.length} rows lack a value of ${columns.join(", ")}.`,
    );
  }
  const classes: Record<string, readonly string[]> = {};
  const encoded = columns.map((column) => {
    const cells = kept.map((row) => row[column] as Cell);
    const found = new Set(cells.map((cell) => typeof cell === "string" ? "text" : "numbers"));
    if (found.size > 1) {
      throw new TypeError(`Cannot make arrays of the table: column "${column}" holds text and numbers mixed.`);
    }
    if (!found.has("text")) return cells.map(Number);
    const names = [...new Set(cells as string[])].sort();
    const numbers = new Map(names.map((name, index) => [name, index]));
    classes[column] = names;
    return (cells as string[]).map((cell) => numbers.get(cell)!);
  });
  const values = new Float32Array(kept.length * x.length);
  for (let row = 0; row < kept.length; row++) {
    x.forEach((_, column) => values[row * x.length + column] = encoded[column]![row]!);
  }
  const target = y === undefined ? undefined : encoded[x.length]!;
  return {
    data: {
      x: { shape: [kept.length, x.length], dtype: "float32", values },
      ...(target === undefined ? {} : {
        y: classes[y!] === undefined
          ? { shape: [kept.length], dtype: "float32", values: Float32Array.from(target) }
          : { shape: [kept.length], dtype: "int32", values: Int32Array.from(target) },
      }),
    },
    classes,
  };
}
