/**
 * Expressions as JavaScript text, for the interpreter.
 *
 * @module
 */
import { walk } from "./shape.ts";
import type { BinaryOperation, Buffer, Expression, ScalarType, UnaryOperation } from "./types.ts";

/** What float32 arithmetic is done in. */
export type Precision = "float32" | "float64";

/** What stands for things from outside of the expressions in the text. */
export interface Names {
  /** The variables that hold a buffer's array and the place of its first element there. */
  readonly buffer: (buffer: Buffer) => { readonly array: string; readonly base: string };
  /** The variable that holds a number of the step table. */
  readonly column: (column: string) => string;
}

/** Expressions as statements `const v7 = …;`, each part of them once. */
export interface Printed {
  /** In an order in which they can run. */
  readonly statements: readonly { readonly of: Expression; readonly text: string }[];
  /** The text that stands for an expression once its statements have run. */
  readonly text: (x: Expression) => string;
}

/** Expressions as JavaScript, parts before what they are parts of. Axes are variables `a7`, results `r7`. */
export function printExpressions(roots: readonly Expression[], names: Names, precision: Precision): Printed {
  const known = new Map<Expression, string>();
  const statements: { of: Expression; text: string }[] = [];
  const text = (x: Expression) => known.get(x)!;
  walk(roots, (x) => {
    if (x.kind === "number") known.set(x, printNumber(x.value));
    else if (x.kind === "axis") known.set(x, `a${x.axis.id}`);
    else if (x.kind === "result") known.set(x, `r${x.result}`);
    else if (x.kind === "column") known.set(x, names.column(x.column));
    else {
      known.set(x, `v${x.id}`);
      statements.push({ of: x, text: `const v${x.id} = ${printValue(x, text, names, precision)};` });
    }
  });
  return { statements, text };
}

/** The text of a value rounded to its type. */
export function rounded(value: string, type: ScalarType, precision: Precision): string {
  if (type === "i32") return `(${value} | 0)`;
  if (type === "bool") return `(${value} ? 1 : 0)`;
  return precision === "float32" ? `Math.fround(${value})` : `(${value})`;
}

/** Two values combined, rounded to their type. */
export function printBinary(
  operation: BinaryOperation,
  a: string,
  b: string,
  type: ScalarType,
  precision: Precision,
): string {
  const comparison = COMPARISONS[operation];
  if (comparison !== undefined) return `(${a} ${comparison} ${b} ? 1 : 0)`;
  const print = type === "i32" ? INT_BINARY[operation] ?? BINARY[operation] : BINARY[operation];
  if (print === undefined) throw new TypeError(`Cannot compute "${operation}" of ${type}: there is no such function.`);
  if (operation === "div" && type !== "f32") {
    throw new TypeError(`Cannot compute "div" of ${type}: expected f32. Cast both, or use "floorDiv".`);
  }
  return rounded(print(a, b), type, precision);
}

type Plain = Exclude<Expression, { kind: "number" | "axis" | "result" | "column" }>;

function printValue(x: Plain, text: (part: Expression) => string, names: Names, precision: Precision): string {
  switch (x.kind) {
    case "affine": {
      const terms = x.terms.map(({ atom, factor }) =>
        factor === 1
          ? text(atom)
          : factor === -1
          ? `-${text(atom)}`
          : `Math.imul(${text(atom)}, ${printNumber(factor)})`
      );
      return rounded([...terms, printNumber(x.constant)].join(" + "), "i32", precision);
    }
    case "load":
      return printLoad(x.buffer, text(x.index), x.type, names);
    case "unary":
      return printUnary(x.operation, text(x.x), x.type, precision);
    case "binary":
      return printBinary(x.operation, text(x.a), text(x.b), x.a.type, precision);
    case "select":
      return `${text(x.condition)} ? ${text(x.then)} : ${text(x.otherwise)}`;
    case "cast":
      // NaN is true.
      if (x.type === "bool") return `${text(x.x)} !== 0 ? 1 : 0`;
      return rounded(text(x.x), x.type, precision);
    case "random":
      return `functions.${x.distribution}At(keys[${x.stream}], ${text(x.index)})`;
    default:
      return x satisfies never;
  }
}

