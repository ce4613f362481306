/**
 * The loop form that tfjs kernels are lowered to, and that back ends print: index spaces, reductions, scalar expressions.
 *
 * @module
 */

/** The type of a scalar while it is computed. */
export type ScalarType = "f32" | "i32" | "bool";

/** A loop variable: counts from 0 to `size - 1`. Each kernel has its own. */
export interface Axis {
  /** Tells axes apart. */
  readonly id: number;
  /** How many values it takes; at least 2 (axes of one value are the number 0). */
  readonly size: number;
}

/** Functions of one float32 number, but for `not`, `bitNot`, `neg`, `abs` and `sign`, which integers and truth values have too. */
export type UnaryOperation =
  | "neg"
  | "abs"
  | "sign"
  | "floor"
  | "ceil"
  /** To the nearest integer, halves to the even one. */
  | "round"
  | "sqrt"
  | "rsqrt"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sin"
  | "cos"
  | "tan"
  | "asin"
  | "acos"
  | "atan"
  | "sinh"
  | "cosh"
  | "tanh"
  | "asinh"
  | "acosh"
  | "atanh"
  | "erf"
  /** 1 / (1 + exp(-x)), exact at both ends. */
  | "sigmoid"
  /** log(1 + exp(x)), exact at both ends. */
  | "softplus"
  /** These three answer with a truth value, from the number's bits. */
  | "isNan"
  | "isInf"
  | "isFinite"
  | "not"
  | "bitNot";

/**
 * Functions of two numbers of one type. `max` and `min` give NaN where either is NaN. Comparisons answer with a truth
 * value; any comparison with NaN but `ne` is false.
 */
export type BinaryOperation =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "max"
  | "min"
  | "pow"
  | "atan2"
  /** Rounded down; on integers, 0 where the divisor is 0. */
  | "floorDiv"
  /** The remainder of `floorDiv`: has the sign of the divisor. */
  | "floorMod"
  | "eq"
  | "ne"
  | "lt"
  | "le"
  | "gt"
  | "ge"
  | "and"
  | "or"
  | "xor"
  | "bitAnd"
  | "bitOr"
  | "bitXor"
  | "shiftLeft"
  | "shiftRight";

/** What all expressions have. Equal expressions of one pool are the same object. */
export interface ExpressionBase {
  /** Counts up in its pool: parts have smaller ids than what they are parts of. */
  readonly id: number;
  /** What it yields. */
  readonly type: ScalarType;
}

/** A number that is known: float32, int32, or 0 and 1 for a truth value. */
export interface NumberExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "number";
  /** Its value; may be infinite or NaN. */
  readonly value: number;
}

/** The current value of a loop variable. */
export interface AxisExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "axis";
  /** Which. */
  readonly axis: Axis;
}

/** Σ factor · atom + constant, in wrapping int32. Atoms are expressions of other kinds; no factor is 0. */
export interface AffineExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "affine";
  /** In the order of the atoms' ids. */
  readonly terms: readonly { readonly atom: Expression; readonly factor: number }[];
  /** Summand. */
  readonly constant: number;
}

/**
 * An element of a buffer. The index may lie outside where a `select` around drops the value: back ends clamp an index
 * whose bounds do not prove it to be inside.
 */
export interface LoadExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "load";
  /** Where from. */
  readonly buffer: Buffer;
  /** Which element: int32. */
  readonly index: Expression;
}

/** A number of the current step's row of the step table. float32. */
export interface ColumnExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "column";
  /** The column's name. */
  readonly column: string;
}

/** What a reduction, product or scan of the same kernel gave. */
export interface ResultExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "result";
  /** Which one: unique in a kernel. */
  readonly result: number;
}

/** A function of one number. */
export interface UnaryExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "unary";
  /** Which function. */
  readonly operation: UnaryOperation;
  /** Of what. */
  readonly x: Expression;
}

