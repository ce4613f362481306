/**
 * The shader of a contraction: sums of a tile in registers, one loop nest over the inner axes, then the stores.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, cost, points } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression, Store } from "../../../compiler/ir/types.ts";
import { newAxis, type Substitute, substitution } from "./axes.ts";
import { Emitter, loadsOf, vectorBuffers } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assemble } from "./module.ts";
import { takeNumbered } from "./numbered.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import type { Tile } from "./tile.ts";

/** The tiles that invocations compute. */
export interface Tiles {
  readonly rows: Tile;
  readonly columns: Tile;
  readonly invocations: number;
}

/** Storage accesses in a shader's text beyond which compiling it takes seconds. */
const MOST_ACCESSES = 96;
/** Storage accesses in the text of stores beyond which these are done in loops where that costs little. */
const MOST_QUICK_ACCESSES = 16;
/** Storage accesses in the text of the innermost loop. */
const MOST_INNER_ACCESSES = 64;
/** Products in the text of the innermost loop. */
const MOST_INNER_PRODUCTS = 1024;
/** Operations on sums in a shader's text beyond which these are done in loops. */
const MOST_WORK = 1200;
/** An axis before the last one that has no more values than this may be written out. */
const SHORT_AXIS = 7;
/** More text must save this part of the loads: it compiles for longer, and lavapipe runs the loop as fast. */
const WORTH_WRITING = 0.8;
/** Vectors that a loop over their four elements may move up. */
const MOST_MOVED = 32;
/** What moving one up costs, in loads. */
const MOVE_COST = 0.05;

/** Rows of the sums that get all products of an innermost loop one after the other. */
const SUMS_AT_ONCE = 2;

/** A factor: where its elements are in the tile, and along which loop it is loaded four elements at a time. */
interface Factor {
  readonly value: Expression;
  readonly tile: Tile;
  readonly by: "own" | "inner" | undefined;
}

/** What of the inner axes is written out. */
interface Unrolling {
  /** Steps of the last one. */
  readonly steps: number;
  /** Whether all of the one before is. */
  readonly both: boolean;
  /** Whether the steps, which are four then, are a loop after all, with what is loaded in fours before it. */
  readonly looped: boolean;
}

/** Neighbouring columns whose sums are one vector, or one that is left over. */
interface Group {
  readonly first: number;
  readonly width: 1 | 4;
}

/** Prints one contraction. */
export class TilePrinter {
  readonly #contraction: Contraction;
  readonly #tiles: Tiles;
  readonly #context: PrintContext;
  readonly #pool: Expressions;
  readonly #lane: { readonly axis: Axis; readonly value: Expression };
  readonly #thread: { readonly axis: Axis; readonly value: Expression };
  readonly #toThread: Substitute;
  readonly #left: Factor;
  readonly #right: Factor;
  readonly #vectors = new Set<Buffer>();
  readonly #memory: OperandMemory;
  readonly #emitter: Emitter;
  readonly #groups: readonly Group[];
  readonly #unrolling: Unrolling & { readonly cost: number };

