/**
 * Kernels as JavaScript functions, for the interpreter: plain loops, in the order that ir/types.ts gives.
 *
 * @module
 */
import * as functions from "./interpret_functions.ts";
import { type Names, type Precision, printBinary, printExpressions } from "./interpret_expressions.ts";
import { axesOf, parts } from "./shape.ts";
import type { Axis, Buffer, Expression, Kernel, Reduction, ScalarType, Store } from "./types.ts";
import type { RandomKey } from "../../../core/random.ts";

/** What buffers are in. */
export type NumberArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A kernel, ready to run. */
export interface CompiledKernel {
  /** In the order in which `run` takes them. */
  readonly buffers: readonly Buffer[];
  /** In the order in which `run` takes them. */
  readonly columns: readonly string[];
  /** Runs it once. @param bases Where each buffer's first element is in its array. */
  readonly run: (
    arrays: readonly NumberArray[],
    bases: readonly number[],
    columns: readonly number[],
    keys: readonly RandomKey[],
  ) => void;
}

/** A kernel as a function. */
export function compileForInterpreter(kernel: Kernel, precision: Precision): CompiledKernel {
  const buffers: Buffer[] = [];
  const columns: string[] = [];
  const placeOf = <T>(list: T[], item: T) => list.includes(item) ? list.indexOf(item) : list.push(item) - 1;
  const names: Names = {
    buffer: (buffer) => {
      const place = placeOf(buffers, buffer);
      return { array: `arrays[${place}]`, base: `bases[${place}]` };
    },
    column: (column) => `columns[${placeOf(columns, column)}]`,
  };
  const body = new KernelPrinter(names, precision).kernel(kernel);
  const make = new Function(
    "functions",
    "inside",
    `"use strict"; return (arrays, bases, columns, keys) => {\n${body}\n};`,
  );
  return { buffers, columns, run: make(functions, inside) };
}

function inside(index: number, size: number, buffer: number): number {
  if (index >= 0 && index < size) return index;
  throw new RangeError(
    `Cannot reach element ${index} of buffer ${buffer}: it has elements 0 to ${size - 1}. ` +
      `Inputs are loaded, and all buffers stored, inside only.`,
  );
}

class KernelPrinter {
  readonly #names: Names;
  readonly #precision: Precision;

  constructor(names: Names, precision: Precision) {
    this.#names = names;
    this.#precision = precision;
  }

  kernel(kernel: Kernel): string {
    switch (kernel.kind) {
      case "nest":
        return loops(
          kernel.outer,
          [
            ...kernel.reductions.map((reduction) => this.#reduction(reduction, kernel.inner)),
            ...kernel.stores.map((store) => this.#store(store, kernel.inner)),
          ].join("\n"),
        );
      case "contraction": {
        const sum = this.#combined(`r${kernel.result}`, "add", "f32");
        const product = (left: string, right: string) => printBinary("mul", left, right, "f32", this.#precision);
        return loops(
          [...kernel.batch, ...kernel.rows, ...kernel.columns],
          `let r${kernel.result} = 0;\n` +
            this.#inner(
              kernel.inner,
              [kernel.left, kernel.right],
              (text) => sum(product(text(kernel.left), text(kernel.right))),
            ) +
            "\n" + kernel.stores.map((store) => this.#store(store, [])).join("\n"),
        );
      }
      case "scan": {
        const { type } = kernel.value;
        const step = this.#combined("running", kernel.combine === "sum" ? "add" : "mul", type);
        const take = this.#inner([], [kernel.value], (text) => step(text(kernel.value)));
        const stores = [
          `const r${kernel.result} = running;`,
          ...kernel.stores.map((store) => this.#store(store, [])),
        ];
        return loops(
          kernel.outer,
          `let running = ${kernel.combine === "sum" ? 0 : 1};\n` +
            loop(
              kernel.along,
              (kernel.exclusive ? [...stores, take] : [take, ...stores]).join("\n"),
              kernel.reverse,
            ),
        );
      }
      case "scatter": {
        const { array, base } = this.#names.buffer(kernel.target);
        const operation = ({ set: undefined, sum: "add", max: "max", min: "min" } as const)[kernel.combine];
        return loops(
          kernel.outer,
          this.#inner(kernel.inner, [kernel.index, kernel.value], (text) => {
            const place = `${array}[${base} + ${text(kernel.index)}]`;
            const value = text(kernel.value);
            const put = operation === undefined
              ? value
              : printBinary(operation, place, value, kernel.value.type, this.#precision);
            return `if (${text(kernel.index)} >= 0 && ${
              text(kernel.index)
            } < ${kernel.target.size}) ${place} = ${put};`;
          }),
        );
      }
      default:
        return kernel satisfies never;
    }
  }

  #reduction({ result, type, combine, value }: Reduction, inner: readonly Axis[]): string {
    const r = `r${result}`;
    if (combine === "argMax" || combine === "argMin") {
      const better = combine === "argMax" ? ">" : "<";
      return `let ${r} = 0, ${r}place = 0, ${r}best;\n` +
        this.#inner(
          inner,
          [value],
          (text) =>
            `if (${r}place === 0 || ${text(value)} ${better} ${r}best) ${r} = ${r}place, ${r}best = ${text(value)};\n` +
            `${r}place++;`,
        );
    }
    const [start, operation] = COMBINES[combine];
    const step = this.#combined(r, operation, type);
    return `let ${r} = ${start};\n` + this.#inner(inner, [value], (text) => step(text(value)));
  }

  #store({ buffer, index, value }: Store, inner: readonly Axis[]): string {
    const used = new Set([...axesOf(index), ...axesOf(value)]);
    const { array, base } = this.#names.buffer(buffer);
    return this.#inner(
      inner.filter((axis) => used.has(axis)),
      [index, value],
      (text) => `${array}[${base} + inside(${text(index)}, ${buffer.size}, ${buffer.id})] = ${text(value)};`,
    );
  }

  #combined(variable: string, operation: Parameters<typeof printBinary>[0], type: ScalarType) {
    return (value: string) => `${variable} = ${printBinary(operation, variable, value, type, this.#precision)};`;
  }

  /** Loops over inner axes, around statements that compute expressions and a last one; what no inner axis changes comes before. */
  #inner(
    inner: readonly Axis[],
    roots: readonly Expression[],
    last: (text: (x: Expression) => string) => string,
  ): string {
    const { statements, text } = printExpressions(roots, this.#names, this.#precision);
    const varying = new Set<Expression>();
    const before: string[] = [];
    const within: string[] = [];
    for (const statement of statements) {
      const varies = parts(statement.of).some((part) =>
        part.kind === "axis" ? inner.includes(part.axis) : varying.has(part)
      );
      if (varies) varying.add(statement.of);
      (varies ? within : before).push(statement.text);
    }
    return `{\n${before.join("\n")}\n${loops(inner, [...within, last(text)].join("\n"))}\n}`;
  }
}

const COMBINES = {
  sum: ["0", "add"],
  prod: ["1", "mul"],
  max: ["-Infinity", "max"],
  min: ["Infinity", "min"],
  all: ["1", "and"],
  any: ["0", "or"],
} as const;

function loops(axes: readonly Axis[], body: string): string {
  return axes.reduceRight((text, axis) => loop(axis, text), body);
}

function loop({ id, size }: Axis, body: string, reverse = false): string {
  const header = reverse ? `a${id} = ${size - 1}; a${id} >= 0; a${id}--` : `a${id} = 0; a${id} < ${size}; a${id}++`;
  return `for (let ${header}) {\n${body}\n}`;
}
