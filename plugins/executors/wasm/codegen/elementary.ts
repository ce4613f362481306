/**
 * Elementary functions of four float32, and of the random bits that numbers are drawn from.
 *
 * Polynomials of exp, log, sin, cos, tanh, atan and asin have the coefficients of Moshier's Cephes library (single precision);
 * those of erf were fitted for this file: relative error 1.3e-9 below 1, 7e-8 of erfc above.
 *
 * @module
 */
import type { UnaryOperation } from "../../../compiler/ir/types.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { bitsOf, type Code, f32x4, f64x2, i32x4, i64x2, v128 } from "./instructions.ts";

/** Functions that are computed here. */
export type ElementaryFunction = Extract<
  UnaryOperation,
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
  | "sigmoid"
  | "softplus"
>;

const LN2 = Math.LN2;
/** ln 2 in two parts: products of the first with small integers are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.12194440e-4;
/** Where exp is 2⁻¹²⁶, and where it is more than float32 can hold. */
const LN_SMALLEST = -87.33654475;
const LN_LARGEST = 88.72283905;

/** Writes elementary functions into one function. NaN and infinity give what `Math` gives; errors are a few ulp. */
export class Elementary {
  readonly #f: FunctionBuilder;
  readonly #madd: (a: Code, b: Code, c: Code) => Code;
  readonly #nmadd: (a: Code, b: Code, c: Code) => Code;
  /** As int32, of numbers that are known to fit. */
  readonly #truncate: (x: Code) => Code;

  /** @param relaxed Whether products and sums may be rounded once. */
  constructor(f: FunctionBuilder, relaxed: boolean) {
    this.#f = f;
    this.#madd = relaxed ? f32x4.relaxedMadd : (a, b, c) => f32x4.add(f32x4.mul(a, b), c);
    this.#nmadd = relaxed ? f32x4.relaxedNmadd : (a, b, c) => f32x4.sub(c, f32x4.mul(a, b));
    this.#truncate = relaxed ? i32x4.relaxedOfFloats : i32x4.ofFloats;
  }

  /** A float32 in all lanes. */
  float(value: number): Code {
    const bits = bitsOf(value);
    return this.#f.constant([bits, bits, bits, bits]);
  }

  /** An int32 in all lanes. */
  int(value: number): Code {
    return this.#f.constant([value, value, value, value]);
  }

  /** `a · b + c` */
  madd(a: Code, b: Code, c: Code): Code {
    return this.#madd(a, b, c);
  }

  /** `c - a · b` */
  nmadd(a: Code, b: Code, c: Code): Code {
    return this.#nmadd(a, b, c);
  }

  /**
   * The number, or 0 where it is denormal: averages of gradients that have become 0 stay denormal for ever, and reckoning with
   * them takes four times as long (bench/LOG.md). There is no such mode in WebAssembly.
   */
  normal(given: Code): Code {
    const x = this.#let(given);
    return this.#let(v128.andNot(x, i32x4.eq(v128.and(x, this.int(0x7f800000)), this.int(0))));
  }

  /** The square, or 0 where that would be denormal. */
  normalSquare(given: Code): Code {
    const x = this.#let(given);
    const small = i32x4.ltS(v128.and(x, this.int(0x7fffffff)), this.int(bitsOf(2 ** -63)));
    const root = this.#let(v128.andNot(x, small));
    return this.#let(f32x4.mul(root, root));
  }

  /** The function of this name. */
  unary(name: ElementaryFunction, given: Code): Code {
    const x = this.#f.let(given);
    return this.#f.let(this.#functions[name](x));
  }

