/**
 * What is known where in a function: loop variables, results, and values that have been computed.
 *
 * @module
 */
import { parts } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression } from "../../../compiler/ir/types.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import type { Code } from "./instructions.ts";
import type { Operand } from "./operations.ts";

/** A loop variable's value in a scope. */
export interface Binding {
  /** Which. */
  readonly axis: Axis;
  /** Its value; the first of several. */
  readonly value: Code;
  /** Is to be added to the value; known where it goes into addresses. @default 0 */
  readonly plus?: number;
  /** How many points from there on are computed at once, 1 to 4; absent where one, and it is a scalar. */
  readonly lanes?: number;
  /** Whether the value is a multiple of eight, and the vectors at it and four after it are both computed. @default false */
  readonly ofEight?: boolean;
}

/** A block of a function, and what has been computed in it. */
export interface Scope {
  /** Where instructions go. */
  readonly block: Code[];
  /** Values of expressions. */
  readonly values: Map<Expression, Operand>;
  /** Addresses, and parts of them, by what they are sums of. */
  readonly addresses: Map<string, Code>;
  /** Random numbers for two vectors, by what was drawn. */
  readonly eights: Map<string, readonly [Code, Code]>;
}

interface OpenScope extends Scope {
  /** Where expressions are found to be computable, as seen from here. */
  readonly places: Map<Expression, Place>;
}

/** Where an expression can be computed: in which scope, and whether its lanes differ there. */
export interface Place {
  /** Which scope, counted from the function's own, 0. */
  readonly level: number;
  /** Whether lanes differ. */
  readonly varying: boolean;
}

/** A loop variable's value, and from where on it is known. */
export interface Bound extends Binding, Place {
  /** The scope from which on `value` is known. */
  readonly valueLevel: number;
}

/** The open scopes of a function, innermost last. */
export class Scopes {
  readonly #f: FunctionBuilder;
  readonly #stored: ReadonlySet<Buffer>;
  readonly #open: OpenScope[] = [];
  readonly #axes = new Map<Axis, Bound>();
  readonly #results = new Map<number, Place & { readonly operand: Operand }>();
  readonly #knownFrom = new Map<number, number>();
  #lanes = 0;

  /** Starts with one scope: the function. @param stored What is loaded of these buffers is not kept beyond the point. */
  constructor(f: FunctionBuilder, stored: ReadonlySet<Buffer>) {
    this.#f = f;
    this.#stored = stored;
    this.#push();
  }

  /** How many points are computed at once; 0 where all is one point. */
  get lanes(): number {
    return this.#lanes;
  }

  /** The innermost scope. */
  get top(): Scope {
    return this.#open.at(-1)!;
  }

  /** The scope of a level. */
  at(level: number): Scope {
    return this.#open[level]!;
  }

  /** Runs `body` with loop variables known, in the block that is open now. What it computes is forgotten after. */
  scoped(bindings: readonly Binding[], body: () => void): void {
    const before = bindings.map(({ axis }) => this.#axes.get(axis));
    const lanes = this.#lanes;
    const results = new Map(this.#results);
    this.#push();
    const level = this.#open.length - 1;
    for (const binding of bindings) {
      const { axis, value } = binding;
      const valueLevel = value.constant !== undefined ? 0 : this.#knownFrom.get(value.local!) ?? level;
      this.#axes.set(axis, { ...binding, level, valueLevel, varying: binding.lanes !== undefined });
      if (binding.lanes !== undefined) this.#lanes = binding.lanes;
    }
    body();
    this.#open.pop();
    this.#lanes = lanes;
    bindings.forEach(({ axis }, i) => {
      const outer = before[i];
      if (outer === undefined) this.#axes.delete(axis);
      else this.#axes.set(axis, outer);
    });
    this.#results.clear();
    for (const [result, known] of results) this.#results.set(result, known);
  }

  /** Says that a local holds a place from here on, so that addresses may be computed here already. */
  known(value: Code): void {
    this.#knownFrom.set(value.local!, this.#open.length - 1);
  }

  /** Makes a result known in the innermost scope. @param varying Whether its lanes differ. */
  bindResult(result: number, operand: Operand, varying: boolean): void {
    this.#results.set(result, { operand, level: this.#open.length - 1, varying });
    // Nothing that was computed before can have depended on it, but where it was found to lie may have.
    this.#open.at(-1)!.places.clear();
  }

  /** A result's value. @throws {RangeError} If it is not known. */
  result(result: number): Operand {
    return this.#result(result).operand;
  }

  /** A loop variable's value. @throws {RangeError} If it is not set. */
  axis(axis: Axis): Bound {
    const bound = this.#axes.get(axis);
    if (bound === undefined) {
      throw new RangeError(`Cannot compute an expression: loop variable ${axis.id} is not set in this scope.`);
    }
    return bound;
  }

  /** The outermost scope in which an expression can be computed. */
  place(x: Expression): Place {
    const { places } = this.#open.at(-1)!;
    let place = places.get(x);
    if (place === undefined) {
      place = this.#find(x);
      places.set(x, place);
    }
    return place;
  }

  #push(): void {
    const { block } = this.#f;
    this.#open.push({ block, values: new Map(), addresses: new Map(), eights: new Map(), places: new Map() });
  }

  #result(result: number): Place & { readonly operand: Operand } {
    const known = this.#results.get(result);
    if (known === undefined) throw new RangeError(`Cannot compute an expression: result ${result} is not known.`);
    return known;
  }

  #find(x: Expression): Place {
    if (x.kind === "axis") return this.axis(x.axis);
    if (x.kind === "result") return this.#result(x.result);
    let level = x.kind === "load" && this.#stored.has(x.buffer) ? this.#open.length - 1 : 0;
    let varying = false;
    for (const part of parts(x)) {
      const place = this.place(part);
      level = Math.max(level, place.level);
      varying ||= place.varying;
    }
    return { level, varying };
  }
}
