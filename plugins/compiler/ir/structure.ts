/**
 * Telling kernels that differ in nothing but their buffers: they share one function or shader.
 *
 * @module
 */
import { expressionsOf, walk } from "./shape.ts";
import type { Axis, Buffer, Expression, Kernel, Store } from "./types.ts";

/** What a kernel does, whatever its buffers are. */
export interface Structure {
  /** Equal for kernels that differ in nothing but their buffers. */
  readonly key: string;
  /** Its buffers, in the order in which they correspond to those of another one. */
  readonly buffers: readonly Buffer[];
}

/** Numbers things by when they were first met. */
class Numbering<T> {
  readonly #known = new Map<T, number>();

  of(thing: T): number {
    let number = this.#known.get(thing);
    if (number === undefined) this.#known.set(thing, number = this.#known.size);
    return number;
  }

  get things(): readonly T[] {
    return [...this.#known.keys()];
  }
}

/**
 * A kernel's structure.
 *
 * @param kind What buffers must have in common beside their type and size. @default nothing
 */
export function structureOf(kernel: Kernel, kind: (buffer: Buffer) => string = () => ""): Structure {
  const buffers = new Numbering<Buffer>();
  const axes = new Numbering<Axis>();
  const results = new Numbering<number>();
  const expressions = new Numbering<Expression>();
  const of = (x: Expression) => expressions.of(x);
  const buffer = (x: Buffer) => `${buffers.of(x)}:${x.type}:${x.role.kind === "input" ? "in" : x.size}${kind(x)}`;
  const axisList = (list: readonly Axis[]) => list.map((axis) => `${axes.of(axis)}:${axis.size}`).join();
  const storeList = (stores: readonly Store[]) =>
    stores.map(({ buffer: target, index, value }) => `${buffer(target)}[${of(index)}]=${of(value)}`).join(";");
  const lines: string[] = [];
  const describe = (x: Expression): string => {
    switch (x.kind) {
      case "number":
        return `${x.type} ${Object.is(x.value, -0) ? "-0" : x.value}`;
      case "axis":
        return `axis ${axes.of(x.axis)}:${x.axis.size}`;
      case "affine":
        return `${x.terms.map(({ atom, factor }) => `${of(atom)}*${factor}`).join("+")}+${x.constant}`;
      case "load":
        return `load ${x.type} ${buffer(x.buffer)}[${of(x.index)}]`;
      case "column":
        return `column ${x.column}`;
      case "result":
        return `result ${x.type} ${results.of(x.result)}`;
      case "unary":
        return `${x.operation} ${of(x.x)}`;
      case "binary":
        return `${x.operation} ${of(x.a)} ${of(x.b)}`;
      case "select":
        return `select ${of(x.condition)} ${of(x.then)} ${of(x.otherwise)}`;
      case "cast":
        return `${x.type} of ${of(x.x)}`;
      case "random":
        return `${x.distribution} ${x.stream} ${of(x.index)}`;
      default:
        return x satisfies never;
    }
  };
  walk(expressionsOf(kernel), (x) => {
    of(x);
    lines.push(describe(x));
  });
  switch (kernel.kind) {
    case "nest":
      lines.push(`nest ${axisList(kernel.outer)}|${axisList(kernel.inner)}`);
      for (const { result, combine, value } of kernel.reductions) {
        lines.push(`${combine} ${results.of(result)} ${of(value)}`);
      }
      lines.push(storeList(kernel.stores));
      break;
    case "contraction":
      lines.push(`product ${[kernel.batch, kernel.rows, kernel.columns, kernel.inner].map(axisList).join("|")}`);
      lines.push(`${of(kernel.left)} ${of(kernel.right)} ${results.of(kernel.result)} ${storeList(kernel.stores)}`);
      break;
    case "scan":
      lines.push(`scan ${axisList(kernel.outer)}|${axisList([kernel.along])} ${kernel.combine}`);
      lines.push(`${kernel.reverse} ${kernel.exclusive} ${of(kernel.value)} ${results.of(kernel.result)}`);
      lines.push(storeList(kernel.stores));
      break;
    case "scatter":
      lines.push(`scatter ${axisList(kernel.outer)}|${axisList(kernel.inner)} ${kernel.combine}`);
      lines.push(`${buffer(kernel.target)}[${of(kernel.index)}] ${of(kernel.value)}`);
      break;
    default:
      kernel satisfies never;
  }
  return { key: lines.join("\n"), buffers: buffers.things };
}
