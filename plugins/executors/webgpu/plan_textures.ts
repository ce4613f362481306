/**
 * Which values of a plan lie in textures, and which of these share one.
 *
 * Lavapipe answers a load from storage for each of eight invocations and each of four numbers apart, asking every time
 * whether it is inside; a texel it reads at once. So what kernels read lies in textures there: scratch buffers, and copies of
 * variables, which are made when an execution begins and kept by the kernels that store variables. A texel takes longer to
 * write, so that what is read once gains nothing; but textures and storage share no memory, and what lies in both has
 * its most in each.
 *
 * @module
 */
import { bytesOf, overlap, rootOf } from "../../compiler/ir/buffers.ts";
import type { Plan } from "../../compiler/ir/plan.ts";
import { axesOf, points, writes } from "../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Kernel, LoadExpression, Store } from "../../compiler/ir/types.ts";
import { allocate, leastScratch, livesOf } from "../../compiler/passes/allocate.ts";
import { ALIGNMENT } from "./memory.ts";
import { loadsOf } from "./wgsl/emitter.ts";
import type { ComputeShader, Tuning } from "./wgsl/mod.ts";
import { TEXEL_BYTES, type TextureShape, textureShape } from "./wgsl/texture_shape.ts";

/** A texture of which buffers make use in turns. */
export interface TextureSlot extends TextureShape {
  /** Tells it apart from others of its width. */
  readonly nth: number;
}

/** The textures of a plan, and which of them each buffer, or its copy, uses. */
export interface PlanTextures {
  readonly slots: readonly TextureSlot[];
  readonly slotOf: ReadonlyMap<Buffer, TextureSlot>;
  /** Variables of which there are copies. */
  readonly copied: readonly Buffer[];
}

/** What devices allow. */
export type TextureLimits = Pick<GPUSupportedLimits, "maxStorageTexturesPerShaderStage" | "maxTextureDimension2D">;

/** How often each number of a variable is loaded in a step where a copy is worth its writing. */
const LOADS_WORTH_A_COPY = 2;
/** Copies of variables that a step only reads take no more than this part of what it cannot do without. */
const MOST_COPIES = 0.1;
/** All memory takes no more than this times what a step cannot do without. */
const MOST_MEMORY = 1.15;

/**
 * Chooses what lies in textures: scratch buffers that are not written in parts, and that no shader both reads and writes;
 * variables that are read often, whatever shaders do with them, as these have copies. Where that takes too much memory,
 * what is read most.
 *
 * @param printed The shaders of each of the plan's kernels.
 */
export function chooseTextures(
  plan: Plan,
  printed: readonly (readonly ComputeShader[])[],
  tuning: Tuning,
  limits: TextureLimits,
): ReadonlySet<Buffer> {
  const operands = printed.flatMap((shaders) => shaders.flatMap(({ operands }) => operands));
  const able = new Set(operands.filter(({ texture }) => texture !== undefined).map(({ buffer }) => buffer));
  for (const { buffer, texture } of operands) {
    if (texture === undefined) able.delete(buffer);
    // A part of scratch memory is bound by itself.
    if (buffer.within) able.delete(rootOf(buffer));
  }
  if (able.size === 0) return able;
  const loads = loadsOfEach(plan.kernels, tuning);
  const fits = (buffer: Buffer) => {
    const { width, height } = textureShape(buffer);
    return able.has(buffer) && Math.max(width, height) <= limits.maxTextureDimension2D;
  };
  const variables = [...plan.variables.values()];
  const worthCopies = variables.filter((buffer) => (loads.get(buffer) ?? 0) >= LOADS_WORTH_A_COPY);
  const chosen = new Set([...plan.scratch, ...worthCopies].filter(fits));
  const stored = new Set(plan.kernels.flatMap((kernel) => [...writes(kernel)]));
  for (const other of stored) {
    for (const buffer of chosen) if (buffer !== other && overlap(buffer, other)) chosen.delete(buffer);
  }
  const byLoads = (a: Buffer, b: Buffer) => (loads.get(b) ?? 0) - (loads.get(a) ?? 0) || a.id - b.id;
  const copied = variables.filter((buffer) => chosen.has(buffer)).sort(byLoads);
  // Where kernels end with the update of a variable, its gradient is nowhere: its copy may take as much.
  const needed = sizeOf(variables) + sizeOf(copied.filter((buffer) => stored.has(buffer))) + leastScratch(plan);
  let copies = 0;
  for (const variable of copied.filter((buffer) => !stored.has(buffer))) {
    if (copies + bytesOf(variable) > needed * MOST_COPIES) chosen.delete(variable);
    else copies += bytesOf(variable);
  }
  for (const { operands } of printed.flat()) {
    const textures = operands.map(({ buffer }) => buffer).filter((buffer) => chosen.has(buffer)).sort(byLoads);
    for (const buffer of textures.slice(limits.maxStorageTexturesPerShaderStage)) chosen.delete(buffer);
  }
  if (bytesWith(plan, chosen) <= needed * MOST_MEMORY) return chosen;
  return asManyAsFit([...chosen].sort(byLoads), (textures) => bytesWith(plan, textures) <= needed * MOST_MEMORY);
}

