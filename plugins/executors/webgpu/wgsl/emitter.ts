/**
 * Expressions as WGSL statements: each computed once, in the outermost block where all that it needs is known.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { points, walk } from "../../../compiler/ir/shape.ts";
import type {
  AffineExpression,
  Axis,
  Buffer,
  Expression,
  LoadExpression,
  RandomExpression,
  ScalarType,
  Store,
} from "../../../compiler/ir/types.ts";
import { MathLibrary } from "./math.ts";
import type { Memory } from "./memory.ts";
import { binaryText, castText, numberText, typeText, unaryText } from "./operations.ts";
import type { PrintContext } from "./shader.ts";

/** What the text of an expression is and where it holds. */
interface Value {
  readonly text: string;
  readonly block: Block;
  /** Whether it is four values, one for each value of a lane axis. */
  readonly lanes: boolean;
  /** Buffers of those that the kernel stores on whose elements it depends. */
  readonly memory: ReadonlySet<Buffer>;
}

interface Block {
  readonly parent: Block | undefined;
  readonly depth: number;
  readonly header: string;
  readonly lines: string[];
  readonly values: Map<Expression, Value>;
}

const NOTHING: ReadonlySet<Buffer> = new Set();
/** Loops of fewer iterations are as well written out by the driver. */
const LEAST_KEPT = 8;

/**
 * Writes the body of a shader.
 *
 * A lane axis has four values, which are computed together as vectors; an expression may depend on one lane axis at most.
 */
export class Emitter {
  /** Functions that the body calls. */
  readonly math: MathLibrary = new MathLibrary();
  /** What of group 1 is read. */
  readonly uses: { step: boolean; table: boolean; keys: boolean } = { step: false, table: false, keys: false };
  /** Whether the body uses `zero`, which is 0 and of which no compiler knows it. */
  usesZero = false;
  readonly #context: PrintContext;
  readonly #memory: Memory;
  readonly #lanes = new Set<Axis>();
  #stored: ReadonlySet<Buffer> = NOTHING;
  #block: Block = { parent: undefined, depth: 0, header: "", lines: [], values: new Map() };
  #names = 0;
  #stepBlock: Block | undefined;
  #memoryBlock: Block | undefined;

  constructor(context: PrintContext, memory: Memory) {
    this.#context = context;
    this.#memory = memory;
  }

