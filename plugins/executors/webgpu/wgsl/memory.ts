/**
 * How shaders reach buffers.
 *
 * @module
 */
import { bytesOf, hasPartPerStep, rootOf } from "../../../compiler/ir/buffers.ts";
import type { Buffer } from "../../../compiler/ir/types.ts";
import { type Access, accessOf, type Operand } from "./shader.ts";

/** Where a buffer's elements are. */
export interface Place {
  /** The variable that is indexed. */
  readonly name: string;
  /** How the variable's elements are typed: as the buffer's own, four of them, or 32-bit words. */
  readonly form: "elements" | "vectors" | "words";
  /** The buffer's first element there, but for parts of steps. */
  readonly offset: number;
  /** Elements from one step's part to the next; 0 where steps share it. */
  readonly perStep: number;
}

/** Gives buffers their places in one shader. */
export interface Memory {
  /** Where a buffer is. */
  place(buffer: Buffer): Place;
  /** The declarations of the variables. */
  text(): string;
}

/** What decides how a shader binds buffers. */
export interface Bindings {
  /** Buffers that are typed as vectors of four. */
  readonly vectors?: ReadonlySet<Buffer>;
  /** Buffers that the shader writes. @default any may be */
  readonly stored?: readonly Buffer[];
  /** Bytes of a buffer up to which it may be a uniform. @default 0 */
  readonly uniformBytes?: number;
}

/** A binding of its own for each buffer, named and numbered in the order of their first use. */
export class OperandMemory implements Memory {
  readonly #vectors: ReadonlySet<Buffer>;
  readonly #uniformBytes: number;
  /** What lies in the same GPU buffer as something that is written must be bound in the same way. */
  readonly #written: ReadonlySet<string> | undefined;
  readonly #places = new Map<Buffer, Place>();

  /** No bindings yet. */
  constructor({ vectors = new Set(), stored, uniformBytes = 0 }: Bindings = {}) {
    this.#vectors = vectors;
    this.#uniformBytes = uniformBytes;
    this.#written = uniformBytes > 0 && stored ? new Set(stored.map(memoryOf)) : undefined;
  }

  /** The bindings so far. */
  get operands(): readonly Operand[] {
    let uniforms = 0;
    return [...this.#places.keys()].map((buffer) => {
      const access = this.#access(buffer);
      return { buffer, access: access === "uniform" && ++uniforms > MOST_UNIFORMS ? "read" : access };
    });
  }

  place(buffer: Buffer): Place {
    let place = this.#places.get(buffer);
    if (place === undefined) {
      place = {
        name: `m${this.#places.size}`,
        form: buffer.type === "u8" ? "words" : this.#vectors.has(buffer) ? "vectors" : "elements",
        offset: 0,
        perStep: hasPartPerStep(buffer) ? buffer.size : 0,
      };
      this.#places.set(buffer, place);
    }
    return place;
  }

  text(): string {
    const { operands } = this;
    return [...this.#places].map(([buffer, { name, form }], binding) => {
      const scalar = ({ f32: "f32", i32: "i32", bool: "u32", u8: "u32" } as const)[buffer.type];
      const type = form === "vectors" ? `vec4<${scalar}>` : scalar;
      const { access } = operands[binding]!;
      return `@group(0) @binding(${binding}) ` +
        (access === "uniform"
          ? `var<uniform> ${name}: array<${type}, ${buffer.size / 4}>;`
          : `var<storage, ${access}> ${name}: array<${type}>;`);
    }).join("\n");
  }

  #access(buffer: Buffer): Access {
    const memory = memoryOf(buffer);
    if (!UNIFORM_MEMORY.has(memory) || (this.#written?.has(memory) ?? true)) return accessOf(buffer);
    return this.#vectors.has(buffer) && bytesOf(buffer) <= this.#uniformBytes ? "uniform" : "read";
  }
}

/** An adapter need not allow more than twelve in a shader. One is the step's number. */
const MOST_UNIFORMS = 11;
/** Memory of which parts may be uniforms: every other one is bound as a whole, whose size depends on the execution. */
const UNIFORM_MEMORY: ReadonlySet<string> = new Set(["state", "scratch", "constant"]);

/** Buffers of which memory a buffer is a part of. */
function memoryOf(buffer: Buffer): string {
  const { kind } = rootOf(buffer).role;
  return kind === "variable" ? "state" : kind;
}
