/**
 * Executors: how a replica runs steps. Imports from core and from the compiler that compiled executors share.
 *
 * @module
 */
import type { Executor } from "../../core/executor.ts";
import type { Factories } from "../../core/registry.ts";
import { eager } from "./eager.ts";
import { trace } from "./trace.ts";

export { eager } from "./eager.ts";
export { trace, type TraceOptions } from "./trace.ts";

/** The built-in executors by name. `auto` takes the fastest one that is there. */
export const executors: Factories<Executor> = {
  auto: eager,
  eager,
  trace: () => trace({ inner: eager() }),
};
