/**
 * WebAssembly instructions as small trees: a value is made of the values that it takes.
 *
 * Source: WebAssembly core specification 3.0, "Instructions" and "Binary format".
 *
 * @module
 */

/** The type of a value on the stack; `void` for what leaves none. */
export type ValueType = "i32" | "i64" | "f32" | "v128" | "void";

/** An instruction with its operands, ready to be written. */
export interface Code {
  /** What it leaves on the stack. */
  readonly type: ValueType;
  /** Computed before it, in order. */
  readonly operands: readonly Code[];
  /** Opcode and immediates. */
  readonly bytes: readonly number[];
  /** Blocks inside, the second one after `else`. */
  readonly bodies?: readonly (readonly Code[])[];
  /** Set where it is the local of this number, read. */
  readonly local?: number;
  /** Set where it is a known int32. */
  readonly constant?: number;
}

/** All bytes, each in an array of its own: most instructions and immediates are one, and need no new array. */
const BYTES: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, byte) => [byte]);

/** An unsigned number, seven bits a byte. */
export function unsigned(value: number): readonly number[] {
  if (value >= 0 && value < 0x80) return BYTES[value]!;
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/** A signed number, seven bits a byte. */
export function signed(value: number): readonly number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  while (true) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}

/** An instruction of one opcode byte. */
function plain(type: ValueType, opcode: number, operands: readonly Code[], immediates?: readonly number[]): Code {
  const bytes = BYTES[opcode]!;
  return { type, operands, bytes: immediates === undefined ? bytes : bytes.concat(immediates) };
}

/** An instruction on vectors. */
function simd(type: ValueType, opcode: number, operands: readonly Code[], immediates?: readonly number[]): Code {
  const bytes = SIMD[opcode] ??= BYTES[0xfd]!.concat(unsigned(opcode));
  return { type, operands, bytes: immediates === undefined ? bytes : bytes.concat(immediates) };
}

/** Opcodes of instructions on vectors, as they are written. */
const SIMD: (readonly number[] | undefined)[] = [];

/** An atomic instruction. */
function atomic(type: ValueType, opcode: number, operands: readonly Code[], immediates: readonly number[]): Code {
  return { type, operands, bytes: BYTES[0xfe]!.concat(unsigned(opcode), immediates) };
}

function memory(alignment: number, offset: number): readonly number[] {
  return BYTES[alignment]!.concat(unsigned(offset));
}

/** A known int32. */
export function int(value: number): Code {
  return { type: "i32", operands: [], bytes: BYTES[0x41]!.concat(signed(value)), constant: value | 0 };
}

/** Reads a local. */
export function localGet(local: number, type: ValueType): Code {
  return { type, operands: [], bytes: BYTES[0x20]!.concat(unsigned(local)), local };
}

/** Writes a local. */
export function localSet(local: number, value: Code): Code {
  return plain("void", 0x21, [value], unsigned(local));
}

/** Calls the function of this number. */
export function callNumbered(index: number, type: ValueType, operands: readonly Code[]): Code {
  return plain(type, 0x10, operands, unsigned(index));
}

/** Writes the two values that a call gives to locals. */
export function setBoth(first: number, second: number, call: Code): Code {
  return plain("void", 0x21, [call], unsigned(second).concat(0x21, unsigned(first)));
}

/** Runs its body at least once, and again as long as `condition` holds. */
export function loopWhile(body: readonly Code[], condition: Code): Code {
  return {
    type: "void",
    operands: [],
    bytes: [0x03, 0x40],
    bodies: [[...body, plain("void", 0x0d, [condition], [0])]],
  };
}

/** Runs one body or the other. */
export function branch(condition: Code, then: readonly Code[], otherwise?: readonly Code[]): Code {
  const bodies = otherwise === undefined || otherwise.length === 0 ? [then] : [then, otherwise];
  return { type: "void", operands: [condition], bytes: [0x04, 0x40], bodies };
}