/** A function of two numbers. Sums and products by constants of int32 are affine instead. */
export interface BinaryExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "binary";
  /** Which function. */
  readonly operation: BinaryOperation;
  /** The first operand. */
  readonly a: Expression;
  /** The second operand, of the same type. */
  readonly b: Expression;
}

/** One of two values. Both may be computed: neither has an effect. */
export interface SelectExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "select";
  /** Truth value. */
  readonly condition: Expression;
  /** Where it is true. */
  readonly then: Expression;
  /** Where it is false. */
  readonly otherwise: Expression;
}

/** A value in another type. float32 to int32 cuts the fraction off; anything but 0 (NaN too) is true. */
export interface CastExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "cast";
  /** Of what. */
  readonly x: Expression;
}

/**
 * A random number as core/random.ts makes it: uniform in [0, 1) or standard normal, element `index` of a stream whose key
 * is `foldIn(step key, stream)`. float32.
 */
export interface RandomExpression extends ExpressionBase {
  /** Tells expressions apart. */
  readonly kind: "random";
  /** How it is distributed. */
  readonly distribution: "uniform" | "normal" | "truncatedNormal";
  /** Which stream of the step's key. */
  readonly stream: number;
  /** Which element of the stream: int32, not negative. */
  readonly index: Expression;
}

/** A scalar computation without effects. */
export type Expression =
  | NumberExpression
  | AxisExpression
  | AffineExpression
  | LoadExpression
  | ColumnExpression
  | ResultExpression
  | UnaryExpression
  | BinaryExpression
  | SelectExpression
  | CastExpression
  | RandomExpression;

/** How elements lie in memory: truth values as 32-bit 0 and 1, but for `u8`, which loads as int32 (or truth value). */
export type ElementType = ScalarType | "u8";

/**
 * What a buffer is for, which says where a back end puts it.
 *
 * - `variable`: the value of a step variable, which lives across steps;
 * - `state`: several variables, one after the other: each is a buffer `within` it;
 * - `scratch`: a value within one step;
 * - `constant`: the same in every step;
 * - `input`: all rows that may be in a batch (resident data, or those uploaded for one execution), row-major;
 * - `rows`: which rows of the inputs this step's batch has, one number a sample; one part for each step;
 * - `sums`, `output`: what the host reads; one part for each step;
 * - `gradient`: what replicas exchange.
 */
export type BufferRole =
  | { readonly kind: "variable"; readonly path: string }
  | { readonly kind: "state" }
  | { readonly kind: "scratch" }
  | { readonly kind: "constant"; readonly values: Float32Array | Int32Array | Uint8Array }
  | { readonly kind: "input"; readonly group: "x" | "y" | "sampleWeight"; readonly index: number }
  | { readonly kind: "rows" }
  | { readonly kind: "sums" }
  | { readonly kind: "output"; readonly index: number }
  | { readonly kind: "gradient"; readonly index: number };

/** Memory that kernels read and write. */
export interface Buffer {
  /** Tells buffers of a plan apart. */
  readonly id: number;
  /** How elements lie in it. */
  readonly type: ElementType;
  /** Elements; of `rows`, `sums` and `output` those of one step; of `input` those of one row. Loads of `input` always lie inside. */
  readonly size: number;
  /** What it is for. */
  readonly role: BufferRole;
  /** Set where it is a part of a larger one: which, and its first element there. */
  within?: { readonly buffer: Buffer; readonly offset: number };
}

/** Writes one element for each point of the axes that it is over. */
export interface Store {
  /** Where to. */
  readonly buffer: Buffer;
  /** Which element: int32, different at each point. */
  readonly index: Expression;
  /** What. */
  readonly value: Expression;
}

/** How many values become one. `all` and `any` are of truth values; `argMax` and `argMin` give the first place, counted along the inner axes. */
export type Combine = "sum" | "prod" | "max" | "min" | "all" | "any" | "argMax" | "argMin";

