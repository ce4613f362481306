/**
 * Expressions as instructions: each computed once, as far outside of loops as it may, four points at a time.
 *
 * Along one loop variable points are computed four at a time: what depends on it is a vector of them. What does not is
 * one int32 where it is an integer or truth value, else a vector of equal lanes.
 *
 * @module
 */
import type { Expressions } from "../../../compiler/ir/expressions.ts";
import { parts } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, LoadExpression, RandomExpression } from "../../../compiler/ir/types.ts";
import { type Operand, Operations } from "./operations.ts";
import type { Elementary } from "./elementary.ts";
import type { FunctionBuilder } from "./function_builder.ts";
import { callNumbered, choose, type Code, i32, i32x4, int, v128 } from "./instructions.ts";
import { canDrawEight, type Draw, keyAddress } from "./random.ts";

/** What an evaluator needs to know of the kernel that it writes. */
export interface EvaluatorSetting {
  /** The function being written. */
  readonly f: FunctionBuilder;
  /** Elementary functions and constants in it. */
  readonly e: Elementary;
  /** Whether products and sums may be rounded once. */
  readonly relaxed: boolean;
  /** The plan's pool: knows bounds of places. */
  readonly expressions: Expressions;
  /** Addresses of buffers, for this step. */
  readonly pointer: (buffer: Buffer) => Code;
  /** The address of a number of this step's row of the table. */
  readonly column: (name: string) => { readonly base: Code; readonly offset: number };
  /** The address of this step's random keys. */
  readonly keys: () => Code;
  /** The function that draws random numbers. */
  readonly random: (draw: Draw) => number;
  /** Buffers that the kernel stores: what is loaded of them is not kept beyond the point. */
  readonly stored: ReadonlySet<Buffer>;
}

/** A loop variable's value in a scope. */
export interface Binding {
  /** Which. */
  readonly axis: Axis;
  /** Its value; the first of several. */
  readonly value: Code;
  /** Is to be added to the value; known where it goes into addresses. @default 0 */
  readonly plus?: number;
  /** How many points from there on are computed at once, 1 to 4; absent where one, and it is a scalar. */
  readonly lanes?: number;
  /** Whether the value is a multiple of eight, and the vectors at it and four after it are both computed. @default false */
  readonly ofEight?: boolean;
}

interface Scope {
  readonly block: Code[];
  readonly values: Map<Expression, Operand>;
  readonly addresses: Map<string, Code>;
  readonly eights: Map<string, readonly [Code, Code]>;
  readonly places: Map<Expression, Place>;
}

/** Where an expression can be computed: in which scope, and whether its lanes differ there. */
interface Place {
  readonly level: number;
  readonly varying: boolean;
}

interface Bound extends Binding, Place {
  /** The scope from which on `value` is known. */
  readonly valueLevel: number;
}

/** Where an element lies: the constant part goes into the instruction. */
interface Address {
  readonly base: Code;
  readonly offset: number;
}

/** A sum of scalars, with the vector axis apart. */
interface Linear {
  readonly terms: readonly { readonly atom: Expression; readonly factor: number }[];
  readonly constant: number;
  /** By how much neighbouring lanes differ; 0 where they do not, absent where that is not known. */
  readonly stride?: number;
}

/** Writes expressions into a function. */
export class Evaluator {
  readonly #setting: EvaluatorSetting;
  readonly #f: FunctionBuilder;
  readonly #e: Elementary;
  readonly #operations: Operations;
  readonly #scopes: Scope[] = [];
  readonly #axes = new Map<Axis, Bound>();
  readonly #results = new Map<number, Place & { readonly operand: Operand }>();
  readonly #values = new Map<number, number>();
  #lanes = 0;

  /** Starts with one scope: the function. */
  constructor(setting: EvaluatorSetting) {
    this.#setting = setting;
    this.#f = setting.f;
    this.#e = setting.e;
    this.#operations = new Operations(setting);
    this.#open();
  }

