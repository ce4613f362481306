/**
 * Making one kernel of two.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import { axesOf, cost, points, strides, walk } from "../ir/shape.ts";
import type { Axis, Buffer, Contraction, Expression, Kernel, Nest, Reduction, Scan, Store } from "../ir/types.ts";
import { alignAxes, type AxisMap } from "./align_axes.ts";

/** Below this many points, parallelism does not matter: launching does. */
const SMALL_POINTS = 16_384;
/** Enough parallel points to give up others for. */
const MANY_POINTS = 64;
/** What is computed again rather than read back costs at most this. */
const MOST_COST = 150;

/** What `mergeKernels` is told. */
export interface MergeOptions {
  /** Makes expressions. */
  readonly ir: Expressions;
  /** Whether a buffer that the first stores is read by nobody but the second: its store goes. */
  readonly onlyHere: (buffer: Buffer) => boolean;
}

/**
 * One kernel that does what two do, the first before the second; `undefined` where they do not fit together.
 *
 * Where the second reads what the first stores, each of its points must read what the same point stores.
 */
export function mergeKernels(first: Kernel, second: Kernel, options: MergeOptions): Kernel | undefined {
  if (second.kind !== "nest" || first.kind === "scatter") return undefined;
  const map = mapAxes(options.ir, first, second);
  if (map === undefined) return undefined;
  const merger = new Merger(first, map, options);
  const moved = merger.move(second);
  if (moved === undefined) return undefined;
  const kept = first.stores.filter(({ buffer }) => !(merger.forwarded.has(buffer) && options.onlyHere(buffer)));
  const stores = orderStores([...kept, ...moved.stores]);
  if (stores === undefined) return undefined;
  const merged = first.kind === "nest"
    ? mergeNests(first, moved, stores)
    : runsAlike(moved, { outer: loopsOf(first), inner: [] })
    ? { ...first, stores }
    : undefined;
  if (merged === undefined || !isSafe(merged)) return undefined;
  return { ...merged, from: [...new Set([...first.from ?? [], ...second.from ?? []])] };
}

/** The loops over which a kernel may store. */
function loopsOf(kernel: Nest | Contraction | Scan): readonly Axis[] {
  switch (kernel.kind) {
    case "nest":
      return [...kernel.outer, ...kernel.inner];
    case "contraction":
      return [...kernel.batch, ...kernel.rows, ...kernel.columns];
    case "scan":
      return [...kernel.outer, kernel.along];
    default:
      return kernel satisfies never;
  }
}

/** What the second kernel's loop variables are in terms of the first's. */
function mapAxes(ir: Expressions, first: Nest | Contraction | Scan, second: Nest): AxisMap | undefined {
  const map: AxisMap = new Map();
  let shared = false;
  for (const load of loadsIn(second)) {
    const stores = first.stores.filter(({ buffer }) => buffer === load.buffer);
    if (stores.length === 0) continue;
    shared = true;
    if (stores.length > 1 || !alignAxes(ir, load.index, stores[0]!.index, map)) return undefined;
  }
  const loops = [...second.outer, ...second.inner];
  if (!shared) {
    return first.kind === "nest" && (isSmall(first) || isSmall(second) || readTheSame(first, second))
      ? mapInOrder(ir, first, second)
      : undefined;
  }
  const places = [...map.values()].flatMap((place) => [...axesOf(place)]);
  const taken = new Set(places);
  // Two loops of the second kernel that walk the same memory are not one loop of the first.
  if (taken.size < places.length) return undefined;
  const free = loopsOf(first).filter((axis) => !taken.has(axis));
  const open = loops.filter((axis) => !map.has(axis));
  if (open.length === free.length && open.every(({ size }, at) => size === free[at]!.size)) {
    open.forEach((axis, at) => map.set(axis, ir.axisExpression(free[at]!)));
  } else {
    // Loops that the first kernel lacks stay the second's own.
    for (const axis of open) map.set(axis, ir.axisExpression(axis));
  }
  return map;
}

function isSmall({ outer, inner }: Nest): boolean {
  return points([...outer, ...inner]) <= SMALL_POINTS;
}

