/**
 * Which part of some loops one invocation does.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Axis, Expression } from "../../../compiler/ir/types.ts";

/** A tile: `part` values of one axis, and all of the axes after it. */
export class Tile {
  /** Elements of a tile. */
  readonly size: number;
  /** The loops over tiles, outermost first: the axes before, and that over parts. Those of one value are left out. */
  readonly loops: readonly Axis[];
  /** Values that a tile has of the axis that is divided. */
  readonly part: number;
  /** Whether all tiles are full. */
  readonly full: boolean;
  /** Whether four neighbours of the tile, from a multiple of four on, are four neighbours of the last axis, and all inside or all outside. */
  readonly byFour: boolean;
  readonly #pool: Expressions;
  readonly #axes: readonly Axis[];
  readonly #divided: number;
  readonly #tile: Expression;

  constructor(pool: Expressions, axes: readonly Axis[], most: number) {
    const { divided, part, tail } = choosePart(axes, most);
    this.#pool = pool;
    this.#axes = axes;
    this.#divided = divided;
    this.part = part;
    this.size = part * tail;
    const axis = axes[divided];
    const count = axis === undefined ? 1 : Math.ceil(axis.size / part);
    this.#tile = pool.axis(count);
    this.full = axis === undefined || axis.size % part === 0;
    const last = axes.at(-1);
    this.byFour = last !== undefined && last.size % 4 === 0 && (tail > 1 || part % 4 === 0);
    this.loops = [
      ...axes.slice(0, Math.max(divided, 0)),
      ...this.#tile.kind === "axis" ? [this.#tile.axis] : [],
    ];
  }

  /** The values of the axes at an element of the tile, kept inside. */
  at(element: Expression): ReadonlyMap<Axis, Expression> {
    return this.#places(element, true);
  }

  /** The values of the axes at an element of the tile, which lie outside where `inside` says so. */
  exactly(element: Expression): ReadonlyMap<Axis, Expression> {
    return this.#places(element, false);
  }

  /** Whether an element of the tile lies inside. */
  inside(element: Expression): Expression {
    const axis = this.#axes[this.#divided];
    if (axis === undefined) return this.#pool.number(1, "bool");
    const [first] = this.#split(element);
    return this.#pool.compare("lt", this.#pool.add(this.#pool.mul(this.#tile, this.part), first!), axis.size);
  }

  /** Four neighbours as values of a lane: those from `4 · fourth` on. Only where `byFour`. */
  fourAt(fourth: Expression, lane: Expression, keepInside: boolean): ReadonlyMap<Axis, Expression> {
    const pool = this.#pool;
    const places = new Map<Axis, Expression>();
    const tail = this.#axes.slice(this.#divided + 1);
    const last = this.#axes.at(-1)!;
    if (tail.length > 0) {
      const sizes = [this.part, ...tail.map(({ size }) => size)];
      sizes[sizes.length - 1]! /= 4;
      const split = pool.unflatten(fourth, sizes);
      tail.forEach((axis, i) => places.set(axis, split[i + 1]!));
      places.set(last, pool.add(pool.mul(split.at(-1)!, 4), lane));
      places.set(this.#axes[this.#divided]!, this.#of(split[0]!, keepInside));
      return places;
    }
    let start = pool.add(pool.mul(this.#tile, this.part / 4), fourth);
    if (keepInside) start = pool.binary("min", start, pool.int(last.size / 4 - 1));
    places.set(last, pool.add(pool.mul(start, 4), lane));
    return places;
  }

  #places(element: Expression, keepInside: boolean): ReadonlyMap<Axis, Expression> {
    const places = new Map<Axis, Expression>();
    if (this.#axes.length === 0) return places;
    const [first, ...rest] = this.#split(element);
    places.set(this.#axes[this.#divided]!, this.#of(first!, keepInside));
    rest.forEach((place, i) => places.set(this.#axes[this.#divided + 1 + i]!, place));
    return places;
  }

  #of(first: Expression, keepInside: boolean): Expression {
    const pool = this.#pool;
    const place = pool.add(pool.mul(this.#tile, this.part), first);
    return keepInside ? pool.binary("min", place, pool.int(this.#axes[this.#divided]!.size - 1)) : place;
  }

  #split(element: Expression): readonly Expression[] {
    const tail = this.#axes.slice(this.#divided + 1).map(({ size }) => size);
    return this.#pool.unflatten(element, [this.part, ...tail]);
  }
}

/** The axis to divide and into which parts: as many elements as allowed, few of them outside, fours kept together. */
function choosePart(axes: readonly Axis[], most: number): { divided: number; part: number; tail: number } {
  let tail = 1;
  for (let divided = axes.length - 1; divided >= 0; divided--) {
    const { size } = axes[divided]!;
    if (tail * size <= most && divided > 0) {
      tail *= size;
      continue;
    }
    let best = 1;
    let bestScore = 0;
    for (let part = 1; part * tail <= most && part <= size; part++) {
      const used = size / (Math.ceil(size / part) * part);
      const broken = tail === 1 && size % 4 === 0 && part % 4 !== 0 && part > 1 ? 0.8 : 1;
      const score = used * broken * part * tail / (part * tail + 4);
      if (score > bestScore) [best, bestScore] = [part, score];
    }
    return { divided, part: best, tail };
  }
  return { divided: -1, part: 1, tail };
}
