/**
 * Making expressions: equal ones are the same object, what is known is folded, and index arithmetic is kept simple.
 *
 * @module
 */
import { addTerms, constantOf, scaleTerms, type Terms, termsOf } from "./affine_terms.ts";
import { foldBinary, foldUnary } from "./fold.ts";
import { ExpressionPool } from "./pool.ts";
import type {
  AffineExpression,
  Axis,
  BinaryOperation,
  Buffer,
  Expression,
  RandomExpression,
  ScalarType,
  UnaryOperation,
} from "./types.ts";

const COMPARISONS: ReadonlySet<BinaryOperation> = new Set(["eq", "ne", "lt", "le", "gt", "ge"]);
const COMMUTATIVE: ReadonlySet<BinaryOperation> = new Set(["add", "mul", "eq", "ne", "and", "or", "xor"]);

/** Smallest and largest value that an int32 expression can have. */
export type Bounds = readonly [number, number];

/**
 * Makes expressions. Expressions of two pools must not meet in one kernel.
 *
 * float32 arithmetic is never reordered, and nothing is dropped that NaN or infinity would change: `x * 0` and `x - x` stay.
 */
export class Expressions {
  readonly #pool = new ExpressionPool();
  readonly #bounds = new Map<Expression, Bounds | null>();
  readonly #axes = new Map<Axis, Expression>();
  #axisIds = 0;
  #bufferIds = 0;
  #results = 0;

