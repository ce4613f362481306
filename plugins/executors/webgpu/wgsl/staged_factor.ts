/**
 * One factor of a contraction, staged in workgroup memory four elements at a time.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression } from "../../../compiler/ir/types.ts";
import { newAxis, type Substitute, substitution } from "./axes.ts";
import { loadsOf, vectorBuffers } from "./emitter.ts";

/** What a factor is staged for. */
export interface StagedFactorOptions {
  readonly pool: Expressions;
  /** The factor: over its own axes, the inner ones, and what `place` replaces. */
  readonly value: Expression;
  /** Rows of the left factor, columns of the right one. */
  readonly own: readonly Axis[];
  readonly inner: readonly Axis[];
  /** Which of the workgroups along `own` this is. */
  readonly part: Expression;
  /** Elements of `own` that a workgroup has. */
  readonly side: number;
  /** Terms that are staged at a time. */
  readonly terms: number;
  /** The invocation within its workgroup, and how many there are. */
  readonly local: Expression;
  readonly invocations: number;
  /** Four values at a time. */
  readonly lane: { readonly axis: Axis; readonly value: Expression };
  /** Replaces the batch axes. */
  readonly place: Substitute;
}

/**
 * The part of a factor that a workgroup shares.
 *
 * Its vectors lie along `own` or along the inner axes, in the direction in which storage has fours. Where it has none,
 * invocations load numbers such that neighbours load neighbours, and vectors lie across. Padding keeps what invocations
 * read or write at a time in different banks.
 */
export class StagedFactor {
  /** Along which axes a vector lies. */
  readonly along: "own" | "inner";
  /** Buffers that are loaded four elements at a time. */
  readonly vectors: ReadonlySet<Buffer>;
  /** Vectors of workgroup memory that it takes. */
  readonly size: number;
  /** How many vectors an invocation loads at a time. */
  readonly loads: number;
  readonly #options: StagedFactorOptions;
  /** Along which axes neighbouring invocations load. */
  readonly #order: "own" | "inner";
  /** Vectors that are loaded at a time, by all invocations. */
  readonly #slots: number;
  readonly #byFour: boolean;

