/**
 * Matrix products and convolutions, in tiles whose sums stay in registers.
 *
 * A tile has up to six rows and eight columns: with two vectors of columns and a row's number spread over another, that is as
 * many as there are registers. Processors begin two products a cycle and wait four for each: eight sums would do if nothing
 * ever came late, twelve do. Factors are read where they lie.
 *
 * @module
 */
import { points, strides } from "../../../compiler/ir/shape.ts";
import type { Axis, Contraction, LoadExpression } from "../../../compiler/ir/types.ts";
import type { Binding } from "./scopes.ts";
import { type Code, f32x4, int, v128 } from "./instructions.ts";
import { type KernelWriter, overAxes } from "./loops.ts";
import { strideAlong } from "./strides.ts";
import { overBlocks, type Tile, type TileBlocks, tileBlocks } from "./tile_blocks.ts";

/** How a row's numbers are read where sums leave registers for that; one by one where they do not. */
type Reading =
  /** Four along the sum at once. */
  | "alongInner"
  /** Those of neighbouring rows at once. */
  | "acrossRows"
  /** One by one. */
  | "single";

/** How a product is run. */
export interface ContractionSchedule {
  /** Units of work, which threads share. */
  readonly units: number;
  /** Operations, roughly. */
  readonly cost: number;
  /** How rows and columns are cut. */
  readonly blocks: TileBlocks;
  /** The loop over the sum that is innermost; absent where there is nothing to sum. */
  readonly run?: Axis;
  /** How the left factor is read. */
  readonly reading: Reading;
}

/** Sums of fewer numbers than this are written out. */
const UNROLLED_SUM = 12;
/** As many sums hide how long an addition takes. */
const SUMS_IN_FLIGHT = 8;

/** Chooses how a product is run; `undefined` where its factors do not lie in memory as tiles need them. */
export function scheduleContraction(kernel: Contraction): ContractionSchedule | undefined {
  const { batch, rows, columns, inner, left, right } = kernel;
  if (!isPlain(left) || !isPlain(right)) return undefined;
  const across = columns.find((axis) => strideAlong(right.index, axis) === 1);
  if (across === undefined || across.size < 2) return undefined;
  const down = chooseRows(rows, left);
  const along = inner.find((axis) => strideAlong(left.index, axis) === 1 && axis.size >= 4);
  const neighbours = down !== undefined && strideAlong(left.index, down) === 1;
  const reading: Reading = along !== undefined && points(inner) > 4
    ? "alongInner"
    : neighbours
    ? "acrossRows"
    : "single";
  const run = reading === "alongInner" ? along : inner.at(-1);
  const blocks = tileBlocks({
    outer: [...batch, ...rows.filter((axis) => axis !== down)],
    outerColumns: columns.filter((axis) => axis !== across),
    ...down && { down },
    across,
    sum: points(inner),
    bytes: { left: 4 * points([...rows, ...inner]), right: 4 * points([...columns, ...inner]) },
  });
  const cost = points([...batch, ...rows, ...columns]) * (points(inner) + 4) / 4;
  return { units: blocks.count, cost, blocks, ...run && { run }, reading };
}

/** Whether a factor is a float32 in memory, at a place that is a sum of strides. */
function isPlain(factor: Contraction["left"]): factor is LoadExpression {
  return factor.kind === "load" && factor.buffer.type === "f32" && strides(factor.index) !== undefined;
}

/** The rows that make a tile: those that lie side by side, else many. */
function chooseRows(rows: readonly Axis[], left: LoadExpression): Axis | undefined {
  const neighbours = rows.find((axis) => axis.size >= 4 && strideAlong(left.index, axis) === 1);
  const waste = ({ size }: Axis) => Math.ceil(size / 4) * 4 / size;
  return neighbours ?? rows.toReversed().reduce<Axis | undefined>(
    (best, axis) => best === undefined || waste(axis) < waste(best) * 0.8 ? axis : best,
    undefined,
  );
}

/** Writes a product's function. */
export function writeContraction(kernel: Contraction, schedule: ContractionSchedule, k: KernelWriter): void {
  const { left, right } = kernel;
  if (!isPlain(left) || !isPlain(right)) throw new TypeError("Cannot write a product in tiles: a factor is not plain.");
  overBlocks(k, schedule.blocks, (tile) => new TileWriter({ ...kernel, left, right }, schedule, k).write(tile));
}

interface PlainContraction extends Contraction {
  readonly left: LoadExpression;
  readonly right: LoadExpression;
}

/** Writes one tile. */
class TileWriter {
  readonly #kernel: PlainContraction;
  readonly #schedule: ContractionSchedule;
  readonly #k: KernelWriter;

  constructor(kernel: PlainContraction, schedule: ContractionSchedule, k: KernelWriter) {
    this.#kernel = kernel;
    this.#schedule = schedule;
    this.#k = k;
  }

