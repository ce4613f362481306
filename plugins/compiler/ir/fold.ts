/**
 * Arithmetic on numbers that are known when a step is compiled, as the device would do it.
 *
 * @module
 */
import type { BinaryOperation, ScalarType, UnaryOperation } from "./types.ts";

/** The value of a function of a known number; `undefined` where only the device should say. Callers round to the type. */
export function foldUnary(operation: UnaryOperation, x: number, type: ScalarType): number | undefined {
  switch (operation) {
    case "neg":
      return -x;
    case "abs":
      return Math.abs(x);
    case "sign":
      return Number.isNaN(x) ? NaN : Math.sign(x);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    case "sqrt":
      return Math.sqrt(x);
    case "isNan":
      return Number(Number.isNaN(x));
    case "isInf":
      return Number(Math.abs(x) === Infinity);
    case "isFinite":
      return Number(Number.isFinite(x));
    case "not":
      return x ? 0 : 1;
    case "bitNot":
      return ~x;
    case "exp":
      return type === "f32" ? Math.exp(x) : undefined;
    case "log":
      return type === "f32" ? Math.log(x) : undefined;
    default:
      return undefined;
  }
}

/** The value of a function of two known numbers; `undefined` where only the device should say. Callers round to the type. */
export function foldBinary(operation: BinaryOperation, a: number, b: number, type: ScalarType): number | undefined {
  switch (operation) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return type === "i32" ? Math.imul(a, b) : a * b;
    case "div":
      return type === "f32" ? a / b : undefined;
    case "max":
      return Math.max(a, b);
    case "min":
      return Math.min(a, b);
    case "floorDiv":
      return type === "i32" && b === 0 ? 0 : Math.floor(a / b);
    case "floorMod":
      if (type === "i32") return b === 0 ? 0 : a - b * Math.floor(a / b);
      // As tfjs's Mod: what is left of infinite divisors is the dividend, and nothing is lost in a product.
      return a < 0 && b < 0 || a >= 0 && b >= 0 ? a % b : (a % b + b) % b;
    case "eq":
      return Number(a === b);
    case "ne":
      return Number(a !== b);
    case "lt":
      return Number(a < b);
    case "le":
      return Number(a <= b);
    case "gt":
      return Number(a > b);
    case "ge":
      return Number(a >= b);
    case "and":
      return Number(a !== 0 && b !== 0);
    case "or":
      return Number(a !== 0 || b !== 0);
    case "xor":
      return Number((a !== 0) !== (b !== 0));
    case "bitAnd":
      return a & b;
    case "bitOr":
      return a | b;
    case "bitXor":
      return a ^ b;
    case "shiftLeft":
      return a << b;
    case "shiftRight":
      return a >> b;
    default:
      return undefined;
  }
}
