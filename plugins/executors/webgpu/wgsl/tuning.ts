/**
 * What suits which kind of adapter.
 *
 * @module
 */

/** How workgroups share what contractions load. */
export interface WorkgroupTiles {
  /** Invocations of a workgroup at most. */
  readonly invocations: number;
  /** Bytes of workgroup memory at most. */
  readonly bytes: number;
  /** Cores of about 128 lanes, each of which runs workgroups of its own. */
  readonly cores: number;
  /** Terms of a sum below which a part of it is not worth a kernel more. */
  readonly splitTerms: number;
  /** Rows, columns and terms below which an invocation has most of what its neighbours would share with it. */
  readonly leastShared: number;
}

/** Sizes and strategies of kernels. Part of a program's identity: another order of sums gives other last bits. */
export interface Tuning {
  /** Its name in the table. */
  readonly name: string;
  /** Invocations of a workgroup of maps and reductions. */
  readonly workgroupSize: number;
  /** Operations and numbers moved in a step up to which one workgroup does whole steps. */
  readonly singleStepWork: number;
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
  /** Bytes of a buffer up to which shaders that only read it have it as a uniform. Any adapter allows 65,536. */
  readonly uniformBytes: number;
  /** Whether what is read often lies in textures: see `plan_textures.ts`. */
  readonly textures: boolean;
  /** Iterations of all loops of one invocation that must not be exceeded. */
  readonly maxLoopIterations: number;
  /**
   * Whether loops of maps, reductions, scans, scatters and stores of products must stay loops: lavapipe writes out those of
   * up to 32 iterations, and compiles for a time that grows with the square of the loads. Elsewhere the driver decides.
   */
  readonly keepsLoops: boolean;
  /** How contractions use workgroup memory. @default not at all: invocations load what they need themselves */
  readonly workgroupTiles?: WorkgroupTiles;
}

/** A kind of adapter. */
export type AdapterKind = "software" | "discrete" | "integrated";

/** For GPUs on cards of their own. None of it was measured: these are numbers that are usual in the field. */
const DISCRETE: Tuning = {
  name: "discrete",
  workgroupSize: 256,
  singleStepWork: 250_000,
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
  uniformBytes: 0,
  textures: false,
  maxLoopIterations: 1 << 20,
  keepsLoops: false,
  workgroupTiles: { invocations: 256, bytes: 16384, cores: 96, splitTerms: 128, leastShared: 8 },
};

/** By kind of adapter. The numbers of `software` were measured on lavapipe, the others nowhere. */
export const TUNINGS: Readonly<Record<AdapterKind, Tuning>> = {
  software: {
    name: "software",
    workgroupSize: 64,
    // A guess on the safe side: a hand-written perceptron of ten million lost by three times, Dense(1) won by ten.
    singleStepWork: 250_000,
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
    // Lavapipe gathers four numbers from a uniform in 0.6 times what it takes from storage.
    uniformBytes: 65536,
    // It reads a texel in a third of the time that four numbers take from storage, as it does not ask each time for each of
    // eight invocations whether they are inside, one number after the other.
    textures: true,
    // Loops end silently after 65,535 iterations.
    maxLoopIterations: 32768,
    keepsLoops: true,
  },
  discrete: DISCRETE,
  integrated: {
    ...DISCRETE,
    name: "integrated",
    contractionInvocations: 2048,
    contractionSplitInvocations: 4096,
    reductionInvocations: 2048,
    workgroupTiles: { ...DISCRETE.workgroupTiles!, cores: 10 },
  },
};

/** Workgroups of more invocations, or with more memory, would leave a core fewer of them to change between. */
const LARGEST_WORKGROUP = { invocations: 256, bytes: 32768 };
/** Names of GPUs that share a processor's memory. */
const INTEGRATED = /intel(?!.*\barc\b)|apple|adreno|mali|radeon\(tm\) graphics/i;
/** Intel as PCI knows it: some drivers say only that. */
const INTEL = "32902";

/** What is known of an adapter. */
export interface AdapterFacts {
  /** Whether the CPU emulates it. */
  readonly software: boolean;
  /** Its names. */
  readonly info: Pick<GPUAdapterInfo, "vendor" | "architecture" | "description">;
  /** What a device on it may use. */
  readonly limits: Pick<
    GPUSupportedLimits,
    "maxComputeInvocationsPerWorkgroup" | "maxComputeWorkgroupSizeX" | "maxComputeWorkgroupStorageSize"
  >;
}

/** The kind of an adapter. */
export function kindOf({ software, info: { vendor, architecture, description } }: AdapterFacts): AdapterKind {
  if (software) return "software";
  const names = `${vendor} ${architecture} ${description}`;
  return INTEGRATED.test(names) || vendor === INTEL && !/\barc\b/i.test(names) ? "integrated" : "discrete";
}

/** What suits an adapter, within its limits. @param kind Takes it for one of another kind. @default its own */
export function tuningFor(facts: AdapterFacts, kind: AdapterKind = kindOf(facts)): Tuning {
  const tuning = TUNINGS[kind];
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } = facts.limits;
  // The driver's ways with loops are its own, whatever kind it is taken for.
  const { maxLoopIterations, keepsLoops } = facts.software ? TUNINGS.software : tuning;
  if (tuning.workgroupTiles === undefined) return { ...tuning, maxLoopIterations, keepsLoops };
  const { invocations, bytes } = LARGEST_WORKGROUP;
  const workgroupTiles: WorkgroupTiles = {
    ...tuning.workgroupTiles,
    invocations: Math.min(invocations, maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX),
    bytes: Math.min(bytes, maxComputeWorkgroupStorageSize),
  };
  return { ...tuning, maxLoopIterations, keepsLoops, workgroupTiles };
}