  write(tile: Tile): void {
    const { f, e } = this.#k;
    const total = points(this.#kernel.inner);
    const wanted = SUMS_IN_FLIGHT / (tile.rows * tile.vectors);
    const sets = Math.min(total >= 16 ? wanted >= 4 ? 4 : wanted >= 2 ? 2 : 1 : 1);
    const sums = Array.from(
      { length: sets },
      () =>
        Array.from({ length: tile.rows }, () =>
          Array.from({ length: tile.vectors }, () => {
            const sum = f.local("v128");
            f.set(sum, e.float(0));
            return sum;
          })),
    );
    this.#sum(tile, sums);
    const [first, ...others] = sums;
    first!.forEach((row, r) =>
      row.forEach((sum, c) => {
        for (const other of others) f.set(sum, f32x4.add(sum, other[r]![c]!));
      })
    );
    this.#store(tile, first!);
  }

  #sum(tile: Tile, sums: readonly (readonly (readonly Code[])[])[]): void {
    const { f, evaluator } = this.#k;
    const { inner } = this.#kernel;
    const { run } = this.#schedule;
    if (run === undefined) return this.#multiply(tile, sums[0]!, []);
    if (points(inner) <= UNROLLED_SUM) {
      let at = 0;
      return overAxes(this.#k, inner, () => this.#multiply(tile, sums[at++ % sums.length]!, []), UNROLLED_SUM);
    }
    const others = inner.filter((axis) => axis !== run);
    const at = (value: Code, plus: number): Binding => ({ axis: run, value, plus });
    const four = (value: Code, plus: number) => {
      if (this.#reading(tile) === "alongInner") this.#multiplyFour(tile, sums, at(value, plus));
      else for (let j = 0; j < 4; j++) this.#multiply(tile, sums[j % sums.length]!, [at(value, plus + j)]);
    };
    const full = run.size - run.size % 4;
    overAxes(this.#k, others, () => {
      if (full > 8) {
        f.loop(int(0), int(full), 4, (counter) =>
          evaluator.scoped([], () => {
            evaluator.known(counter);
            four(counter, 0);
          }));
      } else for (let start = 0; start < full; start += 4) four(int(start), 0);
      for (let j = full; j < run.size; j++) this.#multiply(tile, sums[j % sums.length]!, [at(int(j), 0)]);
    });
  }

  #rowBinding(tile: Tile, row: number): Binding[] {
    return tile.row === undefined ? [] : [{ ...tile.row, plus: (tile.row.plus ?? 0) + row }];
  }

  #columnBinding(tile: Tile, vector: number): Binding {
    return { ...tile.column, plus: (tile.column.plus ?? 0) + 4 * vector };
  }

  #load(factor: LoadExpression, bindings: readonly Binding[], how: "vector" | "splat"): Code {
    const { f, evaluator } = this.#k;
    let loaded: Code | undefined;
    evaluator.scoped(bindings, () => {
      const { base, offset } = evaluator.elementAddress(factor.buffer, factor.index);
      loaded = f.let(how === "vector" ? v128.load(base, offset) : v128.loadSplat(base, offset));
    });
    return loaded!;
  }

  #columns(tile: Tile, at: readonly Binding[]): Code[] {
    return Array.from(
      { length: tile.vectors },
      (_, c) => this.#load(this.#kernel.right, [...at, this.#columnBinding(tile, c)], "vector"),
    );
  }

  #add(sums: readonly Code[], x: Code, columns: readonly Code[]): void {
    const { f, e } = this.#k;
    const spread = f.let(x);
    sums.forEach((sum, c) => f.set(sum, e.madd(spread, columns[c]!, sum)));
  }

  #reading(tile: Tile): Reading {
    return tile.rows * tile.vectors > SUMS_IN_FLIGHT ? "single" : this.#schedule.reading;
  }

  /** One place of the sum. */
  #multiply(tile: Tile, sums: readonly (readonly Code[])[], at: readonly Binding[]): void {
    const { left } = this.#kernel;
    const columns = this.#columns(tile, at);
    if (this.#reading(tile) === "acrossRows" && tile.rows > 1) {
      const fours = Array.from(
        { length: Math.ceil(tile.rows / 4) },
        (_, four) => this.#load(left, [...at, ...this.#rowBinding(tile, 4 * four)], "vector"),
      );
      sums.forEach((row, r) => this.#add(row, spread(fours[Math.floor(r / 4)]!, r % 4), columns));
    } else {
      sums.forEach((row, r) =>
        this.#add(row, this.#load(left, [...at, ...this.#rowBinding(tile, r)], "splat"), columns)
      );
    }
  }

  /** Four places of the sum that lie side by side in the left factor. */
  #multiplyFour(tile: Tile, sums: readonly (readonly (readonly Code[])[])[], at: Binding): void {
    const rows = Array.from(
      { length: tile.rows },
      (_, r) => this.#load(this.#kernel.left, [at, ...this.#rowBinding(tile, r)], "vector"),
    );
    for (let j = 0; j < 4; j++) {
      const columns = this.#columns(tile, [{ ...at, plus: (at.plus ?? 0) + j }]);
      rows.forEach((row, r) => this.#add(sums[j % sums.length]![r]!, spread(row, j), columns));
    }
  }

  #store(tile: Tile, sums: readonly (readonly Code[])[]): void {
    const { evaluator } = this.#k;
    const { stores, result } = this.#kernel;
    for (let c = 0; c < tile.vectors; c++) {
      const lanes = c === tile.vectors - 1 ? tile.lastLanes : 4;
      evaluator.scoped([{ ...this.#columnBinding(tile, c), lanes }], () => {
        for (let r = 0; r < tile.rows; r++) {
          evaluator.scoped(this.#rowBinding(tile, r), () => {
            evaluator.bindResult(result, { vector: sums[r]![c]! }, true);
            for (const { buffer, index, value } of stores) evaluator.store(buffer, index, value);
          });
        }
      });
    }
  }
}

function spread(x: Code, lane: number): Code {
  const which = lane as 0 | 1 | 2 | 3;
  return v128.shuffle(x, x, [which, which, which, which]);
}
