/**
 * Waiting for other threads: one store, and a look at a cache line of each other one.
 *
 * @module
 */
import { SLEEPERS, threadWord } from "./control.ts";
import type { EncodedFunction } from "./encode.ts";
import { FunctionBuilder } from "./function_builder.ts";
import { atomics, branch, type Code, drop, i32, int, loopWhile, TRAP } from "./instructions.ts";

/** Sleeping after so many looks costs nothing where threads are alone, and little where they are not. */
const SPINS = 50_000;
const SECOND = 1_000_000_000n;

/**
 * The function that a thread calls, with its number and how many there are, to wait until all have called it as often.
 *
 * @param threads The most that there are.
 */
export function barrierFunction(
  control: number,
  threads: number,
  park: (place: Code, count: Code) => Code,
): EncodedFunction {
  const f = new FunctionBuilder();
  const thread = f.parameter("i32");
  const running = f.parameter("i32");
  const own = f.let(threadWord(control, "arrived", thread));
  const count = f.let(i32.add(atomics.load(own, 0), int(1)));
  f.emit(atomics.store(own, count, 0));
  f.when(atomics.load(own, SLEEPERS), () => f.emit(drop(atomics.notify(own, int(-1), 0))));
  for (let other = 0; other < threads; other++) {
    const place = threadWord(control, "arrived", int(other));
    const behind = () => i32.ltS(i32.sub(atomics.load(place, 0), count), int(0));
    f.when(i32.and(i32.ne(thread, int(other)), i32.gtS(running, int(other))), () => {
      const spins = f.local("i32");
      f.set(spins, int(SPINS));
      const look = f.inBlock(() => f.set(spins, i32.sub(spins, int(1))));
      f.emit(loopWhile(look, i32.and(behind(), i32.ne(spins, int(0)))));
      f.when(behind(), () => f.emit(park(place, count)));
    });
  }
  return f.finish();
}

/** How many barriers a thread has come to. */
export function barriersOf(control: number, thread: Code): Code {
  return atomics.load(threadWord(control, "arrived", thread), 0);
}

/** The function that sleeps until the number at a place has reached a count. */
export function parkFunction(control: number): EncodedFunction {
  const f = new FunctionBuilder();
  const place = f.parameter("i32");
  const count = f.parameter("i32");
  const seen = f.local("i32");
  const behind = () => i32.ltS(i32.sub(seen, count), int(0));
  const sleep = f.inBlock(() => {
    f.emit(branch(atomics.load(int(control), 0), [TRAP]));
    // Whoever comes to the barrier after this wakes us; who came before is seen.
    f.emit(drop(atomics.add(place, int(1), SLEEPERS)));
    f.set(seen, atomics.load(place, 0));
    f.when(behind(), () => f.emit(drop(atomics.wait(place, seen, SECOND, 0))));
    f.emit(drop(atomics.add(place, int(-1), SLEEPERS)));
    f.set(seen, atomics.load(place, 0));
  });
  f.emit(loopWhile(sleep, behind()));
  return f.finish();
}
