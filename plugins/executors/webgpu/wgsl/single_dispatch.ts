/**
 * Whole steps of small models in one dispatch of one workgroup: no time goes into starting kernels.
 *
 * @module
 */
import { hasPartPerStep } from "../../../compiler/ir/buffers.ts";
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points, reads, writes } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Kernel, Nest } from "../../../compiler/ir/types.ts";
import { asNest } from "../../../compiler/passes/as_nest.ts";
import { newAxis, substitution } from "./axes.ts";
import { Emitter } from "./emitter.ts";
import type { Memory, Place } from "./memory.ts";
import { groupOneText } from "./module.ts";
import { changed, emitNest, simplified } from "./nest.ts";
import { emitScan } from "./scan.ts";
import { emitScatter } from "./scatter.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { numberText } from "./operations.ts";
import { startOf } from "./reduction.ts";

/** Where memory is in a shader that does whole steps. */
export interface Arenas {
  /** How each binding of group 0 is bound; all are arrays of 32-bit words. */
  readonly access: readonly ("read" | "read_write")[];
  /**
   * In which binding a buffer is and its first element there, in elements (bytes of `u8` data): of the first step's part
   * where there is one for each step.
   */
  place(buffer: Buffer): { readonly binding: number; readonly offset: number };
}

/** One dispatch that does whole steps: from the step that its uniform says, up to the last one or `stepsPerDispatch`. */
export interface SingleDispatch extends Omit<ComputeShader, "operands" | "scratch"> {
  /** The bindings of group 0 that it uses: places in `Arenas.access`. */
  readonly bindings: readonly number[];
  /** The most steps that a dispatch does: as many as the adapter's loops allow. */
  readonly stepsPerDispatch: number;
}

/** Memory as words of a few arrays, at places that are part of the text. */
class ArenaMemory implements Memory {
  readonly #arenas: Arenas;
  readonly #used = new Set<number>();

  constructor(arenas: Arenas) {
    this.#arenas = arenas;
  }

  get bindings(): readonly number[] {
    return [...this.#used].sort((a, b) => a - b);
  }

  place(buffer: Buffer): Place {
    const { binding, offset } = this.#arenas.place(buffer);
    this.#used.add(binding);
    return { name: `m${binding}`, form: "words", offset, perStep: hasPartPerStep(buffer) ? buffer.size : 0 };
  }

  load(buffer: Buffer, index: string): string {
    return `${this.place(buffer).name}[${index}]`;
  }

  store(buffer: Buffer, index: string, value: string): string {
    return `${this.load(buffer, index)} = ${value};`;
  }

  storeOne(): never {
    throw new TypeError("Cannot store a part of a vector: memory is words here.");
  }

  /** The declarations of the variables. */
  text(): string {
    return this.bindings.map((binding) =>
      `@group(0) @binding(${binding}) var<storage, ${this.#arenas.access[binding]}> m${binding}: array<u32>;`
    ).join("\n");
  }
}

/**
 * Kernels as phases of one shader of one workgroup, with barriers where one needs what another stored.
 *
 * Its order of sums is that of the loops: other than that of `printKernel`'s shaders.
 */
export function printSingleDispatch(
  kernels: readonly Kernel[],
  context: PrintContext,
  arenas: Arenas,
): SingleDispatch {
  const { expressions: pool, tuning } = context;
  const workgroupSize = tuning.singleWorkgroupSize;
  const memory = new ArenaMemory(arenas);
  // Its loops are short, run often, and are worth writing out.
  const emitter = new Emitter({ ...context, tuning: { ...tuning, keepsLoops: false } }, memory);
  emitter.open("for (var nth = 0u; nth < most; nth++)");
  emitter.uses.step = true;
  emitter.defineStep();
  emitter.line("let step = i32(info.step + nth);");
  const since = new Hazards(arenas);
  let loopIterations = 0;
  for (const kernel of kernels) {
    if (since.meets(kernel)) {
      emitter.line("storageBarrier();");
      since.clear();
    }
    since.add(kernel);
    emitter.open("");
    emitter.defineMemory();
    loopIterations += emitPhase(kernel, emitter, pool, workgroupSize);
    emitter.close();
  }
  emitter.line("storageBarrier();");
  emitter.close();
  // The loop over steps counts too.
  const stepsPerDispatch = Math.max(1, Math.floor(tuning.maxLoopIterations / (loopIterations + 1)));
  const code = [
    memory.text(),
    groupOneText(emitter.uses),
    emitter.math.text(),
    `@compute @workgroup_size(${workgroupSize})`,
    "fn main(@builtin(local_invocation_index) local: u32) {",
    "  let thread = i32(local);",
    `  let most = min(info.steps - info.step, ${stepsPerDispatch}u);`,
    ...emitter.lines.map((line) => `  ${line}`),
    "}",
  ].filter((part) => part !== "").join("\n") + "\n";
  return {
    label: `steps of ${kernels.length} kernels`,
    code,
    bindings: memory.bindings,
    workgroups: [1, 1, 1],
    loopIterations: stepsPerDispatch * (loopIterations + 1),
    stepsPerDispatch,
    usesStep: true,
    usesTable: emitter.uses.table,
    usesKeys: emitter.uses.keys,
  };
}

/** What was read and written since the last barrier. */
class Hazards {
  readonly #arenas: Arenas;
  #reads: Buffer[] = [];
  #writes: Buffer[] = [];