/** Traps. */
export const TRAP: Code = { type: "void", operands: [], bytes: [0x00] };

/** One of two values. */
export function choose(condition: Code, then: Code, otherwise: Code): Code {
  return then.type === "v128"
    ? plain("v128", 0x1c, [then, otherwise, condition], [1, 0x7b])
    : plain(then.type, 0x1b, [then, otherwise, condition]);
}

/** Drops a value. */
export function drop(value: Code): Code {
  return plain("void", 0x1a, [value]);
}

/** A known vector, from the bits of its lanes. */
export function vectorConstant(lanes: readonly [number, number, number, number]): Code {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  lanes.forEach((lane, i) => view.setInt32(4 * i, lane, true));
  return simd("v128", 0x0c, [], [...bytes]);
}

/** The bits of a float32. */
export function bitsOf(value: number): number {
  return new Int32Array(new Float32Array([value]).buffer)[0]!;
}

type Two = (a: Code, b: Code) => Code;
type One = (a: Code) => Code;

const two = (opcode: number): Two => (a, b) => plain("i32", opcode, [a, b]);

/** Adds int32; known operands are added at once. */
function addInts(a: Code, b: Code): Code {
  if (a.constant !== undefined && b.constant !== undefined) return int(a.constant + b.constant);
  if (a.constant === 0) return b;
  if (b.constant === 0) return a;
  return plain("i32", 0x6a, [a, b]);
}

/** Multiplies int32; by powers of two as shifts. */
function multiplyInts(a: Code, b: Code): Code {
  if (a.constant !== undefined && b.constant === undefined) return multiplyInts(b, a);
  if (b.constant !== undefined) {
    if (a.constant !== undefined) return int(Math.imul(a.constant, b.constant));
    if (b.constant === 1) return a;
    const exponent = Math.log2(b.constant);
    if (Number.isInteger(exponent)) return plain("i32", 0x74, [a, int(exponent)]);
  }
  return plain("i32", 0x6c, [a, b]);
}

/** Instructions on int32. */
export const i32 = {
  add: addInts as Two,
  sub: two(0x6b),
  mul: multiplyInts as Two,
  divS: two(0x6d),
  divU: two(0x6e),
  remS: two(0x6f),
  remU: two(0x70),
  and: two(0x71),
  or: two(0x72),
  xor: two(0x73),
  shl: two(0x74),
  shrS: two(0x75),
  shrU: two(0x76),
  eq: two(0x46),
  ne: two(0x47),
  ltS: two(0x48),
  ltU: two(0x49),
  gtS: two(0x4a),
  leS: two(0x4c),
  geS: two(0x4e),
  eqz: ((a) => plain("i32", 0x45, [a])) as One,
  load: (address: Code, offset = 0): Code => plain("i32", 0x28, [address], memory(2, offset)),
  load8: (address: Code, offset = 0): Code => plain("i32", 0x2d, [address], memory(0, offset)),
  store: (address: Code, value: Code, offset = 0): Code => plain("void", 0x36, [address, value], memory(2, offset)),
};

/** Instructions on int64. */
export const i64 = {
  /** From its upper and lower half. */
  ofHalves: (upper: Code, lower: Code): Code => {
    const widened = (half: Code) => plain("i64", 0xad, [half]);
    return plain("i64", 0x84, [plain("i64", 0x86, [widened(upper), long(32n)]), widened(lower)]);
  },
  upper: (a: Code): Code => plain("i32", 0xa7, [plain("i64", 0x88, [a, long(32n)])]),
  lower: (a: Code): Code => plain("i32", 0xa7, [a]),
  ne: (a: Code, b: Code): Code => plain("i32", 0x52, [a, b]),
};

