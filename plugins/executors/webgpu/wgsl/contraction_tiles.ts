/**
 * The shader of a contraction: sums of a tile in registers, one loop nest over the inner axes, then the stores.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { axesOf, cost } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression, Store } from "../../../compiler/ir/types.ts";
import { newAxis, type Substitute, substitution } from "./axes.ts";
import { Emitter, loadsOf, vectorBuffers } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assemble } from "./module.ts";
import { takeNumbered } from "./numbered.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { type Factor, type InnerPlace, type Tiles, TileTerms } from "./tile_terms.ts";

/** Storage accesses in the text of stores beyond which these are done in loops: compiling takes the square of them. */
const MOST_ACCESSES = 16;
/** Operations on sums in a shader's text beyond which these are done in loops. */
const MOST_WORK = 1200;
/** Variables that a loop takes by their number: taking one of many passes over all of them each time. */
const LONGEST_LOOP = 4;
/** Rows of the sums that get all products of an innermost loop one after the other. */
const SUMS_AT_ONCE = 2;

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
  readonly #terms: TileTerms;
  readonly #memory: OperandMemory;
  readonly #emitter: Emitter;
  readonly #groups: readonly Group[];

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
    const groups: Group[] = [];
    for (let first = 0; first < columns.size; first += groups.at(-1)!.width) {
      groups.push({ first, width: columns.size - first >= 4 ? 4 : 1 });
    }
    this.#groups = groups;
    this.#terms = new TileTerms({
      contraction,
      tiles,
      pool,
      lane: this.#lane,
      toThread: this.#toThread,
      groups: groups.length,
      unroll: context.tuning.unroll,
    });
    this.#memory = new OperandMemory({
      vectors: this.#terms.vectors.union(this.#vectorsOfStores()),
      stored: contraction.stores.map(({ buffer }) => buffer),
      uniformBytes: context.tuning.uniformBytes,
      textures: context.tuning.textures,
    });
    this.#emitter = new Emitter(context, this.#memory);
    this.#emitter.defineAxis(this.#thread.axis, "thread");
    this.#emitter.defineLane(this.#lane.axis);
  }

  /** About how long a product of all of its tile takes, in loads. */
  get costOfProduct(): number {
    return this.#terms.cost / (this.#tiles.rows.size * this.#tiles.columns.size);
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

  #vectorsOfStores(): ReadonlySet<Buffer> {
    const pool = this.#pool;
    const { rows, columns } = this.#tiles;
    if (!columns.byFour) return new Set();
    const row = newAxis(pool, rows.size).value;
    const fourth = pool.axis(Math.max(columns.size / 4, 1));
    const places = [rows.exactly(row), columns.fourAt(fourth, this.#lane.value, false)];
    const stores = changedStores(this.#contraction.stores, (x) => this.#terms.at(x, ...places));
    const accesses = [...stores, ...loadsOf(stores.flatMap(({ index, value }) => [index, value]))];
    return vectorBuffers(pool, this.#lane.axis, accesses);
  }

  /** @returns How many iterations its loops take. */
  #emitSums(): number {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const { inner } = this.#contraction;
    const unrolling = this.#terms.unrolling;
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
    this.#emitProducts(this.#terms.places(loops));
    for (; opened > 0; opened--) emitter.close();
    return iterations;
  }

  /**
   * Adds the products of several places to the sums, a few sums at a time: these stay in the processor's registers
   * meanwhile.
   */
  #emitProducts(places: readonly InnerPlace[]): void {
    const rows = this.#tiles.rows.size;
    const rights = new Map<string, string>();
    for (let first = 0; first < rows; first += SUMS_AT_ONCE) {
      this.#groups.forEach((group, at) => {
        places.forEach((place, index) => {
          const key = `${at} ${index}`;
          const right = rights.get(key) ?? this.#emitRight(group, place);
          rights.set(key, right);
          for (let row = first; row < Math.min(first + SUMS_AT_ONCE, rows); row++) {
            const left = this.#elementText(this.#terms.left, row, place);
            this.#emitter.line(`${sum(row, at)} = ${sum(row, at)} + ${left} * ${right};`);
          }
        });
      });
    }
  }

  /** @returns The text of the right factor's elements of a group. */
  #emitRight({ first, width }: Group, place: InnerPlace): string {
    const { right } = this.#terms;
    if (width === 4 && right.by === "own") return this.#emitter.vector(this.#terms.element(right, first, place)[0]);
    if (width === 1) return this.#elementText(right, first, place);
    const elements = [0, 1, 2, 3].map((i) => this.#elementText(right, first + i, place));
    const name = this.#emitter.newName("b");
    this.#emitter.line(`let ${name} = vec4<f32>(${elements.join(", ")});`);
    return name;
  }

  #elementText(factor: Factor, element: number, place: InnerPlace): string {
    const [value, lane] = this.#terms.element(factor, element, place);
    return lane === undefined ? this.#emitter.scalar(value) : `${this.#emitter.vector(value)}.${"xyzw"[lane]}`;
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
    if (accesses > MOST_ACCESSES || work > MOST_WORK) return this.#emitStoresInLoops(sums, width, fours);
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
    const change = (x: Expression) => this.#terms.at(x, rows.exactly(row), places);
    for (const store of changedStores(this.#contraction.stores, change)) emitter.store(store);
    emitter.close();
  }

  /** The text of the stores once, in a loop over rows and one over columns. */
  #emitStoresInLoops(sums: readonly (readonly string[])[], width: number, fours: boolean): number {
    const columns = Array.from({ length: width }, (_, column) => sums.map((ofRow) => ofRow[column]!));
    this.#inLoop(columns, (row, ofRow) => {
      this.#inLoop([ofRow], (column, [text]) => this.#emitStoresAt(row, column, text!, fours));
    });
    return sums.length * (width + 2);
  }

  /** A loop over the variables of each list, which are taken by their number. No loop where there is one. */
  #inLoop(lists: readonly (readonly string[])[], body: (place: Expression, names: readonly string[]) => void): void {
    const emitter = this.#emitter;
    const size = lists[0]!.length;
    if (size > LONGEST_LOOP && size % LONGEST_LOOP === 0) return this.#inTwoLoops(lists, body);
    const index = this.#pool.axis(size);
    if (index.kind !== "axis") return body(index, lists.map(([name]) => name!));
    const variable = emitter.newName("i");
    const first = emitter.firstOf(this.#tiles.rows.size * this.#tiles.columns.size);
    emitter.open(`for (var ${variable} = ${first}; ${variable} < ${size}; ${variable}++)`);
    emitter.defineAxis(index.axis, variable);
    body(index, takeNumbered(emitter, lists, variable));
    emitter.close();
  }

  /** The same in a loop over fours and one over the variables of each: half as many are passed over in taking one. */
  #inTwoLoops(
    lists: readonly (readonly string[])[],
    body: (place: Expression, names: readonly string[]) => void,
  ): void {
    const pool = this.#pool;
    const fours = lists.flatMap((list) =>
      Array.from({ length: LONGEST_LOOP }, (_, i) => list.filter((_, at) => at % LONGEST_LOOP === i))
    );
    this.#inLoop(fours, (four, names) => {
      const inside = lists.map((_, i) => names.slice(i * LONGEST_LOOP, (i + 1) * LONGEST_LOOP));
      this.#inLoop(inside, (place, taken) => body(pool.add(pool.mul(four, LONGEST_LOOP), place), taken));
    });
  }
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
