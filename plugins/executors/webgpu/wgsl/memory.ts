/**
 * How shaders reach buffers.
 *
 * @module
 */
import { hasPartPerStep } from "../../../compiler/ir/buffers.ts";
import type { Buffer } from "../../../compiler/ir/types.ts";
import { accessOf, type Operand } from "./shader.ts";

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

/** A binding of its own for each buffer, named and numbered in the order of their first use. */
export class OperandMemory implements Memory {
  readonly #vectors: ReadonlySet<Buffer>;
  readonly #places = new Map<Buffer, Place>();

  /** @param vectors Buffers that are typed as vectors of four. */
  constructor(vectors: ReadonlySet<Buffer>) {
    this.#vectors = vectors;
  }

  /** The bindings so far. */
  get operands(): readonly Operand[] {
    return [...this.#places.keys()].map((buffer) => ({ buffer, access: accessOf(buffer) }));
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
    return [...this.#places].map(([buffer, { name, form }], binding) => {
      const scalar = ({ f32: "f32", i32: "i32", bool: "u32", u8: "u32" } as const)[buffer.type];
      const type = form === "vectors" ? `vec4<${scalar}>` : scalar;
      return `@group(0) @binding(${binding}) var<storage, ${accessOf(buffer)}> ${name}: array<${type}>;`;
    }).join("\n");
  }
}
