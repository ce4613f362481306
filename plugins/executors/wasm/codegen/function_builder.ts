/**
 * Writing one WebAssembly function: locals, blocks and loops.
 *
 * @module
 */
import type { EncodedFunction } from "./encode.ts";
import {
  branch,
  callNumbered,
  type Code,
  i32,
  int,
  localGet,
  localSet,
  loopWhile,
  setBoth,
  type ValueType,
  vectorConstant,
  write,
} from "./instructions.ts";

/** Collects a function's instructions. Whatever is emitted goes to the end of the innermost open block. */
export class FunctionBuilder {
  readonly #parameters: ValueType[] = [];
  readonly #locals: ValueType[] = [];
  readonly #blocks: Code[][] = [[]];
  readonly #constants = new Map<string, Code>();
  readonly #head: Code[] = [];

  /** A new parameter. All are to be made before the first local. */
  parameter(type: ValueType): Code {
    if (this.#locals.length > 0) throw new RangeError("Cannot add a parameter after a local: make parameters first.");
    this.#parameters.push(type);
    return localGet(this.#parameters.length - 1, type);
  }

  /** A new local. */
  local(type: ValueType): Code {
    this.#locals.push(type);
    return localGet(this.#parameters.length + this.#locals.length - 1, type);
  }

  /** Adds an instruction to the innermost open block, or to one around it. */
  emit(code: Code, block: Code[] = this.block): void {
    block.push(code);
  }

  /** The innermost open block. */
  get block(): Code[] {
    return this.#blocks.at(-1)!;
  }

  /** Computes a value once, in the innermost open block or one around it. */
  let(value: Code, block: Code[] = this.block): Code {
    if (value.local !== undefined || value.constant !== undefined) return value;
    const local = this.local(value.type);
    this.set(local, value, block);
    return local;
  }

  /** Gives a local a new value. */
  set(local: Code, value: Code, block: Code[] = this.block): void {
    block.push(localSet(local.local!, value));
  }

  /** A known vector, made once at the function's start: made in a loop it costs three times as much. */
  constant(lanes: readonly [number, number, number, number]): Code {
    const key = lanes.join();
    let known = this.#constants.get(key);
    if (known === undefined) {
      known = this.local("v128");
      this.#head.push(localSet(known.local!, vectorConstant(lanes)));
      this.#constants.set(key, known);
    }
    return known;
  }

  /** Writes a block of its own, to be placed by the caller. */
  inBlock(body: () => void): Code[] {
    const block: Code[] = [];
    this.#blocks.push(block);
    body();
    this.#blocks.pop();
    return block;
  }

  /** Writes to a block around the innermost one. */
  at(block: Code[], body: () => void): void {
    this.#blocks.push(block);
    body();
    this.#blocks.pop();
  }

  /** A loop over `start, start + step, …` while below `end`; runs at least once. */
  loop(start: Code, end: Code, step: number, body: (counter: Code) => void): void {
    const counter = this.local("i32");
    this.set(counter, start);
    const inside = this.inBlock(() => {
      body(counter);
      this.set(counter, i32.add(counter, int(step)));
    });
    this.emit(loopWhile(inside, i32.ltS(counter, end)));
  }

  /** Runs a body where the condition holds, perhaps another where not. */
  when(condition: Code, then: () => void, otherwise?: () => void): void {
    const first = this.inBlock(then);
    this.emit(branch(condition, first, otherwise && this.inBlock(otherwise)));
  }

  /** Calls a function that gives two vectors. */
  callForTwo(index: number, operands: readonly Code[]): readonly [Code, Code] {
    const [first, second] = [this.local("v128"), this.local("v128")];
    this.emit(setBoth(first.local!, second.local!, callNumbered(index, "void", operands)));
    return [first, second];
  }

  /** The function, written. @param results What is left on the stack at its end. */
  finish(...results: readonly Code[]): EncodedFunction {
    const body: number[] = [];
    for (const code of this.#head) write(code, body);
    for (const code of this.#blocks[0]!) write(code, body);
    for (const result of results) write(result, body);
    return { parameters: this.#parameters, results: results.map(({ type }) => type), locals: this.#locals, body };
  }
}
