/**
 * What suits which kind of adapter.
 *
 * @module
 */

/** Sizes and strategies of kernels. Part of a program's identity: another order of sums gives other last bits. */
export interface Tuning {
  /** Its name in the table. */
  readonly name: string;
  /** Invocations of a workgroup of maps and reductions. */
  readonly workgroupSize: number;
  /** Invocations of the one workgroup that does whole steps. */
  readonly singleWorkgroupSize: number;
  /** Invocations of a workgroup of contractions. */
  readonly contractionWorkgroupSize: number;
  /** Rows that one invocation of a contraction computes, at most. */
  readonly tileRows: number;
  /** Columns that one invocation of a contraction computes, at most. */
  readonly tileColumns: number;
  /** Invocations of a contraction below which its tiles shrink. */
  readonly contractionInvocations: number;
  /** Rows and columns below which tiles do not shrink. */
  readonly smallestTile: number;
  /** Invocations of a contraction below which long sums are split. */
  readonly contractionSplitInvocations: number;
  /** Terms of a sum below which a part of it is not worth a kernel more. */
  readonly contractionSplitTerms: number;
  /** Steps of a contraction's innermost loop that are written out, at most. */
  readonly unroll: number;
  /** Invocations below which reductions are split into partial ones. */
  readonly reductionInvocations: number;
  /** Values to reduce below which partial reductions are not worth a kernel more. */
  readonly reductionSplitLength: number;
  /** Points of a map below which it is not computed four at a time. */
  readonly vectorPoints: number;
  /** Iterations of all loops of one invocation that must not be exceeded. */
  readonly maxLoopIterations: number;
}

/** By kind of adapter. The numbers of `software` were measured on lavapipe; those of `discrete` are a start. */
export const TUNINGS: Readonly<Record<"software" | "discrete", Tuning>> = {
  software: {
    name: "software",
    workgroupSize: 64,
    singleWorkgroupSize: 8,
    contractionWorkgroupSize: 8,
    tileRows: 16,
    tileColumns: 16,
    contractionInvocations: 32,
    smallestTile: 8,
    contractionSplitInvocations: 96,
    contractionSplitTerms: 512,
    unroll: 4,
    reductionInvocations: 64,
    reductionSplitLength: 2048,
    vectorPoints: 256,
    // Loops end silently after 65,535 iterations.
    maxLoopIterations: 32768,
  },
  discrete: {
    name: "discrete",
    workgroupSize: 256,
    singleWorkgroupSize: 256,
    contractionWorkgroupSize: 64,
    tileRows: 8,
    tileColumns: 8,
    contractionInvocations: 8192,
    smallestTile: 4,
    contractionSplitInvocations: 16384,
    contractionSplitTerms: 128,
    unroll: 4,
    reductionInvocations: 8192,
    reductionSplitLength: 256,
    vectorPoints: 262144,
    maxLoopIterations: 1 << 20,
  },
};
