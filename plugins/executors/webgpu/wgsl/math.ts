/**
 * Functions in WGSL that shaders bring along: WGSL's own lose NaN or too many digits on real drivers.
 *
 * Drivers reorder float32 sums and products where they see constants or the same number twice, but not across integer
 * operations, floor and round. What must be exact here goes through those.
 *
 * Sources of the polynomials: the Cephes library (exp, log, sin, cos, asin, atan), and N. Juffa's published single-precision
 * erf; pow follows the scheme of FreeBSD's e_powf.c: log2 of the base in two numbers.
 *
 * @module
 */

/** Bits of 1 / 2π, 32 a word, after a word of zeros: a float32 of any size needs no more. */
const INVERSE_CIRCLE = [0x28be60db, 0x9391054a, 0x7f09d5f4, 0x7d4d3770, 0x36d8a566, 0x4f10e410];

/**
 * Text for one number or four: F, I, U and B stand for the types of float32, int32, uint32 and truth values, and `$` for
 * the end of the names of functions.
 */
const TEMPLATES: Readonly<Record<string, string>> = {
  isNan: `fn s_isNan$(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }`,
  isInf: `fn s_isInf$(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) == U(0x7f800000u); }`,
  isFinite: `fn s_isFinite$(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) < U(0x7f800000u); }`,
  max: `fn s_max$(a: F, b: F) -> F { return select(select(max(a, b), b, s_isNan$(b)), a, s_isNan$(a)); }`,
  min: `fn s_min$(a: F, b: F) -> F { return select(select(min(a, b), b, s_isNan$(b)), a, s_isNan$(a)); }`,
  sign: `fn s_sign$(x: F) -> F { return select(sign(x), x, s_isNan$(x)); }`,
  // What is not finite must not become 0.
  timesZero: `fn s_timesZero$(x: F) -> F { return select(F(s_nan()), F(0.0), s_isFinite$(x)); }`,
  toInt: `fn s_toInt$(x: F) -> I { return select(I(x), I(0), s_isNan$(x)); }`,
  rsqrt: `fn s_rsqrt$(x: F) -> F { return F(1.0) / sqrt(x); }`,
  high: `fn s_high$(x: F) -> F { return bitcast<F>(bitcast<U>(x) & U(0xfffff000u)); }`,
  // y · 2^n, in two steps because 2^n may be too large or small.
  scale: `fn s_scale$(y: F, n: I) -> F {
  let half = n >> U(1u);
  return y * bitcast<F>((half + I(127)) << U(23u)) * bitcast<F>((n - half + I(127)) << U(23u));
}`,
  // exp(x) - 1 for |x| ≤ log(2) / 2.
  expm1Near: `fn s_expm1Near$(x: F) -> F {
  let z = x * x;
  let p = ((((1.9875691500e-4 * x + 1.3981999507e-3) * x + 8.3334519073e-3) * x + 4.1665795894e-2) * x + 1.6666665459e-1) * x + 5.0000001201e-1;
  return p * z + x;
}`,
  exp: `fn s_exp$(x: F) -> F {
  let y = clamp(x, F(-104.0), F(89.0));
  let n = round(y * 1.44269504);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  return select(s_scale$(s_expm1Near$(r) + 1.0, I(n)), x, s_isNan$(x));
}`,
  expm1: `fn s_expm1$(x: F) -> F {
  let y = clamp(x, F(-20.0), F(89.0));
  let n = round(y * 1.44269504);
  let r = (y - n * 0.693359375) + n * 2.12194440e-4;
  let q = s_expm1Near$(r);
  let half = bitcast<F>((I(n) + I(126)) << U(23u));
  let far = (half * q + (half - 0.5)) * 2.0;
  return select(select(far, q, n == F(0.0)), x, s_isNan$(x));
}`,
  // log(1 + f) - f for 1 + f from √½ to √2.
  logNear: `fn s_logNear$(f: F) -> F {
  let z = f * f;
  var p = ((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1;
  p = (((p * f + 1.4249322787e-1) * f - 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1;
  p = p * f + 3.3333331174e-1;
  return f * z * p - 0.5 * z;
}`,
  log: `fn s_log$(x: F) -> F {
  let tiny = x < F(1.17549435e-38);
  let bits = bitcast<I>(select(x, x * 8388608.0, tiny));
  let exponent = (bits - I(0x3f3504f3)) >> U(23u);
  let f = bitcast<F>(bits - (exponent << U(23u))) - 1.0;
  let e = F(exponent - select(I(0), I(23), tiny));
  let near = f + (s_logNear$(f) - e * 2.12194440e-4);
  let y = select(near + e * 0.693359375, x, s_isNan$(x) | (x == F(s_inf())));
  return select(select(y, F(s_nan()), x < F(0.0)), F(-s_inf()), x == F(0.0));
}`,
  log1p: `fn s_log1p$(x: F) -> F {
  return select(s_log$(1.0 + x), x + s_logNear$(x), (x > F(-0.29)) & (x < F(0.41)));
}`,
  sigmoid: `fn s_sigmoid$(x: F) -> F {
  let t = s_exp$(-abs(x));
  return select(t, F(1.0), x >= F(0.0)) / (1.0 + t);
}`,
  softplus: `fn s_softplus$(x: F) -> F { return max(x, F(0.0)) + s_log1p$(s_exp$(-abs(x))); }`,
  tanh: `fn s_tanh$(x: F) -> F {
  let t = s_expm1$(2.0 * min(abs(x), F(10.0)));
  let y = t / (t + 2.0);
  return select(select(y, -y, x < F(0.0)), x, s_isNan$(x));
}`,
  sinh: `fn s_sinh$(x: F) -> F {
  let t = s_expm1$(min(abs(x), F(20.0)));
  let h = s_exp$(0.5 * abs(x));
  let y = select(0.5 * (t + t / (t + 1.0)), (0.5 * h) * h, abs(x) > F(20.0));
  return select(select(y, -y, x < F(0.0)), x, s_isNan$(x));
}`,
  cosh: `fn s_cosh$(x: F) -> F {
  let h = s_exp$(0.5 * abs(x));
  let t = h * h;
  return select(0.5 * t + 0.5 / t, (0.5 * h) * h, abs(x) > F(20.0));
}`,
  asinh: `fn s_asinh$(x: F) -> F {
  let a = abs(x);
  let b = min(a, F(10000.0));
  let near = s_log1p$(b + b * b / (1.0 + sqrt(b * b + 1.0)));
  let y = select(near, s_log$(a) + 0.693147181, a > F(10000.0));
  return select(select(y, -y, x < F(0.0)), x, s_isNan$(x));
}`,
  acosh: `fn s_acosh$(x: F) -> F {
  let t = min(x, F(10000.0)) - 1.0;
  let near = s_log1p$(t + sqrt(2.0 * t + t * t));
  let y = select(near, s_log$(x) + 0.693147181, x > F(10000.0));
  return select(select(y, F(s_nan()), x < F(1.0)), x, s_isNan$(x));
}`,
  atanh: `fn s_atanh$(x: F) -> F {
  let a = abs(x);
  let y = 0.5 * s_log1p$(2.0 * a / (1.0 - a));
  return select(select(y, -y, x < F(0.0)), x, s_isNan$(x));
}`,
  atan: `fn s_atan$(x: F) -> F {
  let a = abs(x);
  let far = a > F(2.41421356);
  let middle = (a > F(0.41421356)) & !far;
  let t = select(select(a, (a - 1.0) / (a + 1.0), middle), -1.0 / a, far);
  let z = t * t;
  let p = (((8.05374449538e-2 * z - 1.38776856032e-1) * z + 1.99777106478e-1) * z - 3.33329491539e-1) * z * t + t;
  let y = select(select(F(0.0), F(0.785398163), middle), F(1.57079633), far) + p;
  return select(y, -y, x < F(0.0));
}`,
  atan2: `fn s_atan2$(y: F, x: F) -> F {
  let a = abs(x);
  let b = abs(y);
  let most = max(a, b);
  let least = min(a, b);
  let ratio = select(select(least / most, F(1.0), least == F(s_inf())), F(0.0), most == F(0.0));
  var angle = s_atan$(ratio);
  angle = select(angle, 1.57079633 - angle, b > a);
  angle = select(angle, 3.14159265 - angle, bitcast<I>(x) < I(0));
  angle = select(angle, -angle, bitcast<I>(y) < I(0));
  return select(select(angle, y, s_isNan$(y)), x, s_isNan$(x));
}`,
  // asin for 0 ≤ s ≤ ½, with z = s².
  asinNear: `fn s_asinNear$(s: F, z: F) -> F {
  return ((((4.2163199048e-2 * z + 2.4181311049e-2) * z + 4.5470025998e-2) * z + 7.4953002686e-2) * z + 1.6666752422e-1) * z * s + s;
}`,
  asin: `fn s_asin$(x: F) -> F {
  let a = abs(x);
  let far = a > F(0.5);
  let z = select(a * a, 0.5 * (1.0 - a), far);
  let p = s_asinNear$(select(a, sqrt(z), far), z);
  let y = select(p, 1.57079633 - 2.0 * p, far);
  return select(y, -y, x < F(0.0));
}`,
  acos: `fn s_acos$(x: F) -> F {
  let a = abs(x);
  let far = a > F(0.5);
  let z = select(a * a, 0.5 * (1.0 - a), far);
  let p = s_asinNear$(select(a, sqrt(z), far), z);
  let farY = select(2.0 * p, 3.14159265 - 2.0 * p, x < F(0.0));
  return select(1.57079633 - select(p, -p, x < F(0.0)), farY, far);
}`,
  // Sine and cosine of |x| ≤ π / 4.
  sinNear: `fn s_sinNear$(x: F) -> F {
  let z = x * x;
  return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
}`,
  cosNear: `fn s_cosNear$(x: F) -> F {
  let z = x * x;
  return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
}`,
  // Less whole quarters of a circle, π/2 being taken off in three parts. For |x| up to about 10⁴.
  lessQuarters: `fn s_lessQuarters$(x: F, n: F) -> F {
  let a = x - n * 1.5703125;
  let b = a - n * 4.837512969970703e-4;
  return b - n * 7.549789948768648e-8;
}`,
  // What |x| is over whole circles, in 2⁻³² of one, for |x| ≥ 2⁻⁹, by the method of Payne and Hanek (1983): the product of
  // its 24 bits with those of 1 / 2π from where they stop making whole circles.
  circlePart: `fn s_circlePart$(x: F) -> U {
  let bits = bitcast<U>(x) & U(0x7fffffffu);
  let m = (bits & U(0x7fffffu)) | U(0x800000u);
  let start = (bits >> U(23u)) - U(118u);
  let word = start >> U(5u);
  let shift = start & U(31u);
  let a = s_inverseCircle$(word);
  let b = s_inverseCircle$(word + U(1u));
  let c = s_inverseCircle$(word + U(2u));
  let high = (a << shift) | ((b >> U(1u)) >> (U(31u) - shift));
  let low = (b << shift) | ((c >> U(1u)) >> (U(31u) - shift));
  let carried = (m >> U(16u)) * (low >> U(16u)) + (((m & U(0xffffu)) * (low >> U(16u))) >> U(16u));
  return m * high + carried + (((m >> U(16u)) * (low & U(0xffffu))) >> U(16u));
}`,
  inverseCircle: inverseCircleText(),
  // sin(x + quarters · π/2), within 1.5e-7 of float64's for any finite x (measured on 2 million numbers of all sizes).
  turned: `fn s_turned$(x: F, quarters: I) -> F {
  let n = round(x * 0.636619772);
  var r = s_lessQuarters$(x, n);
  var q = s_toInt$(n);
  let far = abs(x) > F(8000.0);
  if (any(far)) {
    let part = s_circlePart$(x);
    let whole = (part + U(0x20000000u)) >> U(30u);
    let rest = F(bitcast<I>(part - (whole << U(30u)))) * 1.46291808e-9;
    r = select(r, select(rest, -rest, x < F(0.0)), far);
    q = select(q, select(I(whole), -I(whole), x < F(0.0)), far);
  }
  q += quarters;
  let y = select(s_sinNear$(r), s_cosNear$(r), (q & I(1)) != I(0));
  return select(F(s_nan()), select(y, -y, (q & I(2)) != I(0)), s_isFinite$(x));
}`,
  sin: `fn s_sin$(x: F) -> F { return s_turned$(x, I(0)); }`,
  cos: `fn s_cos$(x: F) -> F { return s_turned$(x, I(1)); }`,
  tan: `fn s_tan$(x: F) -> F { return s_sin$(x) / s_cos$(x); }`,
  erf: `fn s_erf$(x: F) -> F {
  let t = min(abs(x), F(10.0));
  let s = t * t;
  var far = (-1.72853470e-5 * t + 3.83197126e-4) * s + (-3.88396438e-3 * t + 2.42546219e-2);
  far = ((far * t - 1.06777877e-1) * t - 6.34846687e-1) * t - 1.28717512e-1;
  far = 1.0 - s_exp$(far * t - t);
  var near = ((-5.96761703e-4 * s + 4.99119423e-3) * s - 2.67681349e-2) * s + 1.12819925e-1;
  near = (near * s - 3.76125336e-1) * s + 1.28379166e-1;
  let y = select(near * t + t, far, t > F(0.921875));
  return select(select(y, -y, x < F(0.0)), x, s_isNan$(x));
}`,
  pow: `fn s_pow$(x: F, y: F) -> F {
  let a = abs(x);
  let tiny = a < F(1.17549435e-38);
  let bits = bitcast<I>(select(a, a * 8388608.0, tiny));
  let exponent = (bits - I(0x3f3504f3)) >> U(23u);
  let m = bitcast<F>(bits - (exponent << U(23u)));
  let e = F(exponent - select(I(0), I(23), tiny));
  // log2(m) = 2 / log(2) · (s + s³/3 + …), s = (m - 1) / (m + 1) in two parts.
  let f = m - 1.0;
  let s = f / (m + 1.0);
  let sHigh = s_high$(s);
  let tHigh = s_high$(m + 1.0);
  let tLow = m - (tHigh - 1.0);
  let sLow = ((f - sHigh * tHigh) - sHigh * tLow) / (m + 1.0);
  let z = s * s;
  let tail = ((((0.26230819 * z + 0.320598898) * z + 0.412198583) * z + 0.577078016) * z + 0.961796694) * z * s;
  let low = (tail + sLow * 2.88539008) + sHigh * 6.2445678e-4;
  let high = sHigh * 2.884765625;
  let whole = s_high$(e + (high + low));
  let rest = low - ((whole - e) - high);
  let p = clamp(y, F(-1.0e12), F(1.0e12));
  let pHigh = s_high$(p);
  let product = pHigh * whole;
  let correction = (p - pHigh) * whole + p * rest;
  let total = product + correction;
  let n = round(clamp(total, F(-200.0), F(200.0)));
  let r = select(F(0.0), (product - n) + correction, abs(total) < F(200.0));
  var result = s_scale$(s_expm1Near$(r * 0.693147181) + 1.0, I(n));
  let extreme = select(F(0.0), F(s_inf()), (y > F(0.0)) == (a > F(1.0)));
  result = select(result, extreme, (a == F(0.0)) | (a == F(s_inf())));
  let integer = floor(y) == y;
  let odd = integer & !(floor(y * 0.5) * 2.0 == y);
  let negative = bitcast<I>(x) < I(0);
  result = select(result, -result, negative & odd);
  let lost = (negative & !integer & (a > F(0.0)) & (a < F(s_inf()))) | ((a == F(1.0)) & s_isInf$(y));
  result = select(result, F(s_nan()), lost | s_isNan$(x) | s_isNan$(y));
  return select(result, F(1.0), y == F(0.0));
}`,
  floorMod: `fn s_floorMod$(a: F, b: F) -> F {
  let rest = a % b;
  return select((rest + b) % b, rest, (a < F(0.0)) == (b < F(0.0)));
}`,
  intFloorDiv: `fn s_intFloorDiv$(a: I, b: I) -> I {
  let divisor = select(b, I(1), b == I(0));
  let quotient = a / divisor;
  let down = (quotient * divisor != a) & ((a < I(0)) != (divisor < I(0)));
  return select(quotient - select(I(0), I(1), down), I(0), b == I(0));
}`,
  intFloorMod: `fn s_intFloorMod$(a: I, b: I) -> I { return select(a - b * s_intFloorDiv$(a, b), I(0), b == I(0)); }`,
  // Not constants: WGSL refuses those.
  inf: `var<private> s_infBits: u32 = 0x7f800000u;
fn s_inf() -> f32 { return bitcast<f32>(s_infBits); }`,
  nan: `var<private> s_nanBits: u32 = 0x7fc00000u;
fn s_nan() -> f32 { return bitcast<f32>(s_nanBits); }`,
  threefry: threefryText(),
  uniform: `fn s_uniform(key: vec2<u32>, index: i32) -> f32 {
  let words = s_threefry(key, u32(index) >> 1u, 0u);
  return f32(select(words.x, words.y, (index & 1) != 0) >> 8u) * 5.9604644775390625e-8;
}`,
  // Elements index to index + 3, index being even.
  fourUniforms: `fn s_fourUniforms(key: vec2<u32>, index: i32) -> vec4<f32> {
  let words = vec4<u32>(s_threefry(key, u32(index) >> 1u, 0u), s_threefry(key, (u32(index) >> 1u) + 1u, 0u));
  return vec4<f32>(words >> vec4<u32>(8u)) * 5.9604644775390625e-8;
}`,
  boxMuller: `fn s_boxMuller(words: vec2<u32>) -> vec2<f32> {
  let radius = sqrt(-2.0 * s_log(f32((words.x >> 8u) + 1u) * 5.9604644775390625e-8));
  let turns = f32(words.y >> 8u) * 5.9604644775390625e-8;
  let quarter = floor(turns * 4.0 + 0.5);
  let angle = (turns - quarter * 0.25) * 6.28318531;
  let c = s_cosNear(angle);
  let s = s_sinNear(angle);
  let q = i32(quarter);
  let turned = select(vec2<f32>(c, s), vec2<f32>(-s, c), (q & 1) != 0);
  return radius * select(turned, -turned, (q & 2) != 0);
}`,
  normal: `fn s_normal(key: vec2<u32>, index: i32) -> f32 {
  let pair = s_boxMuller(s_threefry(key, u32(index) >> 1u, 0u));
  return select(pair.x, pair.y, (index & 1) != 0);
}`,
  fourNormals: `fn s_fourNormals(key: vec2<u32>, index: i32) -> vec4<f32> {
  let counter = u32(index) >> 1u;
  return vec4<f32>(s_boxMuller(s_threefry(key, counter, 0u)), s_boxMuller(s_threefry(key, counter + 1u, 0u)));
}`,
  // 40 normals in a row lie beyond ±2 once in 10^53.
  truncatedNormal: `fn s_truncatedNormal(key: vec2<u32>, index: i32) -> f32 {
  var value = 0.0;
  for (var attempt = 0u; attempt < 40u; attempt++) {
    let pair = s_boxMuller(s_threefry(key, u32(index) >> 1u, attempt));
    value = select(pair.x, pair.y, (index & 1) != 0);
    if (abs(value) <= 2.0) { break; }
  }
  return value;
}`,
};

