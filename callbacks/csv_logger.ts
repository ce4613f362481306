/**
 * Writes the values of every epoch to a file.
 *
 * @module
 */
import type { Callback, CallbackContext, Hooks, Json } from "../core/callback.ts";
import { Resumable, savedFields } from "./resumable.ts";

/** Where and how values are written. */
export interface CSVLoggerOptions {
  /** The path of the file, or its URL. Its folder must exist. */
  readonly filename: string | URL;
  /** What stands between values. @default "," */
  readonly separator?: string;
  /** Whether to go on in a file that is there, under its header, rather than replace it. @default false */
  readonly append?: boolean;
}

/**
 * Writes one row an epoch: its number, then values in order of their names; `NA` where there is none. Columns are
 * those of the first epoch, and of validation even if the first epoch had none. Numbers are written as Python does
 * (`4.0`, `1e-05`), so that files compare with Keras's. Needs permission to read and write the file.
 *
 * Source: Keras, `callbacks/csv_logger.py`; other than there, a file that is appended to keeps its columns, and
 * training that resumes goes on in its file.
 *
 * @throws {TypeError} If there is no file name.
 *
 * ```ts
 * import { Model, tf } from "@stride/stride";
 * import { csvLogger } from "@stride/stride/callbacks";
 * import { assertMatch } from "@std/assert";
 *
 * const model = Model.from(tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [1] })] }));
 * model.compile({ optimizer: "sgd", loss: "mse" });
 * const filename = await Deno.makeTempFile();
 * await model.fit({ x: [[1]], y: [[1]] }, { verbose: 0, callbacks: [csvLogger({ filename })] });
 * assertMatch(await Deno.readTextFile(filename), /^epoch,loss,val_loss\n0,[^,]+,NA\n$/);
 * await Deno.remove(filename);
 * ```
 */
export function csvLogger(options: CSVLoggerOptions): Callback {
  return new CSVLogger(options);
}

interface Written {
  /** Names of values, as in the header. */
  columns: readonly string[] | undefined;
  /** Bytes of the file that belong to epochs of this run. */
  size: number;
}

class CSVLogger implements Callback {
  readonly name: string = "csvLogger";
  readonly #filename: string | URL;
  readonly #separator: string;
  readonly #append: boolean;
  readonly #written = new Resumable<Written>(() => ({ columns: undefined, size: 0 }));

  readonly state = {
    save: (): Json => {
      const { columns, size } = this.#written.current;
      return { columns: columns ?? null, size };
    },
    load: (value: Json): void => {
      const { columns, size } = savedFields(this.name, value);
      this.#written.load({
        columns: Array.isArray(columns) ? columns.map(String) : undefined,
        size: Number(size),
      });
    },
  };

  constructor({ filename, separator = ",", append = false }: CSVLoggerOptions = {} as CSVLoggerOptions) {
    if (filename === undefined) {
      throw new TypeError(`Cannot make ${this.name}: found no filename; expected { filename: "log.csv" }.`);
    }
    this.#filename = filename;
    this.#separator = separator;
    this.#append = append;
  }

  onTrainBegin(_: Hooks["onTrainBegin"], { chief }: CallbackContext): void {
    this.#written.begin();
    // A file that cannot be written is better known before the first epoch than after.
    if (chief) Deno.writeTextFileSync(this.#filename, "", { append: true });
  }

  onEpochEnd({ epoch, logs }: Hooks["onEpochEnd"], { chief }: CallbackContext): void {
    if (!chief) return;
    const resumes = this.#written.loaded;
    const written = this.#written.use();
    if (resumes) this.#dropLaterRows(written);
    if (written.columns === undefined) this.#start(written, logs);
    const values = written.columns!.map((name) => logs[name] === undefined ? "NA" : pythonNumber(logs[name]));
    this.#write(written, [String(epoch), ...values]);
  }

  /** Cuts off what was written after the state was saved: rows of epochs that are trained again. */
  #dropLaterRows(written: Written): void {
    using file = Deno.openSync(this.#filename, { write: true });
    if (file.statSync().size >= written.size) file.truncateSync(written.size);
    else written.columns = undefined;
  }

  /** Chooses columns and makes the file begin with them. */
  #start(written: Written, logs: Hooks["onEpochEnd"]["logs"]): void {
    const existing = this.#append ? Deno.readTextFileSync(this.#filename) : "";
    if (existing !== "") {
      written.columns = this.#parse(existing.slice(0, (existing + "\n").search(/\r?\n/))).slice(1);
      written.size = new TextEncoder().encode(existing).length;
      if (!existing.endsWith("\n")) this.#write(written, []);
      return;
    }
    const names = Object.keys(logs).sort();
    const validated = names.some((name) => name.startsWith("val_"));
    written.columns = validated ? names : [...names, ...names.map((name) => `val_${name}`)];
    written.size = 0;
    Deno.writeTextFileSync(this.#filename, "");
    this.#write(written, ["epoch", ...written.columns]);
  }

  #write(written: Written, fields: readonly string[]): void {
    const row = `${fields.map((field) => this.#quote(field)).join(this.#separator)}\n`;
    Deno.writeTextFileSync(this.#filename, row, { append: true });
    written.size += new TextEncoder().encode(row).length;
  }

  #quote(field: string): string {
    return field.includes(this.#separator) || /["\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
  }

  #parse(row: string): string[] {
    const fields: string[] = [];
    let field = "";
    let quoted = false;
    for (const [index, character] of [...row].entries()) {
      if (character === '"') {
        if (!quoted && row[index - 1] === '"') field += '"';
        quoted = !quoted;
      } else if (character === this.#separator && !quoted) {
        fields.push(field);
        field = "";
      } else field += character;
    }
    return [...fields, field];
  }
}

/** A number as Python's `repr` writes it. */
function pythonNumber(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
