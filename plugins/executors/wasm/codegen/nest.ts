/**
 * Loop nests: maps and reductions, four points at a time along the axis that suits them best.
 *
 * @module
 */
import { rootOf } from "../../../compiler/ir/buffers.ts";
import { axesOf, cost, expressionsOf, points, walk } from "../../../compiler/ir/shape.ts";
import type { Axis, Buffer, Expression, Nest, Reduction, Store } from "../../../compiler/ir/types.ts";
import { identity, merge, mergeLanes } from "./combine.ts";
import type { Code } from "./instructions.ts";
import { f32x4, i32, i32x4, int, v128 } from "./instructions.ts";
import {
  type KernelWriter,
  overAxes,
  overUnits,
  overVectorGroups,
  overVectors,
  splitUnits,
  type Units,
  unrollLimit,
} from "./loops.ts";
import type { Binding } from "./scopes.ts";
import { accessesOf, strideAlong } from "./strides.ts";

/** How a nest is run. */
export interface NestSchedule {
  /** Work that threads share. */
  readonly units: Units;
  /** The loop variable of which four values are computed at once. */
  readonly vector?: Axis;
  /** Operations of the whole nest, roughly. */
  readonly cost: number;
}

/** Chooses how a nest is run. */
export function scheduleNest(nest: Nest): NestSchedule {
  const vector = chooseVector(nest);
  const perPoint = operations(nest) / (vector === undefined ? 1 : 3);
  const inside = points(nest.inner);
  return {
    units: splitUnits(nest.outer, nest.outer.includes(vector!) ? vector : undefined, perPoint * inside),
    ...vector !== undefined && { vector },
    cost: points(nest.outer) * inside * perPoint,
  };
}

/** Operations of one point. */
function operations(nest: Nest): number {
  const values = [...nest.reductions.map(({ value }) => value), ...nest.stores.map(({ value }) => value)];
  let total = nest.stores.length + nest.reductions.length;
  for (const value of values) total += cost(value);
  walk(values, (part) => {
    if (part.kind === "load") total++;
  });
  return total;
}

/** The axis along which four points take the fewest instructions; none where one by one is as good. */
function chooseVector(nest: Nest): Axis | undefined {
  const accesses = accessesOf(nest);
  const compute = operations(nest);
  const places = nest.reductions.some(({ combine }) => combine === "argMax" || combine === "argMin");
  const candidates = places ? nest.outer : [...nest.outer, ...nest.inner];
  let best: Axis | undefined;
  // One point at a time, each instruction does a quarter of the work.
  let least = (compute + accesses.length) * 0.9;
  for (const axis of candidates) {
    let work = compute / 4;
    for (const { index, stored } of accesses) {
      const stride = strideAlong(index, axis);
      const instructions = stride === 0 ? 0.1 : stride === 1 ? 0.25 : stored ? 1.2 : 1.1;
      // What does not change in the inner loops is done once.
      const repeated = nest.inner.length === 0 || nest.inner.some((each) => axesOf(index).has(each));
      work += repeated ? instructions : instructions / points(nest.inner);
    }
    // Lanes are added up once for each outer point.
    if (nest.inner.includes(axis)) work += 10 * nest.reductions.length / points(nest.inner);
    // Neighbours in memory are looked at one after the other where the innermost loop is the vector's.
    else if (nest.inner.length > 0) work *= 1.05;
    work *= 4 * Math.ceil(axis.size / 4) / axis.size;
    if (work <= least) {
      least = work;
      best = axis;
    }
  }
  return best;
}

/** Writes a nest's function. */
export function writeNest(nest: Nest, { units, vector }: NestSchedule, k: KernelWriter): void {
  const together = vector === undefined ? 1 : vectorsTogether(nest, vector);
  overUnits(k, units, (block) => {
    const inside = new NestBody(nest, vector, k);
    if (vector === undefined || !nest.outer.includes(vector)) inside.write();
    else if (together > 1) overVectorGroups(k, vector, block, together, (vectors) => inside.writeTogether(vectors));
    else overVectors(k, vector, block, draws(nest) ? 2 : 1, () => inside.write());
  });
}

/** Sums that there are registers for. */
const SUMS_IN_REGISTERS = 8;
/** Shorter reductions stay in the first cache however they walk. */
const LONG_REDUCTION = 32;
/** Elements of a cache line. */
const LINE = 16;

/**
 * How many vectors of neighbours are reduced in one pass: where each turn of the inner loops is on another cache line, all
 * of a line is used at once rather than fetched again.
 */
function vectorsTogether(nest: Nest, vector: Axis): number {
  const { outer, inner, reductions } = nest;
  if (!outer.includes(vector) || points(inner) < LONG_REDUCTION || reductions.length === 0) return 1;
  if (groupReductions(reductions).length > 1) return 1;
  const last = inner.at(-1)!;
  const far = accessesOf(nest).some(({ index, stored }) =>
    !stored && strideAlong(index, vector) === 1 && Math.abs(strideAlong(index, last) ?? 0) >= LINE
  );
  const most = SUMS_IN_REGISTERS / reductions.length;
  return !far || most < 2 ? 1 : most < 4 ? 2 : 4;
}

