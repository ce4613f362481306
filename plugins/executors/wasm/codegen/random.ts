/**
 * Random numbers of four elements at once, the same bits as core/random.ts has.
 *
 * @module
 */
import type { RandomExpression } from "../../../compiler/ir/types.ts";
import { Elementary } from "./elementary.ts";
import type { EncodedFunction } from "./encode.ts";
import { FunctionBuilder } from "./function_builder.ts";
import { branch, type Code, f32x4, i32, i32x4, int, loopWhile, v128 } from "./instructions.ts";

const ROTATIONS: readonly number[] = [13, 15, 26, 6, 17, 29, 16, 24];

/** What a function of random numbers draws. */
export interface Draw {
  /** How numbers are distributed. */
  readonly distribution: RandomExpression["distribution"];
  /** Whether eight neighbours are drawn at once, which takes half the work: each counter gives two numbers. */
  readonly eight: boolean;
}

/** Whether a distribution's numbers can be drawn eight at once. */
export function canDrawEight(distribution: RandomExpression["distribution"]): boolean {
  return distribution !== "truncatedNormal";
}

/**
 * The function that draws. One number at each of four places: from places (four int32) and the address of the stream's
 * key. Eight at once: from the counters of the first, which is even, and of three after it, and the address.
 *
 * Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */
export function randomFunction({ distribution, eight }: Draw, relaxed: boolean): EncodedFunction {
  const f = new FunctionBuilder();
  const places = f.parameter("v128");
  const address = f.parameter("i32");
  const e = new Elementary(f, relaxed);
  const [k0, k1] = [f.let(v128.loadSplat(address)), f.let(v128.loadSplat(address, 4))];
  const keys = [k0, k1, f.let(v128.xor(v128.xor(k0, k1), e.int(0x1bd11bda)))] as const;
  const counter = eight ? places : f.let(i32x4.shrS(places, 1));
  const words = (attempt: Code) => threefry(f, e, { counter, attempt, keys });
  const unit = (word: Code) => f32x4.mul(f32x4.ofInts(word), e.float(2 ** -24));
  const bits = (word: Code) => i32x4.shrU(word, 8);
  /** Box and Muller's pairs, the angle as a part of a turn. */
  const pair = (attempt: Code) => {
    const [a, b] = words(attempt);
    const log = e.unary("log", unit(i32x4.add(bits(a), e.int(1))));
    return { radius: f.let(f32x4.sqrt(f32x4.mul(e.float(-2), log))), turn: f.let(bits(b)) };
  };
  if (eight) {
    if (distribution === "uniform") return f.finish(...zip(f, ...words(e.int(0)).map((word) => unit(bits(word)))));
    const { radius, turn } = pair(e.int(0));
    const both = [e.int(0), e.int(-1)].map((odd) => f32x4.mul(radius, e.ofTurn(turn, odd)));
    return f.finish(...zip(f, ...both));
  }
  const odd = f.let(i32x4.ne(v128.and(places, e.int(1)), e.int(0)));
  if (distribution === "uniform") {
    const [a, b] = words(e.int(0));
    return f.finish(unit(bits(v128.select(odd, b, a))));
  }
  const normal = (attempt: Code) => {
    const { radius, turn } = pair(attempt);
    return f32x4.mul(radius, e.ofTurn(turn, odd));
  };
  if (distribution === "normal") return f.finish(normal(e.int(0)));
  const [value, attempt, beyond] = [f.local("v128"), f.local("v128"), f.local("v128")];
  const look = () => f.set(beyond, f32x4.gt(f32x4.abs(value), e.float(2)));
  f.set(value, normal(e.int(0)));
  f.set(attempt, e.int(1));
  look();
  const redraw = f.inBlock(() => {
    f.set(value, v128.select(beyond, normal(attempt), value));
    f.set(attempt, i32x4.add(attempt, e.int(1)));
    look();
  });
  f.emit(branch(v128.anyTrue(beyond), [loopWhile(redraw, v128.anyTrue(beyond))]));
  return f.finish(value);
}

/** Numbers of even and of odd places, in order. */
function zip(f: FunctionBuilder, ...given: readonly Code[]): [Code, Code] {
  const [even, odd] = given.map((each) => f.let(each)) as [Code, Code];
  return [v128.shuffle(even, odd, [0, 4, 1, 5]), v128.shuffle(even, odd, [2, 6, 3, 7])];
}

interface Counter {
  readonly counter: Code;
  readonly attempt: Code;
  readonly keys: readonly [Code, Code, Code];
}

/** Threefry-2x32 with 20 rounds, of four counters at once. */
function threefry(f: FunctionBuilder, e: Elementary, { counter, attempt, keys }: Counter): [Code, Code] {
  let x0 = f.let(i32x4.add(counter, keys[0]));
  let x1 = f.let(i32x4.add(attempt, keys[1]));
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      const rotation = ROTATIONS[(group & 1) * 4 + round]!;
      x0 = f.let(i32x4.add(x0, x1));
      x1 = f.let(v128.xor(v128.or(i32x4.shl(x1, rotation), i32x4.shrU(x1, 32 - rotation)), x0));
    }
    x0 = f.let(i32x4.add(x0, keys[(group + 1) % 3]!));
    x1 = f.let(i32x4.add(i32x4.add(x1, keys[(group + 2) % 3]!), e.int(group + 1)));
  }
  return [x0, x1];
}

/** The address of a stream's key, from that of the step's keys. */
export function keyAddress(keys: Code, stream: number): Code {
  return i32.add(keys, int(stream * 8));
}
