/**
 * The terms of a tile's sums: how factors are loaded, and how much of the loops over terms is written out.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Axis, Buffer, Contraction, Expression } from "../../../compiler/ir/types.ts";
import { newAxis, type Substitute, substitution } from "./axes.ts";
import { loadsOf, vectorBuffers } from "./emitter.ts";
import type { Tile } from "./tile.ts";

/** The tiles that invocations compute. */
export interface Tiles {
  readonly rows: Tile;
  readonly columns: Tile;
  readonly invocations: number;
}

/** Storage accesses in the text of the innermost loop. */
const MOST_INNER_ACCESSES = 64;
/** Products in the text of the innermost loop. */
const MOST_INNER_PRODUCTS = 1024;
/** An axis before the last one that has no more values than this may be written out. */
const SHORT_AXIS = 7;
/** More text must leave no more than this part of the loads: it compiles for longer. */
const WORTH_WRITING = 0.8;

/** A factor: where its elements are in the tile, and along which loop it is loaded four elements at a time. */
export interface Factor {
  readonly value: Expression;
  readonly tile: Tile;
  readonly by: "own" | "inner" | undefined;
}

/** What of the inner axes is written out. */
export interface Unrolling {
  /** Steps of the last one. */
  readonly steps: number;
  /** Whether all of the one before is. */
  readonly both: boolean;
}

/** Where the inner axes are at one product that is written out. */
export interface InnerPlace {
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

/** What terms are made from. */
export interface TermsOptions {
  readonly contraction: Contraction;
  readonly tiles: Tiles;
  readonly pool: Expressions;
  /** The axis of four neighbours that are loaded at once. */
  readonly lane: { readonly axis: Axis; readonly value: Expression };
  /** Puts an invocation's own place in for the axes of the loops over tiles. */
  readonly toThread: Substitute;
  /** Vectors and single numbers that a row of the tile is. */
  readonly groups: number;
  /** Steps of the innermost loop that are written out, at most. */
  readonly unroll: number;
}

/** What an invocation multiplies. */
export class TileTerms {
  readonly left: Factor;
  readonly right: Factor;
  /** What of the inner axes is written out. */
  readonly unrolling: Unrolling;
  /** About how long a product of all of the tile takes, in loads. */
  readonly cost: number;
  readonly #options: TermsOptions;
  readonly #vectors = new Set<Buffer>();

  constructor(options: TermsOptions) {
    const { contraction, tiles } = options;
    this.#options = options;
    this.left = this.#factor(contraction.left, tiles.rows);
    this.right = this.#factor(contraction.right, tiles.columns);
    const { cost, ...unrolling } = this.#chooseUnrolling(options.unroll);
    this.cost = cost;
    this.unrolling = unrolling;
  }

  /** Buffers that factors are loaded from in fours. */
  get vectors(): ReadonlySet<Buffer> {
    return this.#vectors;
  }

  /** An expression at places of some axes, for this invocation. */
  at(x: Expression, ...places: readonly ReadonlyMap<Axis, Expression>[]): Expression {
    return this.#options.toThread(substitution(this.#options.pool, new Map(places.flatMap((map) => [...map])))(x));
  }

  /** A factor's element, or the four of which it is one and its place among them. */
  element({ value, tile, by }: Factor, element: number, inner: InnerPlace): [Expression, number | undefined] {
    const pool = this.#options.pool;
    const place = pool.int(element);
    if (by === "inner") {
      const four = pool.add(pool.mul(inner.fourth!, 4), this.#options.lane.value);
      return [this.at(value, tile.at(place), inner.before, new Map([[inner.last!, four]])), inner.step % 4];
    }
    const places = inner.last === undefined ? inner.before : new Map([...inner.before, [inner.last, inner.place!]]);
    if (by === "own") {
      const four = tile.fourAt(pool.int(Math.floor(element / 4)), this.#options.lane.value, true);
      return [this.at(value, four, places), element % 4];
    }
    return [this.at(value, tile.at(place), places), undefined];
  }

  /** The places of the inner axes of the products that are written out, in order. */
  places(loops: ReadonlyMap<Axis, Expression>): readonly InnerPlace[] {
    return this.#places(this.unrolling, loops);
  }

  /** Finds out how a factor is loaded. */
  #factor(value: Expression, tile: Tile): Factor {
    const pool = this.#options.pool;
    const last = this.#options.contraction.inner.at(-1);
    const candidates: [Factor["by"], Expression][] = [];
    if (tile.byFour) {
      const fourth = pool.axis(Math.max(tile.size / 4, 1));
      candidates.push(["own", this.at(value, tile.fourAt(fourth, this.#options.lane.value, true))]);
    }
    if (last !== undefined && last.size % 4 === 0) {
      const four = pool.add(pool.mul(pool.axis(last.size / 4), 4), this.#options.lane.value);
      candidates.push(["inner", this.at(value, tile.at(newAxis(pool, tile.size).value), new Map([[last, four]]))]);
    }
    for (const [by, candidate] of candidates) {
      const vectors = vectorBuffers(pool, this.#options.lane.axis, loadsOf([candidate]));
      for (const buffer of vectors) this.#vectors.add(buffer);
      if (vectors.size > 0) return { value, tile, by };
    }
    return { value, tile, by: undefined };
  }

  #places({ steps, both }: Unrolling, loops: ReadonlyMap<Axis, Expression>): readonly InnerPlace[] {
    const pool = this.#options.pool;
    const { inner } = this.#options.contraction;
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
  #chooseUnrolling(most: number): Unrolling & { readonly cost: number } {
    const { inner } = this.#options.contraction;
    const last = inner.at(-1);
    const before = inner.at(-2);
    if (last === undefined) return { steps: 1, both: false, cost: 0 };
    // What is loaded in fours along the last axis serves four steps.
    const steps = this.left.by === "inner" || this.right.by === "inner"
      ? [4]
      : Array.from({ length: Math.max(most, SHORT_AXIS) }, (_, i) => i + 1)
        .filter((step) => last.size % step === 0 && (step <= most || step === last.size));
    const loops = new Map<Axis, Expression>(inner.map((axis) => [axis, newAxis(this.#options.pool, axis.size).value]));
    const [first, ...others] = steps.flatMap((step) =>
      (before !== undefined && before.size <= SHORT_AXIS ? [false, true] : [false]).map((both) => ({
        steps: step,
        both,
      }))
    ) as [Unrolling, ...Unrolling[]];
    let best = first;
    let lowest = this.#costOf(best, loops).each;
    for (const unrolling of others) {
      const { each, loads, products } = this.#costOf(unrolling, loops);
      if (loads > MOST_INNER_ACCESSES || products > MOST_INNER_PRODUCTS) continue;
      if (each <= lowest * WORTH_WRITING) [best, lowest] = [unrolling, each];
    }
    return { ...best, cost: lowest };
  }

  /** What a product of all of a tile costs, in loads, where so much is written out; and loads and products in the text. */
  #costOf(
    unrolling: Unrolling,
    loops: ReadonlyMap<Axis, Expression>,
  ): { readonly each: number; readonly loads: number; readonly products: number } {
    const places = this.#places(unrolling, loops);
    let loads = 0;
    for (const factor of [this.left, this.right]) {
      const elements = Array.from({ length: factor.tile.size }, (_, i) => i);
      loads += new Set(places.flatMap((place) => elements.map((i) => this.element(factor, i, place)[0]))).size;
    }
    const products = places.length * this.#options.tiles.rows.size * this.#options.groups;
    return { each: loads / places.length, loads, products };
  }
}
