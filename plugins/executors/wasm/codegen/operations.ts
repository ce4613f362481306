/**
 * Operations on values that are vectors, or scalars where all lanes are equal.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { BinaryExpression, CastExpression, Expression, UnaryExpression } from "../../../compiler/ir/types.ts";
import type { Elementary } from "./elementary.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { choose, type Code, f32x4, i32, i32x4, int, v128 } from "./instructions.ts";

/** A value in one form or both: truth values are masks as vectors, 0 or 1 as scalars; float32 are always vectors. */
export interface Operand {
  /** Four lanes. */
  vector?: Code;
  /** One int32; there only where all lanes are equal. */
  scalar?: Code;
}

/** What operations need to know. */
export interface OperationsSetting {
  /** The function being written. */
  readonly f: FunctionBuilder;
  /** Elementary functions and constants in it. */
  readonly e: Elementary;
  /** Knows bounds of places. */
  readonly expressions: Expressions;
}

type Two = (a: Code, b: Code) => Code;

const FLOAT_COMPARISONS: Readonly<Record<string, Two>> = {
  eq: f32x4.eq,
  ne: f32x4.ne,
  lt: f32x4.lt,
  le: f32x4.le,
  gt: f32x4.gt,
  ge: f32x4.ge,
};
const INT_COMPARISONS: Readonly<Record<string, Two>> = {
  eq: i32x4.eq,
  ne: i32x4.ne,
  lt: i32x4.ltS,
  le: i32x4.leS,
  gt: i32x4.gtS,
  ge: i32x4.geS,
};
const SCALAR_OPERATIONS: Readonly<Record<string, Two>> = {
  eq: i32.eq,
  ne: i32.ne,
  lt: i32.ltS,
  le: i32.leS,
  gt: i32.gtS,
  ge: i32.geS,
  add: i32.add,
  sub: i32.sub,
  mul: i32.mul,
  and: i32.and,
  or: i32.or,
  xor: i32.xor,
  bitAnd: i32.and,
  bitOr: i32.or,
  bitXor: i32.xor,
  shiftLeft: i32.shl,
  shiftRight: i32.shrS,
};
const FLOAT_OPERATIONS: Readonly<Record<string, Two>> = {
  add: f32x4.add,
  sub: f32x4.sub,
  mul: f32x4.mul,
  div: f32x4.div,
};
const INT_OPERATIONS: Readonly<Record<string, Two>> = {
  add: i32x4.add,
  sub: i32x4.sub,
  mul: i32x4.mul,
  max: i32x4.max,
  min: i32x4.min,
};
const BIT_OPERATIONS: Readonly<Record<string, Two>> = {
  and: v128.and,
  or: v128.or,
  xor: v128.xor,
  bitAnd: v128.and,
  bitOr: v128.or,
  bitXor: v128.xor,
};
const BOOL_OPERATIONS: Readonly<Record<string, Two>> = { ...BIT_OPERATIONS, eq: i32x4.eq, ne: i32x4.ne };
/** Below this float32 counts every integer. */
const EXACT_FLOATS = 2 ** 24;

/** Writes operations into one function. */
export class Operations {
  readonly #f: FunctionBuilder;
  readonly #e: Elementary;
  readonly #expressions: Expressions;

  /** @param setting Where to write. */
  constructor({ f, e, expressions }: OperationsSetting) {
    this.#f = f;
    this.#e = e;
    this.#expressions = expressions;
  }

  /** A scalar, moved to the nearer end where it lies beyond. */
  clamp(given: Code, low: number, high: number): Code {
    const x = this.#f.let(given);
    const raised = this.#f.let(choose(i32.ltS(x, int(low)), int(low), x));
    return this.#f.let(choose(i32.ltS(int(high), raised), int(high), raised));
  }

