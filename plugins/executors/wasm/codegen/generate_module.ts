/**
 * A plan as a module whose threads run whole steps without coming back to JavaScript.
 *
 * @module
 */
import { bytesOf, hasPartPerStep } from "../../../compiler/ir/buffers.ts";
import type { Plan } from "../../../compiler/ir/plan.ts";
import { reads, writes } from "../../../compiler/ir/shape.ts";
import { structureOf } from "../../../compiler/ir/structure.ts";
import type { Buffer, Kernel } from "../../../compiler/ir/types.ts";
import type { ModuleLayout, ModuleOptions } from "../layout.ts";
import { barrierFunction, barriersOf, parkFunction } from "./barrier.ts";
import { type EncodedFunction, encodeModule } from "./encode.ts";
import { FunctionBuilder } from "./function_builder.ts";
import { callNumbered, choose, type Code, i32, int } from "./instructions.ts";
import { type KernelFunction, kernelFunction } from "./kernel_function.ts";
import { type Draw, randomFunction } from "./random.ts";
import { partStart, piecesOf, sharePieces, takeFunction } from "./shares.ts";

/** Kernels of fewer operations run on one thread: others would hardly have begun when it is done. */
const ALONE_COST = 8000;
/** Operations after which a function is called anew, so that its optimized code takes over within a long kernel. */
const CALL_COST = 200_000;

/** A kernel at its place in the step. */
interface Call {
  readonly kernel: Kernel;
  readonly buffers: readonly Buffer[];
  readonly index: number;
  readonly units: number;
  readonly cost: number;
  /** Whether only the first thread runs it. */
  readonly alone: boolean;
}

/**
 * Makes a module from a plan.
 *
 * It imports the shared memory as `env.memory` and exports `run(firstStep: i32, steps: i32, thread: i32, threads: i32)`,
 * which all threads call at the same time. Results do not depend on how many there are.
 *
 * @param plan As `prepare` gives it; kernels of others run too, but slowly.
 * @throws {RangeError} If a buffer lies less than 16 bytes from an end of the memory.
 * @throws {TypeError} If an operation is not known for its type.
 */
export function generateModule(plan: Plan, layout: ModuleLayout, options: ModuleOptions): Uint8Array<ArrayBuffer> {
  return new ModuleGenerator(plan, layout, options).module();
}

class ModuleGenerator {
  readonly #plan: Plan;
  readonly #layout: ModuleLayout;
  readonly #options: ModuleOptions;
  readonly #functions: EncodedFunction[] = [];
  readonly #random = new Map<string, number>();

  constructor(plan: Plan, layout: ModuleLayout, options: ModuleOptions) {
    this.#plan = plan;
    this.#layout = layout;
    this.#options = options;
  }

  module(): Uint8Array<ArrayBuffer> {
    const calls = this.#calls();
    const step = this.#add(this.#stepFunction(calls));
    const run = this.#add(runFunction(step));
    return encodeModule({
      memoryPages: this.#layout.memoryPages,
      functions: this.#functions,
      exports: new Map([["run", run]]),
    });
  }

