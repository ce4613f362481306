/**
 * Expressions as infix text, for people.
 *
 * @module
 */
import type { AffineExpression, BinaryOperation, Buffer, Expression, NumberExpression } from "./types.ts";

/** How things are called in the text. */
export interface FormatNames {
  /** A buffer's name. */
  readonly buffer: (buffer: Buffer) => string;
  /** A loop variable's letter. */
  readonly axis: (axis: { readonly id: number }) => string;
  /** A name that stands for a part, where it has one. */
  readonly part: (x: Expression) => string | undefined;
}

/** An expression as infix text, with as few parentheses as tell what is meant. */
export function formatExpression(x: Expression, names: FormatNames): string {
  return write(x, names, 0, true);
}

/** How tightly infix operators bind, loosest first. */
const OPERATORS: Readonly<Partial<Record<BinaryOperation, readonly [string, number]>>> = {
  or: ["||", 2],
  xor: ["^^", 3],
  and: ["&&", 3],
  eq: ["==", 4],
  ne: ["!=", 4],
  lt: ["<", 4],
  le: ["<=", 4],
  gt: [">", 4],
  ge: [">=", 4],
  bitOr: ["|", 5],
  bitXor: ["^", 5],
  bitAnd: ["&", 5],
  shiftLeft: ["<<", 6],
  shiftRight: [">>", 6],
  add: ["+", 7],
  sub: ["-", 7],
  mul: ["*", 8],
  div: ["/", 8],
  floorDiv: ["//", 8],
  floorMod: ["%", 8],
};
const SELECT = 1;
const SUM = 7;
const PRODUCT = 8;
const TIGHT = 9;

/** @param outside What binds around it: parentheses are set where that is tighter. @param whole Whether a part's name must not stand for it. */
function write(x: Expression, names: FormatNames, outside: number, whole = false): string {
  const name = whole ? undefined : names.part(x);
  if (name !== undefined) return name;
  const enclose = (text: string, binding: number) => binding < outside ? `(${text})` : text;
  const list = (...parts: Expression[]) => parts.map((part) => write(part, names, 0)).join(", ");
  switch (x.kind) {
    case "number":
      return formatNumber(x);
    case "axis":
      return names.axis(x.axis);
    case "affine":
      return enclose(writeAffine(x, names), x.terms.length === 1 && x.constant === 0 ? PRODUCT : SUM);
    case "load":
      return `${names.buffer(x.buffer)}[${list(x.index)}]`;
    case "column":
      return `column(${x.column})`;
    case "result":
      return `r${x.result}`;
    case "unary":
      if (x.operation === "neg") return enclose(`-${write(x.x, names, TIGHT)}`, TIGHT);
      if (x.operation === "not") return `!${write(x.x, names, TIGHT)}`;
      return `${x.operation}(${list(x.x)})`;
    case "binary": {
      const operator = OPERATORS[x.operation];
      if (operator === undefined) return `${x.operation}(${list(x.a, x.b)})`;
      const [sign, binding] = operator;
      // Operators of one level other than those of sums and products are told apart by parentheses.
      const left = binding === SUM || binding === PRODUCT ? binding : binding + 1;
      return enclose(`${write(x.a, names, left)} ${sign} ${write(x.b, names, binding + 1)}`, binding);
    }
    case "select": {
      const [condition, then] = [write(x.condition, names, SELECT + 1), write(x.then, names, SELECT + 1)];
      return enclose(`${condition} ? ${then} : ${write(x.otherwise, names, SELECT)}`, SELECT);
    }
    case "cast":
      return `${x.type}(${list(x.x)})`;
    case "random":
      return `${x.distribution}(stream ${x.stream}, ${list(x.index)})`;
    default:
      return x satisfies never;
  }
}

function writeAffine({ terms, constant }: AffineExpression, names: FormatNames): string {
  let text = "";
  const join = (negative: boolean, part: string) => {
    text += text === "" ? (negative ? `-${part}` : part) : `${negative ? " - " : " + "}${part}`;
  };
  for (const { atom, factor } of terms) {
    const part = write(atom, names, factor === 1 ? PRODUCT : TIGHT);
    join(factor < 0, Math.abs(factor) === 1 ? part : `${Math.abs(factor)} * ${part}`);
  }
  if (constant !== 0) join(constant < 0, `${Math.abs(constant)}`);
  return text;
}

/** A float32 with as few digits as tell it. */
function formatNumber({ type, value }: NumberExpression): string {
  if (type === "bool") return value ? "true" : "false";
  if (Object.is(value, -0)) return "-0";
  if (type === "i32" || !Number.isFinite(value)) return `${value}`;
  let digits = 1;
  while (digits < 9 && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  return `${Number(value.toPrecision(digits))}`;
}
