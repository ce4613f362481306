/**
 * How shaders reach buffers.
 *
 * @module
 */
import { bytesOf, hasPartPerStep, rootOf } from "../../../compiler/ir/buffers.ts";
import type { Buffer } from "../../../compiler/ir/types.ts";
import { type Access, accessOf, type Binding, isTexture, type Operand, type TextureAccess } from "./shader.ts";
import { TEXTURE_FORMAT, textureShape } from "./texture_shape.ts";

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

/** Gives buffers their places in one shader, and says how these are read and written. */
export interface Memory {
  /** Where a buffer is. */
  place(buffer: Buffer): Place;
  /** What is at an index of the buffer's variable, as text. */
  load(buffer: Buffer, index: string): string;
  /** The statement that puts a value there. */
  store(buffer: Buffer, index: string, value: string): string;
  /** The statement that puts one number into a variable of vectors. */
  storeOne(buffer: Buffer, element: string, value: string): string;
}

/** What decides how a shader binds buffers. */
export interface Bindings {
  /** Buffers that are typed as vectors of four. */
  readonly vectors?: ReadonlySet<Buffer>;
  /** Buffers that the shader writes. @default any may be */
  readonly stored?: readonly Buffer[];
  /** Bytes of a buffer up to which it may be a uniform. @default 0 */
  readonly uniformBytes?: number;
  /** Whether scratch buffers and copies of variables may be textures. @default false */
  readonly textures?: boolean;
}

/** What a shader does with a buffer that may be a texture. */
interface Use {
  loaded: boolean;
  /** Whether it is stored as the variable's type says. */
  stored: boolean;
  /** Whether less than a vector, which a texture has as a whole, is stored at once. */
  inParts: boolean;
}

const NONE: ReadonlySet<number> = new Set();

/** A binding of its own for each buffer, named and numbered in the order of their first use. */
export class OperandMemory implements Memory {
  readonly #bindings: Required<Omit<Bindings, "stored">> & Pick<Bindings, "stored">;
  readonly #places = new Map<Buffer, Place>();
  /** Of buffers that may be textures: the text of these reaches them through functions, whatever they become. */
  readonly #uses = new Map<Buffer, Use>();

  /** No bindings yet. */
  constructor({ vectors = new Set(), stored, uniformBytes = 0, textures = false }: Bindings = {}) {
    this.#bindings = { vectors, stored, uniformBytes, textures };
  }

  /** Whether some of the bindings may be textures. */
  get flexible(): boolean {
    return [...this.#uses.keys()].some((buffer) => this.#texture(buffer) !== undefined);
  }

  /** What is bound, in the order of places. */
  get operands(): readonly Operand[] {
    const bindings = this.bindings();
    return [...this.#places.keys()].map((buffer, place) => {
      const texture = this.#texture(buffer);
      return { buffer, access: bindings[place]!.access, ...texture && { texture } };
    });
  }