  /** Runs `body` with loop variables known, in the block that is open now. What it computes is forgotten after. */
  scoped(bindings: readonly Binding[], body: () => void): void {
    const before = bindings.map(({ axis }) => this.#axes.get(axis));
    const lanes = this.#lanes;
    const results = new Map(this.#results);
    this.#open();
    for (const binding of bindings) {
      const level = this.#scopes.length - 1;
      const valueLevel = binding.value.constant !== undefined ? 0 : this.#valueLevel(binding.value, level);
      this.#axes.set(binding.axis, { ...binding, level, valueLevel, varying: binding.lanes !== undefined });
      if (binding.lanes !== undefined) this.#lanes = binding.lanes;
    }
    body();
    this.#scopes.pop();
    this.#lanes = lanes;
    bindings.forEach(({ axis }, i) => {
      const outer = before[i];
      if (outer === undefined) this.#axes.delete(axis);
      else this.#axes.set(axis, outer);
    });
    this.#results.clear();
    for (const [result, known] of results) this.#results.set(result, known);
  }

  /** Makes a result known in the innermost scope. @param varying Whether its lanes differ. */
  bindResult(result: number, operand: Operand, varying: boolean): void {
    this.#results.set(result, { operand, level: this.#scopes.length - 1, varying });
    // Nothing that was computed before can have depended on it, but where it was found to lie may have.
    this.#scopes.at(-1)!.places.clear();
  }

  /** The value in all lanes, as float32, int32 or masks. */
  vector(x: Expression): Code {
    const operand = this.#evaluate(x);
    if (operand.vector === undefined) {
      this.#at(x, () => {
        const scalar = operand.scalar!;
        operand.vector = this.#f.let(i32x4.splat(x.type === "bool" ? i32.sub(int(0), scalar) : scalar));
      });
    }
    return operand.vector!;
  }

