/**
 * Reading and writing elements of buffers, and where they lie.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import type { Buffer, Expression, LoadExpression } from "../../../compiler/ir/types.ts";
import type { Elementary } from "./elementary.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { type Code, i32, i32x4, int, v128 } from "./instructions.ts";
import type { Operand, Operations } from "./operations.ts";
import type { Scopes } from "./scopes.ts";

/** Where an element lies: the constant part goes into the instruction. */
export interface Address {
  /** The part that is computed. */
  readonly base: Code;
  /** Bytes from there on; not negative. */
  readonly offset: number;
}

/** A sum of scalars, with the vector axis apart. */
export interface Linear {
  /** What is added up, each times a number. */
  readonly terms: readonly { readonly atom: Expression; readonly factor: number }[];
  /** What is added to that. */
  readonly constant: number;
  /** By how much neighbouring lanes differ; 0 where they do not, absent where that is not known. */
  readonly stride?: number;
}

/** What memory access needs. */
export interface MemorySetting {
  /** The function being written. */
  readonly f: FunctionBuilder;
  /** Constants in it. */
  readonly e: Elementary;
  /** The plan's pool: knows bounds of places. */
  readonly expressions: Expressions;
  /** Addresses of buffers, for this step. */
  readonly pointer: (buffer: Buffer) => Code;
}

/** Values of expressions that places depend on. */
export interface PlaceValues {
  /** The value in all lanes. */
  vector(x: Expression): Code;
  /** A value that is the same in all lanes. */
  scalar(x: Expression): Code;
}

/** Writes loads, stores and addresses into one function. */
export class MemoryAccess {
  readonly #setting: MemorySetting;
  readonly #f: FunctionBuilder;
  readonly #e: Elementary;
  readonly #scopes: Scopes;
  readonly #operations: Operations;
  readonly #values: PlaceValues;

  /** @param values Computes what places depend on. */
  constructor(setting: MemorySetting, scopes: Scopes, operations: Operations, values: PlaceValues) {
    this.#setting = setting;
    this.#f = setting.f;
    this.#e = setting.e;
    this.#scopes = scopes;
    this.#operations = operations;
    this.#values = values;
  }

