/**
 * A step as kernels: what back ends compile.
 *
 * @module
 */
import type { Nested } from "../../../core/nested.ts";
import type { ValueInfo } from "../graph.ts";
import type { TableLookup } from "../lookups.ts";
import type { Expressions } from "./expressions.ts";
import type { Buffer, Kernel } from "./types.ts";

/** One step, or one half of one, as kernels. */
export interface Plan {
  /** Where its expressions and buffers were made, for passes that change it. */
  readonly expressions: Expressions;
  /** In the order in which they run. */
  readonly kernels: readonly Kernel[];
  /** What it reads and writes of the step's variables, by path. */
  readonly variables: ReadonlyMap<string, Buffer>;
  /** The buffers of inputs that it reads. */
  readonly inputs: readonly Buffer[];
  /** Row numbers; absent where no input is read. */
  readonly rows?: Buffer;
  /** The columns of the step table that it reads. */
  readonly columns: readonly string[];
  /** How many random streams it draws from: streams 0 to `streams - 1` of each step's key. */
  readonly streams: number;
  /** Metric and loss sums of one step. */
  readonly sums?: Buffer;
  /** What the step returns, in the order of its leaves. */
  readonly outputs: readonly Buffer[];
  /** How `outputs` are grouped, with their shapes and types; absent where the step returns nothing. */
  readonly returns?: Nested<ValueInfo>;
  /** All scratch buffers, those that lie within others left out. */
  readonly scratch: readonly Buffer[];
  /** All constants. */
  readonly constants: readonly Buffer[];
  /** Numbers of the batch that must be places in a table, which executors check before it runs. @default none */
  readonly lookups?: readonly TableLookup[];
  /** Gradients that it is given (apply) or gives (compute), by the phase's variables; absent in whole steps. */
  readonly gradients?: readonly (Buffer | null)[];
  /** How an executor will run it, a line each, for `explain`: only in plans that it hands out. @default nothing is said */
  readonly notes?: readonly string[];
}
