/**
 * Expressions as instructions: each computed once, as far outside of loops as it may, four points at a time.
 *
 * Along one loop variable points are computed four at a time: what depends on it is a vector of them. What does not is
 * one int32 where it is an integer or truth value, else a vector of equal lanes.
 *
 * @module
 */
import { rootOf } from "../../../compiler/ir/buffers.ts";
import type {
  Axis,
  BinaryExpression,
  Buffer,
  Expression,
  LoadExpression,
  RandomExpression,
} from "../../../compiler/ir/types.ts";
import type { Elementary } from "./elementary.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { callNumbered, choose, type Code, i32, i32x4, int, v128 } from "./instructions.ts";
import { type Address, MemoryAccess, type MemorySetting } from "./memory_access.ts";
import { type Operand, Operations } from "./operations.ts";
import { canDrawEight, type Draw, keyAddress } from "./random.ts";
import { type Binding, type Scope, Scopes } from "./scopes.ts";

/** What an evaluator needs to know of the kernel that it writes. */
export interface EvaluatorSetting extends MemorySetting {
  /** Whether products and sums may be rounded once. */
  readonly relaxed: boolean;
  /** The address of a number of this step's row of the table. */
  readonly column: (name: string) => Address;
  /** The address of this step's random keys. */
  readonly keys: () => Code;
  /** The function that draws random numbers. */
  readonly random: (draw: Draw) => number;
  /** Buffers that the kernel stores: what is loaded of them is not kept beyond the point. */
  readonly stored: ReadonlySet<Buffer>;
}

/** Writes expressions into a function. */
export class Evaluator {
  readonly #setting: EvaluatorSetting;
  readonly #f: FunctionBuilder;
  readonly #e: Elementary;
  readonly #operations: Operations;
  readonly #scopes: Scopes;
  readonly #memory: MemoryAccess;
  /** Whether the kernel updates variables: then squares are kept from being denormal, as those of small gradients would. */
  readonly #updates: boolean;

  /** Starts with one scope: the function. */
  constructor(setting: EvaluatorSetting) {
    this.#setting = setting;
    this.#f = setting.f;
    this.#e = setting.e;
    this.#operations = new Operations(setting);
    this.#scopes = new Scopes(setting.f, setting.stored);
    this.#memory = new MemoryAccess(setting, this.#scopes, this.#operations, this);
    this.#updates = [...setting.stored].some(isVariable);
  }

  /** Runs `body` with loop variables known, in the block that is open now. What it computes is forgotten after. */
  scoped(bindings: readonly Binding[], body: () => void): void {
    this.#scopes.scoped(bindings, body);
  }

  /** Says that a local holds a place from here on, so that addresses may be computed here already. */
  known(value: Code): void {
    this.#scopes.known(value);
  }

  /** Makes a result known in the innermost scope. @param varying Whether its lanes differ. */
  bindResult(result: number, operand: Operand, varying: boolean): void {
    this.#scopes.bindResult(result, operand, varying);
  }