  get #pool(): Expressions {
    return this.#context.expressions;
  }

  /** Says which buffers what follows stores: loads of these are not moved. */
  setStored(buffers: ReadonlySet<Buffer>): void {
    this.#stored = buffers;
  }

  /** A name that is not taken, and no word of WGSL's: `i32` is one. */
  newName(prefix: string): string {
    return `${prefix}_${this.#names++}`;
  }

  /** Adds a line to the current block. */
  line(text: string): void {
    this.#block.lines.push(text);
  }

  /** Begins a block. @param header What stands before its brace. */
  open(header: string): void {
    this.#block = { parent: this.#block, depth: this.#block.depth + 1, header, lines: [], values: new Map() };
  }

  /** Begins a loop over each axis, the last one innermost. They end with a `close` for each. */
  openLoops(axes: readonly Axis[]): void {
    const first = this.firstOf(points(axes));
    for (const axis of axes) {
      const name = this.newName("i");
      this.open(`for (var ${name} = ${first}; ${name} < ${axis.size}; ${name}++)`);
      this.defineAxis(axis, name);
    }
  }

  /** The text of 0 where loops of so many iterations begin: a compiler that does not know it writes none of them out. */
  firstOf(iterations: number): string {
    if (!this.#context.tuning.keepsLoops || iterations < LEAST_KEPT) return "0";
    this.usesZero = true;
    return "zero";
  }

  /** Ends a block. */
  close(): void {
    const { parent, header, lines } = this.#block;
    if (parent === undefined) throw new Error("Cannot close a block of a shader: none is open.");
    parent.lines.push(`${header} {`, ...lines.map((line) => `  ${line}`), "}");
    this.#block = parent;
  }

  /** The lines of the outermost block. */
  get lines(): readonly string[] {
    return this.#block.lines;
  }

  /** Says what a loop variable is called in the current block. */
  defineAxis(axis: Axis, text: string): void {
    this.#define(this.#pool.axisExpression(axis), text, false);
  }

  /** Makes an axis of four values one whose values are computed together. */
  defineLane(axis: Axis): void {
    this.#lanes.add(axis);
    this.#define(this.#pool.axisExpression(axis), "vec4<i32>(0, 1, 2, 3)", true);
  }

  /** Says what a result, or any expression, is called in the current block. */
  define(x: Expression, text: string, lanes = false): void {
    this.#define(x, text, lanes);
  }

  /** The text of one value of an expression. */
  scalar(x: Expression): string {
    const { text, lanes } = this.#emit(x);
    if (lanes) throw new Error("Cannot print an expression as one number: it differs between lanes.");
    return text;
  }

  /** The text of an expression, and whether it is four values. */
  value(x: Expression): { readonly text: string; readonly lanes: boolean } {
    return this.#emit(x);
  }

  /** The text of four values of an expression. */
  vector(x: Expression): string {
    return this.#widen(this.#emit(x), x.type);
  }

  /** Stores in the current block. What is loaded there from now on is the stored value. */
  store({ buffer, index, value }: Store): void {
    const { text, lanes, memory } = this.#emit(value);
    const place = this.#memory.place(buffer);
    if (this.dependsOnLane(index)) {
      const vector = lanes ? text : this.#widen({ text, lanes }, value.type);
      const four = place.form === "vectors" ? this.#vectorIndex(buffer, index) : undefined;
      if (four !== undefined) this.line(this.#memory.store(buffer, four, this.#toMemory(vector, value.type, true)));
      else {
        const name = this.newName("s");
        this.line(`let ${name} = ${vector};`);
        for (let lane = 0; lane < 4; lane++) {
          this.#storeElement(buffer, this.#atLane(index, lane), `${name}[${lane}]`, value.type);
        }
      }
    } else {
      if (lanes) throw new Error("Cannot store four values in one place.");
      this.#storeElement(buffer, index, text, value.type);
    }
    this.#forget(buffer);
    if (this.#stored.has(buffer) && this.#pool.bounds(index)) {
      const load = this.#pool.load(buffer, index, value.type);
      const dependencies = new Set([...memory, buffer]);
      this.#block.values.set(load, { text, block: this.#block, lanes, memory: dependencies });
    }
  }

  /** Stores a value that is given as text. */
  storeText(buffer: Buffer, index: Expression, text: string, type: ScalarType): void {
    this.#storeElement(buffer, index, text, type);
    this.#forget(buffer);
  }

  #define(x: Expression, text: string, lanes: boolean): void {
    this.#block.values.set(x, { text, block: this.#block, lanes, memory: NOTHING });
  }

  #forget(buffer: Buffer): void {
    for (let block: Block | undefined = this.#block; block !== undefined; block = block.parent) {
      for (const [x, { memory }] of block.values) if (memory.has(buffer)) block.values.delete(x);
    }
  }

  #find(x: Expression): Value | undefined {
    for (let block: Block | undefined = this.#block; block !== undefined; block = block.parent) {
      const value = block.values.get(x);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  #root(): Block {
    let block = this.#block;
    while (block.parent !== undefined) block = block.parent;
    return block;
  }

  #emit(x: Expression): Value {
    const known = this.#find(x);
    if (known !== undefined) return known;
    if (x.kind === "number") {
      return { text: numberText(x.value, x.type, this.math), block: this.#root(), lanes: false, memory: NOTHING };
    }
    const value = this.#print(x);
    value.block.values.set(x, value);
    return value;
  }

  /** A statement that names a value, in the innermost block of those of its parts. */
  #let(text: string, lanes: boolean, of: readonly Value[], buffer?: Buffer): Value {
    let block = this.#root();
    const memory = new Set<Buffer>();
    for (const part of of) {
      if (part.block.depth > block.depth) block = part.block;
      for (const one of part.memory) memory.add(one);
    }
    if (buffer !== undefined && this.#stored.has(buffer)) memory.add(buffer);
    if (memory.size > 0) block = this.#block;
    const name = this.newName("v");
    block.lines.push(`let ${name} = ${text};`);
    return { text: name, block, lanes, memory: memory.size > 0 ? memory : NOTHING };
  }

  #widen({ text, lanes }: Pick<Value, "text" | "lanes">, type: ScalarType): string {
    return lanes ? text : `${typeText(type, 4)}(${text})`;
  }

  #print(x: Expression): Value {
    switch (x.kind) {
      case "affine":
        return this.#affine(x);
      case "load":
        return this.#load(x);
      case "column":
        return this.#column(x.column);
      case "random":
        return this.#random(x);
      case "unary":
      case "cast": {
        const part = this.#emit(x.x);
        const width = part.lanes ? 4 : 1;
        const text = x.kind === "cast"
          ? castText(part.text, x.x.type, x.type, width, this.math)
          : unaryText(x.operation, part.text, x.x.type, width, this.math);
        return this.#let(text, part.lanes, [part]);
      }
      case "binary": {
        const parts = [this.#emit(x.a), this.#emit(x.b)] as const;
        const lanes = parts.some((part) => part.lanes);
        const [a, b] = parts.map((part) => lanes ? this.#widen(part, x.a.type) : part.text) as [string, string];
        const nonnegative = (this.#pool.bounds(x.a)?.[0] ?? -1) >= 0;
        return this.#let(binaryText(x, a, b, lanes ? 4 : 1, this.math, nonnegative), lanes, parts);
      }
      case "select": {
        const parts = [this.#emit(x.condition), this.#emit(x.then), this.#emit(x.otherwise)] as const;
        const lanes = parts.some((part) => part.lanes);
        const [condition, then, otherwise] = parts.map((part, i) =>
          lanes ? this.#widen(part, i === 0 ? "bool" : x.type) : part.text
        );
        return this.#let(`select(${otherwise}, ${then}, ${condition})`, lanes, parts);
      }
      case "number":
      case "axis":
      case "result":
        throw new Error(`Cannot print a ${x.kind}: it is used outside of the block that defines it.`);
      default:
        return x satisfies never;
    }
  }

  #affine(x: AffineExpression): Value {
    const atoms = x.terms.map(({ atom, factor }) => ({ atom, factor, value: this.#emit(atom) }));
    const deepest = Math.max(...atoms.map(({ value }) => value.block.depth));
    const inner = atoms.filter(({ value }) => value.block.depth === deepest || value.lanes);
    const parts: Value[] = inner.map(({ value }) => value);
    const lanes = parts.some((part) => part.lanes);
    let sum = inner.map(({ factor, value }) => {
      const text = lanes ? this.#widen(value, "i32") : value.text;
      return factor === 1 ? text : `${text} * ${numberText(factor, "i32", this.math)}`;
    }).join(" + ");
    let constant = x.constant;
    if (inner.length < atoms.length) {
      let rest: Expression = this.#pool.int(constant);
      for (const { atom, factor, value } of atoms) {
        if (value.block.depth === deepest || value.lanes) continue;
        rest = this.#pool.add(rest, this.#pool.mul(atom, factor));
      }
      const outer = this.#emit(rest);
      parts.push(outer);
      sum = `${lanes ? this.#widen(outer, "i32") : outer.text} + ${sum}`;
      constant = 0;
    }
    if (constant !== 0) sum += ` + ${numberText(constant, "i32", this.math)}`;
    return this.#let(sum, lanes, parts);
  }

  #column(column: string): Value {
    const { columns } = this.#context;
    const place = columns.indexOf(column);
    if (place < 0) throw new RangeError(`Cannot print a kernel: it reads column "${column}", the plan has ${columns}.`);
    this.uses.table = true;
    const step = this.#step();
    return this.#let(`table[${step.text} * ${columns.length} + ${place}]`, false, [step]);
  }

  /** The step's number: the shader's beginning gives it this name, or a loop over steps. */
  #step(): Value {
    this.uses.step = true;
    return { text: "step", block: this.#stepBlock ?? this.#root(), lanes: false, memory: NOTHING };
  }

  /** Says that the step's number is known from the current block on. */
  defineStep(): void {
    this.#stepBlock = this.#block;
  }

  /** Says that memory may change outside of the current block: no load is moved out of it. */
  defineMemory(): void {
    this.#memoryBlock = this.#block;
  }

  /** What an index depends on besides what it says, and as text with what is added to it. */
  #address(buffer: Buffer, index: Value, by: 1 | 4): { readonly text: string; readonly parts: readonly Value[] } {
    const place = this.#memory.place(buffer);
    const offset = place.offset / by;
    let text = offset === 0 ? index.text : `${index.text} + ${offset}`;
    const memory = { text: "", block: this.#memoryBlock ?? this.#root(), lanes: false, memory: NOTHING };
    if (place.perStep === 0) return { text, parts: [index, memory] };
    const step = this.#step();
    text += ` + step * ${place.perStep / by}`;
    return { text, parts: [index, memory, step] };
  }

  #storeElement(buffer: Buffer, index: Expression, value: string, type: ScalarType): void {
    if (buffer.type === "u8") throw new TypeError("Cannot store in a buffer of bytes: only the host does.");
    const place = this.#memory.place(buffer);
    let at = this.scalar(index);
    if (place.offset !== 0) at += ` + ${place.offset}`;
    if (place.perStep !== 0) {
      this.uses.step = true;
      at += ` + step * ${place.perStep}`;
    }
    const element = this.#toElement(value, type, buffer);
    const memory = this.#memory;
    this.line(place.form === "vectors" ? memory.storeOne(buffer, at, element) : memory.store(buffer, at, element));
  }

  #load(x: LoadExpression): Value {
    const { buffer } = x;
    const place = this.#memory.place(buffer);
    if (this.dependsOnLane(x.index)) {
      const four = place.form === "vectors" || buffer.type === "u8" ? this.#fourths(buffer, x.index) : undefined;
      if (four !== undefined) {
        const index = this.#emit(this.#clamped(four, buffer, 4));
        const { text, parts } = this.#address(buffer, index, 4);
        const loaded = buffer.type === "u8"
          ? `((vec4<u32>(${this.#memory.load(buffer, text)}) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u))`
          : this.#memory.load(buffer, text);
        return this.#let(this.#fromMemory(loaded, buffer, x.type, 4), true, parts, buffer);
      }
      const elements = [0, 1, 2, 3].map((lane) => this.#emit(this.#atLane(x, lane)));
      return this.#let(`${typeText(x.type, 4)}(${elements.map(({ text }) => text).join(", ")})`, true, elements);
    }
    const index = this.#emit(this.#clamped(x.index, buffer, 1));
    const { text, parts } = this.#address(buffer, index, 1);
    const loaded = buffer.type === "u8"
      ? `((${this.#memory.load(buffer, `(${text}) >> 2u`)} >> (u32((${text}) & 3) * 8u)) & 255u)`
      : place.form === "vectors"
      ? `${this.#memory.load(buffer, `(${text}) >> 2u`)}[(${text}) & 3]`
      : this.#memory.load(buffer, text);
    const typed = place.form === "words" && buffer.type !== "u8"
      ? this.#fromWord(loaded, buffer, x.type)
      : this.#fromMemory(loaded, buffer, x.type, 1);
    return this.#let(typed, false, parts, buffer);
  }

  /**
   * An index that only the data tell is clamped. One that is known to lie outside at times is not: WGSL answers with
   * some element of the same binding, which the select around drops.
   */
  #clamped(index: Expression, buffer: Buffer, by: 1 | 4): Expression {
    if (buffer.role.kind === "input" || this.#pool.bounds(index) !== null) return index;
    const pool = this.#pool;
    return pool.binary("min", pool.binary("max", index, pool.int(0)), pool.int(Math.ceil(buffer.size / by) - 1));
  }

  #fromMemory(text: string, buffer: Buffer, type: ScalarType, width: 1 | 4): string {
    if (type === "bool") return `${text} != ${width === 4 ? "vec4<u32>(0u)" : "0u"}`;
    return buffer.type === "u8" || buffer.type === "bool" ? `${typeText(type, width)}(${text})` : text;
  }

  #fromWord(text: string, buffer: Buffer, type: ScalarType): string {
    if (type === "bool") return `${text} != 0u`;
    return buffer.type === "bool" ? `${typeText(type, 1)}(${text})` : `bitcast<${typeText(type, 1)}>(${text})`;
  }

  #toMemory(text: string, type: ScalarType, vector: boolean): string {
    if (type !== "bool") return text;
    return vector ? `select(vec4<u32>(0u), vec4<u32>(1u), ${text})` : `select(0u, 1u, ${text})`;
  }

  #toElement(text: string, type: ScalarType, buffer: Buffer): string {
    const word = this.#memory.place(buffer).form === "words";
    if (type === "bool" && buffer.type === "i32" && !word) return `select(0, 1, ${text})`;
    if (type === "bool") return this.#toMemory(text, type, false);
    return word ? `bitcast<u32>(${text})` : text;
  }

  #random({ distribution, stream, index }: RandomExpression): Value {
    this.uses.keys = true;
    const step = this.#step();
    const key = `keys[${step.text} * ${this.#context.streams} + ${stream}]`;
    if (!this.dependsOnLane(index)) {
      const at = this.#emit(index);
      return this.#let(`${this.math.name(distribution)}(${key}, ${at.text})`, false, [step, at]);
    }
    const pool = this.#pool;
    const first = this.#atLane(index, 0);
    const consecutive = [1, 2, 3].every((lane) => this.#atLane(index, lane) === pool.add(first, lane));
    if (consecutive && divisible(first, 2) && distribution !== "truncatedNormal") {
      const at = this.#emit(first);
      const name = distribution === "uniform" ? "fourUniforms" : "fourNormals";
      return this.#let(`${this.math.name(name)}(${key}, ${at.text})`, true, [step, at]);
    }
    const elements = [0, 1, 2, 3].map((lane) =>
      this.#emit(pool.random(distribution, stream, this.#atLane(index, lane)))
    );
    return this.#let(`vec4<f32>(${elements.map(({ text }) => text).join(", ")})`, true, elements);
  }

  /** Whether an expression differs between lanes, found without printing it. */
  dependsOnLane(x: Expression): boolean {
    if (this.#lanes.size === 0) return false;
    let lanes = false;
    walk([x], (part) => {
      if (part.kind === "axis" && this.#lanes.has(part.axis)) lanes = true;
      else if (part.kind === "result" && this.#find(part)?.lanes) lanes = true;
    });
    return lanes;
  }

  #atLane(x: Expression, lane: number): Expression {
    return this.#pool.rewrite(
      x,
      (part) => part.kind === "axis" && this.#lanes.has(part.axis) ? this.#pool.int(lane) : undefined,
    );
  }

  /** Which four elements an index means, if its four values are four neighbours that start at a multiple of four. */
  #fourths(buffer: Buffer, index: Expression): Expression | undefined {
    const pool = this.#pool;
    if (buffer.size % 4 !== 0) return undefined;
    const first = this.#atLane(index, 0);
    if (!divisible(first, 4)) return undefined;
    if (![1, 2, 3].every((lane) => this.#atLane(index, lane) === pool.add(first, lane))) return undefined;
    return divided(pool, first, 4);
  }

  #vectorIndex(buffer: Buffer, index: Expression): string | undefined {
    const four = this.#fourths(buffer, index);
    return four === undefined ? undefined : this.#address(buffer, this.#emit(four), 4).text;
  }
}

