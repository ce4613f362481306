/**
 * Which part of a matrix product a workgroup computes, and which part of that an invocation: by shape.
 *
 * @module
 */
import type { WorkgroupTiles } from "./tuning.ts";

/** The sizes of a matrix product, all of its loops counted together. */
export interface ProductSizes {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  /** Terms of each sum. */
  readonly inner: number;
}

/** What a workgroup computes: `rows` × `columns` sums, `inner` terms at a time. All are multiples of 4. */
export interface Block {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  /** Rows of one invocation. */
  readonly threadRows: number;
  /** Columns of one invocation. */
  readonly threadColumns: number;
}

/** Rows and columns that a block may have. */
const SIDES = [8, 16, 32, 64, 128, 256];
/** Rows and columns that an invocation may have. */
const THREAD_SIDES = [4, 8];
/** Terms of which both factors are kept in workgroup memory at a time. */
const TERMS = 16;
/** Invocations of the smallest workgroup: what runs in lockstep on most GPUs. */
const FEWEST_INVOCATIONS = 32;
/** Vectors that an invocation loads of one factor at a time, at most: they wait in registers. */
const MOST_LOADS = 8;
/** Multiplications that a core does in a cycle. */
const LANES = 128;
/** What a number from workgroup memory costs, in multiplications: a core reads 32 in a cycle, and neighbours share many. */
const SHARED_COST = 1.5;
/** What a number from storage that caches hold costs, in multiplications: a core reads about 16 in a cycle. */
const STORAGE_COST = 8;
/** Cycles that an invocation waits for workgroup memory, whatever it reads. */
const LATENCY = 24;

/** Its name: equal blocks have equal names. */
export function blockName({ rows, columns, inner, threadRows, threadColumns }: Block): string {
  return `${rows}×${columns}×${inner} by ${threadRows}×${threadColumns}`;
}

/** Invocations of a workgroup. */
export function invocationsOf({ rows, columns, threadRows, threadColumns }: Block): number {
  return (rows / threadRows) * (columns / threadColumns);
}

/** Vectors of four that one factor's part takes in workgroup memory at most, padding included. */
export function vectorsOf(side: number, inner: number): number {
  return Math.max(side / 4 * (inner + 1), inner * (side / 4 + 1));
}

/**
 * Terms that are staged at a time: equally many each time, so that little is padded. The same for all blocks of a product:
 * their sums have the same zeros at the end, and so the same bits.
 */
export function termsAtATime(inner: number): number {
  return Math.ceil(inner / Math.ceil(inner / TERMS) / 4) * 4;
}

/**
 * Blocks that the adapter can run, the best first as far as sizes tell: little outside of the result, enough workgroups for
 * all cores, and many products for each number that is loaded. Costs are those of a usual GPU, not of this one.
 *
 * @param accesses Memory accesses of one invocation's stores for each of its results, in fours or not, and how many of
 * them its text should have at most.
 */
export function rankBlocks(
  sizes: ProductSizes,
  tiles: WorkgroupTiles,
  accesses: { readonly each: number; readonly most: number },
): readonly Block[] {
  const inner = termsAtATime(sizes.inner);
  const ranked: { block: Block; cost: number }[] = [];
  for (const rows of SIDES) {
    for (const columns of SIDES) {
      if ((vectorsOf(rows, inner) + vectorsOf(columns, inner)) * 16 > tiles.bytes) continue;
      for (const threadRows of THREAD_SIDES) {
        for (const threadColumns of THREAD_SIDES) {
          const block = { rows, columns, inner, threadRows, threadColumns };
          const invocations = invocationsOf(block);
          if (invocations < FEWEST_INVOCATIONS || invocations > tiles.invocations) continue;
          if (Math.max(rows, columns) * inner / 4 > MOST_LOADS * invocations) continue;
          const smallest = threadRows === THREAD_SIDES[0] && threadColumns === THREAD_SIDES[0];
          if (!smallest && accesses.each * threadRows * threadColumns > accesses.most) continue;
          ranked.push({ block, cost: costOf(sizes, block, tiles) });
        }
      }
    }
  }
  return ranked.sort((a, b) => a.cost - b.cost).map(({ block }) => block);
}

/** About how long a term of all sums takes, in cycles: those of the busiest core, and those that one invocation waits. */
function costOf(sizes: ProductSizes, block: Block, { cores }: WorkgroupTiles): number {
  const { rows, columns, threadRows, threadColumns } = block;
  const groups = sizes.batch * Math.ceil(sizes.rows / rows) * Math.ceil(sizes.columns / columns);
  const shared = SHARED_COST * (threadRows + threadColumns) / (threadRows * threadColumns);
  const storage = STORAGE_COST * (rows + columns) / (rows * columns);
  const core = rows * columns * (1 + shared + storage) / LANES;
  return Math.max(1, groups / cores) * core + threadRows * threadColumns * (1 + shared) + LATENCY;
}
