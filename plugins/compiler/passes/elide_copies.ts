/**
 * Leaving out copies: what is stored only to be copied elsewhere is stored there.
 *
 * @module
 */
import type { Expressions } from "../ir/expressions.ts";
import type { Plan } from "../ir/plan.ts";
import { points, strides } from "../ir/shape.ts";
import type { Buffer, Expression, Kernel, Nest, Store } from "../ir/types.ts";
import { mapKernel } from "./map_kernel.ts";

/** A scratch buffer, and where in another one all of its elements belong. */
interface Target {
  readonly buffer: Buffer;
  readonly offset: number;
}

/** A plan in which the parts of joined values are stored where they belong from the start. */
export function elideCopies(plan: Plan): Plan {
  const scattered = new Set(plan.kernels.flatMap((kernel) => kernel.kind === "scatter" ? [kernel.target] : []));
  const targets = new Map<Buffer, Target>();
  const kernels: Kernel[] = [];
  for (const kernel of plan.kernels) {
    const stores = kernel.kind !== "nest" ? [] : kernel.stores.filter((store) => {
      const copy = copyIn(kernel, store);
      if (copy === undefined || scattered.has(copy.from) || targets.has(copy.from)) return false;
      targets.set(copy.from, copy.to);
      return true;
    });
    if (stores.length === 0) kernels.push(kernel);
    else if (kernel.kind === "nest") {
      const rest = kernel.stores.filter((store) => !stores.includes(store));
      if (rest.length > 0) kernels.push({ ...kernel, stores: rest });
    }
  }
  if (targets.size === 0) return plan;
  const retarget = new Retarget(plan.expressions, targets);
  return {
    ...plan,
    kernels: kernels.map((kernel) => retarget.kernel(kernel)),
    scratch: plan.scratch.filter((buffer) => !targets.has(buffer)),
  };
}

/** A store that copies a whole scratch buffer, in order, to a place that nothing else is stored to before. */
function copyIn(nest: Nest, { buffer, index, value }: Store): { from: Buffer; to: Target } | undefined {
  if (nest.reductions.length > 0 || nest.inner.length > 0) return undefined;
  if (value.kind !== "load" || value.buffer.role.kind !== "scratch" || value.buffer.type !== buffer.type) {
    return undefined;
  }
  if (buffer.role.kind !== "scratch" && buffer.role.kind !== "sums") return undefined;
  const from = strides(value.index);
  const to = strides(index);
  if (from === undefined || to === undefined || from.constant !== 0) return undefined;
  if (points(nest.outer) !== value.buffer.size || from.axes.size !== to.axes.size) return undefined;
  if ([...from.axes].some(([axis, stride]) => to.axes.get(axis) !== stride)) return undefined;
  return { from: value.buffer, to: { buffer, offset: to.constant } };
}

class Retarget {
  readonly #ir: Expressions;
  readonly #targets: ReadonlyMap<Buffer, Target>;
  readonly #done = new Map<Expression, Expression>();

  constructor(ir: Expressions, targets: ReadonlyMap<Buffer, Target>) {
    this.#ir = ir;
    this.#targets = targets;
  }

  kernel(kernel: Kernel): Kernel {
    return mapKernel(kernel, {
      expression: (x) => this.#move(x),
      store: (store) => {
        const target = this.#find(store.buffer);
        return target === undefined
          ? store
          : { ...store, buffer: target.buffer, index: this.#ir.add(store.index, target.offset) };
      },
    });
  }

  #move(x: Expression): Expression {
    return this.#ir.rewrite(x, (part) => {
      if (part.kind !== "load") return undefined;
      const target = this.#find(part.buffer);
      if (target === undefined) return undefined;
      return this.#ir.load(target.buffer, this.#ir.add(this.#move(part.index), target.offset), part.type);
    }, this.#done);
  }

  /** Through chains of copies. */
  #find(buffer: Buffer): Target | undefined {
    const target = this.#targets.get(buffer);
    if (target === undefined) return undefined;
    const further = this.#find(target.buffer);
    return further === undefined ? target : { buffer: further.buffer, offset: further.offset + target.offset };
  }
}