  readonly #functions: Readonly<Record<ElementaryFunction, (x: Code) => Code>> = {
    exp: (x) => this.#exp(x),
    expm1: (x) => this.#expm1(x),
    log: (x) => this.#log(x),
    log1p: (x) => this.#log1p(x),
    sin: (x) => this.#sinOrCos(x, 0),
    cos: (x) => this.#sinOrCos(x, 1),
    tan: (x) => f32x4.div(this.#sinOrCos(x, 0), this.#sinOrCos(x, 1)),
    asin: (x) => this.#asin(x),
    acos: (x) => this.#acos(x),
    atan: (x) => this.#atan(x),
    sinh: (x) => this.#sinh(x),
    cosh: (x) => this.#cosh(x),
    tanh: (x) => this.#tanh(x),
    asinh: (x) => this.#asinh(x),
    acosh: (x) => this.#acosh(x),
    atanh: (x) => {
      const a = this.#let(f32x4.abs(x));
      const twice = f32x4.div(f32x4.add(a, a), f32x4.sub(this.float(1), a));
      return this.#withSign(f32x4.mul(this.float(0.5), this.#log1p(this.#let(twice))), x);
    },
    erf: (x) => this.#erf(x),
    sigmoid: (x) => f32x4.div(this.float(1), f32x4.add(this.float(1), this.#exp(this.#let(f32x4.neg(x))))),
    softplus: (x) => {
      const rest = this.#log1p(this.#let(this.#exp(this.#let(f32x4.neg(f32x4.abs(x))))));
      return f32x4.add(f32x4.pmax(x, this.float(0)), rest);
    },
  };

  #let(code: Code): Code {
    return this.#f.let(code);
  }

  /** `c[0] + x · (c[1] + …)` */
  #polynomial(x: Code, coefficients: readonly number[]): Code {
    let sum = this.float(coefficients.at(-1)!);
    for (let i = coefficients.length - 2; i >= 0; i--) sum = this.#madd(sum, x, this.float(coefficients[i]!));
    return sum;
  }

