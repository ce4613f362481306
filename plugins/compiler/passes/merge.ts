/**
 * Merging kernels: chains of elementwise work into what produces their input, rows of reductions into one, updates of
 * variables into what computes them.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { Plan } from "../ir/plan.ts";
import { operandsOf, reads, walk, writes } from "../ir/shape.ts";
import type { Buffer, Expression, Kernel, Nest } from "../ir/types.ts";
import { mergeKernels } from "./merge_kernels.ts";

/** Options of `mergePlan`. */
export interface MergePlanOptions {
  /** How many buffers a kernel may use. @default no limit */
  readonly maxOperands?: number;
}

/** How many kernels that read the same are looked at for one. */
const NEIGHBOURS = 12;
const SWEEPS = 4;

/** A plan that computes the same numbers in fewer kernels, without the values that nobody then reads. */
export function mergePlan(plan: Plan, { maxOperands = Infinity }: MergePlanOptions = {}): Plan {
  const schedule = new Schedule(plan.kernels, plan.expressions, maxOperands);
  for (let sweep = 0; sweep < SWEEPS && schedule.sweep(); sweep++);
  const kernels = schedule.kernels();
  const used = new Set(kernels.flatMap((kernel) => [...reads(kernel), ...writes(kernel)]));
  return { ...plan, kernels, scratch: plan.scratch.filter((buffer) => used.has(buffer)) };
}

/** A kernel at its place in the order. */
interface Place {
  readonly kernel: Kernel;
  readonly position: number;
  readonly reads: ReadonlySet<Buffer>;
  readonly writes: ReadonlySet<Buffer>;
}

class Schedule {
  readonly #ir: Expressions;
  readonly #maxOperands: number;
  readonly #order: (Place | undefined)[];
  readonly #readers = new Map<Buffer, Set<Place>>();
  readonly #writers = new Map<Buffer, Set<Place>>();

  constructor(kernels: readonly Kernel[], ir: Expressions, maxOperands: number) {
    this.#ir = ir;
    this.#maxOperands = maxOperands;
    this.#order = new Array(kernels.length);
    kernels.forEach((kernel, position) => this.#put(kernel, position));
  }

  kernels(): Kernel[] {
    return this.#order.flatMap((place) => place === undefined ? [] : [place.kernel]);
  }

  /** Tries each kernel once. @returns Whether any were merged. */
  sweep(): boolean {
    let changed = false;
    for (let position = 0; position < this.#order.length; position++) {
      let place = this.#order[position];
      while (place !== undefined) {
        if (this.#dropIfDead(place)) changed = true;
        else if (this.#mergeWithAny(place)) changed = true;
        else break;
        // What was merged into an earlier kernel is tried again from there in the next sweep.
        place = this.#order[position];
      }
    }
    return changed;
  }

  #mergeWithAny(second: Place): Place | undefined {
    for (const first of this.#candidates(second)) {
      const position = this.#meetingPlace(first, second);
      if (position === undefined) continue;
      const kernel = mergeKernels(first.kernel, second.kernel, {
        ir: this.#ir,
        onlyHere: (buffer) => buffer.role.kind === "scratch" && this.#onlyReader(buffer, second),
      });
      if (kernel === undefined || operandsOf(kernel) > this.#maxOperands) continue;
      this.#remove(first);
      this.#remove(second);
      return this.#put(kernel, position);
    }
    return undefined;
  }

  /** Earlier kernels, nearest first: those that write what this one reads, then some that read the same. */
  #candidates(second: Place): Place[] {
    const before = (place: Place) => place.position < second.position;
    const nearest = (places: Iterable<Place>) =>
      [...new Set(places)].filter(before).sort((a, b) => b.position - a.position);
    const producers = nearest([...second.reads].flatMap((buffer) => [...this.#writers.get(buffer) ?? []]));
    const near = this.#order.slice(Math.max(0, second.position - NEIGHBOURS), second.position)
      .flatMap((place) => place === undefined ? [] : [place]);
    const siblings = nearest([
      ...near,
      ...[...second.reads].flatMap((buffer) => [...this.#readers.get(buffer) ?? []]),
    ]).filter((place) => !producers.includes(place)).slice(0, NEIGHBOURS);
    return [...producers, ...siblings];
  }

  /** Where both can run as one: at the later one's place, or the earlier one's. */
  #meetingPlace(first: Place, second: Place): number | undefined {
    if (!this.#conflicts(first, first.position, second.position)) return second.position;
    if (!this.#conflicts(second, first.position, second.position)) return first.position;
    return undefined;
  }

  /** Whether a kernel between two places must stay before or after this one. */
  #conflicts(place: Place, from: number, to: number): boolean {
    const between = (other: Place) => other.position > from && other.position < to;
    const any = (places: ReadonlySet<Place> | undefined) => places !== undefined && [...places].some(between);
    for (const buffer of place.reads) if (any(this.#writers.get(buffer))) return true;
    for (const buffer of place.writes) {
      if (any(this.#readers.get(buffer))) return true;
      // Several kernels may store into parts of one buffer; only a scatter depends on the order.
      if (place.kernel.kind === "scatter" && any(this.#writers.get(buffer))) return true;
    }
    return false;
  }

  #onlyReader(buffer: Buffer, reader: Place): boolean {
    return [...this.#readers.get(buffer) ?? []].every((place) => place === reader);
  }

  /** Leaves out stores that nobody reads. */
  #dropIfDead(place: Place): boolean {
    const dead = (buffer: Buffer) => buffer.role.kind === "scratch" && (this.#readers.get(buffer)?.size ?? 0) === 0;
    const { kernel } = place;
    if (![...place.writes].some(dead)) return false;
    if (kernel.kind === "scatter") {
      this.#remove(place);
      return true;
    }
    const stores = kernel.stores.filter(({ buffer }) => !dead(buffer));
    this.#remove(place);
    if (stores.length > 0) this.#put({ ...kernel, stores }, place.position);
    return true;
  }

  #put(given: Kernel, position: number): Place {
    const kernel = given.kind === "nest" ? withoutUnread(given) : given;
    const place = { kernel, position, reads: reads(kernel), writes: writes(kernel) };
    for (const buffer of place.reads) add(this.#readers, buffer, place);
    for (const buffer of place.writes) add(this.#writers, buffer, place);
    this.#order[position] = place;
    return place;
  }

  #remove(place: Place): void {
    for (const buffer of place.reads) this.#readers.get(buffer)?.delete(place);
    for (const buffer of place.writes) this.#writers.get(buffer)?.delete(place);
    this.#order[place.position] = undefined;
  }
}

function add(map: Map<Buffer, Set<Place>>, buffer: Buffer, place: Place): void {
  const places = map.get(buffer);
  if (places === undefined) map.set(buffer, new Set([place]));
  else places.add(place);
}

/** A nest without reductions whose results nothing reads. */
function withoutUnread(nest: Nest): Nest {
  const read = new Set<number>();
  const visit = (roots: readonly Expression[]) =>
    walk(roots, (part) => {
      if (part.kind === "result") read.add(part.result);
    });
  visit(nest.stores.flatMap(({ index, value }) => [index, value]));
  const reductions = nest.reductions.toReversed().filter(({ result, value }) => {
    if (read.has(result)) visit([value]);
    return read.has(result);
  }).reverse();
  return reductions.length === nest.reductions.length ? nest : { ...nest, reductions };
}