  /** @param contraction With as few axes as possible. */
  constructor(contraction: Contraction, tiles: Tiles, context: PrintContext) {
    const pool = context.expressions;
    const { rows, columns, invocations } = tiles;
    this.#contraction = contraction;
    this.#tiles = tiles;
    this.#context = context;
    this.#pool = pool;
    this.#lane = newAxis(pool, 4);
    this.#thread = newAxis(pool, invocations);
    const loops = [...contraction.batch, ...rows.loops, ...columns.loops];
    const place = pool.unflatten(
      invocations === 1 ? pool.int(0) : this.#thread.value,
      loops.map(({ size }) => size),
    );
    this.#toThread = substitution(pool, new Map(loops.map((axis, i) => [axis, place[i]!])));
    this.#left = this.#factor(contraction.left, rows);
    this.#right = this.#factor(contraction.right, columns);
    this.#findVectorsOfStores();
    this.#memory = new OperandMemory({
      vectors: this.#vectors,
      stored: contraction.stores.map(({ buffer }) => buffer),
      uniformBytes: context.tuning.uniformBytes,
    });
    this.#emitter = new Emitter(context, this.#memory);
    this.#emitter.defineAxis(this.#thread.axis, "thread");
    this.#emitter.defineLane(this.#lane.axis);
    const groups: Group[] = [];
    for (let first = 0; first < columns.size; first += groups.at(-1)!.width) {
      groups.push({ first, width: columns.size - first >= 4 ? 4 : 1 });
    }
    this.#groups = groups;
    this.#unrolling = this.#chooseUnrolling();
  }

  /** About how long a product of all of its tile takes, in loads. */
  get costOfProduct(): number {
    return this.#unrolling.cost / (this.#tiles.rows.size * this.#tiles.columns.size);
  }

  /** The shader. */
  print(): ComputeShader {
    const { batch, rows, columns, inner } = this.#contraction;
    for (let row = 0; row < this.#tiles.rows.size; row++) {
      this.#groups.forEach(({ width }, group) =>
        this.#emitter.line(`var ${sum(row, group)} = ${width === 4 ? "vec4<f32>(0.0)" : "0.0"};`)
      );
    }
    const loopIterations = this.#emitSums() + this.#emitStores();
    return assemble({
      label: `contract ${[batch, rows, columns, inner].map(sizesText).join(" ")}`,
      emitter: this.#emitter,
      memory: this.#memory,
      invocations: this.#tiles.invocations,
      workgroupSize: this.#context.tuning.contractionWorkgroupSize,
      loopIterations,
    });
  }

  /** An expression at places of some axes, for this invocation. */
  #at(x: Expression, ...places: readonly ReadonlyMap<Axis, Expression>[]): Expression {
    return this.#toThread(substitution(this.#pool, new Map(places.flatMap((map) => [...map])))(x));
  }

  /** Finds out how a factor is loaded. */
  #factor(value: Expression, tile: Tile): Factor {
    const pool = this.#pool;
    const last = this.#contraction.inner.at(-1);
    const candidates: [Factor["by"], Expression][] = [];
    if (tile.byFour) {
      const fourth = pool.axis(Math.max(tile.size / 4, 1));
      candidates.push(["own", this.#at(value, tile.fourAt(fourth, this.#lane.value, true))]);
    }
    if (last !== undefined && last.size % 4 === 0) {
      const four = pool.add(pool.mul(pool.axis(last.size / 4), 4), this.#lane.value);
      candidates.push(["inner", this.#at(value, tile.at(newAxis(pool, tile.size).value), new Map([[last, four]]))]);
    }
    for (const [by, candidate] of candidates) {
      const vectors = vectorBuffers(pool, this.#lane.axis, loadsOf([candidate]));
      for (const buffer of vectors) this.#vectors.add(buffer);
      if (vectors.size > 0) return { value, tile, by };
    }
    return { value, tile, by: undefined };
  }

  #findVectorsOfStores(): void {
    const pool = this.#pool;
    const { rows, columns } = this.#tiles;
    if (!columns.byFour) return;
    const row = newAxis(pool, rows.size).value;
    const fourth = pool.axis(Math.max(columns.size / 4, 1));
    const places = [rows.exactly(row), columns.fourAt(fourth, this.#lane.value, false)];
    const stores = changedStores(this.#contraction.stores, (x) => this.#at(x, ...places));
    const accesses = [...stores, ...loadsOf(stores.flatMap(({ index, value }) => [index, value]))];
    for (const buffer of vectorBuffers(pool, this.#lane.axis, accesses)) this.#vectors.add(buffer);
  }

  /** A factor's element, or the four of which it is one and its place among them. */
  #element({ value, tile, by }: Factor, element: number, inner: InnerPlace): [Expression, number | undefined] {
    const pool = this.#pool;
    const place = pool.int(element);
    if (by === "inner") {
      const four = pool.add(pool.mul(inner.fourth!, 4), this.#lane.value);
      return [this.#at(value, tile.at(place), inner.before, new Map([[inner.last!, four]])), inner.step % 4];
    }
    const places = inner.last === undefined ? inner.before : new Map([...inner.before, [inner.last, inner.place!]]);
    if (by === "own") {
      const four = tile.fourAt(pool.int(Math.floor(element / 4)), this.#lane.value, true);
      return [this.#at(value, four, places), element % 4];
    }
    return [this.#at(value, tile.at(place), places), undefined];
  }

  /** The places of the inner axes of the products that are written out, in order. */
  #places({ steps, both }: Unrolling, loops: ReadonlyMap<Axis, Expression>): readonly InnerPlace[] {
    const pool = this.#pool;
    const { inner } = this.#contraction;
    const last = inner.at(-1);
    const short = both ? inner.at(-2)! : undefined;
    const places: InnerPlace[] = [];
    for (let k = 0; k < (short?.size ?? 1); k++) {
      const before = new Map([...loops].filter(([axis]) => axis !== last));
      if (short !== undefined) before.set(short, pool.int(k));
      if (last === undefined) {
        places.push({ before, last, step: 0 });
        continue;
      }
      const first = pool.mul(loops.get(last)!, steps);
      for (let step = 0; step < steps; step++) {
        const place = pool.add(first, step);
        const fourth = steps % 4 === 0
          ? pool.add(pool.mul(loops.get(last)!, steps / 4), Math.floor(step / 4))
          : undefined;
        places.push({ before, last, place, fourth, step });
      }
    }
    return places;
  }

  /** Writes out as much as lets loads serve several products, within what compiles quickly. */
  #chooseUnrolling(): Unrolling & { readonly cost: number } {
    const { inner } = this.#contraction;
    const { tuning } = this.#context;
    const last = inner.at(-1);
    const before = inner.at(-2);
    if (last === undefined) return { steps: 1, both: false, looped: false, cost: 0 };
    const looped = this.#left.by === "inner" || this.#right.by === "inner";
    const steps = looped ? [4] : Array.from({ length: Math.max(tuning.unroll, SHORT_AXIS) }, (_, i) => i + 1)
      .filter((step) => last.size % step === 0 && (step <= tuning.unroll || step === last.size));
    const loops = new Map<Axis, Expression>(inner.map((axis) => [axis, newAxis(this.#pool, axis.size).value]));
    let best: Unrolling = { steps: steps[0]!, both: false, looped };
    let lowest = this.#costOf(best, loops).each;
    for (const loop of looped ? [true, false] : [false]) {
      for (const step of steps) {
        for (const both of before !== undefined && before.size <= SHORT_AXIS ? [false, true] : [false]) {
          const unrolling = { steps: step, both, looped: loop };
          const { each, loads, products, moved } = this.#costOf(unrolling, loops);
          if (loads > MOST_INNER_ACCESSES || products > MOST_INNER_PRODUCTS || moved > MOST_MOVED) continue;
          if (each <= lowest * WORTH_WRITING) [best, lowest] = [unrolling, each];
        }
      }
    }
    return { ...best, cost: lowest };
  }

  /**
   * What a product of all of a tile costs, in loads, where so much is written out; and loads, products and vectors that are
   * moved up in the text.
   */
  #costOf(
    unrolling: Unrolling,
    loops: ReadonlyMap<Axis, Expression>,
  ): { readonly each: number; readonly loads: number; readonly products: number; readonly moved: number } {
    const places = this.#places(unrolling, loops);
    const times = unrolling.looped ? unrolling.steps : 1;
    let [all, loads, moved] = [0, 0, 0];
    for (const factor of [this.#left, this.#right]) {
      const elements = Array.from({ length: factor.tile.size }, (_, i) => i);
      const count = new Set(places.flatMap((place) => elements.map((i) => this.#element(factor, i, place)[0]))).size;
      const inFours = unrolling.looped && factor.by === "inner";
      all += count;
      loads += inFours ? count : count / times;
      if (inFours) moved += count;
    }
    const products = places.length / times * this.#tiles.rows.size * this.#groups.length;
    return { each: (all + moved * times * MOVE_COST) / places.length, loads, products, moved };
  }

  /** @returns How many iterations its loops take. */
  #emitSums(): number {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const { inner } = this.#contraction;
    const unrolling = this.#unrolling;
    const last = inner.at(-1);
    let iterations = 1;
    let opened = 0;
    const loops = new Map<Axis, Expression>();
    inner.forEach((axis, i) => {
      if (unrolling.both && i === inner.length - 2) return;
      const loop = pool.axis(axis === last ? axis.size / unrolling.steps : axis.size);
      loops.set(axis, loop);
      if (loop.kind !== "axis") return;
      const name = emitter.newName("k");
      emitter.open(`for (var ${name} = 0; ${name} < ${loop.axis.size}; ${name}++)`);
      emitter.defineAxis(loop.axis, name);
      iterations *= loop.axis.size;
      opened++;
    });
    const places = this.#places(unrolling, loops);
    if (unrolling.looped) iterations *= this.#emitFours(places.filter(({ step }) => step === 0));
    else this.#emitProducts(places.map((place) => ({ place })));
    for (; opened > 0; opened--) emitter.close();
    return iterations;
  }

  /**
   * A loop over four steps, with what is loaded in fours before it: each step takes the first of the four and moves the
   * others up.
   *
   * @param firsts The first of each four.
   * @returns How many iterations it takes, and the one that it is in.
   */
  #emitFours(firsts: readonly InnerPlace[]): number {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const variables = new Map<string, string>();
    const namesOf = (factor: Factor, first: InnerPlace): readonly string[] =>
      Array.from({ length: factor.tile.size }, (_, element) => {
        const loaded = emitter.vector(this.#element(factor, element, first)[0]);
        let name = variables.get(loaded);
        if (name === undefined) {
          variables.set(loaded, name = emitter.newName("f"));
          emitter.line(`var ${name} = ${loaded};`);
        }
        return `${name}.x`;
      });
    const byFour = [this.#left, this.#right].filter(({ by }) => by === "inner");
    const current = firsts.map((first) => new Map(byFour.map((factor) => [factor, namesOf(factor, first)])));
    const step = newAxis(pool, 4);
    const variable = emitter.newName("k");
    emitter.open(`for (var ${variable} = 0; ${variable} < 4; ${variable}++)`);
    emitter.defineAxis(step.axis, variable);
    this.#emitProducts(firsts.map((first, i) => ({
      place: { ...first, place: pool.add(first.place!, step.value) },
      current: current[i],
    })));
    for (const name of variables.values()) emitter.line(`${name} = ${name}.yzww;`);
    emitter.close();
    return 5;
  }

  /**
   * Adds the products of several places to the sums, a few sums at a time: these stay in the processor's registers
   * meanwhile.
   */
  #emitProducts(places: readonly Products[]): void {
    const rows = this.#tiles.rows.size;
    for (let first = 0; first < rows; first += SUMS_AT_ONCE) {
      this.#groups.forEach((group, at) => {
        for (const { place, current } of places) {
          const right = this.#rightText(group, place, current);
          for (let row = first; row < Math.min(first + SUMS_AT_ONCE, rows); row++) {
            const left = this.#elementText(this.#left, row, place, current);
            this.#emitter.line(`${sum(row, at)} = ${sum(row, at)} + ${left} * ${right};`);
          }
        }
      });
    }
  }

  #elementText(factor: Factor, element: number, place: InnerPlace, current: Products["current"]): string {
    const known = current?.get(factor);
    if (known !== undefined) return known[element]!;
    const [value, lane] = this.#element(factor, element, place);
    return lane === undefined ? this.#emitter.scalar(value) : `${this.#emitter.vector(value)}.${"xyzw"[lane]}`;
  }

  #rightText({ first, width }: Group, place: InnerPlace, current: Products["current"]): string {
    if (width === 4 && this.#right.by === "own") {
      return this.#emitter.vector(this.#element(this.#right, first, place)[0]);
    }
    if (width === 1) return this.#elementText(this.#right, first, place, current);
    const elements = [0, 1, 2, 3].map((i) => this.#elementText(this.#right, first + i, place, current));
    return `vec4<f32>(${elements.join(", ")})`;
  }

  /** @returns How many iterations its loops take. */
  #emitStores(): number {
    const { stores, rows, columns } = this.#contraction;
    const pool = this.#pool;
    const tile = this.#tiles;
    // Groups of four stay together where they are inside or outside together.
    const fours = tile.columns.byFour;
    const width = fours ? this.#groups.length : tile.columns.size;
    const sums = Array.from(
      { length: tile.rows.size },
      (_, row) =>
        this.#groups.flatMap((group, i) =>
          fours || group.width === 1 ? [sum(row, i)] : [..."xyzw"].map((lane) => `${sum(row, i)}.${lane}`)
        ),
    );
    this.#emitter.setStored(new Set(stores.map(({ buffer }) => buffer)));
    const dependsOn = (x: Expression, axes: readonly Axis[]) => [...axesOf(x)].some((axis) => axes.includes(axis));
    const times = (x: Expression) => (dependsOn(x, rows) ? tile.rows.size : 1) * (dependsOn(x, columns) ? width : 1);
    const loads = loadsOf(stores.flatMap(({ index, value }) => [index, value]));
    const accesses = loads.reduce((total, load) => total + times(load), stores.length * tile.rows.size * width);
    const work = stores.reduce((total, { value }) => total + cost(value), 0) * tile.rows.size * width;
    // In loops, taking each sum by its number is as much work as so many products.
    const terms = points(this.#contraction.inner);
    const most = terms < 2 * (tile.rows.size + width) ? MOST_ACCESSES : MOST_QUICK_ACCESSES;
    if (accesses > most || work > MOST_WORK) return this.#emitStoresInLoops(sums, width, fours);
    sums.forEach((ofRow, row) =>
      ofRow.forEach((text, column) => this.#emitStoresAt(pool.int(row), pool.int(column), text, fours))
    );
    return 0;
  }

  #emitStoresAt(row: Expression, column: Expression, text: string, fours: boolean): void {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const { rows, columns } = this.#tiles;
    const places = fours ? columns.fourAt(column, this.#lane.value, false) : columns.exactly(column);
    const inside = pool.and(rows.inside(row), columns.inside(fours ? pool.mul(column, 4) : column));
    const guard = this.#toThread(inside);
    emitter.open(guard.kind === "number" ? "" : `if (${emitter.scalar(guard)})`);
    emitter.define(pool.result(this.#contraction.result, "f32"), text, fours);
    const change = (x: Expression) => this.#at(x, rows.exactly(row), places);
    for (const store of changedStores(this.#contraction.stores, change)) emitter.store(store);
    emitter.close();
  }

  /** The text of the stores once, in a loop over rows and one over columns. */
  #emitStoresInLoops(sums: readonly (readonly string[])[], width: number, fours: boolean): number {
    const columns = Array.from({ length: width }, (_, column) => sums.map((ofRow) => ofRow[column]!));
    this.#inLoop(columns, (row, ofRow) => {
      this.#inLoop([ofRow], (column, [text]) => this.#emitStoresAt(row, column, text!, fours));
    });
    return sums.length * (width + 1);
  }

  /** A loop over the variables of each list, which are taken by their number. No loop where there is one. */
  #inLoop(lists: readonly (readonly string[])[], body: (place: Expression, names: readonly string[]) => void): void {
    const emitter = this.#emitter;
    const size = lists[0]!.length;
    const index = this.#pool.axis(size);
    if (index.kind !== "axis") return body(index, lists.map(([name]) => name!));
    const variable = emitter.newName("i");
    emitter.open(`for (var ${variable} = 0; ${variable} < ${size}; ${variable}++)`);
    emitter.defineAxis(index.axis, variable);
    body(index, takeNumbered(emitter, lists, variable));
    emitter.close();
  }
}

/** Where the inner axes are at one product that is written out. */
interface InnerPlace {
  /** All axes but the last. */
  readonly before: ReadonlyMap<Axis, Expression>;
  /** The last one. */
  readonly last: Axis | undefined;
  /** Its value. */
  readonly place?: Expression;
  /** A fourth of the value that begins its four. */
  readonly fourth?: Expression;
  /** Which of the steps that are written out this is. */
  readonly step: number;
}

/** The products of one place, with the names of factors' elements where they have been loaded. */
interface Products {
  readonly place: InnerPlace;
  readonly current?: ReadonlyMap<Factor, readonly string[]>;
}

/** The name of a sum. */
function sum(row: number, group: number): string {
  return `a${row}_${group}`;
}

/** Stores with other expressions. */
export function changedStores(stores: readonly Store[], change: (x: Expression) => Expression): readonly Store[] {
  return stores.map(({ buffer, index, value }) => ({ buffer, index: change(index), value: change(value) }));
}

function sizesText(axes: readonly Axis[]): string {
  return axes.map(({ size }) => size).join("×") || "1";
}