  /** The value in all lanes, as float32, int32 or masks. */
  vector(x: Expression): Code {
    const operand = this.#evaluate(x);
    if (operand.vector === undefined) {
      this.#at(x, () => {
        const scalar = operand.scalar!;
        operand.vector = this.#f.let(i32x4.splat(x.type === "bool" ? i32.sub(int(0), scalar) : scalar));
      });
    }
    return operand.vector!;
  }

  /** An integer or truth value (0 or 1) that is the same in all lanes. */
  scalar(x: Expression): Code {
    const operand = this.#evaluate(x);
    if (operand.scalar === undefined) {
      this.#at(x, () => {
        const lane = i32x4.lane(operand.vector!, 0);
        operand.scalar = this.#f.let(x.type === "bool" ? i32.and(lane, int(1)) : lane);
      });
    }
    return operand.scalar!;
  }

  /** How many points are computed at once; 0 where all is one point. */
  get lanes(): number {
    return this.#scopes.lanes;
  }

  /** A loop variable's value at the first point. */
  axisValue(axis: Axis): Code {
    const { value, plus } = this.#scopes.axis(axis);
    return i32.add(value, int(plus ?? 0));
  }

  /** Where a buffer begins. */
  pointer(buffer: Buffer): Code {
    return this.#setting.pointer(buffer);
  }

  /** A place's value at the first point, where those of the others follow one after the other. */
  first(place: Expression): Code {
    return this.#scopes.place(place).varying ? this.#memory.sum(this.#memory.linear(place)) : this.scalar(place);
  }

  /** The address of an element whose place is the same in all lanes, clamped into the buffer where it may be outside. */
  elementAddress(buffer: Buffer, index: Expression): Address {
    return this.#memory.elementAddress(buffer, index);
  }

  /** Stores a value at each of the points computed at once. */
  store(buffer: Buffer, index: Expression, x: Expression): void {
    const value = this.vector(x);
    const stored = x.type === "bool"
      ? v128.and(value, this.#e.int(1))
      : x.type === "f32" && isVariable(buffer)
      ? this.#e.normal(value)
      : value;
    this.#memory.store(buffer, index, stored);
    const { top } = this.#scopes;
    for (const known of top.values.keys()) {
      if (known.kind !== "load" || known.buffer !== buffer) continue;
      if (known.index === index && known.type === x.type) top.values.set(known, this.#evaluate(x));
      else top.values.delete(known);
    }
  }

  /** Puts a value at the points computed at once where `recall` finds it. */
  keep(buffer: Buffer, index: Expression, x: Expression): void {
    this.#memory.store(buffer, index, this.vector(x));
  }

  /** Makes a value known that was kept, until the innermost loop over what it depends on goes on. */
  recall(buffer: Buffer, index: Expression, x: Expression): void {
    const { block, values } = this.#scopeOf(x);
    this.#f.at(
      block,
      () => values.set(x, this.#memory.load(this.#setting.expressions.load(buffer, index, "f32") as LoadExpression)),
    );
  }

  #at(x: Expression, body: () => void): void {
    this.#f.at(this.#scopeOf(x).block, body);
  }

  #scopeOf(x: Expression): Scope {
    return this.#scopes.at(this.#level(x));
  }

  #level(x: Expression): number {
    return this.#scopes.place(x).level;
  }

  #evaluate(x: Expression): Operand {
    if (x.kind === "result") return this.#scopes.result(x.result);
    const scope = this.#scopeOf(x);
    let known = scope.values.get(x);
    if (known === undefined) {
      this.#f.at(scope.block, () => known = this.#compute(x));
      scope.values.set(x, known!);
    }
    return known!;
  }

  #compute(x: Exclude<Expression, { kind: "result" }>): Operand {
    switch (x.kind) {
      case "number":
        return this.#number(x.value, x.type);
      case "axis":
      case "affine":
        return this.#varyingPlace(x);
      case "load":
        return this.#memory.load(x);
      case "column": {
        const { base, offset } = this.#setting.column(x.column);
        return { vector: this.#f.let(v128.loadSplat(base, offset)) };
      }
      case "random":
        return { vector: this.#random(x) };
      case "unary":
        return this.#operations.unary(x, this.#either(x.x));
      case "binary": {
        if (this.#isSquareOfUpdate(x)) return { vector: this.#e.normalSquare(this.vector(x.a)) };
        const fused = this.#fused(x);
        return fused ?? this.#operations.binary(x, this.#either(x.a), this.#either(x.b));
      }
      case "select":
        return this.#select(x);
      case "cast":
        return this.#operations.cast(x, this.#either(x.x));
      default:
        return x satisfies never;
    }
  }

  #random(x: RandomExpression): Code {
    const { distribution, stream, index } = x;
    const key = keyAddress(this.#setting.keys(), stream);
    const { terms, constant, stride } = this.#memory.linear(index);
    const along = terms.map(({ atom }) => atom.kind === "axis" ? this.#scopes.axis(atom.axis) : undefined)
      .find((bound) => bound?.lanes !== undefined);
    const even = constant % 8 === 0 &&
      terms.every(({ atom, factor }) =>
        factor % 8 === 0 || (atom.kind === "axis" && this.#scopes.axis(atom.axis) === along)
      );
    if (!along?.ofEight || stride !== 1 || !even || !canDrawEight(distribution)) {
      return this.#f.let(
        callNumbered(this.#setting.random({ distribution, eight: false }), "v128", [this.vector(index), key]),
      );
    }
    // Drawn once for both vectors, where the first of their places is known.
    const level = Math.max(
      ...terms.map(({ atom }) =>
        atom.kind === "axis" && this.#scopes.axis(atom.axis) === along ? along.valueLevel : this.#level(atom)
      ),
    );
    const scope = this.#scopes.at(level);
    const name = `${distribution}:${stream}:${index.id}:${along.value.local ?? `at ${along.value.constant}`}`;
    let both = scope.eights.get(name);
    if (both === undefined) {
      this.#f.at(scope.block, () => {
        const first = i32.sub(this.#memory.sum({ terms, constant }), int(along.plus ?? 0));
        const counters = i32x4.add(i32x4.splat(i32.shrS(first, int(1))), this.#f.constant([0, 1, 2, 3]));
        both = this.#f.callForTwo(this.#setting.random({ distribution, eight: true }), [counters, key]);
      });
      scope.eights.set(name, both!);
    }
    return both![(along.plus ?? 0) / 4]!;
  }

  /** An operand whose missing form is made when asked for. */
  #either(x: Expression): Operand {
    const operand = this.#evaluate(x);
    const vector = () => this.vector(x);
    const scalar = () => this.scalar(x);
    const uniform = operand.scalar !== undefined;
    return {
      get vector() {
        return vector();
      },
      get scalar() {
        return uniform ? scalar() : undefined;
      },
    };
  }

  #number(value: number, type: Expression["type"]): Operand {
    if (type === "f32") return { vector: this.#e.float(value) };
    return { scalar: int(value) };
  }

  #isSquareOfUpdate({ operation, type, a, b }: BinaryExpression): boolean {
    return this.#updates && operation === "mul" && type === "f32" && a === b;
  }

  /** `a · b + c` and `c - a · b`, rounded once where that is allowed and the product is not known. */
  #fused(x: Expression & { kind: "binary" }): Operand | undefined {
    if (!this.#setting.relaxed || x.type !== "f32") return undefined;
    const product = (part: Expression) =>
      part.kind === "binary" && part.operation === "mul" && !this.#isSquareOfUpdate(part) &&
        !this.#scopeOf(part).values.has(part) && this.#level(part) === this.#level(x)
        ? part
        : undefined;
    if (x.operation === "add") {
      const [mul, other] = product(x.a) ? [product(x.a)!, x.b] : [product(x.b), x.a];
      if (mul === undefined) return undefined;
      return { vector: this.#f.let(this.#e.madd(this.vector(mul.a), this.vector(mul.b), this.vector(other))) };
    }
    const mul = x.operation === "sub" ? product(x.b) : undefined;
    if (mul === undefined) return undefined;
    return { vector: this.#f.let(this.#e.nmadd(this.vector(mul.a), this.vector(mul.b), this.vector(x.a))) };
  }

  #select(x: Expression & { kind: "select" }): Operand {
    const [condition, then, otherwise] = [x.condition, x.then, x.otherwise].map((part) => this.#either(part));
    if (condition!.scalar !== undefined && then!.scalar !== undefined && otherwise!.scalar !== undefined) {
      return { scalar: this.#f.let(choose(condition!.scalar, then!.scalar, otherwise!.scalar)) };
    }
    return { vector: this.#f.let(v128.select(condition!.vector!, then!.vector!, otherwise!.vector!)) };
  }

  /** A sum of places as it differs from lane to lane, or a scalar. */
  #varyingPlace(x: Expression): Operand {
    const linear = this.#memory.linear(x);
    if (linear.stride !== undefined) {
      const start = this.#f.let(this.#memory.sum(linear));
      if (linear.stride === 0 && !this.#scopes.place(x).varying) return { scalar: start };
      const s = linear.stride;
      return { vector: this.#f.let(i32x4.add(i32x4.splat(start), this.#f.constant([0, s, 2 * s, 3 * s]))) };
    }
    const scalars = linear.terms.filter(({ atom }) => !this.#scopes.place(atom).varying);
    let sum = i32x4.splat(this.#memory.sum({ terms: scalars, constant: linear.constant }));
    for (const { atom, factor } of linear.terms) {
      if (!this.#scopes.place(atom).varying) continue;
      const value = this.vector(atom);
      sum = i32x4.add(sum, factor === 1 ? value : i32x4.mul(value, this.#e.int(factor)));
    }
    return { vector: this.#f.let(sum) };
  }
}

/** Whether a buffer is a variable's, or a part of several variables'. */
function isVariable(buffer: Buffer): boolean {
  const { kind } = rootOf(buffer).role;
  return kind === "variable" || kind === "state";
}