/** What all kernels have. */
export interface KernelBase {
  /** The tfjs kernels that it does the work of, for people to read. @default not known */
  readonly from?: readonly string[];
}

/** A reduction over a nest's inner axes, once for each point of its outer ones. */
export interface Reduction {
  /** The number by which `result` expressions name it. */
  readonly result: number;
  /** What it yields: the value's type, int32 for places. */
  readonly type: ScalarType;
  /** How values are combined. */
  readonly combine: Combine;
  /** What is reduced: over outer and inner axes, and results of reductions before it. */
  readonly value: Expression;
}

/**
 * Loops over outer axes, in any order; in each, reductions over the inner axes, in their order, then stores, in their
 * order. A store whose index has inner axes is done for each of their points. Where a nest stores into a buffer that it also
 * loads, each point loads only what it stores itself, and loads for a store before any store after it.
 */
export interface Nest extends KernelBase {
  /** Tells kernels apart. */
  readonly kind: "nest";
  /** The parallel loops, outermost first. */
  readonly outer: readonly Axis[];
  /** The loops of reductions, outermost first; empty where there is nothing to reduce. */
  readonly inner: readonly Axis[];
  /** In order. */
  readonly reductions: readonly Reduction[];
  /** At least one. */
  readonly stores: readonly Store[];
}

/**
 * A matrix product or convolution: result[batch, rows, columns] = Σ over inner of left · right, in float32, then stores.
 *
 * `left` has no column axes and `right` no row axes. Each is a load, or `select(guard, load, 0)`.
 */
export interface Contraction extends KernelBase {
  /** Tells kernels apart. */
  readonly kind: "contraction";
  /** Loops that both factors have. */
  readonly batch: readonly Axis[];
  /** Loops of the left factor. */
  readonly rows: readonly Axis[];
  /** Loops of the right factor. */
  readonly columns: readonly Axis[];
  /** What is summed over. */
  readonly inner: readonly Axis[];
  /** The left factor: float32. */
  readonly left: Expression;
  /** The right factor: float32. */
  readonly right: Expression;
  /** The number by which `result` expressions name the sum. */
  readonly result: number;
  /** Over batch, rows and columns. */
  readonly stores: readonly Store[];
}

/** A running sum or product along one axis. */
export interface Scan extends KernelBase {
  /** Tells kernels apart. */
  readonly kind: "scan";
  /** The parallel loops. */
  readonly outer: readonly Axis[];
  /** The axis along which it runs. */
  readonly along: Axis;
  /** Whether it runs from the end. */
  readonly reverse: boolean;
  /** Whether a place has what came before it, without itself. */
  readonly exclusive: boolean;
  /** How values are combined. */
  readonly combine: "sum" | "prod";
  /** What is combined: over outer and along. */
  readonly value: Expression;
  /** The number by which `result` expressions name the running value. */
  readonly result: number;
  /** Over outer and along. */
  readonly stores: readonly Store[];
}

/**
 * Puts values at places that only the data tell: `target[index] = combine(target[index], value)`, one after the other
 * along the inner axes, for each point of the outer ones. Points of the outer axes never meet in one place. Places outside
 * of the target are dropped. What the target held before stays where nothing is put.
 */
export interface Scatter extends KernelBase {
  /** Tells kernels apart. */
  readonly kind: "scatter";
  /** The parallel loops. */
  readonly outer: readonly Axis[];
  /** The loops in order. */
  readonly inner: readonly Axis[];
  /** Where to: stored by a kernel before. */
  readonly target: Buffer;
  /** Which element: int32, over outer and inner; negative to drop the value. */
  readonly index: Expression;
  /** What, of the target's type. */
  readonly value: Expression;
  /** How it meets what is there. */
  readonly combine: "set" | "sum" | "max" | "min";
}

/** One piece of work on the device: everything that it reads was stored by kernels before it. */
export type Kernel = Nest | Contraction | Scan | Scatter;