function inverseCircleText(): string {
  const word = INVERSE_CIRCLE.reduce(
    (others, bits, index) => `select(${others}, U(0x${bits.toString(16)}u), word == U(${index + 1}u))`,
    "U(0u)",
  );
  return `fn s_inverseCircle$(word: U) -> U { return ${word}; }`;
}

/** As core/random.ts. */
function threefryText(): string {
  const rotations = [13, 15, 26, 6, 17, 29, 16, 24];
  const lines = [
    "let last = key.x ^ key.y ^ 0x1bd11bdau;",
    "var x = counter0 + key.x;",
    "var y = counter1 + key.y;",
  ];
  const keys = ["key.x", "key.y", "last"];
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      const rotation = rotations[(group & 1) * 4 + round]!;
      lines.push(`x += y; y = ((y << ${rotation}u) | (y >> ${32 - rotation}u)) ^ x;`);
    }
    lines.push(`x += ${keys[(group + 1) % 3]}; y += ${keys[(group + 2) % 3]} + ${group + 1}u;`);
  }
  return `fn s_threefry(key: vec2<u32>, counter0: u32, counter1: u32) -> vec2<u32> {\n  ${
    lines.join("\n  ")
  }\n  return vec2<u32>(x, y);\n}`;
}

const TYPES = {
  1: { F: "f32", I: "i32", U: "u32", B: "bool", $: "" },
  4: { F: "vec4<f32>", I: "vec4<i32>", U: "vec4<u32>", B: "vec4<bool>", $: "4" },
} as const;

/** The functions that a shader needs, each once, in the order in which they were first asked for, needed ones first. */
export class MathLibrary {
  readonly #texts = new Map<string, string>();

  /** The name of a function of one number or four, which is added to the shader. */
  name(name: string, width: 1 | 4 = 1): string {
    const template = TEMPLATES[name];
    if (template === undefined) throw new RangeError(`There is no function "${name}" for shaders: add it to math.ts.`);
    const suffix = template.includes("$") && width === 4 ? "4" : "";
    const key = `s_${name}${suffix}`;
    if (this.#texts.has(key)) return key;
    const types = TYPES[suffix === "4" ? 4 : 1];
    const text = template.replace(/\b[FIUB]\b|\$/g, (letter) => types[letter as keyof typeof types]);
    for (const [, needed, four] of text.matchAll(/\bs_([A-Za-z0-9]+?)(4?)\(/g)) {
      if (needed !== name) this.name(needed!, four ? 4 : 1);
    }
    this.#texts.set(key, text);
    return key;
  }

  /** All of them as text. */
  text(): string {
    return [...this.#texts.values()].join("\n");
  }
}
