/**
 * Changing what stands in a kernel.
 *
 * @module
 */
import type { Axis, Expression, Kernel, Store } from "../ir/types.ts";

/** What becomes of the parts of a kernel. */
export interface KernelMap {
  /** Of every expression. */
  expression(x: Expression): Expression;
  /** Of every group of loops. @default they stay */
  axes?(axes: readonly Axis[]): readonly Axis[];
  /** Of every store, after its expressions. @default it stays */
  store?(store: Store): Store;
}

/** A kernel with other parts. The axis of a scan stays. */
export function mapKernel<K extends Kernel>(kernel: K, map: KernelMap): K {
  // Each kind gives its own kind, which the switch cannot tell.
  return mapAny(kernel, map) as K;
}

function mapAny(kernel: Kernel, { expression, axes = same, store = same }: KernelMap): Kernel {
  const stores = (all: readonly Store[]) =>
    all.map((each) => store({ ...each, index: expression(each.index), value: expression(each.value) }));
  switch (kernel.kind) {
    case "nest":
      return {
        ...kernel,
        outer: axes(kernel.outer),
        inner: axes(kernel.inner),
        reductions: kernel.reductions.map((reduction) => ({ ...reduction, value: expression(reduction.value) })),
        stores: stores(kernel.stores),
      };
    case "contraction":
      return {
        ...kernel,
        batch: axes(kernel.batch),
        rows: axes(kernel.rows),
        columns: axes(kernel.columns),
        inner: axes(kernel.inner),
        left: expression(kernel.left),
        right: expression(kernel.right),
        stores: stores(kernel.stores),
      };
    case "scan":
      return { ...kernel, outer: axes(kernel.outer), value: expression(kernel.value), stores: stores(kernel.stores) };
    case "scatter":
      return {
        ...kernel,
        outer: axes(kernel.outer),
        inner: axes(kernel.inner),
        index: expression(kernel.index),
        value: expression(kernel.value),
      };
    default:
      return kernel satisfies never;
  }
}

function same<T>(value: T): T {
  return value;
}
