/**
 * Kernels that work element by element, with broadcasting.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { BinaryOperation, Expression, ScalarType, UnaryOperation } from "../ir/types.ts";
import { attr, type Call, input, list, type Rule, type Rules, scalarType } from "./rules.ts";
import type { Value } from "./value.ts";

type Compute = (ir: Expressions, x: Expression) => Expression;
type Compute2 = (ir: Expressions, a: Expression, b: Expression) => Expression;

/** float32 functions that back ends have. */
const FUNCTIONS: Readonly<Record<string, UnaryOperation>> = {
  Acos: "acos",
  Acosh: "acosh",
  Asin: "asin",
  Asinh: "asinh",
  Atan: "atan",
  Atanh: "atanh",
  Ceil: "ceil",
  Cos: "cos",
  Cosh: "cosh",
  Erf: "erf",
  Exp: "exp",
  Expm1: "expm1",
  Floor: "floor",
  Log: "log",
  Log1p: "log1p",
  Round: "round",
  Rsqrt: "rsqrt",
  Sigmoid: "sigmoid",
  Sin: "sin",
  Sinh: "sinh",
  Softplus: "softplus",
  Sqrt: "sqrt",
  Tan: "tan",
  Tanh: "tanh",
};

const SELU_SCALE_ALPHA = 1.7580993408473768599402175208123;
const SELU_SCALE = 1.0507009873554804934193349852946;

/** A function of float32; integers are cast there and back. */
function ofFloat(compute: (call: Call, ir: Expressions, x: Expression) => Expression): Rule {
  return (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const x = lower.cast(input(call, "x"), "f32");
    return lower.map(output.shape, type, [x], (element) => lower.ir.cast(compute(call, lower.ir, element), type));
  };
}

/** A function of a number of any type, which it keeps. */
function ofNumber(compute: Compute): Rule {
  return (call) => {
    const { lower, output } = call;
    const x = lower.cast(input(call, "x"), scalarType(output));
    return lower.map(output.shape, x.type, [x], (element) => compute(lower.ir, element));
  };
}

/** A function of two numbers, in the type of the result. */
function ofTwo(compute: Compute2): Rule {
  return (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const operands = [lower.cast(input(call, "a"), type), lower.cast(input(call, "b"), type)];
    return lower.map(output.shape, type, operands, (a, b) => compute(lower.ir, a!, b!));
  };
}

/** A comparison, in the wider type of both. */
function comparison(operation: BinaryOperation): Rule {
  return (call) => {
    const { lower, output } = call;
    const [a, b] = [input(call, "a"), input(call, "b")];
    const type: ScalarType = a.type === "f32" || b.type === "f32" ? "f32" : "i32";
    const operands = [lower.cast(a, type), lower.cast(b, type)];
    return lower.map(output.shape, "bool", operands, (x, y) => lower.ir.binary(operation, x!, y!));
  };
}

/** A truth value from truth values. */
function logical(operation: "and" | "or"): Rule {
  return (call) => {
    const { lower, output } = call;
    const operands = [lower.cast(input(call, "a"), "bool"), lower.cast(input(call, "b"), "bool")];
    return lower.map(output.shape, "bool", operands, (a, b) => lower.ir.binary(operation, a!, b!));
  };
}

/** A truth value that tells what kind of number it is. Integers are finite. */
function classified(operation: "isNan" | "isInf" | "isFinite"): Rule {
  return ({ lower, inputs, output }) => {
    const x = lower.cast(inputs.x!, "f32");
    return lower.map(output.shape, "bool", [x], (element) => lower.ir.unary(operation, element));
  };
}

function binary(operation: BinaryOperation): Compute2 {
  return (ir, a, b) => ir.binary(operation, a, b);
}