/** Atomic instructions in shared memory. */
export const atomics = {
  load: (address: Code, offset: number): Code => atomic("i32", 0x10, [address], memory(2, offset)),
  store: (address: Code, value: Code, offset: number): Code =>
    atomic("void", 0x17, [address, value], memory(2, offset)),
  add: (address: Code, value: Code, offset: number): Code => atomic("i32", 0x1e, [address, value], memory(2, offset)),
  /** Reads an int64. */
  loadLong: (address: Code): Code => atomic("i64", 0x11, [address], memory(3, 0)),
  /** Writes an int64 where it is `expected`; gives what was there. */
  exchangeLong: (address: Code, expected: Code, value: Code): Code =>
    atomic("i64", 0x49, [address, expected, value], memory(3, 0)),
  notify: (address: Code, count: Code, offset: number): Code =>
    atomic("i32", 0x00, [address, count], memory(2, offset)),
  /** Sleeps while the number at the address is `expected`, for at most so many nanoseconds. */
  wait: (address: Code, expected: Code, nanoseconds: bigint, offset: number): Code =>
    atomic("i32", 0x01, [address, expected, long(nanoseconds)], memory(2, offset)),
};

function long(value: bigint): Code {
  const bytes: number[] = [];
  let rest = value;
  while (true) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if (rest === 0n && (low & 0x40) === 0) return { type: "i64", operands: [], bytes: [0x42, ...bytes, low] };
    bytes.push(low | 0x80);
  }
}

const vectors = (opcode: number): Two => (a, b) => simd("v128", opcode, [a, b]);
const vector = (opcode: number): One => (a) => simd("v128", opcode, [a]);

/** Instructions on vectors as bits and in memory. */
export const v128 = {
  load: (address: Code, offset = 0): Code => simd("v128", 0x00, [address], memory(2, offset)),
  loadSplat: (address: Code, offset = 0): Code => simd("v128", 0x09, [address], memory(2, offset)),
  /** One lane, the others 0. */
  load1: (address: Code, offset = 0): Code => simd("v128", 0x5c, [address], memory(2, offset)),
  loadLane: (address: Code, value: Code, lane: number, offset = 0): Code =>
    simd("v128", 0x56, [address, value], [...memory(2, offset), lane]),
  store: (address: Code, value: Code, offset = 0): Code => simd("void", 0x0b, [address, value], memory(2, offset)),
  storeLane: (address: Code, value: Code, lane: number, offset = 0): Code =>
    simd("void", 0x5a, [address, value], [...memory(2, offset), lane]),
  /** Lanes 0 and 1, or 2 and 3. */
  storePair: (address: Code, value: Code, pair: 0 | 1, offset = 0): Code =>
    simd("void", 0x5b, [address, value], [...memory(2, offset), pair]),
  not: vector(0x4d),
  and: vectors(0x4e),
  andNot: vectors(0x4f),
  or: vectors(0x50),
  xor: vectors(0x51),
  /** Bits of `then` where the mask has ones, of `otherwise` elsewhere. */
  select: (mask: Code, then: Code, otherwise: Code): Code => simd("v128", 0x52, [then, otherwise, mask]),
  anyTrue: (a: Code): Code => simd("i32", 0x53, [a]),
  /** Lanes of two vectors: 0 to 3 of the first, 4 to 7 of the second. */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code =>
    simd("v128", 0x0d, [a, b], lanes.flatMap((lane) => [4 * lane, 4 * lane + 1, 4 * lane + 2, 4 * lane + 3])),
};

const shift = (opcode: number) => (a: Code, by: number): Code => simd("v128", opcode, [a, int(by)]);
const shiftBy = (opcode: number): Two => (a, by) => simd("v128", opcode, [a, by]);