/** The longest start of a list that fits, about: a longer one is taken to need more. */
function asManyAsFit(list: readonly Buffer[], fits: (start: ReadonlySet<Buffer>) => boolean): ReadonlySet<Buffer> {
  let [least, most] = [0, list.length];
  while (least < most) {
    const count = Math.ceil((least + most) / 2);
    if (fits(new Set(list.slice(0, count)))) least = count;
    else most = count - 1;
  }
  return new Set(list.slice(0, least));
}

/** Bytes of variables, their copies and scratch memory where some of it lies in textures, which only textures share. */
function bytesWith(plan: Plan, textures: ReadonlySet<Buffer>): number {
  const { slots } = shareTextures(plan, textures);
  return sizeOf([...plan.variables.values()]) +
    slots.reduce((sum, { width, height }) => sum + width * height * TEXEL_BYTES, 0) +
    allocate(plan, { alignment: ALIGNMENT, without: textures }).size;
}

/** A shader with those of its operands in textures that are chosen. */
export function withTextures(shader: ComputeShader, chosen: ReadonlySet<Buffer>): ComputeShader {
  const { inTextures, ...rest } = shader;
  const { operands } = shader;
  const places = new Set(operands.keys().filter((place) => chosen.has(operands[place]!.buffer)));
  if (places.size === 0 || inTextures === undefined) return rest;
  const { code, bindings } = inTextures(places);
  return { ...rest, code, operands: bindings.map(({ place, access }) => ({ ...operands[place]!, access })) };
}

/** Gives each chosen buffer a texture that no other uses in its life. Large ones first, so that few rows are left over. */
export function shareTextures(plan: Plan, chosen: ReadonlySet<Buffer>): PlanTextures {
  const copied = [...plan.variables.values()].filter((buffer) => chosen.has(buffer));
  const lives = [
    ...livesOf(plan, {}).filter(({ buffer }) => chosen.has(buffer)),
    ...copied.map((buffer) => ({ buffer, bytes: bytesOf(buffer), first: 0, last: Infinity })),
  ];
  lives.sort((a, b) => b.bytes - a.bytes || a.first - b.first || a.buffer.id - b.buffer.id);
  const users = new Map<TextureSlot, (typeof lives)[number][]>();
  const slotOf = new Map<Buffer, TextureSlot>();
  for (const life of lives) {
    const shape = textureShape(life.buffer);
    const alike = [...users.keys()].filter(({ width }) => width === shape.width);
    let slot = alike.findLast((slot) =>
      users.get(slot)!.every(({ first, last }) => last < life.first || life.last < first)
    );
    if (slot === undefined) users.set(slot = { ...shape, nth: alike.length }, []);
    users.get(slot)!.push(life);
    slotOf.set(life.buffer, slot);
  }
  return { slots: [...users.keys()], slotOf, copied };
}

function sizeOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, buffer) => sum + bytesOf(buffer), 0);
}

/** How often kernels load each number of what they do not store themselves, on average. */
function loadsOfEach(kernels: readonly Kernel[], tuning: Tuning): Map<Buffer, number> {
  const counts = new Map<Buffer, number>();
  for (const kernel of kernels) {
    const stored = writes(kernel);
    for (const [{ buffer }, times] of timesOfLoads(kernel, tuning)) {
      if (!stored.has(buffer)) counts.set(buffer, (counts.get(buffer) ?? 0) + times / buffer.size);
    }
  }
  return counts;
}

/** How often a kernel does each of its loads. What several values need is loaded once for all of them. */
function timesOfLoads(kernel: Kernel, { tileRows, tileColumns }: Tuning): ReadonlyMap<LoadExpression, number> {
  const found = new Map<LoadExpression, number>();
  const add = (x: Expression, times: number) => {
    for (const load of loadsOf([x])) found.set(load, Math.max(found.get(load) ?? 0, times));
  };
  const addStores = (stores: readonly Store[], outer: readonly Axis[], inner: readonly Axis[]) => {
    for (const { index, value } of stores) {
      const used = new Set([...axesOf(index), ...axesOf(value)]);
      add(value, points([...outer, ...inner.filter((axis) => used.has(axis))]));
    }
    return found;
  };
  switch (kernel.kind) {
    case "nest":
      for (const { value } of kernel.reductions) add(value, points([...kernel.outer, ...kernel.inner]));
      return addStores(kernel.stores, kernel.outer, kernel.inner);
    case "contraction": {
      const { batch, rows, columns, inner } = kernel;
      add(kernel.left, points([...batch, ...rows, ...inner]) * Math.ceil(points(columns) / tileColumns));
      add(kernel.right, points([...batch, ...columns, ...inner]) * Math.ceil(points(rows) / tileRows));
      return addStores(kernel.stores, [...batch, ...rows, ...columns], []);
    }
    case "scan":
      add(kernel.value, points([...kernel.outer, kernel.along]));
      return addStores(kernel.stores, [...kernel.outer, kernel.along], []);
    case "scatter":
      add(kernel.value, points([...kernel.outer, ...kernel.inner]));
      return found;
    default:
      return kernel satisfies never;
  }
}