/** Where an element of a select's operands lies: a condition of rank 1 chooses whole rows. */
function select(call: Call): Value {
  const { lower, output } = call;
  const type = scalarType(output);
  const condition = lower.cast(input(call, "condition"), "bool");
  const [then, otherwise] = [lower.cast(input(call, "t"), type), lower.cast(input(call, "e"), type)];
  const byRow = condition.shape.length === 1 && then.shape.length > 1;
  const shaped = byRow ? lower.reshape(condition, [condition.size, ...then.shape.slice(1).map(() => 1)]) : condition;
  return lower.map(output.shape, type, [shaped, then, otherwise], (c, t, e) => lower.ir.select(c!, t!, e!));
}

/** Python's remainder: the sign of the divisor. */
function mod(ir: Expressions, a: Expression, b: Expression): Expression {
  return ir.binary("floorMod", a, b);
}

function pow(ir: Expressions, a: Expression, b: Expression): Expression {
  if (a.type === "f32") {
    // The powers that losses and optimizers take.
    if (b.kind === "number" && b.value === 2) return ir.mul(a, a);
    if (b.kind === "number" && b.value === 0.5) return ir.unary("sqrt", a);
    return ir.binary("pow", a, b);
  }
  return ir.cast(ir.unary("round", ir.binary("pow", ir.cast(a, "f32"), ir.cast(b, "f32"))), a.type);
}

const zero = (ir: Expressions, like: Expression) => ir.number(0, like.type);
const below = (ir: Expressions, x: Expression) => ir.compare("lt", x, zero(ir, x));

/** An activation by tfjs's name, as fused kernels carry it. */
export function activate(
  call: Call,
  name: string | null | undefined,
  x: Expression,
  prelu?: Expression,
): Expression {
  const { ir } = call.lower;
  switch (name ?? "linear") {
    case "linear":
      return x;
    case "relu":
      return ir.binary("max", x, zero(ir, x));
    case "relu6":
      return ir.binary("min", ir.binary("max", x, zero(ir, x)), ir.float(6));
    case "elu":
      return elu(ir, x);
    case "sigmoid":
      return ir.unary("sigmoid", x);
    case "leakyrelu":
      return ir.select(below(ir, x), ir.mul(x, attr<number>(call, "leakyreluAlpha")), x);
    case "prelu":
      return ir.select(below(ir, x), ir.mul(x, prelu!), x);
    default:
      throw new TypeError(`Cannot lower "${call.node.kernel}": its activation "${name}" is unknown.`);
  }
}

function elu(ir: Expressions, x: Expression): Expression {
  return ir.select(below(ir, x), ir.unary("expm1", x), x);
}