/** Instructions on four int32. */
export const i32x4 = {
  splat: vector(0x11),
  lane: (a: Code, lane: number): Code => simd("i32", 0x1b, [a], [lane]),
  withLane: (a: Code, value: Code, lane: number): Code => simd("v128", 0x1c, [a, value], [lane]),
  add: vectors(0xae),
  sub: vectors(0xb1),
  mul: vectors(0xb5),
  min: vectors(0xb6),
  max: vectors(0xb8),
  abs: vector(0xa0),
  neg: vector(0xa1),
  shl: shift(0xab),
  shrS: shift(0xac),
  shrU: shift(0xad),
  shlBy: shiftBy(0xab),
  shrSBy: shiftBy(0xac),
  eq: vectors(0x37),
  ne: vectors(0x38),
  ltS: vectors(0x39),
  gtS: vectors(0x3b),
  leS: vectors(0x3d),
  geS: vectors(0x3f),
  /** The lowest four bytes, each widened. */
  ofBytes: (a: Code): Code => simd("v128", 0xa9, [simd("v128", 0x89, [a])]),
  /** Cuts the fraction off; NaN is 0, what does not fit is the nearest that does. */
  ofFloats: vector(0xf8),
  /** The same in one instruction, for numbers that fit; what others and NaN give is not said. */
  relaxedOfFloats: vector(0x101),
};

/** Instructions on four float32. */
export const f32x4 = {
  splat: vector(0x13),
  lane: (a: Code, lane: number): Code => simd("f32", 0x1f, [a], [lane]),
  add: vectors(0xe4),
  sub: vectors(0xe5),
  mul: vectors(0xe6),
  div: vectors(0xe7),
  /** NaN where either is. */
  min: vectors(0xe8),
  /** NaN where either is. */
  max: vectors(0xe9),
  /** `b < a ? b : a`: one machine instruction; keeps a NaN of the first. */
  pmin: vectors(0xea),
  /** `a < b ? b : a`: one machine instruction; keeps a NaN of the first. */
  pmax: vectors(0xeb),
  abs: vector(0xe0),
  neg: vector(0xe1),
  sqrt: vector(0xe3),
  ceil: vector(0x67),
  floor: vector(0x68),
  trunc: vector(0x69),
  nearest: vector(0x6a),
  eq: vectors(0x41),
  ne: vectors(0x42),
  lt: vectors(0x43),
  gt: vectors(0x44),
  le: vectors(0x45),
  ge: vectors(0x46),
  ofInts: vector(0xfa),
  /** `a · b + c`, rounded once on machines that can. */
  relaxedMadd: (a: Code, b: Code, c: Code): Code => simd("v128", 0x105, [a, b, c]),
  /** `c - a · b`, rounded once on machines that can. */
  relaxedNmadd: (a: Code, b: Code, c: Code): Code => simd("v128", 0x106, [a, b, c]),
};

/** Instructions on two float64. */
export const f64x2 = {
  add: vectors(0xf0),
  sub: vectors(0xf1),
  mul: vectors(0xf2),
  div: vectors(0xf3),
  nearest: vector(0x94),
  pmin: vectors(0xf6),
  pmax: vectors(0xf7),
  /** Of the two low lanes. */
  ofFloats: vector(0x5f),
  /** To the two low lanes, the others 0. */
  toFloats: vector(0x5e),
  /** To the two low lanes, the others 0. */
  toInts: vector(0xfc),
  ofInts: vector(0xfe),
};

/** Instructions on two int64. */
export const i64x2 = {
  add: vectors(0xce),
  shl: shift(0xcb),
  /** The two low lanes of int32, widened. */
  ofInts: vector(0xc7),
};

/** Writes an instruction, what it takes first. */
export function write(code: Code, output: number[]): void {
  const { operands, bytes, bodies } = code;
  for (let i = 0; i < operands.length; i++) write(operands[i]!, output);
  for (let i = 0; i < bytes.length; i++) output.push(bytes[i]!);
  if (bodies === undefined) return;
  bodies.forEach((body, i) => {
    if (i > 0) output.push(0x05);
    for (const inner of body) write(inner, output);
  });
  output.push(0x0b);
}