  /**
   * The bindings so far. A variable that is stored stays where it is: its copy in a texture is bound after all others.
   *
   * @param textures Places of those that are textures. @default none
   */
  bindings(textures: ReadonlySet<number> = NONE): readonly Binding[] {
    const { stored } = this.#bindings;
    const buffers = [...this.#places.keys()];
    const inTextures = new Set(buffers.filter((buffer, place) => textures.has(place) && !this.#isCopied(buffer)));
    // What lies in the same GPU buffer as something that is written must be bound in the same way.
    const written = stored && new Set(stored.filter((buffer) => !inTextures.has(buffer)).map(memoryOf));
    let uniforms = 0;
    const bindings = buffers.map((buffer, place): Binding => {
      const access = inTextures.has(buffer) ? this.#texture(buffer)! : this.#access(buffer, written);
      return { place, access: access === "uniform" && ++uniforms > MOST_UNIFORMS ? "read" : access };
    });
    const copies = [...buffers.keys()].filter((place) => textures.has(place) && this.#isCopied(buffers[place]!));
    return [...bindings, ...copies.map((place): Binding => ({ place, access: "texture_write" }))];
  }

  place(buffer: Buffer): Place {
    let place = this.#places.get(buffer);
    if (place === undefined) {
      place = {
        name: `m${this.#places.size}`,
        form: buffer.type === "u8" ? "words" : this.#bindings.vectors.has(buffer) ? "vectors" : "elements",
        offset: 0,
        perStep: hasPartPerStep(buffer) ? buffer.size : 0,
      };
      this.#places.set(buffer, place);
      if (this.#bindings.textures && mayBeTexture(buffer)) {
        this.#uses.set(buffer, { loaded: false, stored: false, inParts: false });
      }
    }
    return place;
  }

  load(buffer: Buffer, index: string): string {
    const { name } = this.place(buffer);
    const use = this.#uses.get(buffer);
    if (use === undefined) return `${name}[${index}]`;
    use.loaded = true;
    return `${name}_at(${index})`;
  }

  store(buffer: Buffer, index: string, value: string): string {
    const { name, form } = this.place(buffer);
    const use = this.#uses.get(buffer);
    if (use === undefined) return `${name}[${index}] = ${value};`;
    use.stored = true;
    use.inParts ||= form !== "vectors";
    return `${name}_put(${index}, ${value});`;
  }

  storeOne(buffer: Buffer, element: string, value: string): string {
    const { name } = this.place(buffer);
    const use = this.#uses.get(buffer);
    if (use) use.inParts = true;
    return `${name}[(${element}) >> 2u][(${element}) & 3] = ${value};`;
  }

  /** The declarations of the variables. @param textures Places of those that are textures. @default none */
  text(textures: ReadonlySet<number> = NONE): string {
    const buffers = [...this.#places.keys()];
    const lines = this.bindings(textures).map(({ place, access }, binding) => {
      const buffer = buffers[place]!;
      const { name, form } = this.place(buffer);
      const type = typeOf(buffer, form);
      const own = binding < buffers.length ? name : copyOf(name);
      return `@group(0) @binding(${binding}) ` +
        (isTexture(access)
          ? `var ${own}: texture_storage_2d<${TEXTURE_FORMAT}, ${access === "texture_read" ? "read" : "write"}>;`
          : access === "uniform"
          ? `var<uniform> ${own}: array<${type}, ${buffer.size / 4}>;`
          : `var<storage, ${access}> ${own}: array<${type}>;`);
    });
    for (const [place, [buffer, { name, form }]] of [...this.#places].entries()) {
      const use = this.#uses.get(buffer);
      const type = typeOf(buffer, form);
      const asTexture = textures.has(place) && !this.#isCopied(buffer);
      if (use?.loaded) {
        const at = asTexture ? textureLoadText(name, buffer, form) : `${name}[i]`;
        lines.push(`fn ${name}_at(i: i32) -> ${type} { return ${at}; }`);
      }
      if (use?.stored) {
        const puts = [
          ...asTexture ? [] : [`${name}[i] = x;`],
          ...textures.has(place) ? [textureStoreText(asTexture ? name : copyOf(name), buffer)] : [],
        ];
        lines.push(`fn ${name}_put(i: i32, x: ${type}) { ${puts.join(" ")} }`);
      }
    }
    return lines.join("\n");
  }

  #access(buffer: Buffer, written: ReadonlySet<string> | undefined): Access {
    const { vectors, uniformBytes } = this.#bindings;
    const memory = memoryOf(buffer);
    if (uniformBytes === 0 || !UNIFORM_MEMORY.has(memory) || (written?.has(memory) ?? true)) return accessOf(buffer);
    return vectors.has(buffer) && bytesOf(buffer) <= uniformBytes ? "uniform" : "read";
  }

  /** How a buffer would be bound as a texture: not at all where one shader would both read and write it. */
  #texture(buffer: Buffer): TextureAccess | undefined {
    const use = this.#uses.get(buffer);
    if (use === undefined || use.inParts) return undefined;
    if (use.stored) return use.loaded && buffer.role.kind === "scratch" ? undefined : "texture_write";
    return use.loaded ? "texture_read" : undefined;
  }

  /** Whether a buffer is stored where it is, and its copy in a texture beside. */
  #isCopied(buffer: Buffer): boolean {
    return buffer.role.kind === "variable" && this.#uses.get(buffer)?.stored === true;
  }
}

const SCALARS = { f32: "f32", i32: "i32", bool: "u32", u8: "u32" } as const;

function typeOf({ type }: Buffer, form: Place["form"]): string {
  return form === "vectors" ? `vec4<${SCALARS[type]}>` : SCALARS[type];
}

/** The name of the texture that has a copy of a variable. */
function copyOf(name: string): string {
  return `${name}_copy`;
}

/** Whether a buffer, or its copy, may be a texture: nobody else sees it, and it is whole vectors. */
function mayBeTexture({ role, within, size, type }: Buffer): boolean {
  return (role.kind === "scratch" && within === undefined || role.kind === "variable") && size % 4 === 0 &&
    type !== "u8";
}

/** What is at place `i` of a texture. */
function textureLoadText(name: string, buffer: Buffer, form: Place["form"]): string {
  const type = `vec4<${SCALARS[buffer.type]}>`;
  const [four, element] = form === "vectors" ? ["i", ""] : ["(i >> 2u)", "[i & 3]"];
  return `bitcast<${type}>(textureLoad(${name}, ${texelText(buffer, four)}))${element}`;
}

/** Writes the vector `x` at place `i` of a texture. */
function textureStoreText(name: string, buffer: Buffer): string {
  return `textureStore(${name}, ${texelText(buffer, "i")}, bitcast<vec4<u32>>(x));`;
}

function texelText(buffer: Buffer, four: string): string {
  const { width } = textureShape(buffer);
  return `vec2<i32>(${four} & ${width - 1}, ${four} >> ${Math.log2(width)}u)`;
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