function printLoad(buffer: Buffer, index: string, type: ScalarType, names: Names): string {
  const { array, base } = names.buffer(buffer);
  const loaded = buffer.role.kind === "input"
    ? `${array}[inside(${base} + ${index}, ${array}.length, ${buffer.id})]`
    : `${array}[${base} + (${index} <= 0 ? 0 : ${index} >= ${buffer.size} ? ${buffer.size - 1} : ${index})]`;
  return type === "bool" ? `${loaded} !== 0 ? 1 : 0` : loaded;
}

function printNumber(value: number): string {
  return Object.is(value, -0) ? "(-0)" : value < 0 ? `(${value})` : `${value}`;
}

function printUnary(operation: UnaryOperation, x: string, type: ScalarType, precision: Precision): string {
  if (operation === "not") return `${x} ? 0 : 1`;
  if (operation === "bitNot") return `~${x}`;
  return rounded(UNARY[operation](x), type, precision);
}

const math = (name: keyof typeof Math & string) => (x: string) => `Math.${name}(${x})`;
const own = (name: string) => (x: string) => `functions.${name}(${x})`;

const UNARY: Readonly<Record<Exclude<UnaryOperation, "not" | "bitNot">, (x: string) => string>> = {
  neg: (x) => `-${x}`,
  abs: math("abs"),
  sign: math("sign"),
  floor: math("floor"),
  ceil: math("ceil"),
  round: own("roundHalfToEven"),
  sqrt: math("sqrt"),
  rsqrt: (x) => `1 / Math.sqrt(${x})`,
  exp: math("exp"),
  expm1: math("expm1"),
  log: math("log"),
  log1p: math("log1p"),
  sin: math("sin"),
  cos: math("cos"),
  tan: math("tan"),
  asin: math("asin"),
  acos: math("acos"),
  atan: math("atan"),
  sinh: math("sinh"),
  cosh: math("cosh"),
  tanh: math("tanh"),
  asinh: math("asinh"),
  acosh: math("acosh"),
  atanh: math("atanh"),
  erf: own("erf"),
  sigmoid: (x) => `1 / (1 + Math.exp(-${x}))`,
  softplus: own("softplus"),
  isNan: (x) => `${x} !== ${x}`,
  isInf: (x) => `Math.abs(${x}) === Infinity`,
  isFinite: (x) => `Number.isFinite(${x})`,
};

const COMPARISONS: Readonly<Partial<Record<BinaryOperation, string>>> = {
  eq: "===",
  ne: "!==",
  lt: "<",
  le: "<=",
  gt: ">",
  ge: ">=",
};

type Print = (a: string, b: string) => string;

const INT_BINARY: Readonly<Partial<Record<BinaryOperation, Print>>> = {
  mul: (a, b) => `Math.imul(${a}, ${b})`,
  floorDiv: (a, b) => `functions.intFloorDiv(${a}, ${b})`,
  floorMod: (a, b) => `functions.intFloorMod(${a}, ${b})`,
};

const BINARY: Readonly<Partial<Record<BinaryOperation, Print>>> = {
  add: (a, b) => `${a} + ${b}`,
  sub: (a, b) => `${a} - ${b}`,
  mul: (a, b) => `${a} * ${b}`,
  div: (a, b) => `${a} / ${b}`,
  max: (a, b) => `Math.max(${a}, ${b})`,
  min: (a, b) => `Math.min(${a}, ${b})`,
  pow: (a, b) => `Math.pow(${a}, ${b})`,
  atan2: (a, b) => `Math.atan2(${a}, ${b})`,
  floorDiv: (a, b) => `Math.floor(${a} / ${b})`,
  floorMod: (a, b) => `functions.floorMod(${a}, ${b})`,
  and: (a, b) => `(${a} !== 0 && ${b} !== 0 ? 1 : 0)`,
  or: (a, b) => `(${a} !== 0 || ${b} !== 0 ? 1 : 0)`,
  xor: (a, b) => `((${a} !== 0) !== (${b} !== 0) ? 1 : 0)`,
  bitAnd: (a, b) => `(${a} & ${b})`,
  bitOr: (a, b) => `(${a} | ${b})`,
  bitXor: (a, b) => `(${a} ^ ${b})`,
  shiftLeft: (a, b) => `(${a} << ${b})`,
  shiftRight: (a, b) => `(${a} >> ${b})`,
};
