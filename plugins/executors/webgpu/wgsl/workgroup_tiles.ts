/**
 * The shader of a contraction whose workgroups stage both factors in workgroup memory, for adapters that have some.
 *
 * A workgroup computes a block of the result, each invocation a part of it in registers. It goes through the terms a few
 * at a time: while products are formed of what lies in workgroup memory, what comes next is on its way from storage.
 *
 * Each result is one running sum over the terms in their order, of explicit `fma`: blocks of all sizes give the same bits.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression, Store } from "../../../compiler/ir/types.ts";
import { newAxis, type Substitute, substitution } from "./axes.ts";
import { type Block, blockName, invocationsOf } from "./block_shapes.ts";
import { Emitter, loadsOf, vectorBuffers } from "./emitter.ts";
import { OperandMemory } from "./memory.ts";
import { assembleGroups } from "./module.ts";
import type { ComputeShader, PrintContext } from "./shader.ts";
import { StagedFactor } from "./staged_factor.ts";

/** Neighbouring workgroups take so many blocks below each other before they go on to the next columns: caches hold both. */
const GROUPED_BLOCKS = 8;

/** Prints a contraction with as few axes as possible. */
export function printWorkgroupTiles(contraction: Contraction, block: Block, context: PrintContext): ComputeShader {
  return new BlockPrinter(contraction, block, context).print();
}

/** A place of an invocation, as an expression that the shader defines by text. */
interface Place {
  readonly axis: Axis;
  readonly value: Expression;
}

class BlockPrinter {
  readonly #contraction: Contraction;
  readonly #block: Block;
  readonly #context: PrintContext;
  readonly #pool: Expressions;
  readonly #group: Place;
  readonly #local: Place;
  readonly #lane: Place;
  readonly #groups: number;
  readonly #invocations: number;
  /** The block's number along rows and along columns. */
  readonly #part: { readonly rows: Expression; readonly columns: Expression };
  /** The invocation's place among those that share columns, and rows. */
  readonly #own: { readonly rows: Expression; readonly columns: Expression };
  readonly #toBatch: Substitute;
  readonly #left: StagedFactor;
  readonly #right: StagedFactor;
  readonly #emitter: Emitter;
  readonly #memory: OperandMemory;

