/**
 * How threads share a kernel's work: each begins with a part of its own, and takes from others when that is done.
 *
 * A thread's part is the same in all steps, so that its own cache keeps what the part reads and writes. Cores are not
 * equally fast, and a thread may lose its core for a while: then the others do what is left of its part, from the end.
 *
 * What is left of a thread's part is one int64 in the control block: which kernel it is of, in a count of all that were
 * shared since the control block was 0, and the first piece that is left and the one behind the last, 16 bits each. Whoever
 * comes to a kernel first, even another thread, sets it. That loses nothing because a thread looks at the same others'
 * parts at every kernel that is shared, in order, and leaves each only when it is empty or of a later kernel: so who sets
 * it for a kernel has seen that of all before nothing is left.
 *
 * @module
 */
import { threadWord } from "./control.ts";
import type { EncodedFunction } from "./encode.ts";
import { FunctionBuilder } from "./function_builder.ts";
import { atomics, callNumbered, choose, type Code, i32, i64, int, loopWhile } from "./instructions.ts";

/** How many others a thread looks at, the same at every kernel. Each look fetches a cache line from another core. */
const NEIGHBOURS = 3;
/** Pieces of a thread's part: what is lost at the end is half of one. */
const PIECES = 16;
/** Operations that are worth a piece, which takes some 10 ns to get. */
const PIECE_COST = 2000;
/** Kernels of fewer operations are not cut: they are over before a thread that is late could be helped. */
const SHARED_COST = 20_000;
/** More than this the int64 has no room for. */
const MOST_PIECES = 0xffff;

/** How a kernel is cut. */
export interface Pieces {
  /** How many pieces there are. */
  readonly count: number;
  /** Units of work in each but the last. */
  readonly units: number;
}

/** Cuts a kernel into pieces; `undefined` where each thread had better do its own part, and no more. */
export function piecesOf(
  { units, cost }: { readonly units: number; readonly cost: number },
  threads: number,
): Pieces | undefined {
  if (cost < SHARED_COST) return undefined;
  const most = Math.min(units, PIECES * threads, Math.floor(cost / PIECE_COST), MOST_PIECES);
  const size = Math.ceil(units / most);
  return { count: Math.ceil(units / size), units: size };
}

/** Where a thread's part of `count` begins. */
export function partStart(thread: Code, count: Code, running: Code): Code {
  return i32.divU(i32.mul(thread, count), running);
}

/**
 * The function `(kernel, pieces, distance, thread, running) → piece`: takes a piece of a thread's own part, if `distance`
 * is 0, or of the part of the thread that comes so many after it. Gives -1 where nothing is left.
 */
export function takeFunction(control: number): EncodedFunction {
  const f = new FunctionBuilder();
  const kernel = f.parameter("i32");
  const pieces = f.parameter("i32");
  const distance = f.parameter("i32");
  const thread = f.parameter("i32");
  const running = f.parameter("i32");
  const sum = f.let(i32.add(thread, distance));
  const owner = f.let(choose(i32.ltS(sum, running), sum, i32.sub(sum, running)));
  const place = f.let(threadWord(control, "share", owner));
  const [held, left, taken, again] = [f.local("i64"), f.local("i32"), f.local("i32"), f.local("i32")];
  const age = f.local("i32");
  const begin = () => i32.shrU(left, int(16));
  const end = () => i32.and(left, int(0xffff));
  const attempt = f.inBlock(() => {
    f.set(again, int(0));
    f.set(taken, int(-1));
    f.set(held, atomics.loadLong(place));
    f.set(age, i32.sub(i64.upper(held), kernel));
    f.set(left, i64.lower(held));
    // Of a kernel before: nothing is left of that.
    f.when(i32.ltS(age, int(0)), () => {
      const whole = i32.or(
        i32.shl(partStart(owner, pieces, running), int(16)),
        partStart(i32.add(owner, int(1)), pieces, running),
      );
      f.set(left, whole);
      f.set(age, int(0));
    });
    f.when(i32.and(i32.eqz(age), i32.ltS(begin(), end())), () => {
      f.set(taken, choose(i32.eqz(distance), begin(), i32.sub(end(), int(1))));
      const rest = choose(i32.eqz(distance), i32.add(left, int(0x10000)), i32.sub(left, int(1)));
      const before = atomics.exchangeLong(place, held, i64.ofHalves(kernel, rest));
      f.set(again, i64.ne(before, held));
    });
  });
  f.emit(loopWhile(attempt, again));
  return f.finish(taken);
}

/** Takes pieces until none is left. @param run Runs units `begin` to `end - 1`. */
export function sharePieces(
  f: FunctionBuilder,
  { kernel, pieces, units, thread, running, take }: {
    /** Counts kernels that are shared. */
    readonly kernel: Code;
    readonly pieces: Pieces;
    readonly units: number;
    readonly thread: Code;
    readonly running: Code;
    /** The number of the function that takes a piece. */
    readonly take: number;
  },
  run: (begin: Code, end: Code) => void,
): void {
  const [distance, piece] = [f.local("i32"), f.local("i32")];
  const looked = f.let(choose(i32.ltS(running, int(NEIGHBOURS + 1)), running, int(NEIGHBOURS + 1)));
  f.set(distance, int(0));
  const next = f.inBlock(() => {
    f.set(piece, callNumbered(take, "i32", [kernel, int(pieces.count), distance, thread, running]));
    f.when(
      i32.ltS(piece, int(0)),
      () => f.set(distance, i32.add(distance, int(1))),
      () => {
        const begin = f.let(i32.mul(piece, int(pieces.units)));
        const end = f.let(i32.add(begin, int(pieces.units)));
        run(begin, choose(i32.ltS(end, int(units)), end, int(units)));
      },
    );
  });
  f.emit(loopWhile(next, i32.ltS(distance, looked)));
}
