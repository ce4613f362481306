/**
 * What the printer gives to the runtime.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Buffer } from "../../../compiler/ir/types.ts";
import type { Tuning } from "./tuning.ts";

/** A buffer that a shader reads or writes, by its place among the bindings of group 0. */
export interface Operand {
  /**
   * Which. Its range is bound from its first element, which lies at a multiple of 256 bytes; the range's length is rounded
   * up to 16 bytes. Of `rows`, `sums`, `output` and `input` the whole memory is bound: all steps, all rows.
   */
  readonly buffer: Buffer;
  readonly access: Access;
  /** How it would be bound if it, or a copy of it beside a variable that is stored, were a texture. @default it cannot be one */
  readonly texture?: TextureAccess;
}

/**
 * How a buffer is bound: `read` and `read_write` as storage, `uniform` as that. A GPU buffer must not be written in a
 * dispatch in which it is bound in another way too.
 */
export type Access = "read" | "read_write" | "uniform" | TextureAccess;

/** Whether an operand is bound as a texture. */
export function isTexture(access: Access): access is TextureAccess {
  return access === "texture_read" || access === "texture_write";
}

/** A binding: which operand, by its place, or its copy in a texture. */
export interface Binding {
  readonly place: number;
  readonly access: Access;
}

/** How a texture is bound: as a storage texture that is only read, or only written. */
export type TextureAccess = "texture_read" | "texture_write";

/**
 * One dispatch. Group 0 has a binding for each operand, in order. Group 1 has those of these that are used: 0, a uniform
 * with a dynamic offset (see `STEP_BYTES`); 1, the step table `[steps, columns]` float32, read-only storage; 2, the random
 * keys `[steps, streams, 2]` uint32, read-only storage.
 */
export interface ComputeShader {
  /** What it does, for error messages and profiles. */
  readonly label: string;
  /** WGSL with the entry point `main`. Equal work has equal text. */
  readonly code: string;
  /** Bindings of group 0. */
  readonly operands: readonly Operand[];
  /** How many workgroups are dispatched. */
  readonly workgroups: readonly [number, number, number];
  /** Most iterations of loops in one invocation. */
  readonly loopIterations: number;
  /** Whether it reads the step's number: binding 0 of group 1. */
  readonly usesStep: boolean;
  /** Whether it reads the step table: binding 1 of group 1. */
  readonly usesTable: boolean;
  /** Whether it reads random keys: binding 2 of group 1. */
  readonly usesKeys: boolean;
  /** Memory that this shader is the first to write and that no kernel of the plan knows of. */
  readonly scratch: readonly Buffer[];
  /**
   * The same with some operands as textures: its text, and what it binds of its operands. Absent where none may be one.
   *
   * @param places Which operands: those that have `texture`. Of variables that are stored the copy is bound too.
   */
  readonly inTextures?: (
    places: ReadonlySet<number>,
  ) => { readonly code: string; readonly bindings: readonly Binding[] };
}

/** Bytes of the uniform of group 1: the step's number within the execution, the number of steps, and two that are unused, as uint32. */
export const STEP_BYTES = 16;

/** What printing needs to know besides the kernel. */
export interface PrintContext {
  /** Where the kernel's expressions were made. */
  readonly expressions: Expressions;
  /** The columns of the step table. */
  readonly columns: readonly string[];
  /** How many random streams a step has. */
  readonly streams: number;
  /** What suits the adapter. */
  readonly tuning: Tuning;
  /** The names of the ways of computing that measuring found best, by the text of the one that sizes speak for. */
  readonly choices?: ReadonlyMap<string, string>;
}

/** How a buffer is bound where nothing says otherwise: `read` is what nothing on the device writes. */
export function accessOf({ role }: Buffer): "read" | "read_write" {
  return role.kind === "constant" || role.kind === "input" || role.kind === "rows" ? "read" : "read_write";
}
