import { assertEquals } from "@std/assert";
import { Worker } from "node:worker_threads";
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

Deno.test("takeFunction() gives nothing of a kernel when others are at a later one", () => {
  const { take } = shares({ count: 2, units: 1 }, 2);
  assertEquals([take(1, 2, 0, 0, 2), take(1, 2, 1, 0, 2)], [0, 1]);
  // Thread 0 goes on for thread 1, which has not come to kernel 1.
  assertEquals([take(2, 2, 0, 0, 2), take(2, 2, 1, 0, 2)], [0, 1]);
  assertEquals([take(1, 2, 0, 1, 2), take(2, 2, 0, 1, 2)], [-1, -1]);
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

Deno.test("sharePieces() does each unit once where threads run at the same time", async () => {
  const [count, kernels, started, counts] = [3000, 1000, 4, 1024];
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const f = new FunctionBuilder();
  const [kernel, thread] = [f.parameter("i32"), f.parameter("i32")];
  const shared = { kernel, pieces: { count, units: 1 }, units: count, thread, running: int(2), take: 0 };
  // Each thread has counts of its own.
  sharePieces(f, shared, (unit) => {
    const place = f.let(i32.add(int(counts), i32.mul(i32.add(i32.mul(thread, int(count)), unit), int(4))));
    f.emit(i32.store(place, i32.add(i32.load(place), int(1))));
  });
  const bytes = encodeModule({
    memoryPages: { initial: 1, maximum: 1 },
    functions: [takeFunction(CONTROL), f.finish()],
    exports: new Map([["share", 1]]),
  });
  const source = `
    const { memory, bytes, thread } = require("node:worker_threads").workerData;
    const { share } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } }).exports;
    const words = new Int32Array(memory.buffer);
    for (Atomics.add(words, ${started}, 1); Atomics.load(words, ${started}) < 2;);
    for (let kernel = 1; kernel <= ${kernels}; kernel++) share(kernel, thread);`;
  const ends = [0, 1].map((thread) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const worker = new Worker(source, { eval: true, workerData: { memory, bytes, thread } });
    worker.once("exit", () => resolve());
    worker.once("error", reject);
    return promise;
  });
  await Promise.all(ends);
  const [first, second] = [0, 1].map((thread) => new Int32Array(memory.buffer, counts + 4 * thread * count, count));
  const wrong = Array.from({ length: count }, (_, unit) => unit).filter((u) => first![u]! + second![u]! !== kernels);
  assertEquals(wrong, []);
});

Deno.test("piecesOf() cuts what takes long, into no more pieces than there are units", () => {
  assertEquals(piecesOf({ units: 64, cost: 10_000 }, 2), undefined);
  assertEquals(piecesOf({ units: 64, cost: 1e6 }, 2), { count: 32, units: 2 });
  assertEquals(piecesOf({ units: 5, cost: 1e6 }, 2), { count: 5, units: 1 });
  assertEquals(piecesOf({ units: 1e6, cost: 1e9 }, 256), { count: 4082, units: 245 });
});
