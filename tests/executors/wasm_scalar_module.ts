/**
 * A printer for the simplest of plans, one element at a time on one thread: so that the runtime is tested without the
 * code generator.
 *
 * @module
 */
import type { Plan } from "../../plugins/compiler/ir/plan.ts";
import type { Axis, Buffer, Expression, Nest } from "../../plugins/compiler/ir/types.ts";
import type { GenerateModule, ModuleLayout } from "../../plugins/executors/wasm/layout.ts";

const I32 = 0x7f;
const F32 = 0x7d;
/** Local 4, after the four parameters. */
const STEP = 4;

function unsigned(value: number): number[] {
  const low = value % 128;
  return value < 128 ? [low] : [low | 128, ...unsigned(Math.floor(value / 128))];
}

/** A signed number, seven bits a byte. */
export function signed(value: number): number[] {
  const low = value & 127;
  const rest = value >> 7;
  return (rest === 0 && low < 64) || (rest === -1 && low >= 64) ? [low] : [low | 128, ...signed(rest)];
}

const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
const name = (text: string): number[] => [text.length, ...new TextEncoder().encode(text)];
const int = (value: number): number[] => [0x41, ...signed(value | 0)];

/** A module around the body of `run`, whose parameters are locals 0 to 3. @param locals Types of its other locals. */
export function moduleOf(body: readonly number[], pages: number, locals: readonly number[] = []): Uint8Array {
  const code = [...unsigned(locals.length), ...locals.flatMap((type) => [1, type]), ...body, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, 4, I32, I32, I32, I32, 0]),
    ...section(2, [1, ...name("env"), ...name("memory"), 0x02, 0x03, ...unsigned(pages), ...unsigned(pages)]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("run"), 0x00, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** The body of a module that adds the number of steps to a word, atomically, on each thread. */
export function addSteps(address: number): number[] {
  return [...int(address), 0x20, 1, 0xfe, 0x1e, 2, 0, 0x1a];
}

/** The body of a module that adds 1 to a word `rounds` million times for each step. */
export function count(address: number, rounds: number): number[] {
  const times = [...int(rounds * 1e6), 0x20, 1, 0x6c, 0x21, 4, 0x03, 0x40];
  const add = [...int(address), ...int(address), 0x28, 2, 0, ...int(1), 0x6a, 0x36, 2, 0];
  return [...times, ...add, 0x20, 4, ...int(1), 0x6b, 0x22, 4, 0x0d, 0, 0x0b];
}

/** Prints nests of additions, products and maxima. */
export const scalarModule: GenerateModule = (plan, layout) => new Printer(plan, layout).module();

class Printer {
  readonly #plan: Plan;
  readonly #layout: ModuleLayout;
  readonly #locals: number[] = [I32];
  readonly #axes = new Map<number, number>();
  readonly #results = new Map<number, number>();

  constructor(plan: Plan, layout: ModuleLayout) {
    this.#plan = plan;
    this.#layout = layout;
  }

  module(): Uint8Array {
    const kernels = this.#plan.kernels.flatMap((kernel) => {
      if (kernel.kind !== "nest") throw new TypeError(`This printer has no ${kernel.kind}.`);
      return this.#nest(kernel);
    });
    const end = [...get(0), ...get(1), 0x6a];
    const steps = [...get(0), ...set(STEP), ...loop(STEP, end, kernels)];
    // Thread 0 does everything.
    const body = [...get(2), 0x45, 0x04, 0x40, ...steps, 0x0b];
    return moduleOf(body, this.#layout.memoryPages.initial, this.#locals);
  }

  #nest({ outer, inner, reductions, stores }: Nest): readonly number[] {
    const start = reductions.flatMap(({ result, combine }) => {
      this.#results.set(result, this.#local(F32));
      return [...float(combine === "max" ? -Infinity : 0), ...set(this.#results.get(result)!)];
    });
    const around = this.#enter(outer);
    const inside = this.#enter(inner);
    const update = reductions.flatMap(({ result, value, combine }) => {
      const local = this.#results.get(result)!;
      return [...get(local), ...this.#value(value), combine === "max" ? 0x97 : 0x92, ...set(local)];
    });
    const store = stores.flatMap(({ buffer, index, value }) => [
      ...this.#place(buffer, index),
      ...this.#value(value),
      ...(value.type === "f32" ? [0x38, 2, 0] : [0x36, 2, 0]),
    ]);
    return around([...start, ...(reductions.length > 0 ? inside(update) : []), ...store]);
  }

  /** Loops over axes, whose variables are known from here on. */
  #enter(axes: readonly Axis[]): (body: readonly number[]) => readonly number[] {
    for (const { id } of axes) this.#axes.set(id, this.#local(I32));
    return (body) =>
      axes.reduceRight((inside, { id, size }) => {
        const local = this.#axes.get(id)!;
        return [...int(0), ...set(local), ...loop(local, int(size), inside)];
      }, body);
  }

  #value(x: Expression): number[] {
    switch (x.kind) {
      case "number":
        return x.type === "f32" ? float(x.value) : int(x.value);
      case "axis":
        return get(this.#axes.get(x.axis.id)!);
      case "affine":
        return x.terms.reduce(
          (sum, { atom, factor }) => [...sum, ...this.#value(atom), ...int(factor), 0x6c, 0x6a],
          int(x.constant),
        );
      case "load":
        return [...this.#place(x.buffer, x.index), ...LOADS[x.buffer.type]];
      case "column":
        return [
          ...this.#at(this.#layout.table, this.#plan.columns.length, int(this.#plan.columns.indexOf(x.column)), 4),
          ...LOADS.f32,
        ];
      case "result":
        return get(this.#results.get(x.result)!);
      case "binary": {
        const code = { add: 0x92, sub: 0x93, mul: 0x94, max: 0x97 }[x.operation as string];
        if (code === undefined || x.type !== "f32") throw new TypeError(`This printer has no ${x.operation}.`);
        return [...this.#value(x.a), ...this.#value(x.b), code];
      }
      case "cast":
        return [...this.#value(x.x), ...(x.type === "f32" ? [0xb2] : [])];
      default:
        throw new TypeError(`This printer has no ${x.kind}.`);
    }
  }

  #place(buffer: Buffer, index: Expression): number[] {
    const byStep = ["rows", "sums", "output"].includes(buffer.role.kind);
    const bytes = buffer.type === "u8" ? 1 : 4;
    return this.#at(this.#layout.address(buffer), byStep ? buffer.size : 0, this.#value(index), bytes);
  }

  /** base + bytes · (step · stride + index) */
  #at(base: number, stride: number, index: readonly number[], bytes: number): number[] {
    return [...get(STEP), ...int(stride), 0x6c, ...index, 0x6a, ...int(bytes), 0x6c, ...int(base), 0x6a];
  }

  #local(type: number): number {
    this.#locals.push(type);
    return 3 + this.#locals.length;
  }
}

const LOADS: Readonly<Record<Buffer["type"], readonly number[]>> = {
  f32: [0x2a, 2, 0],
  i32: [0x28, 2, 0],
  bool: [0x28, 2, 0],
  u8: [0x2d, 0, 0],
};

const get = (local: number): number[] => [0x20, ...unsigned(local)];
const set = (local: number): number[] => [0x21, ...unsigned(local)];

function float(value: number): number[] {
  return [0x43, ...new Uint8Array(new Float32Array([value]).buffer)];
}

/** Runs a body while a local, counted up, is below the end. */
function loop(local: number, end: readonly number[], body: readonly number[]): number[] {
  return [0x03, 0x40, ...body, ...get(local), ...int(1), 0x6a, 0x22, ...unsigned(local), ...end, 0x48, 0x0d, 0, 0x0b];
}