  /** A place as a sum. */
  linear(index: Expression): Linear {
    const all = index.kind === "affine" ? index.terms : index.kind === "number" ? [] : [{ atom: index, factor: 1 }];
    const constant = index.kind === "affine" ? index.constant : index.kind === "number" ? index.value : 0;
    let stride: number | undefined = 0;
    for (const { atom, factor } of all) {
      if (!this.#scopes.place(atom).varying) continue;
      if (atom.kind === "axis" && stride !== undefined) stride += factor;
      else stride = undefined;
    }
    return { terms: all, constant, stride };
  }

  /** The value of a sum at its first lane. */
  sum({ terms, constant }: Linear): Code {
    let sum = int(constant);
    for (const { atom, factor } of terms) sum = i32.add(i32.mul(this.#first(atom), int(factor)), sum);
    return sum;
  }

  /** The address of an element whose place is the same in all lanes, clamped into the buffer where it may be outside. */
  elementAddress(buffer: Buffer, index: Expression): Address {
    const pointer = this.#setting.pointer(buffer);
    const bytes = buffer.type === "u8" ? 1 : 4;
    if (this.#inside(buffer, index)) return this.#address(pointer, this.linear(index), bytes);
    const place = this.#operations.clamp(this.#values.scalar(index), 0, buffer.size - 1);
    return { base: i32.add(pointer, i32.mul(place, int(bytes))), offset: 0 };
  }

  /** Elements at the points computed at once. */
  load(x: LoadExpression): Operand {
    const { buffer, index } = x;
    const wide = buffer.type === "u8" ? 1 : 4;
    if (!this.#scopes.place(index).varying) return this.#loadOne(x, this.elementAddress(buffer, index));
    const linear = this.linear(index);
    const inside = this.#inside(buffer, index);
    const pointer = this.#setting.pointer(buffer);
    let raw: Code;
    if (linear.stride === 1) {
      let address: Address;
      if (inside) address = this.#address(pointer, linear, wide);
      else {
        // Lanes must stay where they are: only vectors that lie outside as a whole are moved.
        const start = this.#operations.clamp(this.#f.let(this.sum(linear)), -4, buffer.size);
        address = { base: i32.add(pointer, i32.mul(start, int(wide))), offset: 0 };
      }
      raw = wide === 4
        ? v128.load(address.base, address.offset)
        : i32x4.ofBytes(v128.load1(address.base, address.offset));
    } else raw = this.#gather(x, inside ? linear : undefined);
    return { vector: this.#f.let(x.type === "bool" ? i32x4.ne(raw, this.#e.int(0)) : raw) };
  }

  /** Stores the lanes of a vector that are in use. */
  store(buffer: Buffer, index: Expression, given: Code): void {
    if (buffer.type === "u8") {
      throw new TypeError(`Cannot store to buffer ${buffer.id}: it holds bytes, which only the host writes.`);
    }
    const value = this.#f.let(given);
    const linear = this.linear(index);
    const pointer = this.#setting.pointer(buffer);
    if (linear.stride === undefined) {
      const places = this.#values.vector(index);
      for (let lane = 0; lane < this.#scopes.lanes; lane++) {
        const address = i32.add(pointer, i32.mul(i32x4.lane(places, lane), int(4)));
        this.#f.emit(v128.storeLane(address, value, lane));
      }
      return;
    }
    const { base, offset } = this.#address(pointer, linear, 4);
    const lanes = linear.stride === 0 ? 1 : this.#scopes.lanes;
    if (linear.stride === 1 && lanes === 4) this.#f.emit(v128.store(base, value, offset));
    else if (linear.stride === 1) {
      if (lanes >= 2) this.#f.emit(v128.storePair(base, value, 0, offset));
      if (lanes !== 2) this.#f.emit(v128.storeLane(base, value, lanes - 1, offset + 4 * (lanes - 1)));
    } else {
      for (let lane = 0; lane < lanes; lane++) {
        const at = this.#further({ base, offset }, 4 * lane * linear.stride);
        this.#f.emit(v128.storeLane(at.base, value, lane, at.offset));
      }
    }
  }

  /** A term's value, at the first lane. */
  #first(atom: Expression): Code {
    if (atom.kind !== "axis") return this.#values.scalar(atom);
    const { value, plus } = this.#scopes.axis(atom.axis);
    return i32.add(value, int(plus ?? 0));
  }

  /** Where the first lane's element lies: sums of terms of outer loops are kept in these. */
  #address(pointer: Code, { terms, constant }: Linear, bytes: number): Address {
    const byLevel = new Map<number, { atom: Expression; factor: number }[]>();
    let known = constant;
    let forward = true;
    for (const term of terms) {
      if (term.factor < 0 || !this.#isForward(term.atom)) forward = false;
      const bound = term.atom.kind === "axis" ? this.#scopes.axis(term.atom.axis) : undefined;
      known += (bound?.plus ?? 0) * term.factor;
      if (bound?.value.constant !== undefined) known += bound.value.constant * term.factor;
      else {
        const level = bound?.valueLevel ?? this.#scopes.place(term.atom).level;
        if (!byLevel.has(level)) byLevel.set(level, []);
        byLevel.get(level)!.push(term);
      }
    }
    const offset = forward && known >= 0 ? known * bytes : 0;
    let base = pointer;
    if (offset === 0 && known !== 0) base = this.#step(0, base, [], known * bytes);
    for (const level of [...byLevel.keys()].sort((a, b) => a - b)) {
      base = this.#step(level, base, byLevel.get(level)!, 0, bytes);
    }
    return { base, offset };
  }

  /** Whether a part of a place is never negative. Of data only row numbers are used as they are. */
  #isForward(atom: Expression): boolean {
    return atom.kind === "axis" || atom.kind === "load" || (this.#setting.expressions.bounds(atom)?.[0] ?? -1) >= 0;
  }

  #step(
    level: number,
    base: Code,
    terms: readonly { readonly atom: Expression; readonly factor: number }[],
    constant: number,
    bytes = 1,
  ): Code {
    const scope = this.#scopes.at(level);
    const key = `${base.local}:${bytes}:${constant}:${terms.map((term) => this.#termKey(term)).join()}`;
    let known = scope.addresses.get(key);
    if (known === undefined) {
      this.#f.at(scope.block, () => {
        let sum = i32.add(base, int(constant));
        for (const { atom, factor } of terms) sum = i32.add(sum, this.#scaled(level, atom, factor * bytes));
        known = this.#f.let(sum);
      });
      scope.addresses.set(key, known!);
    }
    return known!;
  }

  #termKey({ atom, factor }: { readonly atom: Expression; readonly factor: number }): string {
    const value = atom.kind === "axis" ? this.#scopes.axis(atom.axis).value.local : undefined;
    return `${value === undefined ? `x${atom.id}` : value}*${factor}`;
  }

  /** A term times a number: shared by all addresses that go the same way. */
  #scaled(level: number, atom: Expression, factor: number): Code {
    const { addresses } = this.#scopes.at(level);
    const value = atom.kind === "axis" ? this.#scopes.axis(atom.axis).value : this.#values.scalar(atom);
    if (value.constant !== undefined) return int(value.constant * factor);
    const key = `${value.local}*${factor}`;
    let known = addresses.get(key);
    if (known === undefined) addresses.set(key, known = this.#f.let(i32.mul(value, int(factor))));
    return known;
  }

  #further({ base, offset }: Address, bytes: number): Address {
    return bytes >= 0 ? { base, offset: offset + bytes } : { base: i32.add(base, int(offset + bytes)), offset: 0 };
  }

  #inside(buffer: Buffer, index: Expression): boolean {
    if (buffer.role.kind === "input") return true;
    const bounds = this.#setting.expressions.bounds(index);
    return bounds !== null && bounds[0] >= 0 && bounds[1] < buffer.size;
  }

