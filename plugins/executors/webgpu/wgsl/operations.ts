/**
 * Scalar functions as WGSL text.
 *
 * @module
 */
import type { BinaryExpression, ScalarType, UnaryOperation } from "../../../compiler/ir/types.ts";
import type { MathLibrary } from "./math.ts";

type Width = 1 | 4;

/** The WGSL type of one value or four. */
export function typeText(type: ScalarType, width: Width): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/** A known number. */
export function numberText(value: number, type: ScalarType, math: MathLibrary): string {
  if (type === "bool") return value ? "true" : "false";
  if (type === "i32") return value === -0x80000000 ? "i32(-2147483648)" : value < 0 ? `(${value})` : `${value}`;
  if (Number.isNaN(value)) return `${math.name("nan")}()`;
  if (!Number.isFinite(value)) return value > 0 ? `${math.name("inf")}()` : `(-${math.name("inf")}())`;
  const rounded = Math.fround(value);
  if (rounded !== 0 && Math.abs(rounded) < 1.17549435e-38) {
    const bits = new Uint32Array(Float32Array.of(rounded).buffer)[0]!;
    return `bitcast<f32>(${bits}u)`;
  }
  const text = Object.is(rounded, -0) ? "-0" : `${rounded}`;
  const literal = /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
  return literal.startsWith("-") ? `(${literal})` : literal;
}

/** A value in another type. */
export function castText(x: string, from: ScalarType, to: ScalarType, width: Width, math: MathLibrary): string {
  if (to === "bool") {
    const zero = `${typeText(from, width)}(0)`;
    return from === "f32" ? `!(${x} == ${zero})` : `${x} != ${zero}`;
  }
  return from === "f32" && to === "i32" ? `${math.name("toInt", width)}(${x})` : `${typeText(to, width)}(${x})`;
}

/** Functions of WGSL itself that are right everywhere. */
const BUILT_IN: ReadonlySet<UnaryOperation> = new Set(["abs", "floor", "ceil", "round", "sqrt"]);

/** A function of one number. */
export function unaryText(
  operation: UnaryOperation,
  x: string,
  type: ScalarType,
  width: Width,
  math: MathLibrary,
): string {
  if (operation === "neg") return `-${x}`;
  if (operation === "not") return `!${x}`;
  if (operation === "bitNot") return `~${x}`;
  if (BUILT_IN.has(operation) || type === "i32") return `${operation}(${x})`;
  return `${math.name(operation, width)}(${x})`;
}

const INFIX: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  eq: "==",
  ne: "!=",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
  and: "&",
  or: "|",
  xor: "!=",
  bitAnd: "&",
  bitOr: "|",
  bitXor: "^",
};

/** A function of two numbers. @param nonnegative Whether the first is an int32 that is known not to be negative. */
export function binaryText(
  { operation, a: first, b: second, type }: BinaryExpression,
  a: string,
  b: string,
  width: Width,
  math: MathLibrary,
  nonnegative: boolean,
): string {
  const from = first.type;
  if (from === "f32") {
    const zero = [first, second].findIndex((x) => x.kind === "number" && x.value === 0);
    if (operation === "mul" && zero >= 0) return `${math.name("timesZero", width)}(${zero === 0 ? b : a})`;
    if (operation === "sub" && first === second) return `${math.name("timesZero", width)}(${a})`;
    // `!=` is false for NaN in what some compilers make of it.
    if (operation === "ne") return `!(${a} == ${b})`;
    if (operation === "max" || operation === "min") {
      const known = [first, second].find((x) => x.kind === "number" && !Number.isNaN(x.value));
      if (known === undefined) return `${math.name(operation, width)}(${a}, ${b})`;
      const other = known === first ? b : a;
      return `select(${operation}(${a}, ${b}), ${other}, ${math.name("isNan", width)}(${other}))`;
    }
    if (operation === "pow" && second.kind === "number") {
      const simple =
        ({ 1: a, 2: `${a} * ${a}`, 3: `${a} * ${a} * ${a}`, [-1]: `${typeText(from, width)}(1) / ${a}` } as Readonly<
          Record<number, string>
        >)[second.value];
      if (simple !== undefined) return simple;
    }
    if (operation === "floorDiv") return `floor(${a} / ${b})`;
    if (operation === "pow" || operation === "atan2" || operation === "floorMod") {
      return `${math.name(operation, width)}(${a}, ${b})`;
    }
  }
  if (from === "i32") {
    if (operation === "floorDiv" || operation === "floorMod") {
      if (nonnegative && second.kind === "number" && second.value > 0) {
        const unsigned = width === 4 ? "vec4<u32>" : "u32";
        const sign = operation === "floorDiv" ? "/" : "%";
        return `${typeText("i32", width)}(${unsigned}(${a}) ${sign} ${unsigned}(${second.value}u))`;
      }
      return `${math.name(operation === "floorDiv" ? "intFloorDiv" : "intFloorMod", width)}(${a}, ${b})`;
    }
    if (operation === "pow") {
      const float = typeText("f32", width);
      return `${typeText("i32", width)}(round(${math.name("pow", width)}(${float}(${a}), ${float}(${b}))))`;
    }
    if (operation === "max" || operation === "min") return `${operation}(${a}, ${b})`;
    if (operation === "shiftLeft") {
      return `${a} << (${width === 4 ? "vec4<u32>" : "u32"}(${b}) & ${width === 4 ? "vec4<u32>(31u)" : "31u"})`;
    }
    if (operation === "shiftRight") {
      return `${a} >> (${width === 4 ? "vec4<u32>" : "u32"}(${b}) & ${width === 4 ? "vec4<u32>(31u)" : "31u"})`;
    }
  }
  if (from === "bool" && (operation === "max" || operation === "min")) {
    return operation === "max" ? `${a} | ${b}` : `${a} & ${b}`;
  }
  const sign = INFIX[operation];
  if (sign === undefined) {
    throw new TypeError(`Cannot compute "${operation}" of ${from}, giving ${type}: there is no such function.`);
  }
  return `${a} ${sign} ${b}`;
}