  constructor(contraction: Contraction, block: Block, context: PrintContext) {
    const { expressions: pool } = context;
    const { batch, rows, columns, inner } = contraction;
    this.#contraction = contraction;
    this.#block = block;
    this.#context = context;
    this.#pool = pool;
    this.#invocations = invocationsOf(block);
    const down = Math.ceil(points(rows) / block.rows);
    const across = Math.ceil(points(columns) / block.columns);
    const batches = batch.map(({ size }) => size);
    this.#groups = points(batch) * down * across;
    this.#group = newAxis(pool, this.#groups);
    this.#local = newAxis(pool, this.#invocations);
    this.#lane = newAxis(pool, 4);
    const grouped = greatestDivisor(down, GROUPED_BLOCKS);
    const place = pool.unflatten(
      this.#groups === 1 ? pool.int(0) : this.#group.value,
      [...batches, down / grouped, across, grouped],
    );
    const [above, beside, within] = place.slice(batch.length) as [Expression, Expression, Expression];
    this.#part = { rows: pool.add(pool.mul(above, grouped), within), columns: beside };
    this.#toBatch = substitution(pool, new Map(batch.map((axis, i) => [axis, place[i]!])));
    const wide = block.columns / block.threadColumns;
    this.#own = { rows: pool.floorDiv(this.#local.value, wide), columns: pool.floorMod(this.#local.value, wide) };
    const common = {
      pool,
      inner,
      terms: block.inner,
      local: this.#local.value,
      invocations: this.#invocations,
      lane: this.#lane,
      place: this.#toBatch,
    };
    this.#left = new StagedFactor({
      ...common,
      value: contraction.left,
      own: rows,
      part: this.#part.rows,
      side: block.rows,
    });
    this.#right = new StagedFactor({
      ...common,
      value: contraction.right,
      own: columns,
      part: this.#part.columns,
      side: block.columns,
    });
    this.#memory = new OperandMemory({
      vectors: new Set([...this.#left.vectors, ...this.#right.vectors, ...this.#vectorsOfStores()]),
    });
    this.#emitter = new Emitter(context, this.#memory);
    this.#emitter.defineAxis(this.#group.axis, "block");
    this.#emitter.defineAxis(this.#local.axis, "place");
    this.#emitter.defineLane(this.#lane.axis);
  }

  print(): ComputeShader {
    const { batch, rows, columns, inner } = this.#contraction;
    const { threadRows, threadColumns } = this.#block;
    const sizes = [batch, rows, columns, inner].map((axes) => axes.map(({ size }) => size).join("×") || "1");
    for (let row = 0; row < threadRows; row++) {
      for (let four = 0; four < threadColumns / 4; four++) {
        this.#emitter.line(`var ${sum(row, four)} = vec4<f32>(0.0);`);
      }
    }
    const loopIterations = this.#emitSums();
    this.#emitStores();
    return assembleGroups({
      label: `contract ${sizes.join(" ")} in blocks of ${blockName(this.#block)}`,
      emitter: this.#emitter,
      memory: this.#memory,
      groups: this.#groups,
      workgroupSize: this.#invocations,
      declarations: [
        `var<workgroup> lefts: array<vec4<f32>, ${this.#left.size}>;`,
        `var<workgroup> rights: array<vec4<f32>, ${this.#right.size}>;`,
      ],
      loopIterations,
    });
  }

  /** @returns How many iterations its loops take. */
  #emitSums(): number {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const fourths = this.#block.inner / 4;
    const blocks = Math.ceil(points(this.#contraction.inner) / this.#block.inner);
    this.#emitLoads(pool.int(0), "var ");
    if (blocks > 1) {
      emitter.open(`for (var next = 1; next <= ${blocks}; next++)`);
      // Nobody reads any more what is overwritten now.
      emitter.line("workgroupBarrier();");
    }
    this.#emitStaging();
    emitter.line("workgroupBarrier();");
    if (blocks > 1) {
      emitter.open(`if (next < ${blocks})`);
      const next = newAxis(pool, blocks);
      emitter.defineAxis(next.axis, "next");
      this.#emitLoads(next.value, "");
      emitter.close();
    }
    const fourth = pool.axis(fourths);
    if (fourth.kind === "axis") {
      emitter.open(`for (var fourth = 0; fourth < ${fourths}; fourth++)`);
      emitter.defineAxis(fourth.axis, "fourth");
    }
    this.#emitProducts(fourth);
    if (fourth.kind === "axis") emitter.close();
    if (blocks > 1) emitter.close();
    return blocks * (1 + fourths);
  }

  get #factors(): readonly (readonly [string, StagedFactor])[] {
    return [["left", this.#left], ["right", this.#right]];
  }

  /** Loads what is staged next. @param keyword What stands before the variables' names. */
  #emitLoads(block: Expression, keyword: "var " | ""): void {
    for (const [name, factor] of this.#factors) {
      for (let load = 0; load < factor.loads; load++) {
        this.#emitter.line(`${keyword}${name}_${load} = ${this.#emitter.vector(factor.value(load, block))};`);
      }
    }
  }

  /** Puts what was loaded into workgroup memory. */
  #emitStaging(): void {
    const emitter = this.#emitter;
    for (const [name, factor] of this.#factors) {
      for (let load = 0; load < factor.loads; load++) {
        const loaded = factor.isLoaded(load);
        const line = `${name}s[${emitter.scalar(factor.target(load))}] = ${name}_${load};`;
        emitter.line(loaded.kind === "number" ? line : `if (${emitter.scalar(loaded)}) { ${line} }`);
      }
    }
  }

  /** Products of four terms, one after the other. */
  #emitProducts(fourth: Expression): void {
    const emitter = this.#emitter;
    const { threadRows, threadColumns } = this.#block;
    const left = this.#emitReads("left", this.#left, this.#own.rows, threadRows, fourth);
    const right = this.#emitReads("right", this.#right, this.#own.columns, threadColumns, fourth);
    for (let term = 0; term < 4; term++) {
      for (let four = 0; four < threadColumns / 4; four++) {
        const elements = [0, 1, 2, 3].map((i) => right.element(4 * four + i, term));
        const factor = right.vector?.(four, term) ?? emitter.newName("b");
        if (right.vector === undefined) emitter.line(`let ${factor} = vec4<f32>(${elements.join(", ")});`);
        for (let row = 0; row < threadRows; row++) {
          const name = sum(row, four);
          emitter.line(`${name} = fma(vec4<f32>(${left.element(row, term)}), ${factor}, ${name});`);
        }
      }
    }
  }

  /** Reads an invocation's elements of a factor at four terms, and says what they are called. */
  #emitReads(name: string, factor: StagedFactor, own: Expression, count: number, fourth: Expression): Reads {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const read = (address: Expression): string => {
      const text = emitter.newName(name);
      emitter.line(`let ${text} = ${name}s[${emitter.scalar(address)}];`);
      return text;
    };
    const fours = Array.from({ length: count / 4 }, (_, i) => this.#fourOf(own, i, name));
    if (factor.along === "own") {
      const vectors = [0, 1, 2, 3].map((term) => {
        const place = pool.add(pool.mul(fourth, 4), term);
        return fours.map((four) => read(factor.ownAddress(place, four)));
      });
      return {
        element: (i, term) => `${vectors[term]![i >> 2]}.${"xyzw"[i & 3]}`,
        vector: (four, term) => vectors[term]![four]!,
      };
    }
    const vectors = fours.flatMap((four) => [0, 1, 2, 3].map((i) => read(factor.innerAddress(fourth, four, i))));
    return { element: (i, term) => `${vectors[i]}.${"xyzw"[term]}` };
  }

  /** Which four of a block's side an invocation has. Its fours lie apart, so that neighbours' lie beside each other. */
  #fourOf(own: Expression, index: number, name: string): Expression {
    const { rows, columns, threadRows, threadColumns } = this.#block;
    return this.#pool.add(own, index * (name === "left" ? rows / threadRows : columns / threadColumns));
  }

  #emitStores(): void {
    const pool = this.#pool;
    const emitter = this.#emitter;
    const { rows, columns, stores } = this.#contraction;
    const { threadRows, threadColumns } = this.#block;
    const [height, width] = [points(rows), points(columns)];
    emitter.setStored(new Set(stores.map(({ buffer }) => buffer)));
    for (let row = 0; row < threadRows; row++) {
      const downward = pool.add(pool.mul(this.#fourOf(this.#own.rows, row >> 2, "left"), 4), row & 3);
      const y = pool.add(pool.mul(this.#part.rows, this.#block.rows), downward);
      this.#emitGuarded(pool.compare("lt", y, height), () => {
        for (let four = 0; four < threadColumns / 4; four++) {
          const sideward = this.#fourOf(this.#own.columns, four, "right");
          const fourth = pool.add(pool.mul(this.#part.columns, this.#block.columns / 4), sideward);
          const first = pool.mul(fourth, 4);
          if (this.#byFour) {
            this.#emitGuarded(
              pool.compare("lt", fourth, width / 4),
              () => this.#emitStoresAt(y, pool.add(first, this.#lane.value), sum(row, four), true),
            );
            continue;
          }
          for (let i = 0; i < 4; i++) {
            const x = pool.add(first, i);
            this.#emitGuarded(
              pool.compare("lt", x, width),
              () => this.#emitStoresAt(y, x, `${sum(row, four)}.${"xyzw"[i]}`, false),
            );
          }
        }
      });
    }
  }

  /** Whether the results of four neighbouring columns are all inside or all outside. */
  get #byFour(): boolean {
    return points(this.#contraction.columns) % 4 === 0;
  }

  #emitGuarded(guard: Expression, body: () => void): void {
    const emitter = this.#emitter;
    if (guard.kind === "number" && guard.value === 0) return;
    emitter.open(guard.kind === "number" ? "" : `if (${emitter.scalar(guard)})`);
    body();
    emitter.close();
  }

  #emitStoresAt(row: Expression, column: Expression, text: string, four: boolean): void {
    const emitter = this.#emitter;
    emitter.define(this.#pool.result(this.#contraction.result, "f32"), text, four);
    for (const store of this.#storesAt(row, column)) emitter.store(store);
  }

  #storesAt(row: Expression, column: Expression): readonly Store[] {
    const pool = this.#pool;
    const { rows, columns, stores } = this.#contraction;
    const places = new Map<Axis, Expression>();
    for (const [axes, flat] of [[rows, row], [columns, column]] as const) {
      pool.unflatten(flat, axes.map(({ size }) => size)).forEach((at, i) => places.set(axes[i]!, at));
    }
    const change = (x: Expression) => this.#toBatch(substitution(pool, places)(x));
    return stores.map((store) => ({ ...store, index: change(store.index), value: change(store.value) }));
  }

  #vectorsOfStores(): ReadonlySet<Buffer> {
    const pool = this.#pool;
    const { rows, columns } = this.#contraction;
    if (!this.#byFour) return new Set();
    const any = (size: number) => size === 1 ? pool.int(0) : newAxis(pool, size).value;
    const column = pool.add(pool.mul(any(points(columns) / 4), 4), this.#lane.value);
    const stores = this.#storesAt(any(points(rows)), column);
    const accesses = [...stores, ...loadsOf(stores.flatMap(({ index, value }) => [index, value]))];
    return vectorBuffers(pool, this.#lane.axis, accesses);
  }
}

/** What an invocation's elements of a factor are called. */
interface Reads {
  readonly element: (i: number, term: number) => string;
  /** Four neighbouring elements, where these are a vector. */
  readonly vector?: (four: number, term: number) => string;
}

/** The name of a vector of sums. */
function sum(row: number, four: number): string {
  return `a${row}_${four}`;
}

function greatestDivisor(of: number, most: number): number {
  for (let divisor = most; divisor > 1; divisor--) if (of % divisor === 0) return divisor;
  return 1;
}