  #add(encoded: EncodedFunction): number {
    return this.#functions.push(encoded) - 1;
  }

  #calls(): Call[] {
    const known = new Map<string, KernelFunction & { readonly index: number }>();
    return this.#plan.kernels.map((kernel) => {
      const { key, buffers } = structureOf(kernel);
      buffers.forEach((buffer) => this.#check(buffer));
      let found = known.get(key);
      if (found === undefined) {
        const written = kernelFunction(kernel, buffers, {
          relaxed: this.#options.relaxed,
          expressions: this.#plan.expressions,
          columns: this.#plan.columns,
          random: (draw) => this.#randomFunction(draw),
        });
        known.set(key, found = { ...written, index: this.#add(written.encoded) });
      }
      const { index, units, cost } = found;
      return { kernel, buffers, index, units, cost, alone: units === 1 || cost < ALONE_COST };
    });
  }

  #randomFunction(draw: Draw): number {
    const key = `${draw.distribution} ${draw.eight}`;
    let index = this.#random.get(key);
    if (index === undefined) {
      index = this.#add(randomFunction(draw, this.#options.relaxed));
      this.#random.set(key, index);
    }
    return index;
  }

  /** Vectors that lie partly outside of a buffer are read as a whole. */
  #check(buffer: Buffer): void {
    const start = this.#layout.address(buffer);
    const { initial } = this.#layout.memoryPages;
    if (start < 16 || start + bytesOf(buffer) + 16 > initial * 65536) {
      throw new RangeError(
        `Cannot generate a module: buffer ${buffer.id} (${buffer.role.kind}) at ${start} lies less than 16 bytes from ` +
          `an end of the memory (${initial} pages). Leave 64 bytes before the first buffer and after the last.`,
      );
    }
  }

  #stepFunction(calls: readonly Call[]): EncodedFunction {
    const { threads } = this.#options;
    const { plan, layout } = { plan: this.#plan, layout: this.#layout };
    const shared = threads > 1 && calls.some(({ alone }) => !alone);
    const barrier = shared ? this.#barrier() : undefined;
    const take = shared ? this.#add(takeFunction(layout.control)) : undefined;
    const f = new FunctionBuilder();
    const step = f.parameter("i32");
    const thread = f.parameter("i32");
    const running = f.parameter("i32");
    const table = f.let(i32.add(int(layout.table), i32.mul(step, int(4 * plan.columns.length))));
    const keys = f.let(i32.add(int(layout.keys), i32.mul(step, int(8 * plan.streams))));
    const first = f.let(i32.eqz(thread));
    const counted = calls.filter(({ alone }) => !alone).length;
    const done = shared ? f.let(i32.mul(barriersOf(layout.control, thread), int(counted))) : int(0);
    let numbered = 0;
    const pending = new PendingAccesses((buffer) => this.#layout.address(buffer));
    const wait = () => {
      f.emit(callNumbered(barrier!, "void", [thread, running]));
      pending.clear();
    };
    for (const call of calls) {
      if (shared && pending.conflict(call)) wait();
      if (shared) pending.add(call);
      const addresses = call.buffers.map((buffer) => this.#address(buffer, step));
      const run = (begin: Code, end: Code) =>
        f.emit(callNumbered(call.index, "void", [begin, end, table, keys, ...addresses]));
      if (threads === 1) runInParts(f, call, int(0), int(call.units), run);
      else if (call.alone) f.when(first, () => runInParts(f, call, int(0), int(call.units), run));
      else {
        const kernel = i32.add(done, int(++numbered));
        const pieces = piecesOf(call, threads);
        if (pieces === undefined) {
          const part = (of: Code) => partStart(of, int(call.units), running);
          run(part(thread), part(i32.add(thread, int(1))));
        } else {
          sharePieces(f, { kernel, pieces, units: call.units, thread, running, take: take! }, (begin, end) => {
            runInParts(f, { units: pieces.units, cost: call.cost * pieces.units / call.units }, begin, end, run);
          });
        }
      }
    }
    // The next step, and the host, read what all threads have written.
    if (shared) wait();
    return f.finish();
  }

  #barrier(): number {
    const { control } = this.#layout;
    const park = this.#add(parkFunction(control));
    const call = (place: Code, count: Code) => callNumbered(park, "void", [place, count]);
    return this.#add(barrierFunction(control, this.#options.threads, call));
  }

  #address(buffer: Buffer, step: Code): Code {
    const address = int(this.#layout.address(buffer));
    return hasPartPerStep(buffer) ? i32.add(address, i32.mul(step, int(bytesOf(buffer)))) : address;
  }
}

/** Calls a kernel's function once, or several times where units that cost as much take long. */
function runInParts(
  f: FunctionBuilder,
  { units, cost }: Pick<Call, "units" | "cost">,
  begin: Code,
  end: Code,
  run: (begin: Code, end: Code) => void,
): void {
  const parts = Math.ceil(cost / CALL_COST);
  const size = Math.ceil(units / parts);
  if (parts === 1 || units === 1) return run(begin, end);
  const last = f.let(end);
  const first = f.let(begin);
  f.when(i32.ltS(first, last), () =>
    f.loop(first, last, size, (at) => {
      const next = f.let(i32.add(at, int(size)));
      run(at, choose(i32.ltS(next, last), next, last));
    }));
}

function runFunction(step: number): EncodedFunction {
  const f = new FunctionBuilder();
  const [firstStep, steps] = [f.parameter("i32"), f.parameter("i32")];
  const [thread, running] = [f.parameter("i32"), f.parameter("i32")];
  const end = f.let(i32.add(firstStep, steps));
  f.when(
    i32.ltS(firstStep, end),
    () => f.loop(firstStep, end, 1, (at) => f.emit(callNumbered(step, "void", [at, thread, running]))),
  );
  return f.finish();
}

/** What kernels have read and written since the last barrier. */
class PendingAccesses {
  readonly #address: (buffer: Buffer) => number;
  #spans: { readonly start: number; readonly end: number; readonly write: boolean; readonly alone: boolean }[] = [];

  constructor(address: (buffer: Buffer) => number) {
    this.#address = address;
  }

  clear(): void {
    this.#spans = [];
  }

  add(call: Call): void {
    this.#spans.push(...this.#spansOf(call));
  }

  /** Whether a kernel must wait for one before it. What one thread does alone is in order by itself. */
  conflict(call: Call): boolean {
    const own = this.#spansOf(call);
    return this.#spans.some((before) =>
      !(before.alone && call.alone) &&
      own.some(({ start, end, write }) => (write || before.write) && start < before.end && before.start < end)
    );
  }

  #spansOf({ kernel, alone }: Call) {
    const span = (buffer: Buffer, write: boolean) => {
      const start = this.#address(buffer);
      // Parts of other steps are never read or written by this one.
      return { start, end: start + bytesOf(buffer), write, alone };
    };
    return [
      ...[...reads(kernel)].filter(({ role }) =>
        role.kind !== "input" && role.kind !== "constant" && role.kind !== "rows"
      )
        .map((buffer) => span(buffer, false)),
      ...[...writes(kernel)].map((buffer) => span(buffer, true)),
    ];
  }
}