/** Whether an int32 expression is known to be a multiple of a number, from its factors alone. */
export function divisible(x: Expression, by: number): boolean {
  if (x.kind === "number") return x.value % by === 0;
  return x.kind === "affine" && x.constant % by === 0 && x.terms.every(({ factor }) => factor % by === 0);
}

function divided(pool: Expressions, x: Expression, by: number): Expression {
  if (x.kind === "number") return pool.int(x.value / by);
  if (x.kind !== "affine") throw new Error("Cannot divide an index: it is no multiple.");
  let sum: Expression = pool.int(x.constant / by);
  for (const { atom, factor } of x.terms) sum = pool.add(sum, pool.mul(atom, factor / by));
  return sum;
}

/** The buffers that can be typed as vectors of four when an axis is computed four at a time. */
export function vectorBuffers(
  pool: Expressions,
  lane: Axis,
  accesses: readonly { readonly buffer: Buffer; readonly index: Expression }[],
): ReadonlySet<Buffer> {
  const found = new Set<Buffer>();
  for (const { buffer, index } of accesses) {
    if (buffer.type === "u8" || buffer.size % 4 !== 0) continue;
    const at = (place: number) =>
      pool.rewrite(index, (part) => part.kind === "axis" && part.axis === lane ? pool.int(place) : undefined);
    const first = at(0);
    if (divisible(first, 4) && [1, 2, 3].every((place) => at(place) === pool.add(first, place))) found.add(buffer);
  }
  return found;
}

/** The loads that stand in expressions. */
export function loadsOf(roots: readonly Expression[]): readonly LoadExpression[] {
  const found: LoadExpression[] = [];
  walk(roots, (part) => {
    if (part.kind === "load") found.push(part);
  });
  return found;
}