  /** A new loop variable; the number 0 where it takes one value only. */
  axis(size: number): Expression {
    return size === 1 ? this.int(0) : this.axisExpression({ id: this.#axisIds++, size });
  }

  /** The value of a loop variable. */
  axisExpression(axis: Axis): Expression {
    let known = this.#axes.get(axis);
    if (known === undefined) {
      known = this.#pool.intern({ kind: "axis", type: "i32", axis });
      this.#axes.set(axis, known);
    }
    return known;
  }

  /** A buffer of this pool's plan. */
  buffer(type: Buffer["type"], size: number, role: Buffer["role"]): Buffer {
    return { id: this.#bufferIds++, type, size, role };
  }

  /** A number for a new result. */
  newResult(): number {
    return this.#results++;
  }

  /** A known number, rounded to its type. */
  number(value: number, type: ScalarType): Expression {
    const rounded = type === "f32" ? Math.fround(value) : type === "i32" ? value | 0 : value ? 1 : 0;
    return this.#pool.intern({ kind: "number", type, value: rounded });
  }

  /** A known int32. */
  int(value: number): Expression {
    return this.number(value, "i32");
  }

  /** A known float32. */
  float(value: number): Expression {
    return this.number(value, "f32");
  }

  /** An element of a buffer; 0 of one that has none, which only sums of nothing and what no condition takes ask for. */
  load(buffer: Buffer, index: Expression, type: ScalarType = buffer.type === "u8" ? "i32" : buffer.type): Expression {
    if (buffer.size === 0) return this.number(0, type);
    return this.#pool.intern({ kind: "load", type, buffer, index });
  }

  /** A number of the step table. */
  column(column: string): Expression {
    return this.#pool.intern({ kind: "column", type: "f32", column });
  }

  /** What a reduction, product or scan gave. */
  result(result: number, type: ScalarType): Expression {
    return this.#pool.intern({ kind: "result", type, result });
  }

  /** A random number. */
  random(distribution: RandomExpression["distribution"], stream: number, index: Expression): Expression {
    return this.#pool.intern({ kind: "random", type: "f32", distribution, stream, index });
  }

  /** A function of one number. */
  unary(operation: UnaryOperation, x: Expression): Expression {
    if (x.type === "i32" && operation === "neg") return this.#scale(x, -1);
    const type = operation === "isNan" || operation === "isInf" || operation === "isFinite" ? "bool" : x.type;
    if (x.kind === "number") {
      const folded = foldUnary(operation, x.value, x.type);
      if (folded !== undefined) return this.number(folded, type);
    }
    const undone = operation === "neg" || operation === "not" && x.type === "bool";
    if (undone && x.kind === "unary" && x.operation === operation) return x.x;
    return this.#pool.intern({ kind: "unary", type, operation, x });
  }

  /** A function of two numbers of one type. */
  binary(operation: BinaryOperation, a: Expression, b: Expression): Expression {
    if (a.type !== b.type) {
      throw new TypeError(`Cannot compute "${operation}" of ${a.type} and ${b.type}: cast one of them first.`);
    }
    if (a.type === "i32") {
      if (operation === "add") return this.#sum(a, b, 1);
      if (operation === "sub") return this.#sum(a, b, -1);
      if (operation === "mul" && b.kind === "number") return this.#scale(a, b.value);
      if (operation === "mul" && a.kind === "number") return this.#scale(b, a.value);
      if (operation === "floorDiv" && b.kind === "number") return this.floorDiv(a, b.value);
      if (operation === "floorMod" && b.kind === "number") return this.floorMod(a, b.value);
    }
    const type = COMPARISONS.has(operation) ? "bool" : a.type;
    if (a.kind === "number" && b.kind === "number") {
      const folded = foldBinary(operation, a.value, b.value, a.type);
      if (folded !== undefined) return this.number(folded, type);
    }
    const simpler = this.#simplify(operation, a, b);
    if (simpler !== undefined) return simpler;
    if (COMMUTATIVE.has(operation) && a.id > b.id) [a, b] = [b, a];
    return this.#pool.intern({ kind: "binary", type, operation, a, b });
  }

  /** `a + b` */
  add(a: Expression, b: Expression | number): Expression {
    return this.binary("add", a, this.#lift(b, a));
  }

  /** `a - b` */
  sub(a: Expression, b: Expression | number): Expression {
    return this.binary("sub", a, this.#lift(b, a));
  }

  /** `a * b` */
  mul(a: Expression, b: Expression | number): Expression {
    return this.binary("mul", a, this.#lift(b, a));
  }

  /** `a / b` of float32. */
  div(a: Expression, b: Expression | number): Expression {
    return this.binary("div", a, this.#lift(b, a));
  }

  /** Truth values: both. */
  and(a: Expression, b: Expression): Expression {
    return this.binary("and", a, b);
  }

  /** A comparison. */
  compare(operation: "eq" | "ne" | "lt" | "le" | "gt" | "ge", a: Expression, b: Expression | number): Expression {
    return this.binary(operation, a, this.#lift(b, a));
  }

  /** An int32 divided by a known one, rounded down; 0 where it is 0. */
  floorDiv(a: Expression, divisor: number): Expression {
    if (divisor === 1) return a;
    if (divisor <= 0) {
      const b = this.int(divisor);
      const folded = a.kind === "number" ? foldBinary("floorDiv", a.value, divisor, "i32") : undefined;
      return folded === undefined
        ? this.#pool.intern({ kind: "binary", type: "i32", operation: "floorDiv", a, b })
        : this.int(folded);
    }
    if (a.kind === "number") return this.int(Math.floor(a.value / divisor));
    const { multiple, rest } = this.#split(a, divisor);
    const bounds = this.bounds(rest);
    if (bounds) {
      const low = Math.floor(bounds[0] / divisor);
      if (low === Math.floor(bounds[1] / divisor)) return this.add(multiple, low);
    }
    // (x / m) / n is x / (m n), rounded down both ways.
    if (rest === a && a.kind === "binary" && a.operation === "floorDiv" && a.b.kind === "number" && a.b.value > 0) {
      if (a.b.value * divisor <= 0x7fffffff) return this.floorDiv(a.a, a.b.value * divisor);
    }
    const coarse = this.#coarsen(rest, divisor);
    if (coarse !== undefined) return this.add(multiple, this.floorDiv(coarse.multiple, divisor / coarse.unit));
    const quotient = this.#pool.intern({
      kind: "binary",
      type: "i32",
      operation: "floorDiv",
      a: rest,
      b: this.int(divisor),
    });
    return this.add(multiple, quotient);
  }

  /** The remainder of `floorDiv`. */
  floorMod(a: Expression, divisor: number): Expression {
    if (divisor === 1) return this.int(0);
    if (divisor <= 0 || !this.#exact(a)) {
      const b = this.int(divisor);
      const folded = a.kind === "number" ? foldBinary("floorMod", a.value, divisor, "i32") : undefined;
      return folded === undefined
        ? this.#pool.intern({ kind: "binary", type: "i32", operation: "floorMod", a, b })
        : this.int(folded);
    }
    if (a.kind === "number") return this.int(a.value - divisor * Math.floor(a.value / divisor));
    const { rest } = this.#split(a, divisor);
    const bounds = this.bounds(rest);
    if (bounds) {
      const low = Math.floor(bounds[0] / divisor);
      if (low === Math.floor(bounds[1] / divisor)) return this.sub(rest, low * divisor);
    }
    if (rest.kind === "binary" && rest.operation === "floorMod" && rest.b.kind === "number") {
      if (rest.b.value > 0 && rest.b.value % divisor === 0) return this.floorMod(rest.a, divisor);
    }
    const coarse = this.#coarsen(rest, divisor);
    if (coarse !== undefined) {
      const high = this.floorMod(coarse.multiple, divisor / coarse.unit);
      return this.add(this.mul(high, coarse.unit), coarse.rest);
    }
    return this.#pool.intern({ kind: "binary", type: "i32", operation: "floorMod", a: rest, b: this.int(divisor) });
  }

  /** One of two values. */
  select(condition: Expression, then: Expression, otherwise: Expression): Expression {
    if (condition.kind === "number") return condition.value ? then : otherwise;
    if (then === otherwise) return then;
    return this.#pool.intern({ kind: "select", type: then.type, condition, then, otherwise });
  }

  /** A value in another type. */
  cast(x: Expression, type: ScalarType): Expression {
    if (x.type === type) return x;
    if (x.kind === "number") {
      const value = type === "i32" ? toInt32(x.value) : type === "bool" ? Number(x.value !== 0) : x.value;
      return this.number(value, type);
    }
    if (x.type === "bool") return this.select(x, this.number(1, type), this.number(0, type));
    return this.#pool.intern({ kind: "cast", type, x });
  }

  /** Places as one number, row-major. */
  flatten(index: readonly Expression[], shape: readonly number[]): Expression {
    let flat: Expression = this.int(0);
    index.forEach((place, axis) => flat = this.add(this.mul(flat, shape[axis]!), place));
    return flat;
  }

  /** A number as places, row-major. It must be known to lie inside. */
  unflatten(flat: Expression, shape: readonly number[]): Expression[] {
    const index: Expression[] = [];
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const size = shape[axis]!;
      if (axis === 0) index.unshift(size === 1 ? this.int(0) : rest);
      else {
        index.unshift(this.floorMod(rest, size));
        rest = this.floorDiv(rest, size);
      }
    }
    return index;
  }

  /** The smallest and largest value of an int32 expression; `null` where the data tell. */
  bounds(x: Expression): Bounds | null {
    let bounds = this.#bounds.get(x);
    if (bounds === undefined) {
      bounds = this.#findBounds(x);
      this.#bounds.set(x, bounds);
    }
    return bounds;
  }

  /** The expression with others in place of some of its parts, simplified anew. @param replace Answers with what stands for a part, or nothing. */
  rewrite(
    x: Expression,
    replace: (part: Expression) => Expression | undefined,
    done: Map<Expression, Expression> = new Map(),
  ): Expression {
    const known = done.get(x);
    if (known !== undefined) return known;
    const go = (part: Expression) => this.rewrite(part, replace, done);
    const replaced = replace(x) ?? this.#rebuild(x, go);
    done.set(x, replaced);
    return replaced;
  }

  /** The expression with its parts replaced; itself where none is. */
  #rebuild(x: Expression, go: (part: Expression) => Expression): Expression {
    switch (x.kind) {
      case "number":
      case "axis":
      case "column":
      case "result":
        return x;
      case "affine": {
        const atoms = x.terms.map(({ atom }) => go(atom));
        if (atoms.every((atom, i) => atom === x.terms[i]!.atom)) return x;
        let terms: Terms = [];
        let { constant } = x;
        atoms.forEach((atom, i) => {
          const { factor } = x.terms[i]!;
          terms = addTerms(terms, termsOf(atom), factor);
          constant = (constant + Math.imul(constantOf(atom), factor)) | 0;
        });
        return this.#affine(terms, constant);
      }
      case "load": {
        const index = go(x.index);
        return index === x.index ? x : this.load(x.buffer, index, x.type);
      }
      case "unary": {
        const inner = go(x.x);
        return inner === x.x ? x : this.unary(x.operation, inner);
      }
      case "binary": {
        const [a, b] = [go(x.a), go(x.b)];
        return a === x.a && b === x.b ? x : this.binary(x.operation, a, b);
      }
      case "select": {
        const [condition, then, otherwise] = [go(x.condition), go(x.then), go(x.otherwise)];
        const same = condition === x.condition && then === x.then && otherwise === x.otherwise;
        return same ? x : this.select(condition, then, otherwise);
      }
      case "cast": {
        const inner = go(x.x);
        return inner === x.x ? x : this.cast(inner, x.type);
      }
      case "random": {
        const index = go(x.index);
        return index === x.index ? x : this.random(x.distribution, x.stream, index);
      }
      default:
        return x satisfies never;
    }
  }

  #lift(value: Expression | number, like: Expression): Expression {
    return typeof value === "number" ? this.number(value, like.type) : value;
  }

  /** What leaves every number as it is, NaN and the sign of zero included. */
  #simplify(operation: BinaryOperation, a: Expression, b: Expression): Expression | undefined {
    if (a.type === "bool") {
      const [known, other] = a.kind === "number" ? [a, b] : [b, a];
      if (known.kind === "number") {
        if (operation === "and") return known.value ? other : known;
        if (operation === "or") return known.value ? known : other;
      }
      return a === b && (operation === "and" || operation === "or") ? a : undefined;
    }
    if (a.type === "i32") {
      if (a === b && (operation === "max" || operation === "min")) return a;
      return this.#compareBounds(operation, a, b);
    }
    const one = (x: Expression) => x.kind === "number" && x.value === 1;
    if (operation === "mul") {
      if (one(a)) return b;
      if (one(b)) return a;
      if (b.kind === "number" && b.value === -1) return this.unary("neg", a);
      if (a.kind === "number" && a.value === -1) return this.unary("neg", b);
    }
    if (operation === "div" && b.kind === "number") {
      if (b.value === 1) return a;
      // The reciprocal of a power of two is exact.
      const exponent = Math.log2(Math.abs(b.value));
      if (Number.isInteger(exponent) && Math.abs(exponent) < 126) return this.mul(a, 1 / b.value);
    }
    if (operation === "sub" && b.kind === "number" && Object.is(b.value, 0)) return a;
    if (operation === "add") {
      if (a.kind === "number" && Object.is(a.value, -0)) return b;
      if (b.kind === "number" && Object.is(b.value, -0)) return a;
    }
    return undefined;
  }

  /** Comparisons of places that the bounds decide. */
  #compareBounds(operation: BinaryOperation, a: Expression, b: Expression): Expression | undefined {
    const x = this.bounds(a);
    const y = this.bounds(b);
    if (x === null || y === null) return undefined;
    const truth = (value: boolean) => this.number(Number(value), "bool");
    if (operation === "lt") return x[1] < y[0] ? truth(true) : x[0] >= y[1] ? truth(false) : undefined;
    if (operation === "le") return x[1] <= y[0] ? truth(true) : x[0] > y[1] ? truth(false) : undefined;
    if (operation === "gt") return x[0] > y[1] ? truth(true) : x[1] <= y[0] ? truth(false) : undefined;
    if (operation === "ge") return x[0] >= y[1] ? truth(true) : x[1] < y[0] ? truth(false) : undefined;
    if (operation === "eq" && (x[1] < y[0] || x[0] > y[1])) return truth(false);
    if (operation === "max") return x[0] >= y[1] ? a : x[1] <= y[0] ? b : undefined;
    if (operation === "min") return x[1] <= y[0] ? a : x[0] >= y[1] ? b : undefined;
    return undefined;
  }

  /** `a + by · b` */
  #sum(a: Expression, b: Expression, by: number): Expression {
    return this.#affine(
      addTerms(termsOf(a), termsOf(b), by),
      (constantOf(a) + Math.imul(constantOf(b), by)) | 0,
    );
  }

  /** A sum with `n · floorDiv(x, n) + floorMod(x, n)`, whatever both are multiplied by, which is x; `undefined` for others. */
  #rejoin(terms: Terms, constant: number): Expression | undefined {
    for (const { atom, factor } of terms) {
      if (atom.kind !== "binary" || atom.operation !== "floorMod" || atom.b.kind !== "number") continue;
      const size = atom.b.value;
      for (const { atom: other, factor: by } of terms) {
        if (by !== Math.imul(factor, size) || other.kind !== "binary" || other.operation !== "floorDiv") continue;
        if (other.b.kind !== "number" || !dividesAlike(atom.a, size, other.a, other.b.value)) continue;
        const rest = terms.filter((term) => term.atom !== atom && term.atom !== other);
        return this.#sum(this.#affine(rest, constant), atom.a, factor);
      }
    }
    return undefined;
  }

  #scale(a: Expression, factor: number): Expression {
    if (factor === 1) return a;
    return this.#affine(scaleTerms(termsOf(a), factor), Math.imul(constantOf(a), factor));
  }

  #affine(terms: Terms, constant: number): Expression {
    if (terms.length === 0) return this.int(constant);
    if (terms.length === 1 && terms[0]!.factor === 1 && constant === 0) return terms[0]!.atom;
    return this.#rejoin(terms, constant) ?? this.#pool.intern({ kind: "affine", type: "i32", terms, constant });
  }

  /** `a` as `divisor · multiple + rest`; `multiple` is 0 where one could overflow. */
  #split(a: Expression, divisor: number): { multiple: Expression; rest: Expression } {
    const whole = { multiple: this.int(0), rest: a };
    if (a.kind !== "affine" || !this.#exact(a)) return whole;
    const multiple = a.terms.filter(({ factor }) => factor % divisor === 0)
      .map(({ atom, factor }) => ({ atom, factor: factor / divisor }));
    const rest = a.terms.filter(({ factor }) => factor % divisor !== 0);
    const constant = Math.floor(a.constant / divisor);
    const remainder = this.#affine(rest, a.constant - constant * divisor);
    // The remainder may overflow where the number that it is of does not.
    return this.#exact(remainder) ? { multiple: this.#affine(multiple, constant), rest: remainder } : whole;
  }

  /** `a` as `unit · multiple + rest`, the rest within a unit and the divisor a multiple of it; the largest such unit. */
  #coarsen(a: Expression, divisor: number): { unit: number; multiple: Expression; rest: Expression } | undefined {
    if (a.kind !== "affine" || !this.#exact(a)) return undefined;
    const units = new Set(a.terms.map(({ factor }) => greatestCommonDivisor(Math.abs(factor), divisor)));
    for (const unit of [...units].sort((x, y) => y - x)) {
      if (unit === 1 || unit === divisor) continue;
      const { multiple, rest } = this.#split(a, unit);
      const bounds = this.bounds(rest);
      if (bounds !== null && bounds[0] >= 0 && bounds[1] < unit) return { unit, multiple, rest };
    }
    return undefined;
  }

  /** Whether an expression cannot overflow: only then may a division be split. */
  #exact(a: Expression): boolean {
    return this.bounds(a) !== null;
  }

  #findBounds(x: Expression): Bounds | null {
    switch (x.kind) {
      case "number":
        return [x.value, x.value];
      case "axis":
        return [0, x.axis.size - 1];
      case "affine":
        return this.#affineBounds(x);
      case "select": {
        if (x.type !== "i32") return null;
        const a = this.bounds(x.then);
        const b = this.bounds(x.otherwise);
        return a && b && [Math.min(a[0], b[0]), Math.max(a[1], b[1])];
      }
      case "binary": {
        if (x.type !== "i32") return null;
        const a = this.bounds(x.a);
        const b = this.bounds(x.b);
        if (x.operation === "floorMod" && x.b.kind === "number" && x.b.value > 0) return [0, x.b.value - 1];
        // One known side of a clamp bounds it only from that side.
        if (!a || !b) return null;
        if (x.operation === "max") return [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
        if (x.operation === "min") return [Math.min(a[0], b[0]), Math.min(a[1], b[1])];
        if (x.operation === "floorDiv" && x.b.kind === "number" && x.b.value > 0) {
          return [Math.floor(a[0] / x.b.value), Math.floor(a[1] / x.b.value)];
        }
        return null;
      }
      default:
        return null;
    }
  }

  #affineBounds({ terms, constant }: AffineExpression): Bounds | null {
    let low = constant;
    let high = constant;
    for (const { atom, factor } of terms) {
      const bounds = this.bounds(atom);
      if (bounds === null) return null;
      low += factor * bounds[factor > 0 ? 0 : 1];
      high += factor * bounds[factor > 0 ? 1 : 0];
    }
    return low < -0x80000000 || high > 0x7fffffff ? null : [low, high];
  }
}

/** As a cast of float32 to int32 does: the fraction is cut off, what does not fit wraps, NaN is 0. */
function toInt32(value: number): number {
  return Math.trunc(value) | 0;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Whether x / n and y / m are the same by form: x may be a quotient itself, and both have become one division. */
function dividesAlike(x: Expression, n: number, y: Expression, m: number): boolean {
  if (x === y) return n === m;
  return x.kind === "binary" && x.operation === "floorDiv" && x.b.kind === "number" && x.a === y && x.b.value * n === m;
}