  /** An integer or truth value (0 or 1) that is the same in all lanes. */
  scalar(x: Expression): Code {
    const operand = this.#evaluate(x);
    if (operand.scalar === undefined) {
      this.#at(x, () => {
        const lane = i32x4.lane(operand.vector!, 0);
        operand.scalar = this.#f.let(x.type === "bool" ? i32.and(lane, int(1)) : lane);
      });
    }
    return operand.scalar!;
  }

  /** How many points are computed at once; 0 where all is one point. */
  get lanes(): number {
    return this.#lanes;
  }

  /** A loop variable's value at the first point. */
  axisValue(axis: Axis): Code {
    const { value, plus } = this.#axes.get(axis)!;
    return i32.add(value, int(plus ?? 0));
  }

  /** Where a buffer begins. */
  pointer(buffer: Buffer): Code {
    return this.#setting.pointer(buffer);
  }

  /** A place's value at the first point, where those of the others follow one after the other. */
  first(place: Expression): Code {
    return this.varies(place) ? this.#sum(this.#linear(place), 1) : this.scalar(place);
  }

  /** Whether lanes differ. */
  varies(x: Expression): boolean {
    return this.#place(x).varying;
  }

  /** Says that a local holds a place from here on, so that addresses may be computed here already. */
  known(value: Code): void {
    this.#values.set(value.local!, this.#scopes.length - 1);
  }

  /** Stores a value at each of the points computed at once. */
  store(buffer: Buffer, index: Expression, x: Expression): void {
    this.storeVector(buffer, index, x.type === "bool" ? v128.and(this.vector(x), this.#e.int(1)) : this.vector(x));
    const top = this.#scopes.at(-1)!;
    for (const known of top.values.keys()) {
      if (known.kind !== "load" || known.buffer !== buffer) continue;
      if (known.index === index && known.type === x.type) top.values.set(known, this.#evaluate(x));
      else top.values.delete(known);
    }
  }

  /** Stores the lanes of a vector that are in use. */
  storeVector(buffer: Buffer, index: Expression, given: Code): void {
    if (buffer.type === "u8") {
      throw new TypeError(`Cannot store to buffer ${buffer.id}: it holds bytes, which only the host writes.`);
    }
    const value = this.#f.let(given);
    const linear = this.#linear(index);
    const pointer = this.#setting.pointer(buffer);
    if (linear.stride === undefined) {
      const places = this.vector(index);
      for (let lane = 0; lane < this.#lanes; lane++) {
        const address = i32.add(pointer, i32.mul(i32x4.lane(places, lane), int(4)));
        this.#f.emit(v128.storeLane(address, value, lane));
      }
      return;
    }
    const { base, offset } = this.#address(pointer, linear, 4);
    const lanes = linear.stride === 0 ? 1 : this.#lanes;
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

  /** The address of an element whose place is the same in all lanes, clamped into the buffer where it may be outside. */
  elementAddress(buffer: Buffer, index: Expression): Address {
    const pointer = this.#setting.pointer(buffer);
    const bytes = buffer.type === "u8" ? 1 : 4;
    if (this.#inside(buffer, index)) return this.#address(pointer, this.#linear(index), bytes);
    const place = this.#operations.clamp(this.scalar(index), 0, buffer.size - 1);
    return { base: i32.add(pointer, i32.mul(place, int(bytes))), offset: 0 };
  }

  #open(): void {
    this.#scopes.push({
      block: this.#f.block,
      values: new Map(),
      addresses: new Map(),
      eights: new Map(),
      places: new Map(),
    });
  }

  #at(x: Expression, body: () => void): void {
    this.#f.at(this.#scopes[this.#level(x)]!.block, body);
  }

  #valueLevel(value: Code, level: number): number {
    return this.#values.get(value.local!) ?? level;
  }

  #level(x: Expression): number {
    return this.#place(x).level;
  }

  /** The outermost scope in which an expression can be computed. */
  #place(x: Expression): Place {
    const { places } = this.#scopes.at(-1)!;
    let place = places.get(x);
    if (place === undefined) {
      place = this.#findPlace(x);
      places.set(x, place);
    }
    return place;
  }

  #findPlace(x: Expression): Place {
    if (x.kind === "axis") {
      const bound = this.#axes.get(x.axis);
      if (bound === undefined) {
        throw new RangeError(`Cannot compute an expression: loop variable ${x.axis.id} is not set in this scope.`);
      }
      return bound;
    }
    if (x.kind === "result") {
      const known = this.#results.get(x.result);
      if (known === undefined) throw new RangeError(`Cannot compute an expression: result ${x.result} is not known.`);
      return known;
    }
    let level = x.kind === "load" && this.#setting.stored.has(x.buffer) ? this.#scopes.length - 1 : 0;
    let varying = false;
    for (const part of parts(x)) {
      const place = this.#place(part);
      level = Math.max(level, place.level);
      varying ||= place.varying;
    }
    return { level, varying };
  }

  #evaluate(x: Expression): Operand {
    if (x.kind === "result") {
      this.#level(x);
      return this.#results.get(x.result)!.operand;
    }
    const scope = this.#scopes[this.#level(x)]!;
    let known = scope.values.get(x);
    if (known === undefined) {
      this.#f.at(scope.block, () => known = this.#compute(x));
      scope.values.set(x, known!);
    }
    return known!;
  }

  #compute(x: Exclude<Expression, { kind: "result" }>): Operand {
    switch (x.kind) {
      case "number":
        return this.#number(x.value, x.type);
      case "axis":
      case "affine":
        return this.#varyingPlace(x);
      case "load":
        return this.#load(x);
      case "column": {
        const { base, offset } = this.#setting.column(x.column);
        return { vector: this.#f.let(v128.loadSplat(base, offset)) };
      }
      case "random":
        return { vector: this.#random(x) };
      case "unary":
        return this.#operations.unary(x, this.#either(x.x));
      case "binary": {
        const fused = this.#fused(x);
        return fused ?? this.#operations.binary(x, this.#either(x.a), this.#either(x.b));
      }
      case "select":
        return this.#select(x);
      case "cast":
        return this.#operations.cast(x, this.#either(x.x));
      default:
        return x satisfies never;
    }
  }

  #random(x: RandomExpression): Code {
    const { distribution, stream, index } = x;
    const key = keyAddress(this.#setting.keys(), stream);
    const { terms, constant, stride } = this.#linear(index);
    const along = terms.map(({ atom }) => atom.kind === "axis" ? this.#axes.get(atom.axis) : undefined)
      .find((bound) => bound?.lanes !== undefined);
    const even = constant % 8 === 0 &&
      terms.every(({ atom, factor }) =>
        factor % 8 === 0 || (atom.kind === "axis" && this.#axes.get(atom.axis) === along)
      );
    if (!along?.ofEight || stride !== 1 || !even || !canDrawEight(distribution)) {
      return this.#f.let(
        callNumbered(this.#setting.random({ distribution, eight: false }), "v128", [this.vector(index), key]),
      );
    }
    // Drawn once for both vectors, where the first of their places is known.
    const level = Math.max(
      ...terms.map(({ atom }) =>
        atom.kind === "axis" && this.#axes.get(atom.axis) === along ? along.valueLevel : this.#level(atom)
      ),
    );
    const scope = this.#scopes[level]!;
    const name = `${distribution}:${stream}:${index.id}:${along.value.local ?? `at ${along.value.constant}`}`;
    let both = scope.eights.get(name);
    if (both === undefined) {
      this.#f.at(scope.block, () => {
        const first = i32.sub(this.#sum({ terms, constant }, 1), int(along.plus ?? 0));
        const counters = i32x4.add(i32x4.splat(i32.shrS(first, int(1))), this.#f.constant([0, 1, 2, 3]));
        both = this.#f.callForTwo(this.#setting.random({ distribution, eight: true }), [counters, key]);
      });
      scope.eights.set(name, both!);
    }
    return both![(along.plus ?? 0) / 4]!;
  }

  /** An operand whose missing form is made when asked for. */
  #either(x: Expression): Operand {
    const operand = this.#evaluate(x);
    const vector = () => this.vector(x);
    const scalar = () => this.scalar(x);
    const uniform = operand.scalar !== undefined;
    return {
      get vector() {
        return vector();
      },
      get scalar() {
        return uniform ? scalar() : undefined;
      },
    };
  }

  #number(value: number, type: Expression["type"]): Operand {
    if (type === "f32") return { vector: this.#e.float(value) };
    return { scalar: int(value) };
  }

  /** `a · b + c` and `c - a · b`, rounded once where that is allowed and the product is not known. */
  #fused(x: Expression & { kind: "binary" }): Operand | undefined {
    if (!this.#setting.relaxed || x.type !== "f32") return undefined;
    const product = (part: Expression) =>
      part.kind === "binary" && part.operation === "mul" &&
        !this.#scopes[this.#level(part)]!.values.has(part) && this.#level(part) === this.#level(x)
        ? part
        : undefined;
    if (x.operation === "add") {
      const [mul, other] = product(x.a) ? [product(x.a)!, x.b] : [product(x.b), x.a];
      if (mul === undefined) return undefined;
      return { vector: this.#f.let(this.#e.madd(this.vector(mul.a), this.vector(mul.b), this.vector(other))) };
    }
    const mul = x.operation === "sub" ? product(x.b) : undefined;
    if (mul === undefined) return undefined;
    return { vector: this.#f.let(this.#e.nmadd(this.vector(mul.a), this.vector(mul.b), this.vector(x.a))) };
  }

  #select(x: Expression & { kind: "select" }): Operand {
    const [condition, then, otherwise] = [x.condition, x.then, x.otherwise].map((part) => this.#either(part));
    if (condition!.scalar !== undefined && then!.scalar !== undefined && otherwise!.scalar !== undefined) {
      return { scalar: this.#f.let(choose(condition!.scalar, then!.scalar, otherwise!.scalar)) };
    }
    return { vector: this.#f.let(v128.select(condition!.vector!, then!.vector!, otherwise!.vector!)) };
  }

  #linear(index: Expression): Linear {
    const all = index.kind === "affine" ? index.terms : index.kind === "number" ? [] : [{ atom: index, factor: 1 }];
    const constant = index.kind === "affine" ? index.constant : index.kind === "number" ? index.value : 0;
    let stride: number | undefined = 0;
    for (const { atom, factor } of all) {
      if (!this.varies(atom)) continue;
      if (atom.kind === "axis" && stride !== undefined) stride += factor;
      else stride = undefined;
    }
    return { terms: all, constant, stride };
  }

  /** A sum of places as it differs from lane to lane, or a scalar. */
  #varyingPlace(x: Expression): Operand {
    const linear = this.#linear(x);
    if (linear.stride !== undefined) {
      const start = this.#f.let(this.#sum(linear, 1));
      if (linear.stride === 0 && !this.varies(x)) return { scalar: start };
      const s = linear.stride;
      return { vector: this.#f.let(i32x4.add(i32x4.splat(start), this.#f.constant([0, s, 2 * s, 3 * s]))) };
    }
    const scalars = linear.terms.filter(({ atom }) => !this.varies(atom));
    let sum = i32x4.splat(this.#sum({ terms: scalars, constant: linear.constant }, 1));
    for (const { atom, factor } of linear.terms) {
      if (!this.varies(atom)) continue;
      const value = this.vector(atom);
      sum = i32x4.add(sum, factor === 1 ? value : i32x4.mul(value, this.#e.int(factor)));
    }
    return { vector: this.#f.let(sum) };
  }

  /** The value of a sum at its first lane, times a number. */
  #sum({ terms, constant }: Linear, times: number): Code {
    let sum = int(constant * times);
    for (const { atom, factor } of terms) sum = i32.add(i32.mul(this.#first(atom), int(factor * times)), sum);
    return sum;
  }

  /** A term's value, at the first lane. */
  #first(atom: Expression): Code {
    if (atom.kind !== "axis") return this.scalar(atom);
    const { value, plus } = this.#axes.get(atom.axis)!;
    return i32.add(value, int(plus ?? 0));
  }

  /** Where the first lane's element lies: sums of terms of outer loops are kept in these. */
  #address(pointer: Code, { terms, constant }: Linear, bytes: number): Address {
    const byLevel = new Map<number, { atom: Expression; factor: number }[]>();
    let known = constant;
    let forward = true;
    for (const term of terms) {
      if (term.factor < 0) forward = false;
      const bound = term.atom.kind === "axis" ? this.#axes.get(term.atom.axis)! : undefined;
      known += (bound?.plus ?? 0) * term.factor;
      if (bound?.value.constant !== undefined) known += bound.value.constant * term.factor;
      else {
        const level = bound?.valueLevel ?? this.#level(term.atom);
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

  #step(
    level: number,
    base: Code,
    terms: readonly { readonly atom: Expression; readonly factor: number }[],
    constant: number,
    bytes = 1,
  ): Code {
    const scope = this.#scopes[level]!;
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
    const value = atom.kind === "axis" ? this.#axes.get(atom.axis)!.value.local : undefined;
    return `${value === undefined ? `x${atom.id}` : value}*${factor}`;
  }

  /** A term times a number: shared by all addresses that go the same way. */
  #scaled(level: number, atom: Expression, factor: number): Code {
    const { addresses } = this.#scopes[level]!;
    const value = atom.kind === "axis" ? this.#axes.get(atom.axis)!.value : this.scalar(atom);
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

  #load(x: LoadExpression): Operand {
    const { buffer, index } = x;
    const wide = buffer.type === "u8" ? 1 : 4;
    if (!this.varies(index)) return this.#loadOne(x, this.elementAddress(buffer, index));
    const linear = this.#linear(index);
    const inside = this.#inside(buffer, index);
    const pointer = this.#setting.pointer(buffer);
    let raw: Code;
    if (linear.stride === 1) {
      let address: Address;
      if (inside) address = this.#address(pointer, linear, wide);
      else {
        // Lanes must stay where they are: only vectors that lie outside as a whole are moved.
        const start = this.#operations.clamp(this.#f.let(this.#sum(linear, 1)), -4, buffer.size);
        address = { base: i32.add(pointer, i32.mul(start, int(wide))), offset: 0 };
      }
      raw = wide === 4
        ? v128.load(address.base, address.offset)
        : i32x4.ofBytes(v128.load1(address.base, address.offset));
    } else raw = this.#gather(x, inside ? linear : undefined);
    return { vector: this.#f.let(x.type === "bool" ? i32x4.ne(raw, this.#e.int(0)) : raw) };
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
      const given = this.vector(index);
      const places = linear !== undefined ? given : this.#f.let(
        i32x4.min(i32x4.max(given, this.#e.int(0)), this.#e.int(buffer.size - 1)),
      );
      at = (lane) => ({ base: i32.add(pointer, i32.mul(i32x4.lane(places, lane), int(wide))), offset: 0 });
    }
    let value: Code | undefined;
    // Lanes beyond those in use may have places beyond the buffer: they repeat the last one in use.
    for (let lane = 0; lane < Math.max(this.#lanes, 1); lane++) {
      const { base, offset } = at(lane);
      if (wide === 1) {
        const byte = i32.load8(base, offset);
        value = value === undefined ? i32x4.splat(byte) : i32x4.withLane(value, byte, lane);
      } else value = value === undefined ? v128.load1(base, offset) : v128.loadLane(base, value, lane, offset);
    }
    return value!;
  }
}