/** Rules of elementwise kernels. */
export const elementwiseRules: Rules = {
  ...Object.fromEntries(
    Object.entries(FUNCTIONS).map(([kernel, operation]) => [kernel, ofFloat((_, ir, x) => ir.unary(operation, x))]),
  ),
  Abs: ofNumber((ir, x) => ir.unary("abs", x)),
  Neg: ofNumber((ir, x) => ir.unary("neg", x)),
  Square: ofNumber((ir, x) => ir.mul(x, x)),
  Identity: (call) => input(call, "x"),
  Cast: (call) => call.lower.cast(input(call, "x"), scalarType(call.output)),
  OnesLike: ({ lower, output }) => lower.fill(output.shape, scalarType(output), 1),
  ZerosLike: ({ lower, output }) => lower.fill(output.shape, scalarType(output), 0),
  // NaN has no sign: 0, as with tfjs.
  Sign: ofNumber((ir, x) => {
    const negative = ir.select(below(ir, x), ir.number(-1, x.type), zero(ir, x));
    return ir.select(ir.compare("gt", x, zero(ir, x)), ir.number(1, x.type), negative);
  }),
  Reciprocal: ofFloat((_, ir, x) => ir.div(ir.float(1), x)),
  Relu: ofNumber((ir, x) => ir.binary("max", x, zero(ir, x))),
  Relu6: ofNumber((ir, x) => ir.binary("min", ir.binary("max", x, zero(ir, x)), ir.number(6, x.type))),
  Elu: ofFloat((_, ir, x) => elu(ir, x)),
  Selu: ofFloat((_, ir, x) =>
    ir.select(below(ir, x), ir.mul(ir.unary("expm1", x), SELU_SCALE_ALPHA), ir.mul(x, SELU_SCALE))
  ),
  LeakyRelu: ofFloat((call, ir, x) => ir.select(below(ir, x), ir.mul(x, attr<number>(call, "alpha")), x)),
  Step: ofFloat((call, ir, x) => {
    const flat = ir.float(attr<number | undefined>(call, "alpha") ?? 0);
    return ir.select(ir.unary("isNan", x), x, ir.select(ir.compare("gt", x, 0), ir.float(1), flat));
  }),
  ClipByValue: (call) => {
    const { lower, output } = call;
    const x = input(call, "x");
    const low = lower.ir.number(attr<number>(call, "clipValueMin"), x.type);
    const high = lower.ir.number(attr<number>(call, "clipValueMax"), x.type);
    return lower.map(
      output.shape,
      x.type,
      [x],
      (element) => lower.ir.binary("min", lower.ir.binary("max", element!, low), high),
    );
  },
  Add: ofTwo(binary("add")),
  Sub: ofTwo(binary("sub")),
  Multiply: ofTwo(binary("mul")),
  RealDiv: ofTwo((ir, a, b) =>
    a.type === "f32" ? ir.div(a, b) : ir.cast(ir.div(ir.cast(a, "f32"), ir.cast(b, "f32")), a.type)
  ),
  FloorDiv: (call) => {
    const { lower, output } = call;
    const [a, b] = [input(call, "a"), input(call, "b")];
    const type: ScalarType = a.type === "f32" || b.type === "f32" ? "f32" : "i32";
    const operands = [lower.cast(a, type), lower.cast(b, type)];
    return lower.map(
      output.shape,
      scalarType(output),
      operands,
      (x, y) => lower.ir.cast(lower.ir.binary("floorDiv", x!, y!), scalarType(output)),
    );
  },
  Mod: ofTwo(mod),
  Pow: ofTwo(pow),
  Atan2: ofTwo(binary("atan2")),
  Maximum: ofTwo((ir, a, b) => a.type === "bool" ? ir.binary("or", a, b) : ir.binary("max", a, b)),
  Minimum: ofTwo((ir, a, b) => a.type === "bool" ? ir.binary("and", a, b) : ir.binary("min", a, b)),
  SquaredDifference: ofTwo((ir, a, b) => {
    const difference = ir.sub(a, b);
    return ir.mul(difference, difference);
  }),
  BitwiseAnd: ofTwo(binary("bitAnd")),
  Equal: comparison("eq"),
  NotEqual: comparison("ne"),
  Greater: comparison("gt"),
  GreaterEqual: comparison("ge"),
  Less: comparison("lt"),
  LessEqual: comparison("le"),
  LogicalAnd: logical("and"),
  LogicalOr: logical("or"),
  LogicalNot: (call) => {
    const x = call.lower.cast(input(call, "x"), "bool");
    return call.lower.map(call.output.shape, "bool", [x], (element) => call.lower.ir.unary("not", element!));
  },
  IsNan: classified("isNan"),
  IsInf: classified("isInf"),
  IsFinite: classified("isFinite"),
  Select: select,
  AddN: (call) => {
    const { lower, output } = call;
    const type = scalarType(output);
    const parts = list(call).map((part) => lower.cast(part, type));
    return lower.map(
      output.shape,
      type,
      parts,
      (first, ...rest) => rest.reduce((sum, part) => lower.ir.add(sum, part), first!),
    );
  },
  EluGrad: (call) => {
    const { lower, output } = call;
    const { ir } = lower;
    return lower.map(
      output.shape,
      "f32",
      [input(call, "dy"), input(call, "y")],
      (dy, y) => ir.select(below(ir, y!), ir.mul(dy!, ir.add(y!, 1)), dy!),
    );
  },
  Prelu: (call) => {
    const { lower, output } = call;
    const { ir } = lower;
    return lower.map(
      output.shape,
      "f32",
      [input(call, "x"), input(call, "alpha")],
      (x, alpha) => ir.select(below(ir, x!), ir.mul(alpha!, x!), x!),
    );
  },
};