/** Whether what one kernel loads saves the other a load. Else running as one only makes large values live longer. */
function readTheSame(first: Nest, second: Nest): boolean {
  const buffers = new Set(loadsIn(first).map(({ buffer }) => buffer));
  return loadsIn(second).some(({ buffer }) => buffers.has(buffer));
}

/** Two kernels that share no values fit where their loops are alike. */
function mapInOrder(ir: Expressions, first: Nest, second: Nest): AxisMap | undefined {
  const alike = (a: readonly Axis[], b: readonly Axis[]) =>
    a.length === b.length && a.every(({ size }, at) => size === b[at]!.size);
  if (!alike(first.outer, second.outer)) return undefined;
  const map: AxisMap = new Map(second.outer.map((axis, at) => [axis, ir.axisExpression(first.outer[at]!)]));
  if (second.inner.length > 0 && first.inner.length > 0) {
    if (!alike(first.inner, second.inner)) return undefined;
    second.inner.forEach((axis, at) => map.set(axis, ir.axisExpression(first.inner[at]!)));
  } else for (const axis of second.inner) map.set(axis, ir.axisExpression(axis));
  return map;
}

/** A nest in terms of another kernel's loops and results. */
interface Moved {
  readonly outer: readonly Axis[];
  readonly inner: readonly Axis[];
  readonly reductions: readonly Reduction[];
  readonly stores: readonly Store[];
}

class Merger {
  /** Buffers of the first kernel whose values the second now computes from the same parts. */
  readonly forwarded: Set<Buffer> = new Set();
  readonly #ir: Expressions;
  readonly #map: AxisMap;
  readonly #stored: Map<Buffer, Store>;
  readonly #done = new Map<Expression, Expression>();
  #failed = false;

  constructor(first: Nest | Contraction | Scan, map: AxisMap, { ir }: MergeOptions) {
    this.#ir = ir;
    this.#map = map;
    this.#stored = new Map(first.stores.map((store) => [store.buffer, store]));
  }

  move(second: Nest): Moved | undefined {
    const go = (x: Expression) => this.#ir.rewrite(x, (part) => this.#replace(part), this.#done);
    const moved: Moved = {
      outer: this.#axes(second.outer),
      inner: this.#axes(second.inner),
      reductions: second.reductions.map((reduction) => ({ ...reduction, value: go(reduction.value) })),
      stores: second.stores.map((store) => ({ ...store, index: go(store.index), value: go(store.value) })),
    };
    return this.#failed ? undefined : moved;
  }

