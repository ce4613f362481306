import { assertEquals } from "@std/assert";
import { controlBytes } from "../../plugins/executors/wasm/codegen/mod.ts";
import { encodeModule } from "../../plugins/executors/wasm/codegen/encode.ts";
import { FunctionBuilder } from "../../plugins/executors/wasm/codegen/function_builder.ts";
import { i32, int } from "../../plugins/executors/wasm/codegen/instructions.ts";
import { type Pieces, piecesOf, sharePieces, takeFunction } from "../../plugins/executors/wasm/codegen/shares.ts";

const CONTROL = 64;
const THREADS = 3;

interface Shares {
  /** The piece that a thread takes of its own part (`distance` 0) or another's; -1 where there is none. */
  take(kernel: number, pieces: number, distance: number, thread: number, running: number): number;
  /** Takes pieces until none is left. */
  share(kernel: number, thread: number, running: number): void;
  /** How often each unit was done. */
  readonly done: Int32Array;
}

/** Functions on a control block that is 0. @param units Units of work of what `share` shares. */
function shares(pieces: Pieces, units: number): Shares {
  const counts = CONTROL + controlBytes(THREADS);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const f = new FunctionBuilder();
  const [kernel, thread, running] = [f.parameter("i32"), f.parameter("i32"), f.parameter("i32")];
  sharePieces(f, { kernel, pieces, units, thread, running, take: 0 }, (begin, end) => {
    f.loop(begin, end, 1, (unit) => {
      const place = f.let(i32.add(int(counts), i32.mul(unit, int(4))));
      f.emit(i32.store(place, i32.add(i32.load(place), int(1))));
    });
  });
  const bytes = encodeModule({
    memoryPages: { initial: 1, maximum: 1 },
    functions: [takeFunction(CONTROL), f.finish()],
    exports: new Map([["take", 0], ["share", 1]]),
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return {
    ...exports as unknown as Pick<Shares, "take" | "share">,
    done: new Int32Array(memory.buffer, counts, units),
  };
}

Deno.test("takeFunction() gives a thread its own part from the front, and others what is left from the end", () => {
  const { take } = shares({ count: 9, units: 1 }, 9);
  assertEquals([take(1, 9, 0, 1, 3), take(1, 9, 0, 1, 3)], [3, 4]);
  // Thread 0 finds the last piece of thread 1, which then has none.
  assertEquals([take(1, 9, 1, 0, 3), take(1, 9, 0, 1, 3), take(1, 9, 1, 0, 3)], [5, -1, -1]);
});

Deno.test("takeFunction() takes from the part of a thread that has not come yet", () => {
  const { take } = shares({ count: 9, units: 1 }, 9);
  // The thread that comes one after 2 is 0.
  assertEquals([take(1, 9, 1, 2, 3), take(1, 9, 0, 0, 3), take(1, 9, 0, 0, 3), take(1, 9, 0, 0, 3)], [2, 0, 1, -1]);
});

Deno.test("takeFunction() leaves a thread its part of the kernel before", () => {
  const { take } = shares({ count: 6, units: 1 }, 6);
  assertEquals(take(1, 6, 0, 0, 2), 0);
  assertEquals(take(2, 6, 1, 1, 2), -1, "thread 0 still has pieces of kernel 1");
  assertEquals([take(1, 6, 0, 0, 2), take(1, 6, 0, 0, 2), take(1, 6, 0, 0, 2)], [1, 2, -1]);
  assertEquals(take(2, 6, 1, 1, 2), 2);
  assertEquals(take(1, 6, 0, 0, 2), -1, "of kernel 1 nothing is left while others are at kernel 2");
  assertEquals(take(2, 6, 0, 0, 2), 0);
});

Deno.test("takeFunction() goes on where the count of kernels wraps", () => {
  const { take } = shares({ count: 4, units: 1 }, 4);
  assertEquals([take(0x7fffffff, 4, 0, 0, 2), take(0x7fffffff, 4, 0, 0, 2), take(0x7fffffff, 4, 0, 0, 2)], [0, 1, -1]);
  assertEquals(take(-0x80000000, 4, 0, 0, 2), 0);
});

Deno.test("sharePieces() does each unit once, whichever thread comes, kernel after kernel", () => {
  for (const units of [1, 2, 7, 48, 100]) {
    const pieces = piecesOf({ units, cost: 1e6 }, THREADS)!;
    const { share, done } = shares(pieces, units);
    for (let kernel = 1; kernel <= 5; kernel++) {
      const threads = [[0], [1, 0], [2], [0, 1, 2], [2, 0, 1]][kernel - 1]!;
      for (const thread of threads) share(kernel, thread, THREADS);
      assertEquals([...done], Array(units).fill(kernel), `${units} units, threads ${threads}`);
    }
  }
});

Deno.test("piecesOf() cuts what takes long, into no more pieces than there are units", () => {
  assertEquals(piecesOf({ units: 64, cost: 10_000 }, 2), undefined);
  assertEquals(piecesOf({ units: 64, cost: 1e6 }, 2), { count: 32, units: 2 });
  assertEquals(piecesOf({ units: 5, cost: 1e6 }, 2), { count: 5, units: 1 });
  assertEquals(piecesOf({ units: 1e6, cost: 1e9 }, 256), { count: 4082, units: 245 });
});