  #withSign(magnitude: Code, sign: Code): Code {
    return v128.select(this.int(0x7fffffff), magnitude, sign);
  }

  /** `n` and `r` of `x = n ln 2 + r`. */
  #reduceExponent(x: Code): { n: Code; r: Code } {
    const whole = this.#let(f32x4.nearest(f32x4.mul(x, this.float(1 / LN2))));
    const rest = this.#madd(whole, this.float(-LN2_HIGH), x);
    return { n: this.#let(this.#truncate(whole)), r: this.#let(this.#madd(whole, this.float(-LN2_LOW), rest)) };
  }

  /** `exp(r) - 1` for |r| up to ln 2 / 2. */
  #expm1OfRest(r: Code): Code {
    const series = this.#polynomial(r, [
      5.0000001201e-1,
      1.6666665459e-1,
      4.1665795894e-2,
      8.3334519073e-3,
      1.3981999507e-3,
      1.9875691500e-4,
    ]);
    return this.#madd(f32x4.mul(r, r), series, r);
  }

  /** `2 ** n` for -127 < n < 128. */
  #powerOfTwo(n: Code): Code {
    return i32x4.shl(i32x4.add(n, this.int(127)), 23);
  }

  /** Results below 2⁻¹²⁶ are 0: reckoning with denormals takes three times as long, and masks in softmax ask for it all the time. */
  #exp(x: Code): Code {
    const inside = this.#let(f32x4.pmax(f32x4.pmin(x, this.float(89)), this.float(-88)));
    const power = this.#let(this.#expBetween(inside));
    const finite = v128.select(f32x4.gt(x, this.float(LN_LARGEST)), this.float(Infinity), power);
    return v128.andNot(finite, f32x4.lt(x, this.float(LN_SMALLEST)));
  }

  /** exp of numbers whose result is a normal number: the exponent is added to the bits. */
  #expBetween(x: Code): Code {
    const { n, r } = this.#reduceExponent(x);
    return i32x4.add(f32x4.add(this.#expm1OfRest(r), this.float(1)), i32x4.shl(n, 23));
  }

  #expm1(x: Code): Code {
    const inside = this.#let(f32x4.pmax(f32x4.pmin(x, this.float(90)), this.float(-20)));
    const { n, r } = this.#reduceExponent(inside);
    const half = this.#let(i32x4.shrS(n, 1));
    const scale = this.#let(this.#powerOfTwo(half));
    const rest = this.#let(this.#powerOfTwo(i32x4.sub(n, half)));
    // (2ⁿ (1 + p) - 1) as 2ⁿ p + (2ⁿ - 1), with 2ⁿ = scale · rest; beyond 2⁶⁰ the 1 is nothing.
    const p = this.#let(this.#expm1OfRest(r));
    const power = this.#let(f32x4.mul(scale, rest));
    const near = this.#madd(power, p, f32x4.sub(power, this.float(1)));
    const far = f32x4.mul(f32x4.mul(f32x4.add(p, this.float(1)), scale), rest);
    const result = v128.select(f32x4.gt(x, this.float(40)), far, near);
    // The sign of zero, and NaN.
    return v128.select(f32x4.eq(x, this.float(0)), x, result);
  }

  #log(x: Code): Code {
    const tiny = this.#let(f32x4.lt(x, this.float(1.1754943508222875e-38)));
    const normal = this.#let(v128.select(tiny, f32x4.mul(x, this.float(2 ** 23)), x));
    // A mantissa from sqrt(1/2) to sqrt(2): the exponent counts from the bits of sqrt(1/2).
    const offset = this.#let(i32x4.sub(normal, this.int(bitsOf(Math.SQRT1_2))));
    const exponent = i32x4.sub(i32x4.shrS(offset, 23), v128.and(tiny, this.int(23)));
    const mantissa = i32x4.add(v128.and(offset, this.int(0x007fffff)), this.int(bitsOf(Math.SQRT1_2)));
    const e = this.#let(f32x4.ofInts(exponent));
    const m = this.#let(f32x4.sub(mantissa, this.float(1)));
    const square = this.#let(f32x4.mul(m, m));
    const series = this.#polynomial(m, [
      3.3333331174e-1,
      -2.4999993993e-1,
      2.0000714765e-1,
      -1.6668057665e-1,
      1.4249322787e-1,
      -1.2420140846e-1,
      1.1676998740e-1,
      -1.1514610310e-1,
      7.0376836292e-2,
    ]);
    const curve = this.#madd(e, this.float(LN2_LOW), f32x4.mul(f32x4.mul(series, square), m));
    const low = this.#madd(this.float(-0.5), square, curve);
    const result = this.#madd(e, this.float(LN2_HIGH), f32x4.add(m, low));
    // Infinity and NaN stay; below 0 is NaN, 0 is -infinity.
    const finite = f32x4.lt(x, this.float(Infinity));
    const kept = v128.select(finite, result, x);
    const negative = v128.or(kept, f32x4.lt(x, this.float(0)));
    return v128.select(f32x4.eq(x, this.float(0)), this.float(-Infinity), negative);
  }

  #log1p(x: Code): Code {
    const sum = this.#let(f32x4.add(this.float(1), x));
    const lost = f32x4.sub(x, f32x4.sub(sum, this.float(1)));
    const log = this.#let(this.#log(sum));
    const corrected = f32x4.add(log, f32x4.div(lost, sum));
    const plain = v128.or(f32x4.le(x, this.float(-1)), f32x4.ge(x, this.float(1e10)));
    return v128.select(f32x4.eq(x, this.float(0)), x, v128.select(plain, log, corrected));
  }

  /** `m / (m + 2)`, with `m = exp(2 |x|) - 1`, which is exact near 0 too. */
  #tanh(x: Code): Code {
    const a = this.#let(f32x4.pmin(f32x4.abs(x), this.float(10)));
    const { n, r } = this.#reduceExponent(this.#let(f32x4.add(a, a)));
    const power = this.#let(this.#powerOfTwo(n));
    const m = this.#let(this.#madd(power, this.#expm1OfRest(r), f32x4.sub(power, this.float(1))));
    return this.#withSign(f32x4.div(m, f32x4.add(m, this.float(2))), x);
  }

  #sinh(x: Code): Code {
    const a = this.#let(f32x4.abs(x));
    const t = this.#let(this.#expm1(a));
    const near = f32x4.mul(this.float(0.5), f32x4.add(t, f32x4.div(t, f32x4.add(t, this.float(1)))));
    const half = this.#let(this.#exp(this.#let(f32x4.mul(a, this.float(0.5)))));
    const far = f32x4.mul(f32x4.mul(half, this.float(0.5)), half);
    return this.#withSign(v128.select(f32x4.gt(a, this.float(20)), far, near), x);
  }

  #cosh(x: Code): Code {
    const half = this.#let(this.#exp(this.#let(f32x4.mul(f32x4.abs(x), this.float(0.5)))));
    const power = this.#let(f32x4.mul(half, half));
    const near = f32x4.mul(this.float(0.5), f32x4.add(power, f32x4.div(this.float(1), power)));
    const far = f32x4.mul(f32x4.mul(half, this.float(0.5)), half);
    const e = this.#let(this.#exp(this.#let(f32x4.abs(x))));
    const exact = f32x4.mul(this.float(0.5), f32x4.add(e, f32x4.div(this.float(1), e)));
    return v128.select(f32x4.lt(power, this.float(1e18)), v128.select(f32x4.lt(e, this.float(1e18)), exact, near), far);
  }

  #asinh(x: Code): Code {
    const a = this.#let(f32x4.abs(x));
    const square = this.#let(f32x4.mul(a, a));
    const root = f32x4.sqrt(f32x4.add(square, this.float(1)));
    const near = this.#log1p(this.#let(f32x4.add(a, f32x4.div(square, f32x4.add(this.float(1), root)))));
    const far = f32x4.add(this.#log(a), this.float(LN2));
    return this.#withSign(v128.select(f32x4.gt(a, this.float(1e9)), far, near), x);
  }

  #acosh(x: Code): Code {
    const above = this.#let(f32x4.sub(x, this.float(1)));
    const root = f32x4.sqrt(f32x4.mul(above, f32x4.add(x, this.float(1))));
    const near = this.#log1p(this.#let(f32x4.add(above, root)));
    const far = f32x4.add(this.#log(x), this.float(LN2));
    return v128.select(f32x4.gt(x, this.float(1e9)), far, near);
  }

  /** sin or cos of `r` in [-π/4, π/4] and a number of quarter turns. */
  #ofQuarter(r: Code, quarters: Code): Code {
    const square = this.#let(f32x4.mul(r, r));
    const sine = this.#madd(
      f32x4.mul(this.#polynomial(square, [-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4]), square),
      r,
      r,
    );
    const series = this.#polynomial(square, [4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5]);
    const cosine = this.#madd(
      f32x4.mul(series, square),
      square,
      this.#madd(square, this.float(-0.5), this.float(1)),
    );
    const odd = i32x4.ne(v128.and(quarters, this.int(1)), this.int(0));
    const sign = i32x4.shl(v128.and(quarters, this.int(2)), 30);
    return v128.xor(v128.select(odd, cosine, sine), sign);
  }

  /** The cosine of a 2⁻²⁴th of a turn times `t` (0 to 2²⁴ - 1), or where `odd` has ones the sine. */
  ofTurn(t: Code, odd: Code): Code {
    // To the nearest quarter: what is left is exact.
    const quarters = this.#let(i32x4.shrS(i32x4.add(t, this.int(1 << 21)), 22));
    const rest = f32x4.ofInts(i32x4.sub(t, i32x4.shl(quarters, 22)));
    const r = this.#let(f32x4.mul(rest, this.float(2 * Math.PI * 2 ** -24)));
    const turned = i32x4.add(quarters, v128.andNot(this.int(1), odd));
    return this.#let(this.#ofQuarter(r, this.#let(turned)));
  }

  /** Reduced in float64: exact enough for arguments up to about 1e9. */
  #sinOrCos(x: Code, quarter: 0 | 1): Code {
    const halves = [x, this.#let(v128.shuffle(x, x, [2, 3, 2, 3]))].map((two) => {
      const wide = this.#let(f64x2.ofFloats(two));
      const turns = this.#let(f64x2.nearest(f64x2.mul(wide, this.#double(2 / Math.PI))));
      const rest = f64x2.sub(wide, f64x2.mul(turns, this.#double(1.5707963267341256)));
      const r = f64x2.sub(rest, f64x2.mul(turns, this.#double(6.077100506506192e-11)));
      return { r: this.#let(f64x2.toFloats(r)), turns: this.#let(f64x2.toInts(turns)) };
    });
    const [low, high] = halves as [typeof halves[0], typeof halves[0]];
    // Huge arguments have no meaningful rest: at least their sines are bounded.
    const rest = v128.shuffle(low.r, high.r, [0, 1, 4, 5]);
    const r = this.#let(f32x4.pmin(f32x4.pmax(rest, this.float(-1)), this.float(1)));
    const turns = v128.shuffle(low.turns, high.turns, [0, 1, 4, 5]);
    return this.#let(this.#ofQuarter(r, this.#let(i32x4.add(turns, this.int(quarter)))));
  }

  #double(value: number): Code {
    const bits = new Int32Array(new Float64Array([value]).buffer);
    return this.#f.constant([bits[0]!, bits[1]!, bits[0]!, bits[1]!]);
  }

  #atan(x: Code): Code {
    const a = this.#let(f32x4.abs(x));
    const large = this.#let(f32x4.gt(a, this.float(2.414213562373095)));
    const middle = this.#let(v128.andNot(f32x4.gt(a, this.float(0.4142135623730950)), large));
    const inverse = f32x4.div(this.float(-1), a);
    const turned = f32x4.div(f32x4.sub(a, this.float(1)), f32x4.add(a, this.float(1)));
    const t = this.#let(v128.select(large, inverse, v128.select(middle, turned, a)));
    const start = v128.or(v128.and(large, this.float(Math.PI / 2)), v128.and(middle, this.float(Math.PI / 4)));
    const square = this.#let(f32x4.mul(t, t));
    const series = this.#polynomial(square, [-3.33329491539e-1, 1.99777106478e-1, -1.38776856032e-1, 8.05374449538e-2]);
    return this.#withSign(f32x4.add(start, this.#madd(f32x4.mul(series, square), t, t)), x);
  }

  /** asin of 0 to 0.5, from its square too. */
  #asinNear(a: Code, square: Code): Code {
    const series = this.#polynomial(square, [
      1.6666752422e-1,
      7.4953002686e-2,
      4.5470025998e-2,
      2.4181311049e-2,
      4.2163199048e-2,
    ]);
    return this.#madd(f32x4.mul(series, square), a, a);
  }

  /** asin of |x| for up to 0.5, else of sqrt((1 - |x|) / 2). */
  #asinParts(x: Code): { far: Code; part: Code } {
    const a = this.#let(f32x4.abs(x));
    const far = this.#let(f32x4.gt(a, this.float(0.5)));
    const rest = this.#let(f32x4.mul(this.float(0.5), f32x4.sub(this.float(1), a)));
    const square = this.#let(v128.select(far, rest, f32x4.mul(a, a)));
    const root = this.#let(v128.select(far, f32x4.sqrt(rest), a));
    return { far, part: this.#let(this.#asinNear(root, square)) };
  }

  #asin(x: Code): Code {
    const { far, part } = this.#asinParts(x);
    const complement = f32x4.sub(this.float(Math.PI / 2), f32x4.add(part, part));
    return this.#withSign(v128.select(far, complement, part), x);
  }

  #acos(x: Code): Code {
    const { far, part } = this.#asinParts(x);
    const twice = this.#let(f32x4.add(part, part));
    const beyond = v128.select(f32x4.lt(x, this.float(0)), f32x4.sub(this.float(Math.PI), twice), twice);
    return v128.select(far, beyond, f32x4.sub(this.float(Math.PI / 2), this.#withSign(part, x)));
  }

  #erf(x: Code): Code {
    const a = this.#let(f32x4.abs(x));
    const square = this.#let(f32x4.mul(a, a));
    const near = f32x4.mul(
      a,
      this.#polynomial(square, [
        1.1283791670,
        -3.76126258e-1,
        1.12835851e-1,
        -2.68538119e-2,
        5.18832765e-3,
        -8.01019333e-4,
        7.85386038e-5,
      ]),
    );
    const bounded = this.#let(f32x4.pmin(a, this.float(4)));
    const t = this.#let(f32x4.div(this.float(1), bounded));
    const series = this.#polynomial(t, [
      2.53099108e-4,
      5.59315728e-1,
      4.01602295e-2,
      -4.64669157e-1,
      4.80944107e-1,
      -2.19075889e-1,
      4.03249098e-3,
      3.79972000e-2,
      -1.13742603e-2,
    ]);
    const power = this.#exp(this.#let(f32x4.neg(f32x4.mul(bounded, bounded))));
    const far = f32x4.sub(this.float(1), f32x4.mul(series, power));
    return this.#withSign(v128.select(f32x4.gt(a, this.float(1)), far, near), x);
  }

  /** `atan2(y, x)` */
  atan2(y: Code, x: Code): Code {
    const [up, across] = [this.#let(f32x4.abs(y)), this.#let(f32x4.abs(x))];
    const steep = this.#let(f32x4.gt(up, across));
    const small = v128.select(steep, across, up);
    const large = this.#let(v128.select(steep, up, across));
    const both = v128.and(f32x4.eq(up, this.float(Infinity)), f32x4.eq(across, this.float(Infinity)));
    const ratio = v128.select(both, this.float(1), f32x4.div(small, large));
    // 0 / 0 is the angle 0, but NaN / 0 is NaN.
    const quotient = this.#let(v128.select(f32x4.eq(large, this.float(0)), this.float(0), ratio));
    const angle = this.#let(this.#atan(quotient));
    const first = this.#let(v128.select(steep, f32x4.sub(this.float(Math.PI / 2), angle), angle));
    const left = i32x4.ltS(x, this.int(0));
    const result = this.#let(v128.select(left, f32x4.sub(this.float(Math.PI), first), first));
    return v128.or(this.#withSign(result, y), v128.or(f32x4.ne(x, x), f32x4.ne(y, y)));
  }

  /** `base ** exponent`, as `Math.pow`: through float64, so that large exponents lose nothing. */
  pow(base: Code, exponent: Code): Code {
    const a = this.#let(f32x4.abs(base));
    const halves = ([[0, 1], [2, 3]] as const).map(([i, j]) => {
      const pick = (x: Code) => this.#let(v128.shuffle(x, x, [i, j, i, j]));
      return this.#powOfTwo(pick(a), pick(exponent));
    });
    const magnitude = this.#let(v128.shuffle(halves[0]!, halves[1]!, [0, 1, 4, 5]));
    const whole = this.#let(f32x4.eq(f32x4.trunc(exponent), exponent));
    const half = this.#let(f32x4.mul(exponent, this.float(0.5)));
    const odd = this.#let(v128.andNot(whole, f32x4.eq(f32x4.trunc(half), half)));
    const signed = v128.xor(magnitude, v128.and(v128.and(odd, base), this.int(-0x80000000)));
    const finiteNegative = v128.and(f32x4.lt(base, this.float(0)), f32x4.ne(a, this.float(Infinity)));
    const undefinedPower = v128.andNot(finiteNegative, whole);
    const one = f32x4.eq(a, this.float(1));
    const endless = f32x4.eq(f32x4.abs(exponent), this.float(Infinity));
    const nan = v128.or(
      v128.or(v128.and(one, endless), v128.andNot(undefinedPower, endless)),
      v128.or(f32x4.ne(base, base), f32x4.ne(exponent, exponent)),
    );
    const result = v128.or(signed, nan);
    return this.#let(v128.select(f32x4.eq(exponent, this.float(0)), this.float(1), result));
  }

  /** Two powers of numbers that are not negative: `exp(exponent · log(base))`, in the two low lanes. */
  #powOfTwo(base: Code, exponent: Code): Code {
    const special = this.#let(v128.or(f32x4.eq(base, this.float(0)), f32x4.eq(base, this.float(Infinity))));
    // Denormals are scaled: their exponent is not where others have it.
    const tiny = this.#let(f32x4.lt(base, this.float(1.1754943508222875e-38)));
    const normal = this.#let(v128.select(tiny, f32x4.mul(base, this.float(2 ** 23)), base));
    const offset = this.#let(i32x4.sub(normal, this.int(bitsOf(Math.SQRT1_2))));
    const e = i32x4.sub(i32x4.shrS(offset, 23), v128.and(tiny, this.int(23)));
    const mantissa = i32x4.add(v128.and(offset, this.int(0x007fffff)), this.int(bitsOf(Math.SQRT1_2)));
    const m = this.#let(f64x2.ofFloats(mantissa));
    const s = this.#let(f64x2.div(f64x2.sub(m, this.#double(1)), f64x2.add(m, this.#double(1))));
    const square = this.#let(f64x2.mul(s, s));
    let series = this.#double(2 / 17);
    for (let k = 15; k >= 1; k -= 2) series = f64x2.add(f64x2.mul(series, square), this.#double(2 / k));
    const log = f64x2.add(f64x2.mul(series, s), f64x2.mul(f64x2.ofInts(e), this.#double(LN2)));
    const zero = this.#widen(f32x4.eq(base, this.float(0)));
    const endless = v128.select(zero, this.#double(-Infinity), this.#double(Infinity));
    const logarithm = v128.select(this.#widen(special), endless, log);
    const product = f64x2.mul(f64x2.ofFloats(exponent), logarithm);
    const inside = this.#let(f64x2.pmax(f64x2.pmin(product, this.#double(110)), this.#double(-110)));
    const turns = this.#let(f64x2.nearest(f64x2.mul(inside, this.#double(1 / LN2))));
    const r = this.#let(f64x2.sub(inside, f64x2.mul(turns, this.#double(LN2))));
    let power = this.#double(1 / 3628800);
    for (let k = 9, factorial = 362880; k >= 0; k--) {
      power = f64x2.add(f64x2.mul(power, r), this.#double(1 / factorial));
      factorial /= Math.max(k, 1);
    }
    const bias = this.#f.constant([1023, 0, 1023, 0]);
    const scale = i64x2.shl(i64x2.add(i64x2.ofInts(f64x2.toInts(turns)), bias), 52);
    return this.#let(f64x2.toFloats(f64x2.mul(power, scale)));
  }

  /** A mask of the two low lanes, for float64. */
  #widen(mask: Code): Code {
    const given = this.#let(mask);
    return v128.shuffle(given, given, [0, 0, 1, 1]);
  }
}