  #axes(axes: readonly Axis[]): Axis[] {
    return axes.flatMap((axis) => [...axesOf(this.#map.get(axis)!)]);
  }

  #replace(part: Expression): Expression | undefined {
    if (part.kind === "axis") return this.#map.get(part.axis);
    if (part.kind !== "load") return undefined;
    const store = this.#stored.get(part.buffer);
    if (store === undefined) return undefined;
    const index = this.#ir.rewrite(part.index, (inside) => this.#replace(inside), this.#done);
    if (index !== store.index || store.value.type !== part.type || cost(store.value) > MOST_COST) {
      this.#failed = true;
      return part;
    }
    this.forwarded.add(part.buffer);
    return store.value;
  }
}

/** Two nests as one, where each store and reduction still runs over the loops that it ran over. */
function mergeNests(first: Nest, second: Moved, stores: readonly Store[]): Nest | undefined {
  const reductions = [...first.reductions, ...second.reductions];
  const all = [...first.outer, ...first.inner];
  const others = [...second.outer, ...second.inner];
  const build = (outer: readonly Axis[], inner: readonly Axis[]): Nest | undefined => {
    if (!runsAlike(first, { outer, inner }) || !runsAlike(second, { outer, inner })) return undefined;
    const nest: Nest = { kind: "nest", outer, inner, reductions, stores };
    return isWorth(nest, Math.max(points(first.outer), points(second.outer))) ? nest : undefined;
  };
  if (first.reductions.length > 0 && second.reductions.length > 0) {
    return sameAxes(first.inner, second.inner) && sameAxes(first.outer, second.outer)
      ? build(first.outer, first.inner)
      : undefined;
  }
  if (first.reductions.length > 0 || first.inner.length > 0) return build(first.outer, first.inner);
  if (second.reductions.length > 0 || second.inner.length > 0) return build(second.outer, second.inner);
  if (sameAxes(all, others)) return build(first.outer, []);
  // A row's value first, then the elements of the row.
  return build(all, others.filter((axis) => !all.includes(axis)));
}

/** Whether stores and reductions of a nest run over the same points where its loops are cut into outer and inner ones anew. */
function runsAlike(nest: Moved, cut: Pick<Nest, "outer" | "inner">): boolean {
  if (nest.reductions.length > 0 && !(sameAxes(nest.outer, cut.outer) && sameAxes(nest.inner, cut.inner))) return false;
  return nest.stores.every(({ index }) => sameAxes(loopsOfStore(index, nest), loopsOfStore(index, cut)));
}

/** The loops that a store is done in: the inner ones too where its index has one of them. */
function loopsOfStore(index: Expression, { outer, inner }: Pick<Nest, "outer" | "inner">): readonly Axis[] {
  const axes = axesOf(index);
  return inner.some((axis) => axes.has(axis)) ? [...outer, ...inner] : outer;
}

/** Whether giving up parallel points pays: memory is walked in order and enough of them are left, or there are few anyway. */
function isWorth(nest: Nest, before: number): boolean {
  const outer = points(nest.outer);
  if (outer >= before) return true;
  if (outer * points(nest.inner) <= SMALL_POINTS) return true;
  /** Whether neighbours in memory are neighbours in the inner loops; what is stored once a row does not matter. */
  const innermost = (place: Expression) => {
    const found = strides(place)?.axes;
    if (found === undefined) return true;
    const axes = [...found];
    return !axes.some(([axis]) => nest.inner.includes(axis)) ||
      axes.every(([axis, stride]) => stride !== 1 || nest.inner.includes(axis));
  };
  return outer >= MANY_POINTS && nest.stores.every(({ index }) => innermost(index));
}

/**
 * Stores in an order in which none overwrites what a later one loads; `undefined` where there is none. Others keep theirs.
 */
function orderStores(stores: readonly Store[]): readonly Store[] | undefined {
  const written = new Set(stores.map(({ buffer }) => buffer));
  const loads = new Map(stores.map((store) => {
    const found = new Set<Buffer>();
    walk([store.value, store.index], (part) => {
      if (part.kind === "load" && written.has(part.buffer)) found.add(part.buffer);
    });
    return [store, found];
  }));
  const left = [...stores];
  const ordered: Store[] = [];
  while (left.length > 0) {
    const next = left.findIndex((store) =>
      !left.some((other) => other !== store && loads.get(other)!.has(store.buffer))
    );
    if (next < 0) return undefined;
    ordered.push(...left.splice(next, 1));
  }
  return ordered;
}

/** Whether each point of a kernel reads, of what it stores too, its own part only. */
function isSafe(kernel: Kernel): boolean {
  if (kernel.kind === "scatter") return true;
  const places = new Map<Buffer, Expression>();
  for (const { buffer, index } of kernel.stores) {
    if (places.has(buffer)) places.set(buffer, undefined as unknown as Expression);
    else places.set(buffer, index);
  }
  const safe = (roots: readonly Expression[], own: boolean) => {
    let fine = true;
    walk(roots, (part) => {
      if (part.kind === "load" && places.has(part.buffer) && !(own && places.get(part.buffer) === part.index)) {
        fine = false;
      }
    });
    return fine;
  };
  const stored = kernel.stores.flatMap(({ index, value }) => [index, value]);
  switch (kernel.kind) {
    case "nest":
      return safe([...stored, ...kernel.reductions.map(({ value }) => value)], true);
    case "contraction":
      return safe([kernel.left, kernel.right], false) && safe(stored, true);
    case "scan":
      return safe([kernel.value], false) && safe(stored, true);
    default:
      return kernel satisfies never;
  }
}

function loadsIn(nest: Nest) {
  const found: (Expression & { kind: "load" })[] = [];
  walk(
    [...nest.reductions.map(({ value }) => value), ...nest.stores.flatMap(({ index, value }) => [index, value])],
    (part) => {
      if (part.kind === "load") found.push(part);
    },
  );
  return found;
}

function sameAxes(a: readonly Axis[], b: readonly Axis[]): boolean {
  return a.length === b.length && a.every((axis) => b.includes(axis));
}