  constructor(options: StagedFactorOptions) {
    this.#options = options;
    const { side, terms, invocations } = options;
    const fours = this.#findVectors();
    this.vectors = fours.vectors;
    this.#byFour = fours.along !== undefined;
    this.#order = fours.along ?? (this.#hasNeighbours() ? "inner" : "own");
    this.along = fours.along ?? (this.#order === "inner" ? "own" : "inner");
    this.#slots = side * terms / 4;
    this.loads = Math.ceil(this.#slots / invocations);
    this.size = this.along === "own" ? terms * this.#stride : side / 4 * (terms + 1);
  }

  /** Four elements of the factor, over the lane. @param block Which of the blocks of terms. */
  value(load: number, block: Expression): Expression {
    const { pool, own, inner, side, terms, part, lane } = this.#options;
    const { across, term } = this.#slot(load);
    const [rows, length] = [points(own), points(inner)];
    const four = (x: Expression) => pool.add(pool.mul(x, 4), lane.value);
    const inside = (x: Expression, size: number) => pool.binary("min", x, pool.int(size - 1));
    let element: Expression;
    let place: Expression;
    let within: Expression;
    if (this.along === "own") {
      const fourth = pool.add(pool.mul(part, side / 4), across);
      element = this.#byFour ? four(inside(fourth, rows / 4)) : inside(four(fourth), rows);
      const step = pool.add(pool.mul(block, terms), term);
      place = inside(step, length);
      within = pool.compare("lt", step, length);
    } else {
      element = inside(pool.add(pool.mul(part, side), across), rows);
      const fourth = pool.add(pool.mul(block, terms / 4), term);
      place = length % 4 === 0 ? four(inside(fourth, length / 4)) : inside(four(fourth), length);
      within = length % 4 === 0 ? pool.compare("lt", fourth, length / 4) : pool.compare("lt", four(fourth), length);
    }
    // Terms beyond the last are 0 in both factors, so that they add nothing whatever the last one is.
    return pool.select(within, this.#at(element, place), pool.float(0));
  }

  /** Where a vector that was loaded goes. */
  target(load: number): Expression {
    const { across, term } = this.#slot(load);
    const { pool } = this.#options;
    if (this.along === "own") return pool.add(pool.mul(term, this.#stride), across);
    return this.#rowAddress(pool.floorDiv(across, 4), pool.floorMod(across, 4), term);
  }

  /** Whether an invocation has an element to load; a known truth value where all have. */
  isLoaded(load: number): Expression {
    const { pool } = this.#options;
    return pool.compare("lt", this.#slotIndex(load), this.#slots);
  }

  /** Of the vectors along `own`: four elements at one term. @param four Which four of the side. */
  ownAddress(term: Expression, four: Expression): Expression {
    const { pool } = this.#options;
    return pool.add(pool.mul(term, this.#stride), four);
  }

  /** Of the vectors along the inner axes: four terms of one element. @param element Which of the four. */
  innerAddress(fourth: Expression, four: Expression, element: number): Expression {
    return this.#rowAddress(four, this.#options.pool.int(element), fourth);
  }

  get #stride(): number {
    return this.#options.side / 4 + (this.#order === "inner" ? 1 : 0);
  }

  #rowAddress(four: Expression, element: Expression, fourth: Expression): Expression {
    const { pool, terms } = this.#options;
    return pool.add(pool.add(pool.mul(four, terms + 1), pool.mul(element, terms / 4)), fourth);
  }

  #slotIndex(load: number): Expression {
    const { pool, local, invocations } = this.#options;
    return pool.add(local, load * invocations);
  }

  /** Which vector an invocation loads: along `own`, and along the inner axes, one of them in fours. */
  #slot(load: number): { readonly across: Expression; readonly term: Expression } {
    const { pool, side, terms } = this.#options;
    const index = this.#slotIndex(load);
    const [across, term] = this.along === "own" ? [side / 4, terms] : [side, terms / 4];
    if (this.#order === "own") return { across: pool.floorMod(index, across), term: pool.floorDiv(index, across) };
    return { across: pool.floorDiv(index, term), term: pool.floorMod(index, term) };
  }

  /** The factor at one of its own elements and one term. */
  #at(element: Expression, term: Expression): Expression {
    const { pool, value, own, inner, place } = this.#options;
    const places = new Map<Axis, Expression>();
    for (const [axes, flat] of [[own, element], [inner, term]] as const) {
      pool.unflatten(flat, axes.map(({ size }) => size)).forEach((at, i) => places.set(axes[i]!, at));
    }
    return place(substitution(pool, places)(value));
  }

  #findVectors(): { readonly along?: "own" | "inner"; readonly vectors: ReadonlySet<Buffer> } {
    const { pool, own, inner, lane } = this.#options;
    const any = (size: number) => size === 1 ? pool.int(0) : newAxis(pool, size).value;
    const four = (size: number) => pool.add(pool.mul(any(size / 4), 4), lane.value);
    const [rows, length] = [points(own), points(inner)];
    for (const along of ["own", "inner"] as const) {
      if ((along === "own" ? rows : length) % 4 !== 0) continue;
      const four4 = along === "own" ? this.#at(four(rows), any(length)) : this.#at(any(rows), four(length));
      const vectors = vectorBuffers(pool, lane.axis, loadsOf([four4]));
      if (vectors.size > 0) return { along, vectors };
    }
    return { vectors: new Set() };
  }

  /** Whether neighbouring terms are neighbours in memory. */
  #hasNeighbours(): boolean {
    const { pool, value, inner } = this.#options;
    const last = inner.at(-1);
    if (last === undefined) return false;
    const at = (place: number) => substitution(pool, new Map([[last, pool.int(place)]]));
    return loadsOf([value]).some(({ index }) => at(1)(index) === pool.add(at(0)(index), 1));
  }
}