  constructor(arenas: Arenas) {
    this.#arenas = arenas;
  }

  meets(kernel: Kernel): boolean {
    const overlap = (a: Iterable<Buffer>, b: readonly Buffer[]) =>
      [...a].some((one) => b.some((other) => this.#overlap(one, other)));
    const written = writes(kernel);
    return overlap(reads(kernel), this.#writes) || overlap(written, this.#writes) || overlap(written, this.#reads);
  }

  add(kernel: Kernel): void {
    this.#reads.push(...reads(kernel));
    this.#writes.push(...writes(kernel));
  }

  clear(): void {
    this.#reads = [];
    this.#writes = [];
  }

  #overlap(a: Buffer, b: Buffer): boolean {
    if (a === b) return true;
    const [x, y] = [this.#arenas.place(a), this.#arenas.place(b)];
    if (x.binding !== y.binding || hasPartPerStep(a) || hasPartPerStep(b)) return false;
    return x.offset < y.offset + b.size && y.offset < x.offset + a.size;
  }
}

function emitPhase(kernel: Kernel, emitter: Emitter, pool: Expressions, width: number): number {
  switch (kernel.kind) {
    case "nest":
      return emitNests(kernel, emitter, pool, width);
    case "contraction":
      return emitNests(asNest(kernel, pool), emitter, pool, width);
    case "scan": {
      let rounds = 0;
      overPoints(kernel.outer, emitter, pool, width, (change, count) => {
        rounds = count;
        const value = change(kernel.value);
        const start = numberText(startOf(kernel.combine, value.type), value.type, emitter.math);
        const stores = kernel.stores.map((store) => ({
          ...store,
          index: change(store.index),
          value: change(store.value),
        }));
        emitScan({ ...kernel, outer: [], value, stores }, emitter, pool, start);
      });
      return rounds * (1 + kernel.along.size);
    }
    case "scatter": {
      let rounds = 0;
      overPoints(kernel.outer, emitter, pool, width, (change, count) => {
        rounds = count;
        emitScatter({ ...kernel, outer: [], index: change(kernel.index), value: change(kernel.value) }, emitter, pool);
      });
      return rounds * (1 + points(kernel.inner));
    }
    default:
      return kernel satisfies never;
  }
}

function emitNests(nest: Nest, emitter: Emitter, pool: Expressions, width: number): number {
  const simple = simplified(nest, pool);
  let iterations = 0;
  let rounds = 0;
  overPoints(simple.outer, emitter, pool, width, (change, count) => {
    rounds = count;
    iterations = emitNest({ ...changed(simple, change), outer: [] }, emitter, pool, false);
  });
  return rounds * (1 + iterations);
}

/** The body for each point of some axes, spread over the workgroup. */
function overPoints(
  axes: readonly Axis[],
  emitter: Emitter,
  pool: Expressions,
  width: number,
  body: (change: (x: Expression) => Expression, rounds: number) => void,
): void {
  const count = points(axes);
  const point = newAxis(pool, count);
  const places = pool.unflatten(count === 1 ? pool.int(0) : point.value, axes.map(({ size }) => size));
  const change = substitution(pool, new Map(axes.map((axis, i) => [axis, places[i]!])));
  const rounds = Math.ceil(count / width);
  if (rounds === 1) {
    emitter.open(count === width ? "" : `if (thread < ${count})`);
    emitter.defineAxis(point.axis, "thread");
  } else {
    const name = emitter.newName("p");
    emitter.open(`for (var ${name} = thread; ${name} < ${count}; ${name} += ${width})`);
    emitter.defineAxis(point.axis, name);
  }
  body(change, rounds);
  emitter.close();
}