  #loadOne({ buffer, type }: LoadExpression, { base, offset }: Address): Operand {
    if (type === "f32") return { vector: this.#f.let(v128.loadSplat(base, offset)) };
    const loaded = buffer.type === "u8" ? i32.load8(base, offset) : i32.load(base, offset);
    return { scalar: this.#f.let(type === "bool" ? i32.ne(loaded, int(0)) : loaded) };
  }

  /** Elements from different places, lane by lane. @param linear Where the places are known to be evenly spaced. */
  #gather({ buffer, index }: LoadExpression, linear: Linear | undefined): Code {
    const pointer = this.#setting.pointer(buffer);
    const wide = buffer.type === "u8" ? 1 : 4;
    let at: (lane: number) => Address;
    if (linear?.stride !== undefined) {
      const { stride } = linear;
      const first = this.#address(pointer, linear, wide);
      at = (lane) => this.#further(first, lane * stride * wide);
    } else {
      const given = this.#values.vector(index);
      const places = linear !== undefined ? given : this.#f.let(
        i32x4.min(i32x4.max(given, this.#e.int(0)), this.#e.int(buffer.size - 1)),
      );
      at = (lane) => ({ base: i32.add(pointer, i32.mul(i32x4.lane(places, lane), int(wide))), offset: 0 });
    }
    let value: Code | undefined;
    // Lanes beyond those in use may have places beyond the buffer: they repeat the last one in use.
    for (let lane = 0; lane < Math.max(this.#scopes.lanes, 1); lane++) {
      const { base, offset } = at(lane);
      if (wide === 1) {
        const byte = i32.load8(base, offset);
        value = value === undefined ? i32x4.splat(byte) : i32x4.withLane(value, byte, lane);
      } else value = value === undefined ? v128.load1(base, offset) : v128.loadLane(base, value, lane, offset);
    }
    return value!;
  }
}