  /** A function of one number. */
  unary({ operation, type, x: of }: UnaryExpression, x: Operand): Operand {
    if (of.type !== "f32" && x.scalar !== undefined) {
      return { scalar: this.#f.let(this.#scalarUnary(operation, x.scalar)) };
    }
    const code = of.type === "f32"
      ? this.#floatUnary(operation, x.vector!)
      : this.#intUnary(operation, type, x.vector!);
    return { vector: this.#f.let(code) };
  }

  /** A function of two numbers. */
  binary(x: BinaryExpression, a: Operand, b: Operand): Operand {
    const { operation } = x;
    const type = x.a.type;
    if (type !== "f32" && a.scalar !== undefined && b.scalar !== undefined) {
      return { scalar: this.#f.let(this.#scalarBinary(x, a.scalar, b.scalar)) };
    }
    const [left, right] = [a.vector!, b.vector!];
    if (type === "f32") return { vector: this.#f.let(this.#floatBinary(x, left, right)) };
    const simple = type === "bool"
      ? BOOL_OPERATIONS[operation]
      : INT_OPERATIONS[operation] ?? INT_COMPARISONS[operation] ?? BIT_OPERATIONS[operation];
    if (simple !== undefined) return { vector: this.#f.let(simple(left, right)) };
    if (type === "i32" && (operation === "floorDiv" || operation === "floorMod")) {
      const { quotient, rest } = this.#divideLanes(x, left, right);
      return { vector: operation === "floorDiv" ? quotient : rest };
    }
    if (type === "i32" && (operation === "shiftLeft" || operation === "shiftRight")) {
      if (b.scalar !== undefined) {
        const shifted = operation === "shiftLeft" ? i32x4.shlBy(left, b.scalar) : i32x4.shrSBy(left, b.scalar);
        return { vector: this.#f.let(shifted) };
      }
      return { vector: this.#perLane(left, right, SCALAR_OPERATIONS[operation]!) };
    }
    throw new TypeError(`Cannot generate "${operation}" of ${type}: WebAssembly kernels have it for other types only.`);
  }

  /** A value in another type. */
  cast({ type, x: of }: CastExpression, x: Operand): Operand {
    if (type === "bool") {
      if (x.scalar !== undefined) return { scalar: this.#f.let(i32.ne(x.scalar, int(0))) };
      const differs = of.type === "f32" ? f32x4.ne : i32x4.ne;
      return { vector: this.#f.let(differs(x.vector!, of.type === "f32" ? this.#e.float(0) : this.#e.int(0))) };
    }
    if (type === "i32") {
      if (of.type === "bool") {
        return x.scalar !== undefined
          ? { scalar: x.scalar }
          : { vector: this.#f.let(v128.and(x.vector!, this.#e.int(1))) };
      }
      return { vector: this.#f.let(i32x4.ofFloats(x.vector!)) };
    }
    const ints = of.type === "bool" ? v128.and(x.vector!, this.#e.int(1)) : x.vector!;
    return { vector: this.#f.let(f32x4.ofInts(ints)) };
  }

  #floatUnary(operation: UnaryExpression["operation"], x: Code): Code {
    const e = this.#e;
    const bits = () => v128.and(x, e.int(0x7fffffff));
    switch (operation) {
      case "neg":
        return f32x4.neg(x);
      case "abs":
        return f32x4.abs(x);
      case "sign": {
        const up = v128.and(f32x4.gt(x, e.float(0)), e.float(1));
        const signed = v128.or(up, v128.and(f32x4.lt(x, e.float(0)), e.float(-1)));
        return v128.select(f32x4.ne(x, x), x, signed);
      }
      case "floor":
        return f32x4.floor(x);
      case "ceil":
        return f32x4.ceil(x);
      case "round":
        return f32x4.nearest(x);
      case "sqrt":
        return f32x4.sqrt(x);
      case "rsqrt":
        return f32x4.div(e.float(1), f32x4.sqrt(x));
      case "isNan":
        return f32x4.ne(x, x);
      case "isInf":
        return i32x4.eq(bits(), e.int(0x7f800000));
      case "isFinite":
        return i32x4.ltS(bits(), e.int(0x7f800000));
      case "not":
      case "bitNot":
        throw new TypeError(`Cannot generate "${operation}" of float32: it is for integers and truth values.`);
      default:
        return e.unary(operation, x);
    }
  }

  #intUnary(operation: UnaryExpression["operation"], type: Expression["type"], x: Code): Code {
    switch (operation) {
      case "neg":
        return i32x4.neg(x);
      case "abs":
        return i32x4.abs(x);
      case "sign":
        return i32x4.max(i32x4.min(x, this.#e.int(1)), this.#e.int(-1));
      case "not":
      case "bitNot":
        return v128.not(x);
      default:
        throw new TypeError(`Cannot generate "${operation}" of ${type}: cast to float32 first.`);
    }
  }

  #scalarUnary(operation: UnaryExpression["operation"], x: Code): Code {
    switch (operation) {
      case "neg":
        return i32.sub(int(0), x);
      case "abs":
        return choose(i32.ltS(x, int(0)), i32.sub(int(0), x), x);
      case "sign":
        return this.clamp(x, -1, 1);
      case "not":
        return i32.eqz(x);
      case "bitNot":
        return i32.xor(x, int(-1));
      default:
        throw new TypeError(`Cannot generate "${operation}" of an integer: cast to float32 first.`);
    }
  }

  #floatBinary(x: BinaryExpression, a: Code, b: Code): Code {
    const { operation } = x;
    const simple = FLOAT_OPERATIONS[operation] ?? FLOAT_COMPARISONS[operation];
    if (simple !== undefined) return simple(a, b);
    switch (operation) {
      case "max":
      case "min": {
        const fast = operation === "max" ? f32x4.pmax : f32x4.pmin;
        // A known number is no NaN that could be lost.
        if (x.b.kind === "number" && !Number.isNaN(x.b.value)) return fast(a, b);
        if (x.a.kind === "number" && !Number.isNaN(x.a.value)) return fast(b, a);
        return operation === "max" ? f32x4.max(a, b) : f32x4.min(a, b);
      }
      case "pow":
        return this.#e.pow(a, b);
      case "atan2":
        return this.#e.atan2(a, b);
      case "floorDiv":
        return f32x4.floor(f32x4.div(a, b));
      case "floorMod":
        return this.#floatMod(a, b);
      default:
        throw new TypeError(`Cannot generate "${operation}" of float32: it is for integers and truth values.`);
    }
  }

  /** The remainder with the divisor's sign. */
  #floatMod(a: Code, b: Code): Code {
    const whole = f32x4.trunc(f32x4.div(a, b));
    const endless = f32x4.eq(f32x4.abs(b), this.#e.float(Infinity));
    const rest = this.#f.let(v128.select(endless, a, f32x4.sub(a, f32x4.mul(whole, b))));
    const otherSign = i32x4.ltS(v128.xor(rest, b), this.#e.int(0));
    const wrong = v128.and(otherSign, f32x4.ne(rest, this.#e.float(0)));
    return f32x4.add(rest, v128.and(b, wrong));
  }

  #scalarBinary(x: BinaryExpression, a: Code, b: Code): Code {
    const simple = SCALAR_OPERATIONS[x.operation];
    if (simple !== undefined) return simple(a, b);
    switch (x.operation) {
      case "max":
        return choose(i32.ltS(a, b), b, a);
      case "min":
        return choose(i32.ltS(b, a), b, a);
      case "floorDiv":
      case "floorMod": {
        const { quotient, rest } = this.#divide(x, a, b);
        return x.operation === "floorDiv" ? quotient() : rest();
      }
      default:
        throw new TypeError(`Cannot generate "${x.operation}" of an integer: cast to float32 first.`);
    }
  }

  /** Rounded down; both 0 where the divisor is 0. */
  #divide(x: BinaryExpression, a: Code, b: Code): { quotient: () => Code; rest: () => Code } {
    if (x.b.kind === "number" && x.b.value > 0 && (this.#expressions.bounds(x.a)?.[0] ?? -1) >= 0) {
      return { quotient: () => i32.divU(a, b), rest: () => i32.remU(a, b) };
    }
    const zero = this.#f.let(i32.eqz(b));
    const divisor = this.#f.let(choose(zero, int(1), b));
    // The one quotient that does not fit wraps, as it does on the host.
    const minusOne = this.#f.let(i32.eq(divisor, int(-1)));
    const safe = this.#f.let(choose(minusOne, int(1), divisor));
    const cut = this.#f.let(choose(minusOne, i32.sub(int(0), a), i32.divS(a, safe)));
    const left = this.#f.let(choose(minusOne, int(0), i32.remS(a, safe)));
    const below = this.#f.let(i32.and(i32.ne(left, int(0)), i32.ltS(i32.xor(left, divisor), int(0))));
    return {
      quotient: () => choose(zero, int(0), i32.sub(cut, below)),
      rest: () => choose(zero, int(0), i32.add(left, i32.mul(below, divisor))),
    };
  }

  #divideLanes(x: BinaryExpression, a: Code, b: Code): { quotient: Code; rest: Code } {
    const bounds = this.#expressions.bounds(x.a);
    if (x.b.kind === "number" && x.b.value > 0 && bounds !== null && bounds[0] >= 0 && bounds[1] < EXACT_FLOATS) {
      return this.#divideSmall(a, x.b.value);
    }
    const lane = (which: "quotient" | "rest") =>
      this.#perLane(a, b, (m, n) => this.#divide(x, this.#f.let(m), this.#f.let(n))[which]());
    return x.operation === "floorDiv" ? { quotient: lane("quotient"), rest: a } : { quotient: a, rest: lane("rest") };
  }

  /** Through float32, which is off by one at most, and set right. */
  #divideSmall(a: Code, divisor: number): { quotient: Code; rest: Code } {
    const e = this.#e;
    const n = e.int(divisor);
    const rough = this.#f.let(i32x4.ofFloats(f32x4.mul(f32x4.ofInts(a), e.float(1 / divisor))));
    const left = this.#f.let(i32x4.sub(a, i32x4.mul(rough, n)));
    const below = this.#f.let(i32x4.shrS(left, 31));
    const above = this.#f.let(i32x4.geS(left, n));
    const quotient = this.#f.let(i32x4.sub(i32x4.add(rough, below), above));
    const rest = i32x4.sub(i32x4.add(left, v128.and(below, n)), v128.and(above, n));
    return { quotient, rest: this.#f.let(rest) };
  }

  #perLane(a: Code, b: Code, compute: Two): Code {
    let value = a;
    for (let lane = 0; lane < 4; lane++) {
      value = this.#f.let(i32x4.withLane(value, compute(i32x4.lane(a, lane), i32x4.lane(b, lane)), lane));
    }
    return value;
  }
}