/** Whether random numbers are drawn: eight at once take as long as four. */
function draws(nest: Nest): boolean {
  let found = false;
  walk(expressionsOf(nest), (part) => {
    if (part.kind === "random") found = true;
  });
  return found;
}

/** How many sums are kept apart, so that one need not wait for another. */
const ACCUMULATORS = 4;

/** What a reduction has so far: a value, and for places where it was found. */
interface Accumulator {
  readonly value: Code;
  readonly place?: Code;
}

/** What is done for each outer point, or for four of them. */
class NestBody {
  readonly #nest: Nest;
  readonly #k: KernelWriter;
  /** Set where four inner points are computed at once. */
  readonly #along: Axis | undefined;
  readonly #kept: Kept | undefined;

  constructor(nest: Nest, vector: Axis | undefined, k: KernelWriter) {
    this.#nest = nest;
    this.#k = k;
    this.#along = vector !== undefined && nest.inner.includes(vector) ? vector : undefined;
    this.#kept = this.#along && findKept(nest, this.#along);
  }

  /** Reductions, then stores. */
  write(): void {
    for (const group of groupReductions(this.#nest.reductions)) this.#reduce(group);
    for (const group of groupStores(this.#nest)) this.#store(group);
  }

  /** The same for several vectors of outer points, which are reduced in one pass. Reductions must not need each other. */
  writeTogether(vectors: readonly Binding[]): void {
    const { evaluator } = this.#k;
    const { inner, reductions } = this.#nest;
    const accumulators = vectors.map(() => reductions.map((reduction) => this.#newAccumulator(reduction)));
    const limit = unrollLimit(reductions.reduce((total, { value }) => total + cost(value), 0) * vectors.length);
    overAxes(
      this.#k,
      inner,
      () =>
        vectors.forEach((vector, v) =>
          evaluator.scoped(
            [vector],
            () => reductions.forEach((reduction, i) => this.#accumulate(reduction, accumulators[v]![i]!, 4)),
          )
        ),
      limit,
    );
    vectors.forEach((vector, v) =>
      evaluator.scoped([vector], () => {
        reductions.forEach(({ result }, i) => {
          const { value, place } = accumulators[v]![i]!;
          evaluator.bindResult(result, { vector: place ?? value }, true);
        });
        for (const group of groupStores(this.#nest)) this.#store(group);
      })
    );
  }

  #reduce(group: readonly Reduction[]): void {
    const { f, evaluator } = this.#k;
    const along = this.#along;
    const { inner } = this.#nest;
    const others = inner.filter((axis) => axis !== along);
    const copies = along === undefined
      ? 1
      : Math.max(1, Math.min(ACCUMULATORS, Math.floor(along.size / 4), group.length > 2 ? 2 : ACCUMULATORS));
    const accumulators = group.map((reduction) =>
      Array.from({ length: copies }, () => this.#newAccumulator(reduction))
    );
    const body = (which: number, lanes: number) =>
      group.forEach((reduction, i) => this.#accumulate(reduction, accumulators[i]![which]!, lanes));
    const limit = unrollLimit(group.reduce((total, { value }) => total + cost(value), 0));
    overAxes(this.#k, others, () => {
      if (along === undefined) return body(0, 4);
      const range = { start: int(0), end: int(along.size) };
      overVectors(this.#k, along, range, copies, (which) => body(which, evaluator.lanes));
    }, along === undefined ? limit : 1);
    group.forEach((reduction, i) => {
      const [first, ...rest] = accumulators[i]!;
      let value = first!.value;
      for (const other of rest) value = f.let(merge(reduction, value, other.value));
      if (along !== undefined) value = mergeLanes(f, reduction, value);
      evaluator.bindResult(reduction.result, { vector: first!.place ?? value }, along === undefined);
    });
  }

  #newAccumulator(reduction: Reduction): Accumulator {
    const { f, e } = this.#k;
    const value = f.local("v128");
    f.set(value, identity(reduction, e));
    if (reduction.combine !== "argMax" && reduction.combine !== "argMin") return { value };
    const place = f.local("v128");
    f.set(place, e.int(0));
    return { value, place };
  }

  #accumulate(reduction: Reduction, { value: so, place }: Accumulator, lanes: number): void {
    const { f, e, evaluator } = this.#k;
    const value = evaluator.vector(reduction.value);
    if (place !== undefined) {
      const at = f.let(this.#placeAlongInner());
      const float = reduction.value.type === "f32";
      const better = reduction.combine === "argMax" ? (float ? f32x4.gt : i32x4.gtS) : (float ? f32x4.lt : i32x4.ltS);
      // The first is taken whatever it is: a NaN there is never beaten.
      const take = f.let(v128.or(better(value, so), i32x4.splat(i32.sub(int(0), i32.eqz(at)))));
      f.set(so, v128.select(take, value, so));
      f.set(place, v128.select(take, i32x4.splat(at), place));
      return;
    }
    const used = lanes === 4 ? value : v128.select(
      f.constant([-1, lanes > 1 ? -1 : 0, lanes > 2 ? -1 : 0, 0]),
      value,
      identity(reduction, e),
    );
    f.set(so, merge(reduction, so, lanes === 4 ? used : f.let(used)));
    if (this.#kept?.value === reduction.value) evaluator.keep(this.#kept.buffer, this.#kept.index, reduction.value);
  }

  #placeAlongInner(): Code {
    const { evaluator } = this.#k;
    let place: Code = int(0);
    for (const axis of this.#nest.inner) {
      place = i32.add(i32.mul(place, int(axis.size)), evaluator.axisValue(axis));
    }
    return place;
  }

  #store(group: StoreGroup): void {
    const { evaluator } = this.#k;
    const kept = group.stores.some(({ buffer }) => buffer === this.#kept?.buffer) ? this.#kept : undefined;
    const all = () => {
      if (kept !== undefined) evaluator.recall(kept.buffer, kept.index, kept.value);
      for (const { buffer, index, value } of group.stores) evaluator.store(buffer, index, value);
    };
    if (!group.inner) return evaluator.scoped([], all);
    const along = this.#along;
    const others = this.#nest.inner.filter((axis) => axis !== along);
    overAxes(this.#k, others, () => {
      if (along === undefined) return all();
      overVectors(this.#k, along, { start: int(0), end: int(along.size) }, 1, all);
    }, along === undefined ? unrollLimit(Infinity) : 1);
  }
}

/** What a reduction computes and a store needs again, as softmax's exponentials: until then it waits where the store goes. */
interface Kept {
  readonly value: Expression;
  readonly buffer: Buffer;
  readonly index: Expression;
}

/** Less is computed again sooner than read. */
const LEAST_KEPT = 10;

/** The last value that may be kept, four points side by side. */
function findKept(nest: Nest, along: Axis): Kept | undefined {
  const loaded = new Set<Buffer>();
  walk(expressionsOf(nest), (part) => part.kind === "load" && loaded.add(rootOf(part.buffer)));
  const mayWait = ({ buffer, index }: Store) =>
    buffer.role.kind === "scratch" && buffer.type === "f32" && !loaded.has(rootOf(buffer)) &&
    nest.stores.filter((store) => rootOf(store.buffer) === rootOf(buffer)).length === 1 &&
    nest.inner.every((axis) => axesOf(index).has(axis)) && strideAlong(index, along) === 1;
  for (const { value, type } of nest.reductions.toReversed()) {
    if (type !== "f32" || value.type !== "f32" || cost(value) < LEAST_KEPT || !axesOf(value).has(along)) continue;
    const store = nest.stores.find((store) => mayWait(store) && contains(store.value, value));
    if (store !== undefined) return { value, buffer: store.buffer, index: store.index };
  }
  return undefined;
}

function contains(x: Expression, part: Expression): boolean {
  let found = false;
  walk([x], (each) => {
    if (each === part) found = true;
  });
  return found;
}

/** Reductions that can run in one pass: none needs another's result. */
function groupReductions(reductions: readonly Reduction[]): Reduction[][] {
  const groups: Reduction[][] = [];
  for (const reduction of reductions) {
    const last = groups.at(-1);
    if (last !== undefined && !mentions(reduction.value, last.map(({ result }) => result))) last.push(reduction);
    else groups.push([reduction]);
  }
  return groups;
}

function mentions(x: Expression, results: readonly number[]): boolean {
  let found = false;
  walk([x], (part) => {
    if (part.kind === "result" && results.includes(part.result)) found = true;
  });
  return found;
}

interface StoreGroup {
  readonly inner: boolean;
  readonly stores: Store[];
}

/** Stores that can run in one pass over the inner points: none reads what another stored at another point. */
function groupStores({ inner, stores }: Nest): StoreGroup[] {
  const groups: StoreGroup[] = [];
  for (const store of stores) {
    const axes = new Set([...axesOf(store.index), ...axesOf(store.value)]);
    const inside = inner.some((axis) => axes.has(axis));
    const last = groups.at(-1);
    if (last !== undefined && last.inner === inside && !readsElsewhere(store, last.stores)) last.stores.push(store);
    else groups.push({ inner: inside, stores: [store] });
  }
  return groups;
}

function readsElsewhere({ index, value }: Store, before: readonly Store[]): boolean {
  const places = new Map<Buffer, Expression>(before.map((store) => [store.buffer, store.index]));
  let found = false;
  walk([index, value], (part) => {
    if (part.kind !== "load") return;
    const place = places.get(part.buffer);
    if (place !== undefined && place !== part.index) found = true;
  });
  return found;
}
